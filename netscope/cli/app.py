"""The command line application: its commands, and how errors become messages and exit codes."""

import errno
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import typer

import netscope
from netscope.cli.commands import COMMANDS, IS_QUIET
from netscope.cli.completion import join_words_of_bash
from netscope.cli.help import UsageCommand, UsageGroup
from netscope.errors import NetscopeError, describe_unexpected_error, shorten_message
from netscope.runtime.wording import name_options

_ROOT_OPTIONS = ("-h", "--help", "-V", "--version", "--install-completion", "--show-completion")


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
        cls=UsageGroup,
    )
    app.callback()(_root)
    for name, command in COMMANDS.items():
        module: Any = import_module(f"netscope.cli.{name}") if name in requested else None
        app.command(
            name,
            cls=getattr(module, command.parser) if module and command.parser else UsageCommand,
            short_help=command.text,
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
        False, "--version", "-V", callback=_show_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """Takes the options of ``netscope`` itself."""


@name_options()
def run(arguments: Sequence[str]) -> int:
    """Runs one command and returns its exit code.

    An error that netscope raises is one sentence on stderr. Any other exception is reported as a bug in netscope.
    ``--debug`` shows the traceback of either, and ``--quiet`` hides progress; both may stand anywhere.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    flags = {"--debug", "--quiet", "-q"}.intersection(arguments[:end])
    debug = "--debug" in flags
    arguments = [*(argument for argument in arguments[:end] if argument not in flags), *arguments[end:]]
    try:
        IS_QUIET.set(bool(flags - {"--debug"}))
        if not arguments:
            join_words_of_bash()
        arguments = _add_command(arguments)
        build_app(*_requested_commands(arguments))(arguments, obj=arguments)
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


def _add_command(arguments: Sequence[str]) -> list[str]:
    """Returns the arguments with ``summary`` before an architecture without a command, and ``--help`` for ``help``."""
    first, *others = arguments or [""]
    if first == "help":
        return [*others[:1], "--help"]
    is_option = first.startswith("-") and first != "-" and not first.startswith("-:")
    if is_option and first not in _ROOT_OPTIONS and COMMANDS.keys().isdisjoint(arguments):
        return ["summary", *arguments]
    if not first or is_option or first in COMMANDS:
        return list(arguments)
    # A misspelled command is not an architecture.
    if get_close_matches(first, COMMANDS):
        from netscope.api.list import find_name_error

        if find_name_error(first) is not None:
            return list(arguments)
    return ["summary", *arguments]


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
