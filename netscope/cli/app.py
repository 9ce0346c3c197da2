"""The application: its commands, and the one place where an error becomes a sentence and an exit code."""

import errno
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any

import typer

import netscope
from netscope.errors import NetscopeError, describe_unexpected_error

LONGEST_MESSAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command, whose module is ``cli/NAME.py``.

    Attributes:
        text: what the list of commands says of it.
        example: what to type behind ``netscope``.
        function: in its module; by default that of its name.
        kind: the class in its module that parses its arguments; by default typer's.
    """

    text: str
    example: str
    function: str = ""
    kind: str = ""


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "summary": Command(
            text="Every layer's output shape, parameters and FLOPs.", example="summary alexnet --input 1x3x224x224"
        ),
        "diff": Command(
            text="What differs between two architectures, and what it costs.", example="diff alexnet-paper alexnet-tv"
        ),
        "compare": Command(
            text="Many architectures, a row each.",
            example="compare lenet5 vgg16 resnet50 'timm/convnext_t*' --sort params",
        ),
        "check": Command(text="Budgets and the lock file, for CI.", example="check resnet50 --max-params 26M"),
        "bench": Command(
            text="Throughput, latency, memory and utilisation.",
            example="bench alexnet-paper alexnet-tv --batch-size 1,32 --mode train",
            kind="BenchCommand",
        ),
        "explain": Command(
            text="The arithmetic behind shapes, counts and receptive fields.",
            example="explain alexnet features.0 --what-if features.0.padding=0",
        ),
        "list": Command(
            text="The architectures that can be loaded by name.",
            example="list 'resnet*'",
            function="list_architectures",
        ),
        "report": Command(
            text="One page to look at an architecture, or two, in the browser.",
            example="report alexnet -o alexnet.html",
        ),
        "verify": Command(text="Our counts beside others', each difference explained.", example="verify vit_b_16"),
        "cache": Command(text="What was kept of earlier answers.", example="cache prune"),
    }
)


def application(*wanted: str) -> typer.Typer:
    """The application with those commands ready to run, and the others ready to be listed.

    What a command needs is imported with it, which takes longer than many an answer.
    """
    app = typer.Typer(
        name="netscope",
        help="Inspects PyTorch architectures: every layer's output shape, parameters and FLOPs, without the weights.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name, command in COMMANDS.items():
        module: Any = import_module(f"netscope.cli.{name}") if name in wanted else None
        app.command(
            name,
            cls=getattr(module, command.kind) if module and command.kind else None,
            short_help=command.text,
            epilog=f"Example: netscope {command.example}",
        )(getattr(module, command.function or name) if module else _root)
    return app


def __getattr__(name: str) -> Any:
    """All commands, as ``app``: for what documents them."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return application(*COMMANDS)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"netscope {netscope.__version__}")
        raise typer.Exit


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
        application(*_wanted(arguments))([argument for argument in arguments if argument != "--debug"])
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
        _say(describe_unexpected_error(error))
        return 3
    return 0


def _wanted(arguments: Sequence[str]) -> Sequence[str]:
    """The command among the arguments; all of them where there is no argument, as when a shell completes."""
    return [argument for argument in arguments if argument in COMMANDS][:1] if arguments else tuple(COMMANDS)


def _say(text: str) -> None:
    """One sentence on stderr, whatever a library put into it."""
    from netscope.cli.output import encodable
    from netscope.render import printable
    from netscope.render.continuous_integration import without_commands

    print(encodable(without_commands(printable(f"netscope: {_shortened(text)}")), sys.stderr), file=sys.stderr)


def _shortened(text: str) -> str:
    """On one line, without the stack frames that torch's C++ adds, and no longer than anyone reads.

    What was asked may be long, and stands first: the middle is left out.
    """
    line = " ".join(text.partition("Exception raised from")[0].split())
    half = LONGEST_MESSAGE // 2
    return line if len(line) <= LONGEST_MESSAGE else f"{line[:half]} … {line[-half:]} (--debug shows all of it)"
