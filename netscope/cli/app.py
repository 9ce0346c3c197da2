"""The application: its commands, and the one place where an error becomes a sentence and an exit code."""

import sys
import traceback
from collections.abc import Sequence

import typer

import netscope
from netscope.cli import list_command, summary_command, verify_command
from netscope.errors import NetscopeError

app = typer.Typer(
    name="netscope",
    help="Inspects PyTorch architectures: every layer's output shape, parameters and FLOPs, without the weights.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("summary")(summary_command.summary)
app.command("list")(list_command.list_architectures)
app.command("verify")(verify_command.verify)


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
        print(f"netscope: {_one_line(str(error))}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the one place where our own mistakes end
        if debug:
            traceback.print_exc()
        print(
            f"netscope: unexpected {type(error).__name__}: {_one_line(str(error))}; this is a mistake in netscope, "
            f"and --debug shows where",
            file=sys.stderr,
        )
        return 3
    return 0


def _one_line(text: str) -> str:
    return " ".join(text.split())
