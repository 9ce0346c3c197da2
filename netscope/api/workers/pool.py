"""Several workers at once, for many architectures: answers in the order of the jobs, whichever is done first."""

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

from netscope.api.result_cache import environment_of_workers
from netscope.api.workers.client import Worker, WorkerError
from netscope.errors import UsageError
from netscope.runtime.machine import available_memory_bytes, cores

WORKER_BYTES = 2**30
"""What a worker is expected to take: half of it for torch."""

FEWEST = 4
"""That have to be done before the time of the others is estimated."""

MOST_EARLY = 8
"""Processes that are started before it is known whether there is work for them."""

_LOOK_AFTER_S = 0.2
_OWN_THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a worker has to do.

    Attributes:
        label: what it is about, for whoever waits.
        folder: where files and modules are looked for.
        task: a key of ``worker.TASKS``.
        arguments: plain data.
        timeout_s: after which it is given up, counted from when torch has been imported; None for never.
        needs_torch: whether torch is imported beforehand.
        is_foreign: whether it runs code from elsewhere than what is installed, which may change anything. Such jobs are
            begun last, each in a process in which nothing ran before.
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
    """How far it has come.

    Attributes:
        done: jobs that are answered.
        count: all jobs.
        running: what is being worked on.
        left_s: how long the rest will take, in seconds; None where what is done does not tell.
    """

    done: int
    count: int
    running: tuple[str, ...]
    left_s: float | None


def jobs_at_once(jobs: int | None, devices: Iterable[object]) -> int:
    """How many architectures are worked on at once: as asked, or as many as there are cores and memory for.

    Args:
        jobs: as asked; None for the usual number.
        devices: on which they are traced. Those on a GPU share its memory, so that they run one after another unless
            something else is asked.

    Raises:
        UsageError: it is less than 1.
    """
    if jobs is not None:
        if jobs < 1:
            raise UsageError(f"the number of jobs (-j) must be at least 1, not {jobs}")
        return jobs
    if any(str(device).startswith("cuda") for device in devices):
        return 1
    available = available_memory_bytes()
    return max(1, cores() if available is None else min(cores(), available // WORKER_BYTES))


class Workers:
    """Workers of which each takes the next job when it is free.

    A process is started for a job when there is none that is free, so that there are never more than jobs.
    """

    def __init__(self, count: int) -> None:
        """Starts no process yet.

        Args:
            count: the most processes.
        """
        environment = {**_shared_cores(count), **environment_of_workers()}
        self._workers = tuple(Worker(Path(), environment=environment) for _ in range(count))
        self._free: LifoQueue[Worker] = LifoQueue()
        for worker in self._workers:
            self._free.put(worker)
        self._threads = ThreadPoolExecutor(count)

    def prepare(self, folder: Path) -> None:
        """Has ``MOST_EARLY`` of them import torch, while it is not known yet how many jobs there will be."""
        for _ in self._workers[:MOST_EARLY]:
            self._threads.submit(self._prepared, folder)

    def answers(self, jobs: Sequence[Job], tell: Callable[[JobProgress], None] = lambda _: None) -> Iterator[Any]:
        """The answers in the order of the jobs, each as soon as it and those before it are known.

        Where there is none, it is the ``WorkerError`` that says why; the others go on.

        Args:
            jobs: what is to be done.
            tell: is told now and then how far it has come.
        """
        at_once = min(len(self._workers), len(jobs))
        course = Course([job.label for job in jobs], at_once)

        def asked(index: int) -> "Future[Any]":
            return self._threads.submit(self._answer, jobs[index], course, index)

        def awaited(future: "Future[Any]") -> Any:
            while True:
                tell(course.progress())
                if wait((future,), _LOOK_AFTER_S).done:
                    return future.result()

        folders = list(dict.fromkeys(job.folder for job in jobs))
        begun = sorted(range(len(jobs)), key=lambda index: (folders.index(jobs[index].folder), jobs[index].is_foreign))
        futures = {index: asked(index) for index in begun}
        for index in range(len(jobs)):
            future = futures[index]
            answer = awaited(future)
            if at_once > 1 and isinstance(answer, WorkerError) and answer.out_of_memory:
                # Alone it may have enough.
                for other in futures.values():
                    awaited(other)
                answer = awaited(asked(index))
            yield answer

    def _prepared(self, folder: Path) -> None:
        worker = self._free.get()
        try:
            # What fails here fails again for a job, which is told.
            with suppress(WorkerError):
                worker.prepare(folder)
        finally:
            self._free.put(worker)

    def _answer(self, job: Job, course: "Course", index: int) -> Any:
        worker = self._free.get()
        try:
            with suppress(WorkerError):
                worker.prepare(job.folder, imports_torch=job.needs_torch, untouched=job.is_foreign)
            with course.running(index):
                return worker.answer(
                    job.task,
                    job.arguments,
                    timeout_s=job.timeout_s,
                    apart=job.is_foreign,
                )
        except WorkerError as error:
            return error
        finally:
            self._free.put(worker)

    def close(self) -> None:
        """Ends all processes, also those that are in the middle of something."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.end()
        self._threads.shutdown()
        for worker in self._workers:
            worker.close()


class Course:
    """What has been done of several jobs, and since when the others are being worked on."""

    def __init__(self, labels: Sequence[str], at_once: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing has begun.

        Args:
            labels: of the jobs.
            at_once: how many are worked on at once.
            clock: tells seconds.
        """
        self._labels = labels
        self._at_once = at_once
        self._clock = clock
        self._lock = Lock()
        self._since: dict[int, float] = {}
        self._took: dict[int, float] = {}

    @contextmanager
    def running(self, index: int) -> Iterator[None]:
        """One of them is being worked on."""
        with self._lock:
            self._took.pop(index, None)
            self._since[index] = self._clock()
        try:
            yield
        finally:
            with self._lock:
                self._took[index] = self._clock() - self._since.pop(index)

    def progress(self) -> JobProgress:
        """How far it has come."""
        with self._lock:
            now = self._clock()
            since, took = dict(self._since), list(self._took.values())
        return JobProgress(
            done=len(took),
            count=len(self._labels),
            running=tuple(self._labels[index] for index in sorted(since)),
            left_s=left_s(took, [now - start for start in since.values()], len(self._labels), self._at_once),
        )


def left_s(took: Sequence[float], running: Sequence[float], count: int, at_once: int) -> float | None:
    """How long the rest will take if it is as what is done, in seconds; None where that does not tell.

    Too few may be done; and one that takes longer than any before may take any time.

    Args:
        took: how long each took that is done, in seconds.
        running: how long each has been worked on that is not.
        count: of all.
        at_once: how many are worked on at once.
    """
    if len(took) < max(FEWEST, at_once) or max(running, default=0) > max(took):
        return None
    mean = sum(took) / len(took)
    left = count - len(took)
    work = left * mean - sum(min(had, mean) for had in running)
    return work / min(at_once, left) if left else 0.0


def _shared_cores(count: int) -> Mapping[str, str]:
    """The environment in which several processes have as many threads together as there are cores."""
    return {_OWN_THREADS: str(max(1, cores() // count))} if count > 1 and _OWN_THREADS not in os.environ else {}
