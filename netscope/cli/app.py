"""The command line application: its commands, and how errors become messages and exit codes."""

import errno
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any

import typer
from typer.core import TyperCommand

import netscope
from netscope.errors import NetscopeError, describe_unexpected_error, shorten_message
from netscope.runtime.wording import name_options


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command, whose module is ``cli.NAME``.

    Attributes:
        text: one-line description in the list of commands.
        example: example arguments of ``netscope``.
        function: name of the function in the module; by default the command's name.
        parser: name of the class in the module that parses the arguments; by default ``UsageCommand``.
    """

    text: str
    example: str
    function: str = ""
    parser: str = ""


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "summary": Command(
            text="Show every layer's output shape, parameters and FLOPs.", example="summary alexnet --input 1x3x224x224"
        ),
        "diff": Command(text="Compare two architectures layer by layer.", example="diff alexnet-paper alexnet-tv"),
        "compare": Command(
            text="Compare many architectures, one row each.",
            example="compare lenet5 vgg16 resnet50 'timm/convnext_t*' --sort params",
        ),
        "check": Command(
            text="Check architectures against budgets and a lock file (for CI).",
            example="check resnet50 --max-params 26M",
        ),
        "bench": Command(
            text="Measure throughput, latency, memory and utilization.",
            example="bench alexnet-paper alexnet-tv --batch-size 1,32 --mode train",
            parser="BenchCommand",
        ),
        "explain": Command(
            text="Show the arithmetic behind shapes, counts and receptive fields.",
            example="explain alexnet features.0 --what-if features.0.padding=0",
        ),
        "list": Command(
            text="List the architectures that can be loaded by name.",
            example="list 'resnet*'",
            function="list_architectures",
        ),
        "report": Command(
            text="Write a self-contained HTML report of one or two architectures.",
            example="report alexnet -o alexnet.html",
        ),
        "verify": Command(text="Compare our counts with other tools and published values.", example="verify vit_b_16"),
        "cache": Command(text="Show, prune or clear cached results.", example="cache prune"),
    }
)


class UsageCommand(TyperCommand):
    """A command whose usage line shows ARCH rather than Typer's {ARCH}, which means a choice in CLI notation."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Returns the parts of the usage line."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


def build_app(*requested: str) -> typer.Typer:
    """Returns the application, in which only the requested commands can run; the others are listed.

    A command's module is imported with what it needs, which takes longer than many results.
    """
    app = typer.Typer(
        name="netscope",
        help="Inspect PyTorch architectures without their weights: output shapes, parameters and FLOPs of every layer.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name, command in COMMANDS.items():
        module: Any = import_module(f"netscope.cli.{name}") if name in requested else None
        app.command(
            name,
            cls=getattr(module, command.parser) if module and command.parser else UsageCommand,
            short_help=command.text,
            epilog=f"Example: netscope {command.example}",
        )(getattr(module, command.function or name) if module else _root)
    return app


def __getattr__(name: str) -> Any:
    """Returns the application with all commands as ``app``, for the documentation."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return build_app(*COMMANDS)


def _show_version(is_requested: bool) -> None:
    if is_requested:
        typer.echo(f"netscope {netscope.__version__}")
        raise typer.Exit


def _root(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """Takes the options of ``netscope`` itself."""


@name_options()
def run(arguments: Sequence[str]) -> int:
    """Runs one command and returns its exit code.

    An error that netscope raises is one sentence on stderr. Any other exception is reported as a bug in netscope.
    ``--debug`` shows the traceback of either.
    """
    debug = "--debug" in arguments
    try:
        app = build_app(*_requested_commands(arguments))
        app([argument for argument in arguments if argument != "--debug"], obj=arguments)
    except SystemExit as finished:
        return finished.code if isinstance(finished.code, int) else int(finished.code is not None)
    except NetscopeError as error:
        if debug:
            traceback.print_exc()
        _print_error(str(error))
        return error.exit_code
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.EPIPE, errno.ENOSPC):
            raise  # of stdout, which the caller handles
        if debug:
            traceback.print_exc()
        _print_error(describe_unexpected_error(error))
        return 3
    return 0


def _requested_commands(arguments: Sequence[str]) -> Sequence[str]:
    """Returns the command among the arguments, or all commands without arguments, as in shell completion."""
    return [argument for argument in arguments if argument in COMMANDS][:1] if arguments else tuple(COMMANDS)


def _print_error(text: str) -> None:
    """Prints an error as one line on stderr, safe for terminals and CI logs whatever a library put into it."""
    from netscope.cli.output import encode_for
    from netscope.render import printable
    from netscope.render.continuous_integration import without_commands

    message = f"netscope: {shorten_message(text, ' (--debug shows all of it)')}"
    print(encode_for(without_commands(printable(message)), sys.stderr), file=sys.stderr)
