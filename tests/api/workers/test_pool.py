"""Several workers: order, what dies or hangs among others, and that nothing is left running."""

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from netscope.api.workers import client, pool
from netscope.api.workers.client import WorkerError
from netscope.api.workers.pool import Job, JobTracker, WorkerPool, choose_job_count, estimate_remaining_s
from netscope.errors import UsageError

TASKS = """
import ctypes, os, signal, sys, time
from pathlib import Path
from netscope.api.workers import server

def prepare(_):
    time.sleep(float(os.environ.get("PREPARES_S", 0)))

def wait(_, seconds, answer):
    time.sleep(seconds)
    return answer

def wait_for(_, path, answer):
    while not Path(path).exists():
        time.sleep(0.01)
    return answer

def fork_and_leave():
    if os.fork():
        os._exit(0)

def become_a_daemon():
    fork_and_leave()
    os.setsid()
    wait_for(None, "ended", None)

def reuse_all_files():
    os.closerange(3, 64)
    return [os.open(os.devnull, os.O_RDWR) for _ in range(64)]

def die(_, how):
    {
        "exit": lambda: os._exit(7),
        "silently": lambda: os._exit(0),
        "kill": lambda: os.kill(os.getpid(), 9),
        "fault": lambda: ctypes.string_at(0),
        "fork": fork_and_leave,
        "daemon": become_a_daemon,
        "raise": lambda: (_ for _ in ()).throw(GeneratorExit),
        "sys.exit": lambda: sys.exit(0),
        "close": lambda: os.closerange(3, 64),
    }[how]()

def reuse(_):
    return len(reuse_all_files())

def garble(_):
    for number in range(3, 10):
        try:
            os.write(number, b'{"half of a\\n')
        except OSError:
            pass
    wait_for(None, "ended", None)

def die_once(_, path):
    if not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), 9)
    return "alone"

def repeat(_, text):
    return text

def tell(_):
    return os.getpid(), os.getcwd(), os.environ.get("OMP_NUM_THREADS")

server.TASKS = {task.__name__: task for task in (prepare, wait, wait_for, die, die_once, reuse, garble, repeat, tell)}
serve = server.serve
"""

posix = pytest.mark.skipif(os.name != "posix", reason="dies by signals")
forking = pytest.mark.skipif(not client.CAN_FORK, reason="only Linux runs them in forked children")


@pytest.fixture(autouse=True)
def processes(tmp_path, monkeypatch):
    """Those that are started, which have tasks of ours and no torch."""
    (tmp_path / "tasks_of_ours.py").write_text(TASKS, encoding="utf-8")
    monkeypatch.setattr(client, "_START", client._START.replace("netscope.api.workers.server", "tasks_of_ours"))
    monkeypatch.syspath_prepend(tmp_path)
    started = []

    class Counted(subprocess.Popen):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Counted)
    return started


@pytest.fixture
def job(tmp_path):
    def make(task, *arguments, folder=tmp_path, label="it", timeout_s=None, is_foreign=False):
        return Job(
            label=label, folder=folder, task=task, arguments=arguments, timeout_s=timeout_s, is_foreign=is_foreign
        )

    return make


def results(jobs, count):
    with closing(WorkerPool(count)) as workers:
        return list(workers.results(jobs))


def test_answers_come_in_the_order_of_the_jobs(job):
    jobs = [job("wait", seconds, number) for number, seconds in enumerate((0.5, 0, 0.2, 0.1))]
    assert results(jobs, 3) == results(jobs, 1) == [0, 1, 2, 3]


def test_a_worker_survives_lone_surrogates_on_both_ways(job):
    assert results([job("repeat", "a\udc80"), job("repeat", "b")], 1) == [r"a\udc80", "b"]


def test_an_answer_comes_while_later_ones_are_being_worked_on(job, tmp_path):
    with closing(WorkerPool(2)) as workers:
        coming = workers.results([job("wait", 0, "first"), job("wait_for", str(tmp_path / "seen"), "second")])
        assert next(coming) == "first"
        (tmp_path / "seen").touch()
        assert list(coming) == ["second"]


@posix
@pytest.mark.parametrize("is_foreign", [False, True])
@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("exit", "its process ended with exit code 7 before it answered"),
        ("silently", "its process ended with exit code 0 before it answered"),
        ("kill", "its process was killed by SIGKILL, as when memory runs out"),
        ("fault", "its process was killed by SIGSEGV"),
        ("fork", "its process ended with exit code 0 before it answered"),
        ("daemon", "its process ended with exit code 0 before it answered"),
        ("raise", "it raised GeneratorExit"),
        ("sys.exit", "it raised SystemExit: 0"),
        ("close", "its process ended with exit code 1 before it answered"),
    ],
)
def test_one_that_ends_without_an_answer_is_noticed_and_leaves_the_others_alone(
    job, tmp_path, how, message, is_foreign
):
    """A daemon ends after the pool is closed, so a pool that waits for it would never end."""
    dying = job("die", how, is_foreign=is_foreign)
    first, error, *others = results([job("wait", 0.3, 1), dying, *[job("wait", 0, 2)] * 3], 2)
    (tmp_path / "ended").touch()
    assert (first, others) == (1, [2, 2, 2])
    assert isinstance(error, WorkerError)
    assert str(error).startswith(message)
    assert error.exit_code == 3


@forking
def test_an_answer_that_went_into_a_file_of_the_model_is_missed(job):
    error, last = results([job("reuse", is_foreign=True), job("wait", 0, 1)], 1)
    assert str(error) == "its process ended with exit code 0 before it answered"
    assert last == 1


@posix
def test_what_a_model_writes_into_the_connection_is_no_answer(job):
    error, last = results([job("garble"), job("wait", 0, 1)], 1)
    assert str(error) == "its process wrote something other than an answer, and was stopped"
    assert last == 1


@forking
def test_each_of_the_users_own_starts_as_if_it_was_the_first(job, processes, tmp_path):
    """In any folder, and without starting another process for it."""
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    told = results([job("tell", folder=folder, is_foreign=True) for folder in folders for _ in range(2)], 1)
    assert [folder for _, folder, _ in told] == [str(folders[0])] * 2 + [str(folders[1])] * 2
    assert len({number for number, _, _ in told}) == 4
    assert len(processes) == 1


def test_one_that_hangs_is_given_up(job):
    first, error, last = results([job("wait", 0, 1), job("wait", 600, 2, timeout_s=0.5), job("wait", 0, 3)], 2)
    assert (first, last) == (1, 3)
    assert "it took longer than 0.5 s" in str(error)


def test_the_time_that_imports_take_is_nobodys(job, monkeypatch):
    asked = []
    run = client.Worker.run

    def noted(worker, task, *arguments, **options):
        asked.append((task, options.get("timeout_s")))
        return run(worker, task, *arguments, **options)

    monkeypatch.setattr(client.Worker, "run", noted)
    assert results([job("wait", 0, 1, timeout_s=600)], 1) == [1]
    assert asked == [("prepare", None), ("wait", 600)]


@posix
def test_one_that_memory_did_not_suffice_for_is_tried_again_alone(job, tmp_path):
    assert results([job("die_once", str(tmp_path / "died")), job("wait", 0, 1)], 2) == ["alone", 1]


@pytest.mark.parametrize(("jobs", "count", "most"), [(1, 4, 1), (3, 8, 3), (6, 2, 2), (0, 2, 0)])
def test_there_are_never_more_processes_than_jobs_or_than_asked_for(job, processes, jobs, count, most):
    assert results([job("wait", 0.1, "x")] * jobs, count) == ["x"] * jobs
    assert len(processes) <= most
    assert bool(processes) == bool(jobs)


@pytest.mark.parametrize(("count", "started"), [(3, 3), (10, 5)])
def test_some_are_started_while_it_is_not_known_how_many_jobs_there_are(
    count, started, job, processes, tmp_path, monkeypatch
):
    monkeypatch.setattr(pool, "MAX_EARLY_PROCESSES", 4)
    with closing(WorkerPool(count)) as workers:
        workers.prepare(tmp_path)
        assert list(workers.results([job("wait", 0, "x")])) == ["x"]
    assert len(processes) == started


def test_a_process_works_in_one_folder_only(job, tmp_path):
    others = [tmp_path / "a", tmp_path / "b"]
    for folder in others:
        folder.mkdir()
    told = results([job("tell", folder=folder) for folder in others for _ in range(2)], 1)
    assert [folder for _, folder, _ in told] == [str(others[0])] * 2 + [str(others[1])] * 2
    assert len({number for number, _, _ in told}) == 2


def test_several_share_the_cores(job, monkeypatch):
    monkeypatch.setattr(pool, "cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert results([job("tell")], 1)[0][2] is None
    assert results([job("tell")], 3)[0][2] == "2"
    assert results([job("tell")], 20)[0][2] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert results([job("tell")], 3)[0][2] == "5"


def test_who_leaves_early_leaves_no_process(job, processes):
    with closing(WorkerPool(3)) as workers:
        coming = workers.results([job("wait", 0, 0), *[job("wait", 600, 1)] * 9])
        assert next(coming) == 0
    assert processes
    assert all(process.returncode is not None for process in processes)


def test_whoever_is_just_starting_is_ended_as_well(processes, monkeypatch):
    monkeypatch.setenv("PREPARES_S", "600")
    with closing(WorkerPool(3)) as workers:
        workers.prepare(Path.cwd())
    assert all(process.returncode is not None for process in processes)


INTERRUPTED = """
import signal
from contextlib import closing
from pathlib import Path
from netscope.api.workers import client
from netscope.api.workers.pool import Job, WorkerPool

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs ignore
client._START = client._START.replace("netscope.api.workers.server", "tasks_of_ours")
jobs = [Job(label="", folder=Path.cwd(), task="wait", arguments=(seconds, 0)) for seconds in (0, 0, 600, 600)]
with closing(WorkerPool(2)) as workers:
    for answer in workers.results(jobs):
        print(answer, flush=True)
"""


@posix
def test_an_interrupt_reaches_all_processes(tmp_path):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", INTERRUPTED], cwd=tmp_path, text=True, **pipes)
    assert [process.stdout.readline() for _ in range(2)] == ["0\n", "0\n"]
    process.send_signal(signal.SIGINT)
    # Whoever is left holds the pipe of errors open.
    _, err = process.communicate(timeout=300)  # half of what the jobs would take
    assert err.endswith("KeyboardInterrupt\n")


def test_progress_tells_what_is_being_worked_on(job):
    told = []
    with closing(WorkerPool(2)) as workers:
        jobs = [job("wait", 0.5, number, label=f"model {number}") for number in range(3)]
        assert list(workers.results(jobs, told.append)) == [0, 1, 2]
    assert {progress.count for progress in told} == {3}
    assert ("model 0", "model 1") in {progress.running for progress in told}
    done = [progress.done for progress in told]
    assert done == sorted(done)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_the_time_left_follows_from_what_is_done():
    clock = Clock()
    tracker = JobTracker([f"m{number}" for number in range(10)], 2, clock)
    for number in range(4):
        assert tracker.progress().remaining_s is None
        with tracker.track(number):
            assert tracker.progress().running == (f"m{number}",)
            clock.now += 3
    with tracker.track(4), tracker.track(5):
        clock.now += 1
        progress = tracker.progress()
        assert (progress.done, progress.count, progress.running) == (4, 10, ("m4", "m5"))
        assert progress.remaining_s == (6 * 3 - 2 * 1) / 2


@pytest.mark.parametrize(
    ("took", "running", "count", "at_once", "left"),
    [
        ([1, 1, 1], [], 80, 2, None),
        ([1] * 7, [], 80, 8, None),
        ([2, 4, 2, 4], [], 14, 2, 15),
        ([2, 4, 2, 4], [1, 2], 14, 2, 13.5),
        ([2, 4, 2, 4], [3.5], 5, 2, 0),
        ([2, 4, 2, 4], [4.5], 5, 2, None),
        ([2, 4, 2, 4], [1], 5, 2, 2),
        ([2, 4, 2, 4], [], 4, 2, 0),
    ],
)
def test_the_estimate(took, running, count, at_once, left):
    assert estimate_remaining_s(took, running, count, at_once) == left


@pytest.mark.parametrize(
    ("jobs", "devices", "memory", "expected"),
    [
        (None, ["auto"], None, 8),
        (None, [None], 3.5 * 2**30, 3),
        (None, [], 1, 1),
        (None, ["meta", "cuda:1"], None, 1),
        (20, ["cuda"], 1, 20),
    ],
)
def test_how_many_are_worked_on_at_once(jobs, devices, memory, expected, monkeypatch):
    monkeypatch.setattr(pool, "cores", lambda: 8)
    monkeypatch.setattr(pool, "available_memory_bytes", lambda: memory and int(memory))
    assert choose_job_count(jobs, devices) == expected


@pytest.mark.parametrize("jobs", [0, -3])
def test_none_at_once_is_a_wrong_question(jobs):
    with pytest.raises(UsageError, match=rf"^the number of jobs \(-j\) must be at least 1, got {jobs}$"):
        choose_job_count(jobs, [])
