"""How a plan is run, with an executor that only pretends to measure."""

from dataclasses import replace

import pytest

from netscope.api.bench import BenchCallbacks, BenchOptions, BenchRun, plan_bench
from netscope.api.bench.interleaving import PROCESSES_PER_MODEL
from netscope.api.bench.largest_batch import MAX_BATCH_SIZE, find_largest_batch
from netscope.errors import DeviceError, MeasuringError, OutOfMemoryError, UnknownNameError, UsageError
from netscope.schema import BenchReport, PreflightResult
from tests.benchmarks import ENVIRONMENT, architecture, blocks, result


def check_room(batch_size, largest):
    if batch_size > largest:
        raise OutOfMemoryError("too large")


class FakeExecutor:
    """Measures by a table: the time of each architecture's step, the batch that fits, and what goes wrong."""

    def __init__(self, steps, *, together=True, largest=10**9, errors=None):
        self.steps, self.together, self.largest, self.errors = steps, together, largest, errors or {}
        self.tried, self.requests, self.is_stopped, self.closed = [], [], False, False

    def inspect_device(self, config, _command):
        return ("cpu" if config.device == "auto" else config.device), ENVIRONMENT

    def run_preflight(self, model, config, **_):
        if model not in self.steps and model not in self.errors:
            raise UnknownNameError(f"there is no architecture {model!r}")
        if isinstance(self.errors.get(model), MeasuringError) and "preflight" in str(self.errors[model]):
            raise self.errors[model]
        return PreflightResult(
            spec=model, architecture=architecture(model), inputs=(), samples=config.batch_size or 1, flops=10**9,
            is_lower_bound=False, bytes_moved=10**8, embedding_rows={}, versions={}, notes=(), summary=None,
        )  # fmt: skip

    def measure(self, request, _models):
        names = [item.spec for item in request.preflights]
        self.requests.append(names)
        for name in names:
            if name in self.errors:
                raise self.errors[name]
        if len(names) > 1 and not self.together:
            raise OutOfMemoryError("not together")
        return tuple(
            result(name, config=request.config, samples=1, blocks=blocks(self.steps[name], noise=0.001 * (1 + number)))
            for number, name in enumerate(names)
        )

    def try_steps(self, request, _models):
        self.tried.append(request.config.batch_size)
        name = request.preflights[0].spec
        if name in self.errors:
            raise self.errors[name]
        check_room(request.config.batch_size or 1, self.largest)

    def stop(self):
        self.is_stopped = True

    def close(self):
        self.closed = True


def run(executor, *models, callbacks=None, options=None, **how):
    started = BenchRun(plan_bench(models, BenchOptions(**(options or {})), **how), callbacks)
    started._executor = executor
    report = started.run()
    assert executor.closed
    return report


def test_architectures_of_a_configuration_are_measured_together_and_compared():
    executor = FakeExecutor({"a": 0.01, "b": 0.0142})
    report = run(executor, "a", "b", options={"batch_size": "1,8"})
    assert executor.requests == [["a", "b"], ["a", "b"]]
    assert [(result.architecture.name, result.config.batch_size) for result in report.results] == [
        ("a", 1), ("b", 1), ("a", 8), ("b", 8)
    ]  # fmt: skip
    assert [(item.first, item.second, item.same_process) for item in report.comparisons] == [(0, 1, True), (2, 3, True)]
    assert report.comparisons[0].difference.ratio == pytest.approx(1.42, rel=0.01)
    assert report.comparisons[0].difference.verdict == "faster"


def test_more_than_two_are_compared_pair_by_pair_with_holms_levels():
    report = run(FakeExecutor({"a": 0.01, "b": 0.012, "c": 0.014}), "a", "b", "c")
    assert {(item.first, item.second) for item in report.comparisons} == {(0, 1), (0, 2), (1, 2)}
    levels = sorted(item.difference.level for item in report.comparisons)
    assert levels == pytest.approx([0.95, 1 - 0.05 / 2, 1 - 0.05 / 3])


def test_what_does_not_fit_together_alternates_between_processes():
    executor = FakeExecutor({"a": 0.01, "b": 0.02}, together=False)
    report = run(executor, "a", "b", options={"max_time_s": 8})
    assert executor.requests[0] == ["a", "b"]
    assert "".join(name for (name,) in executor.requests[1:]) == "abba" * (PROCESSES_PER_MODEL // 2)
    assert [len(result.blocks) for result in report.results] == [20 * PROCESSES_PER_MODEL] * 2
    assert all(result.config.max_time_s == 8 for result in report.results)
    starts = [block.start_s for block in report.results[0].blocks]
    assert starts == sorted(starts)
    (comparison,) = report.comparisons
    assert not comparison.same_process
    assert comparison.difference.ratio == pytest.approx(2, rel=0.01)


def test_an_architecture_that_fits_nowhere_is_an_oom_row():
    report = run(FakeExecutor({"a": 0.01}, errors={"b": OutOfMemoryError("b is too large")}), "a", "b")
    assert [(result.architecture.name, result.status) for result in report.results] == [
        ("a", "ok"),
        ("b", "oom"),
    ]
    assert report.results[1].message == "b is too large"
    assert report.exit_code == 0


def test_out_of_memory_alone_is_an_answer_with_code_3():
    report = run(FakeExecutor({}, errors={"b": OutOfMemoryError("b is too large")}), "b")
    assert [result.status for result in report.results] == ["oom"]
    assert report.exit_code == 3


@pytest.mark.parametrize("largest", [1, 2, 3, 37, 64, 1000])
def test_auto_finds_the_largest_batch_that_fits(largest):
    executor = FakeExecutor({"a": 0.01}, largest=largest)
    report = run(executor, "a", options={"batch_size": "auto"})
    (found,) = report.results
    assert found.config.batch_size == largest
    assert largest in executor.tried
    assert largest + 1 in executor.tried
    assert len(executor.tried) == len(set(executor.tried))


def test_auto_is_for_each_architecture_by_itself():
    executor = FakeExecutor({"a": 0.01, "b": 0.01}, largest=5)
    run(executor, "a", "b", options={"batch_size": "auto"})
    assert executor.requests == [["a"], ["b"]]


def test_not_even_a_batch_of_one():
    assert find_largest_batch(lambda size: check_room(size, 0), lambda: False).note == "not even a batch of 1 fits"


def test_another_failure_of_a_larger_batch_ends_the_search_and_is_reported():
    def try_batch(size):
        if size > 5:
            raise MeasuringError("an index overflows")

    found = find_largest_batch(try_batch, lambda: False)
    assert found.size == 5
    assert found.note.endswith("a batch of 6 fails for another reason: an index overflows")


def test_a_batch_of_one_may_fail_where_two_run():
    def try_batch(size):
        if size == 1:
            raise MeasuringError("Expected more than 1 value per channel when training")
        check_room(size, 11)

    assert find_largest_batch(try_batch, lambda: False).size == 11


def test_a_batch_of_one_that_fails_is_a_failure():
    executor = FakeExecutor({"a": 0.01}, errors={"a": MeasuringError("a step of a failed")})
    with pytest.raises(MeasuringError, match="a step of a failed"):
        run(executor, "a", options={"batch_size": "auto"})
    assert executor.requests == []


def test_what_fits_without_end_is_not_tried_for_ever():
    found = find_largest_batch(lambda _size: None, lambda: False)
    assert found.size == MAX_BATCH_SIZE
    assert "may fit" in found.note


def test_one_that_fails_leaves_the_others():
    errors = {"b": MeasuringError("a step of b failed: ValueError: no")}
    report = run(FakeExecutor({"a": 0.01, "c": 0.02}, errors=errors), "a", "b", "c")
    outcomes = {result.architecture.name: result.status for result in report.results}
    assert outcomes == {"a": "ok", "b": "failed", "c": "ok"}
    assert len(report.comparisons) == 1
    assert report.exit_code == 3


def test_what_fails_after_a_while_and_not_at_once_is_found_by_measuring_each():
    class Later(FakeExecutor):
        def try_steps(self, *_):
            pass

    executor = Later({"a": 0.01}, errors={"b": MeasuringError("a step of b failed")})
    report = run(executor, "a", "b")
    assert [(result.architecture.name, result.status) for result in report.results] == [
        ("a", "ok"), ("b", "failed")
    ]  # fmt: skip
    assert executor.requests == [["a", "b"], ["a"], ["b"]]


def test_one_that_cannot_even_be_traced_leaves_the_others():
    errors = {"b": MeasuringError("preflight: b cannot be trained")}
    report = run(FakeExecutor({"a": 0.01}, errors=errors), "a", "b")
    assert [(result.architecture.name, result.status) for result in report.results] == [
        ("b", "failed"),
        ("a", "ok"),
    ]


def test_the_only_one_that_fails_is_an_error():
    with pytest.raises(MeasuringError, match="a step of b failed"):
        run(FakeExecutor({}, errors={"b": MeasuringError("a step of b failed")}), "b")


def test_a_wrong_name_ends_it_before_anything_is_measured():
    executor = FakeExecutor({"a": 0.01})
    with pytest.raises(UnknownNameError, match="nope"):
        run(executor, "a", "nope")
    assert executor.requests == []
    assert executor.closed


def test_a_device_that_is_not_there_ends_it():
    executor = FakeExecutor({"a": 0.01})
    executor.inspect_device = lambda *_: (_ for _ in ()).throw(DeviceError("no device"))
    with pytest.raises(DeviceError, match="no device"):
        run(executor, "a")


def test_every_result_is_handed_on_as_soon_as_it_is_there():
    seen = []
    callbacks = BenchCallbacks(on_results=lambda report: seen.append(len(report.results)))
    run(FakeExecutor({"a": 0.01, "b": 0.02}), "a", "b", callbacks=callbacks, options={"batch_size": "1,2,4"})
    assert seen == [2, 4, 6]


def test_stopping_ends_with_what_there_is():
    executor = FakeExecutor({"a": 0.01})
    started = BenchRun(
        plan_bench(("a",), BenchOptions(batch_size="1,2,4")), BenchCallbacks(on_results=lambda _report: started.stop())
    )
    started._executor = executor
    assert len(started.run().results) == 1
    assert executor.is_stopped


def earlier(step_s, **changes):
    environment = replace(ENVIRONMENT, **changes)
    plan = plan_bench(("a",), BenchOptions())
    config = replace(plan.configs[0], device="cpu")
    made = result("a", config=config, environment=environment, inputs=(), samples=1, blocks=blocks(step_s))
    return BenchReport(results=(made,))


class Measures(FakeExecutor):
    def measure(self, request, models):
        return tuple(replace(item, inputs=()) for item in super().measure(request, models))


def test_a_run_stands_beside_an_earlier_one():
    report = run(Measures({"a": 0.011}), "a", before=earlier(0.01), slower_limit=0.05)
    (saved,) = report.saved
    assert 1 / saved.difference.ratio == pytest.approx(1.1, rel=0.01)
    assert report.exit_code == 1


def test_another_environment_says_nothing_unless_forced():
    executor = Measures({"a": 0.01})
    with pytest.raises(UsageError, match=r"another environment \(threads 1 → 8\).*force=True"):
        run(executor, "a", before=earlier(0.01, threads=1))
    assert executor.requests == []
    assert run(Measures({"a": 0.01}), "a", before=earlier(0.01, threads=1), force=True).saved


def test_the_versions_of_a_source_and_the_threads_that_were_asked_for_are_the_same_ones_again():
    class Versioned(Measures):
        def run_preflight(self, *arguments, **how):
            return replace(super().run_preflight(*arguments, **how), versions={"torchvision": "0.26.0"})

    versions = {**ENVIRONMENT.versions, "torchvision": "0.26.0"}
    assert run(Versioned({"a": 0.01}), "a", before=earlier(0.01, versions=versions)).saved
    with pytest.raises(UsageError, match=r"torchvision 0\.25\.0 → 0\.26\.0"):
        run(Versioned({"a": 0.01}), "a", before=earlier(0.01, versions={**versions, "torchvision": "0.25.0"}))
    before = earlier(0.01, threads=1)
    before = replace(before, results=(replace(before.results[0], config=replace(before.results[0].config, threads=1)),))
    assert run(Measures({"a": 0.01}), "a", before=before, options={"threads": 1}).saved


def test_what_runs_out_of_memory_now_is_no_pass():
    executor = Measures({"a": 0.01}, errors={"a": OutOfMemoryError("too large now")})
    assert run(executor, "a", before=earlier(0.01), slower_limit=0.05).exit_code == 3


def test_what_the_earlier_run_has_not_measured_fails_before_measuring():
    executor = Measures({"b": 0.01})
    with pytest.raises(UsageError, match="did not measure b with"):
        run(executor, "b", before=earlier(0.01))
    executor = Measures({"a": 0.01, "b": 0.01})
    with pytest.raises(UsageError, match="did not measure b with"):
        run(executor, "a", "b", before=earlier(0.01), slower_limit=0.05)
    report = run(Measures({"a": 0.01, "b": 0.01}), "a", "b", before=earlier(0.01))
    assert report.notes == ("not in the earlier run: b",)
