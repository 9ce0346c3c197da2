"""``netscope bench``."""

import shlex
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import typer

from netscope.cli.bench.display import Display, handle_interrupts, live_display
from netscope.cli.completion import complete_architectures
from netscope.cli.help import UsageCommand
from netscope.cli.options import FormatOption, InputOption, OutputOption, SeqLenOption
from netscope.cli.output import STDOUT, choose_format, encode_for, show_progress, write_result
from netscope.errors import NetscopeError, OutputError, UsageError
from netscope.render import render
from netscope.runtime import torchrun_env
from netscope.schema import BenchReport
from netscope.schema.bench import COMPILE_MODES, MAX_TIME_S

INTERRUPTED = 130


class BenchCommand(UsageCommand):
    """Accepts ``--compile`` without a mode, which Typer does not support."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Adds the default mode after a ``--compile`` without a mode."""
        completed: list[str] = []
        for argument, following in pairwise([*args, ""]):
            completed.append(argument)
            # A misspelled mode is still treated as a mode.
            if argument == "--compile" and not get_close_matches(following, COMPILE_MODES):
                completed.append(COMPILE_MODES[0])
        return super().parse_args(ctx, completed)


def _option(names: str, metavar: str | None, text: str) -> Any:
    return typer.Option(*names.split(), metavar=metavar, help=text)


def bench(
    context: typer.Context,
    architectures: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ARCH",
            autocompletion=complete_architectures,
            help="Architectures to measure and compare, by default alexnet.",
        ),
    ] = None,
    device: Annotated[
        str, _option("--device", "DEVICE", "Measure on cpu, cuda, cuda:N or auto: cuda if there is one.")
    ] = "auto",
    batch_size: Annotated[
        str | None,
        _option(
            "--batch-size -b",
            "N,…",
            "Batch sizes per process, comma-separated, or auto for the largest that fits in memory.",
        ),
    ] = None,
    inputs: InputOption = None,
    seq_len: SeqLenOption = None,
    mode: Annotated[str, _option("--mode", "MODE,…", "infer, train (full training steps), or both.")] = "infer",
    dtype: Annotated[str, _option("--dtype", "DTYPE,…", "fp32, tf32, bf16, fp16, comma-separated.")] = "fp32",
    cast: Annotated[
        bool, _option("--cast", None, "Cast weights and inputs to bf16 or fp16 instead of using autocast.")
    ] = False,
    optimizer: Annotated[
        str | None, _option("--optimizer", "NAME", "Optimizer for training steps: sgd, adamw, ….")
    ] = None,
    channels_last: Annotated[bool, _option("--channels-last", None, "Use the channels_last memory format.")] = False,
    compile_mode: Annotated[
        str | None,
        _option("--compile", "[MODE]", f"Use torch.compile, optionally with a mode: {', '.join(COMPILE_MODES)}."),
    ] = None,
    cuda_graph: Annotated[
        bool, _option("--cuda-graph", None, "Capture the step as a CUDA graph and replay it.")
    ] = False,
    data: Annotated[
        str, _option("--data", "WHERE", "Keep inputs on the device, or copy them from the host on every step.")
    ] = "device",
    latency: Annotated[
        bool, _option("--latency", None, "Synchronize after every step and report latency percentiles.")
    ] = False,
    layers: Annotated[bool, _option("--layers", None, "Time each module (one architecture only).")] = False,
    nproc: Annotated[str, _option("--nproc", "N,…", "Number of processes, launched with torchrun.")] = "1",
    parallel: Annotated[str | None, _option("--parallel", "HOW", "ddp or fsdp, for more than one process.")] = None,
    threads: Annotated[
        int | None, _option("--threads", "N", "CPU threads per process, by default torch's choice.")
    ] = None,
    precision: Annotated[
        str, _option("--precision", "P%", "Stop once the half-width of the 95% interval is this small.")
    ] = "0.5%",
    max_time: Annotated[
        float,
        _option(
            "--max-time",
            "SECONDS",
            "Spend at most this long on an architecture, building and warm-up included.",
        ),
    ] = MAX_TIME_S,
    seed: Annotated[int, _option("--seed", "N", "Random seed for weights, inputs and targets.")] = 0,
    compare: Annotated[Path | None, _option("--compare", "FILE", "Compare with an earlier run saved as .json.")] = None,
    force: Annotated[bool, _option("--force", None, "Compare even if the environments differ.")] = False,
    fail_if_slower: Annotated[
        str | None,
        _option(
            "--fail-if-slower",
            "P%",
            "With --compare: exit with 1 if a step is slower by more than P%, beyond measurement noise.",
        ),
    ] = None,
    selftest: Annotated[
        bool, _option("--selftest", None, "Run the benchmark's self-test on this device and exit.")
    ] = False,
    format_name: FormatOption = None,
    output: OutputOption = None,
) -> None:
    """Measure throughput, latency, memory and utilization, with 95% confidence intervals.

    Each configuration runs in a separate process; architectures being compared share one process and are measured
    interleaved.

    Exit code: 1 if --fail-if-slower is exceeded, 3 if something could not be run.
    """
    format_name = choose_format(output, format_name)
    from netscope.api import bench
    from netscope.api.list import find_name_error
    from netscope.api.saved_results import read_saved

    if selftest:
        if architectures:
            raise UsageError("--selftest cannot be used with an architecture")
        _self_test(device, dtype, format_name, output)
        return
    in_torchrun = torchrun_env.is_torchrun_process()
    options = bench.BenchOptions(
        batch_size=batch_size,
        seq_len=seq_len,
        device=device,
        dtype=dtype,
        mode=mode,
        cast=cast,
        channels_last=channels_last,
        compile=compile_mode,
        cuda_graph=cuda_graph,
        data=data,
        optimizer=optimizer,
        latency=latency,
        nproc=torchrun_env.world_size() if in_torchrun else nproc,
        parallel=parallel,
        threads=threads,
        seed=seed,
        precision=precision,
        max_time_s=max_time,
        inputs=tuple(inputs or ()),
    )
    for name in architectures or ():
        if error := find_name_error(name):
            raise error
    plan = bench.plan_bench(
        architectures or (),
        options,
        layers=layers,
        command=shlex.join(["netscope", *context.find_root().obj]),
        before=None if compare is None else read_saved(BenchReport, compare),
        force=force,
        slower_limit=None if fail_if_slower is None else bench.parse_percent(fail_if_slower, "--fail-if-slower"),
        in_this_process=in_torchrun,
    )
    if not in_torchrun:
        _run(plan, _Writer(format_name, output))
    elif torchrun_env.rank() == 0:
        # Only the first of torchrun's processes writes the results; text that models print must not mix with them.
        writer = _Writer(format_name, output, streams=False)
        with show_progress("measuring"):
            status = _measure(plan, writer, Display())
        _finish(status, writer)
    else:
        with show_progress("measuring"):
            bench.BenchRun(plan).run()


def _self_test(device: str, dtype: str, format_name: str, output: Path | None) -> None:
    from netscope.api import bench

    with show_progress("testing the benchmark") as progress:
        result = bench.run_self_test(device, dtype, progress)
    write_result(result, format_name, output)
    if result.exit_code:
        raise typer.Exit(result.exit_code)


class _Writer:
    """Writes results as soon as they are measured: rewrites a file each time, or appends CSV lines to stdout."""

    def __init__(self, format_name: str, output: Path | None, *, streams: bool = True) -> None:
        self._format_name = format_name
        self._output = None if output == STDOUT else output
        self._streams = streams and format_name == "csv"
        self._lines_written = 0

    def write_new(self, report: BenchReport) -> None:
        """Writes the results that are new in the report."""
        if self._output is not None:
            write_result(report, self._format_name, self._output)
        elif self._streams:
            lines = render(report, "csv").splitlines(keepends=True)
            sys.stdout.write(encode_for("".join(lines[self._lines_written :]), sys.stdout))
            sys.stdout.flush()
            self._lines_written = len(lines)

    def write_rest(self, report: BenchReport) -> None:
        """Writes the entire report to stdout if the format could not be written line by line."""
        if self._output is None and not self._streams:
            write_result(report, self._format_name, None)


def _run(plan: Any, writer: _Writer) -> None:
    """Runs a plan with a live display."""
    with live_display() as display:
        status = _measure(plan, writer, display)
    _finish(status, writer)


@dataclass(frozen=True, slots=True)
class _RunOutcome:
    """The end of a run: its report, whether the user stopped it, and its error."""

    report: BenchReport
    is_stopped: bool
    failure: NetscopeError | None


def _measure(plan: Any, writer: _Writer, display: Display) -> _RunOutcome:
    """Runs a plan and returns its outcome; the first Ctrl-C ends it with the results so far.

    That is after the current round of blocks if there are some, and otherwise immediately.
    """
    from netscope.api import bench

    is_stopped = Event()

    def on_results(report: BenchReport) -> None:
        display.on_results(report)
        writer.write_new(report)

    def stop() -> bool:
        is_stopped.set()
        has_more = run.stop()
        if has_more:
            display.on_stop()
        return has_more

    run = bench.BenchRun(
        plan,
        bench.BenchCallbacks(on_activity=display.on_activity, on_progress=display.on_progress, on_results=on_results),
    )
    failure: NetscopeError | None = None
    try:
        with handle_interrupts(stop):
            run.run()
    except KeyboardInterrupt:
        is_stopped.set()
    except NetscopeError as error:
        failure = error
    return _RunOutcome(run.report, is_stopped.is_set(), failure)


def _finish(status: _RunOutcome, writer: _Writer) -> None:
    """Writes the remaining results, also after an error, and exits with the code of the outcome."""
    report, failure = status.report, status.failure
    if isinstance(failure, OutputError) and report.results:
        write_result(report, "table", None)
    elif (failure is None and report.results) or any(result.is_measured for result in report.results):
        writer.write_rest(report)
    if failure is not None:
        raise failure
    if status.is_stopped and not report.results:
        typer.echo("netscope: interrupted before anything was measured", err=True)
    code = INTERRUPTED if status.is_stopped else report.exit_code
    if code:
        raise typer.Exit(code)
