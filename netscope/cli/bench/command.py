"""``netscope bench``."""

import shlex
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import typer

from netscope.cli.app import UsageCommand
from netscope.cli.bench.display import Display, displayed, stoppable
from netscope.cli.completion import complete_architectures
from netscope.cli.options import DebugOption, FormatOption, InputOption, OutputOption, SeqLenOption
from netscope.cli.output import STDOUT, choose_format, encode_for, show_progress, write_result
from netscope.errors import NetscopeError, OutputError, UsageError
from netscope.render import check_format, render
from netscope.schema import BenchReport
from netscope.schema.bench import COMPILE_MODES

INTERRUPTED = 130


class BenchCommand(UsageCommand):
    """Lets ``--compile`` stand without a mode, which Typer's options cannot."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts the usual mode behind a ``--compile`` that no mode follows."""
        completed: list[str] = []
        for argument, following in zip(args, [*args[1:], ""], strict=True):
            completed.append(argument)
            # A mode with a mistake in it is still meant as one.
            if argument == "--compile" and not get_close_matches(following, COMPILE_MODES):
                completed.append(COMPILE_MODES[0])
        return super().parse_args(ctx, completed)


def _work(*names: str, metavar: str, text: str) -> Any:
    return typer.Option(*names, metavar=metavar, help=text, rich_help_panel="What is measured")


def bench(
    context: typer.Context,
    architectures: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ARCH]...",
            autocompletion=complete_architectures,
            help="As for summary; several are compared. By default alexnet.",
        ),
    ] = None,
    device: Annotated[
        str, typer.Option("--device", metavar="DEVICE", help="auto (cuda where there is one), cpu, cuda or cuda:1.")
    ] = "auto",
    batch_size: Annotated[
        str | None,
        typer.Option(
            "--batch-size", "-b", metavar="N,…", help="Of each process; auto for the largest that fits in memory."
        ),
    ] = None,
    inputs: InputOption = None,
    seq_len: SeqLenOption = None,
    mode: Annotated[str, typer.Option("--mode", metavar="MODE,…", help="infer, or train for whole steps.")] = "infer",
    dtype: Annotated[str, typer.Option("--dtype", metavar="DTYPE,…", help="fp32, tf32, bf16, fp16.")] = "fp32",
    cast: Annotated[
        bool, typer.Option("--cast", help="Casts weights and inputs to bf16 or fp16, in place of autocast.")
    ] = False,
    optimizer: Annotated[
        str | None, typer.Option("--optimizer", metavar="NAME", help="Of a training step: sgd, adamw, ….")
    ] = None,
    channels_last: Annotated[bool, typer.Option("--channels-last", help="Puts channels last in memory.")] = False,
    compile_mode: Annotated[
        str | None,
        typer.Option("--compile", metavar="[MODE]", help=f"torch.compile: {', '.join(COMPILE_MODES)}."),
    ] = None,
    cuda_graph: Annotated[bool, typer.Option("--cuda-graph", help="Captures the step once and replays it.")] = False,
    data: Annotated[
        str, typer.Option("--data", metavar="WHERE", help="resident on the device, or host: copied at each step.")
    ] = "resident",
    latency: Annotated[
        bool, typer.Option("--latency", help="Waits for every step, and shows percentiles of its time.")
    ] = False,
    layers: Annotated[bool, typer.Option("--layers", help="Times each module of one architecture.")] = False,
    nproc: Annotated[str, typer.Option("--nproc", metavar="N,…", help="Processes, by torch's own launcher.")] = "1",
    parallel: Annotated[
        str | None, typer.Option("--parallel", metavar="HOW", help="ddp or fsdp, for several processes.")
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option("--threads", metavar="N", help="Of each process, on the CPU; by default torch's choice."),
    ] = None,
    precision: Annotated[
        str, typer.Option("--precision", metavar="P%", help="Half-width of the 95 % interval that is enough.")
    ] = "0.5%",
    max_time: Annotated[
        float, typer.Option("--max-time", metavar="SECONDS", help="The longest that an architecture is measured.")
    ] = 60.0,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of weights, inputs and targets.")] = 0,
    compare: Annotated[
        Path | None, typer.Option("--compare", metavar="FILE", help="Sets it beside an earlier run (.json).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Compares across different environments.")] = False,
    fail_if_slower: Annotated[
        str | None, typer.Option("--fail-if-slower", metavar="P%", help="With --compare: exits with 1 beyond it.")
    ] = None,
    selftest: Annotated[
        bool, typer.Option("--selftest", help="Checks the benchmark itself on the device, and nothing else.")
    ] = False,
    format_name: FormatOption = None,
    output: OutputOption = None,
    debug: DebugOption = False,
) -> None:
    """Throughput, latency, memory and utilisation, with how surely they are known.

    Each configuration runs in a process of its own; architectures that are compared run in turns in one.

    Exits with 1 if something became slower than --fail-if-slower allows, with 3 if something could not be run.
    """
    format_name = choose_format(output, format_name)
    check_format(format_name)
    from netscope.api import bench
    from netscope.api.saved_results import read_saved

    if selftest:
        if architectures:
            raise UsageError("the self-test has a network of its own, and takes no architecture")
        _self_test(device, dtype, format_name, output)
        return
    in_group = bench.in_group()
    options = bench.Options(
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
        nproc=bench.group_size() if in_group else nproc,
        parallel=parallel,
        threads=threads,
        seed=seed,
        precision=precision,
        max_time_s=max_time,
        inputs=tuple(inputs or ()),
    )
    plan = bench.plan_bench(
        architectures or (),
        options,
        layers=layers,
        command=shlex.join(["netscope", *context.find_root().obj]),
        before=None if compare is None else read_saved(BenchReport, compare),
        force=force,
        slower_limit=None if fail_if_slower is None else bench.percent(fail_if_slower, "--fail-if-slower"),
        in_this_process=in_group,
    )
    if not in_group:
        _run(plan, _Writer(format_name, output))
    elif bench.rank() == 0:
        # torchrun has started us and others, of which the first has the word; what models print stays out of the data.
        writer = _Writer(format_name, output, streams=False)
        with show_progress("measuring"):
            status = _measured(plan, writer, Display())
        _finish(status, writer)
    else:
        with show_progress("measuring"):
            bench.BenchRun(plan).go()


def _self_test(device: str, dtype: str, format_name: str, output: Path | None) -> None:
    from netscope.api import bench

    with show_progress("testing the benchmark") as progress:
        result = bench.self_test(device, dtype, progress)
    write_result(result, format_name, output)
    if result.exit_code:
        raise typer.Exit(result.exit_code)


class _Writer:
    """Writes every result as soon as there is one: a file anew each time, and the lines of CSV one by one."""

    def __init__(self, format_name: str, output: Path | None, *, streams: bool = True) -> None:
        self._format_name = format_name
        self._output = None if output == STDOUT else output
        self._streams = streams and format_name == "csv"
        self._lines_written = 0

    def so_far(self, report: BenchReport) -> None:
        """Writes what is new."""
        if self._output is not None:
            write_result(report, self._format_name, self._output)
        elif self._streams:
            lines = render(report, "csv").splitlines(keepends=True)
            sys.stdout.write(encode_for("".join(lines[self._lines_written :]), sys.stdout))
            sys.stdout.flush()
            self._lines_written = len(lines)

    def at_the_end(self, report: BenchReport) -> None:
        """Writes to stdout what could not be written there before."""
        if self._output is None and not self._streams:
            write_result(report, self._format_name, None)


def _run(plan: Any, writer: _Writer) -> None:
    """Measures, and shows how far it has come."""
    with displayed() as display:
        status = _measured(plan, writer, display)
    _finish(status, writer)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How measuring ended: with what, whether someone stopped it, and what went wrong."""

    report: BenchReport
    is_stopped: bool
    failure: NetscopeError | None


def _measured(plan: Any, writer: _Writer, display: Display) -> _Outcome:
    """Measures, and ends early with what there is if that is asked for."""
    from netscope.api import bench

    is_stopped = Event()

    def measured(report: BenchReport) -> None:
        display.measured(report)
        writer.so_far(report)

    def stop() -> None:
        is_stopped.set()
        display.stopping()
        run.stop()

    run = bench.BenchRun(plan, bench.Watcher(doing=display.doing, told=display.told, measured=measured))
    failure: NetscopeError | None = None
    try:
        with stoppable(stop):
            run.go()
    except KeyboardInterrupt:
        is_stopped.set()
    except NetscopeError as error:
        failure = error
    return _Outcome(run.report, is_stopped.is_set(), failure)


def _finish(status: _Outcome, writer: _Writer) -> None:
    """Writes the rest, and ends as the command has to. What has been measured is not lost, whatever went wrong."""
    report, failure = status.report, status.failure
    if isinstance(failure, OutputError) and report.results:
        write_result(report, "table", None)
    elif (failure is None and report.results) or any(result.is_measured for result in report.results):
        writer.at_the_end(report)
    if failure is not None:
        raise failure
    code = INTERRUPTED if status.is_stopped else report.exit_code
    if code:
        raise typer.Exit(code)
