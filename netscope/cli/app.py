"""The application: its commands, and the one place where an error becomes a sentence and an exit code."""

import errno
import sys
import traceback
from collections.abc import Sequence

import typer

import netscope
from netscope.cli import (
    bench_command,
    check_command,
    compare_command,
    diff_command,
    explain_command,
    list_command,
    report_command,
    summary_command,
    verify_command,
)
from netscope.cli.output import encodable
from netscope.errors import NetscopeError
from netscope.render import printable

LONGEST_MESSAGE = 1000

app = typer.Typer(
    name="netscope",
    help="Inspects PyTorch architectures: every layer's output shape, parameters and FLOPs, without the weights.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(
    "summary",
    short_help="Every layer's output shape, parameters and FLOPs.",
    epilog="Example: netscope summary alexnet --input 1x3x224x224",
)(summary_command.summary)
app.command(
    "diff",
    short_help="What differs between two architectures, and what it costs.",
    epilog="Example: netscope diff alexnet-paper alexnet-tv",
)(diff_command.diff)
app.command(
    "compare",
    short_help="Many architectures, a row each.",
    epilog="Example: netscope compare lenet5 vgg16 resnet50 'timm/convnext_t*' --sort params",
)(compare_command.compare)
app.command(
    "check",
    short_help="Budgets and the lock file, for CI.",
    epilog="Example: netscope check resnet50 --max-params 26M",
)(check_command.check)
app.command(
    "bench",
    cls=bench_command.BenchCommand,
    short_help="Throughput, latency, memory and utilisation.",
    epilog="Example: netscope bench alexnet-paper alexnet-tv --batch-size 1,32 --mode train",
)(bench_command.bench)
app.command(
    "explain",
    short_help="The arithmetic behind shapes, counts and receptive fields.",
    epilog="Example: netscope explain alexnet features.0 --what-if features.0.padding=0",
)(explain_command.explain)
app.command(
    "list", short_help="The architectures that can be loaded by name.", epilog="Example: netscope list 'resnet*'"
)(list_command.list_architectures)
app.command(
    "report",
    short_help="One page to look at an architecture, or two, in the browser.",
    epilog="Example: netscope report alexnet -o alexnet.html",
)(report_command.report)
app.command(
    "verify",
    short_help="Our counts beside others', each difference explained.",
    epilog="Example: netscope verify vit_b_16",
)(verify_command.verify)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"netscope {netscope.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """Inspects PyTorch architectures: every layer's output shape, parameters and FLOPs, without the weights."""


def run(arguments: Sequence[str]) -> int:
    """Runs one command; returns its exit code.

    Whatever netscope raises on purpose is one sentence on stderr. Anything else is our own mistake: it is named as
    such. ``--debug`` shows the traceback of either.
    """
    debug = "--debug" in arguments
    try:
        app([argument for argument in arguments if argument != "--debug"])
    except SystemExit as finished:
        return finished.code if isinstance(finished.code, int) else int(finished.code is not None)
    except NetscopeError as error:
        if debug:
            traceback.print_exc()
        _say(str(error))
        return error.exit_code
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.EPIPE, errno.ENOSPC):
            raise  # stdout's: whoever runs us knows
        if debug:
            traceback.print_exc()
        _say(f"this is a mistake in netscope, and --debug shows where: unexpected {type(error).__name__}: {error}")
        return 3
    return 0


def _say(text: str) -> None:
    """One sentence on stderr, whatever a library put into it."""
    print(encodable(printable(f"netscope: {_shortened(text)}"), sys.stderr), file=sys.stderr)


def _shortened(text: str) -> str:
    """On one line, without the stack frames that torch's C++ adds, and no longer than anyone reads."""
    line = " ".join(text.partition("Exception raised from")[0].split())
    return line if len(line) <= LONGEST_MESSAGE else f"{line[:LONGEST_MESSAGE]} … (--debug shows all of it)"
