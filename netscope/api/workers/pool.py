"""A pool of workers that run many jobs in parallel and return the results in the order of the jobs."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import LifoQueue
from threading import Lock
from typing import Any

from netscope.api.result_cache import cache_environment
from netscope.api.workers.client import Worker, WorkerError
from netscope.errors import UsageError
from netscope.runtime.machine import available_memory_bytes, cores

WORKER_BYTES = 2**30
"""Expected memory of a worker, half of it for torch."""

MIN_DONE = 4
"""Number of finished jobs from which the remaining time is estimated."""

MAX_EARLY_PROCESSES = 8
"""Maximum number of processes to start before the number of jobs is known."""

_POLL_INTERVAL_S = 0.2
_THREADS_VARIABLE = "OMP_NUM_THREADS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A task for a worker.

    Attributes:
        label: name shown in progress messages.
        folder: working directory, where files and modules are searched.
        task: a key of ``server.TASKS``.
        arguments: plain data.
        timeout_s: seconds after which it is stopped, counted from when torch has been imported; None for no limit.
        needs_torch: whether to import torch first, outside the time limit.
        is_foreign: whether it runs code that is not installed, which may change anything in its process. Such jobs
            start last, each in a fresh process.
    """

    label: str
    folder: Path
    task: str
    arguments: Sequence[Any]
    timeout_s: float | None = None
    needs_torch: bool = True
    is_foreign: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """The progress of several jobs.

    Attributes:
        done: number of finished jobs.
        count: number of all jobs.
        running: labels of the running jobs.
        remaining_s: estimated seconds for the remaining jobs; None if it cannot be estimated.
    """

    done: int
    count: int
    running: tuple[str, ...]
    remaining_s: float | None


def choose_job_count(jobs: int | None, devices: Iterable[object]) -> int:
    """Returns the number of jobs to run in parallel: ``jobs``, or the number of cores, limited by memory.

    Args:
        jobs: number requested with ``-j``; None for the default.
        devices: devices on which the architectures are traced. On a GPU they share its memory, so by default they run
            one after another.

    Raises:
        UsageError: ``jobs`` is less than 1.
    """
    if jobs is not None:
        if jobs < 1:
            raise UsageError(f"the number of jobs (-j) must be at least 1, got {jobs}")
        return jobs
    if any(str(device).startswith("cuda") for device in devices):
        return 1
    available = available_memory_bytes()
    return max(1, cores() if available is None else min(cores(), available // WORKER_BYTES))


class WorkerPool:
    """A pool of workers, each of which takes the next job when it is free.

    A process is started only when a job finds no free one, so there are never more processes than jobs.
    """

    def __init__(self, count: int) -> None:
        """Starts no process yet.

        Args:
            count: maximum number of processes.
        """
        environment = {**_thread_limit(count), **cache_environment()}
        self._workers = tuple(Worker(Path(), environment=environment) for _ in range(count))
        self._free: LifoQueue[Worker] = LifoQueue()
        for worker in self._workers:
            self._free.put(worker)
        self._threads = ThreadPoolExecutor(count)

    def prepare(self, folder: Path) -> None:
        """Starts importing torch in up to ``MAX_EARLY_PROCESSES`` workers, before the number of jobs is known."""
        for _ in self._workers[:MAX_EARLY_PROCESSES]:
            self._threads.submit(self._prepare_worker, folder)

    def results(
        self, jobs: Sequence[Job], on_progress: Callable[[JobProgress], None] = lambda _: None
    ) -> Iterator[Any]:
        """Yields the results in the order of the jobs, each as soon as it and the ones before it are known.

        The result of a failed job is its ``WorkerError``; the other jobs continue.

        Args:
            jobs: jobs to run.
            on_progress: called with the progress several times per second.
        """
        at_once = min(len(self._workers), len(jobs))
        tracker = JobTracker([job.label for job in jobs], at_once)

        def submit(index: int) -> "Future[Any]":
            return self._threads.submit(self._run, jobs[index], tracker, index)

        def wait_for(future: "Future[Any]") -> Any:
            while True:
                on_progress(tracker.progress())
                if wait((future,), _POLL_INTERVAL_S).done:
                    return future.result()

        folders = list(dict.fromkeys(job.folder for job in jobs))
        order = sorted(range(len(jobs)), key=lambda index: (folders.index(jobs[index].folder), jobs[index].is_foreign))
        futures = {index: submit(index) for index in order}
        for index in range(len(jobs)):
            result = wait_for(futures[index])
            if at_once > 1 and isinstance(result, WorkerError) and result.out_of_memory:
                # Memory may suffice when the job runs alone.
                for other in futures.values():
                    wait_for(other)
                result = wait_for(submit(index))
            yield result

    def _prepare_worker(self, folder: Path) -> None:
        worker = self._free.get()
        try:
            # A failure here occurs again in a job, which reports it.
            with suppress(WorkerError):
                worker.prepare(folder)
        finally:
            self._free.put(worker)

    def _run(self, job: Job, tracker: "JobTracker", index: int) -> Any:
        worker = self._free.get()
        try:
            with suppress(WorkerError):
                worker.prepare(job.folder, import_torch=job.needs_torch, fresh=job.is_foreign)
            with tracker.track(index):
                return worker.run(job.task, job.arguments, timeout_s=job.timeout_s, fork=job.is_foreign)
        except WorkerError as error:
            return error
        finally:
            self._free.put(worker)

    def close(self) -> None:
        """Kills all processes, including busy ones."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.terminate()
        self._threads.shutdown()
        for worker in self._workers:
            worker.close()


class JobTracker:
    """A record of when jobs started and how long the finished ones took."""

    def __init__(self, labels: Sequence[str], at_once: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Starts with no job running.

        Args:
            labels: labels of the jobs.
            at_once: number of jobs that run in parallel.
            clock: returns the time in seconds.
        """
        self._labels = labels
        self._at_once = at_once
        self._clock = clock
        self._lock = Lock()
        self._started: dict[int, float] = {}
        self._durations: dict[int, float] = {}

    @contextmanager
    def track(self, index: int) -> Iterator[None]:
        """Records that a job runs within the context."""
        with self._lock:
            self._durations.pop(index, None)
            self._started[index] = self._clock()
        try:
            yield
        finally:
            with self._lock:
                self._durations[index] = self._clock() - self._started.pop(index)

    def progress(self) -> JobProgress:
        """Returns the current progress."""
        with self._lock:
            now = self._clock()
            started, durations = dict(self._started), list(self._durations.values())
        elapsed = [now - start for start in started.values()]
        return JobProgress(
            done=len(durations),
            count=len(self._labels),
            running=tuple(self._labels[index] for index in sorted(started)),
            remaining_s=estimate_remaining_s(durations, elapsed, len(self._labels), self._at_once),
        )


def estimate_remaining_s(
    durations: Sequence[float], elapsed: Sequence[float], count: int, at_once: int
) -> float | None:
    """Returns the seconds that the remaining jobs take if they are like the finished ones; None if unknown.

    It is unknown if too few jobs are finished, or if one runs longer than any before, as it may take any time.

    Args:
        durations: seconds that each finished job took.
        elapsed: seconds that each running job has taken so far.
        count: number of all jobs.
        at_once: number of jobs that run in parallel.
    """
    if len(durations) < max(MIN_DONE, at_once) or max(elapsed, default=0) > max(durations):
        return None
    mean = sum(durations) / len(durations)
    remaining = count - len(durations)
    work = remaining * mean - sum(min(seconds, mean) for seconds in elapsed)
    return work / min(at_once, remaining) if remaining else 0.0


def _thread_limit(count: int) -> Mapping[str, str]:
    """Returns the environment that divides the cores among ``count`` processes, unless the user set the threads."""
    if count == 1 or _THREADS_VARIABLE in os.environ:
        return {}
    return {_THREADS_VARIABLE: str(max(1, cores() // count))}
