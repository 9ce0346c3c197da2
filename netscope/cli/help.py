"""The texts of ``--help``: examples first, then arguments, options and tables of values."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from typer.core import TyperCommand, TyperGroup

from netscope.cli.commands import COMMANDS

EXAMPLES = (
    "netscope summary alexnet --input 1x3x224x224",
    "netscope diff alexnet-paper alexnet-tv",
    "netscope check resnet50 --max-params 26M",
)

COMMON_OPTIONS = (
    ("-q, --quiet", "Show no progress, and nothing that architectures print."),
    ("--debug", "Show the full traceback on error."),
)
"""Options of every command, which ``app.run`` removes from the arguments."""


class UsageCommand(TyperCommand):
    """A command with examples, whose usage line has ``ARCH`` rather than Typer's ``{ARCH}``."""

    tables: ClassVar[Mapping[str, Mapping[str, str]]] = MappingProxyType({})
    """Tables below the options: the meaning of each value, by the title of the table."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses the arguments, with ``--json`` for ``--format json``."""
        end = args.index("--") if "--" in args else len(args)
        written = ["--format=json" if argument == "--json" else argument for argument in args[:end]]
        # An architecture from stdin, -:NAME, would be parsed as an option. The space is removed with the name's.
        written = [f" {argument}" if argument.startswith("-:") else argument for argument in written]
        return super().parse_args(ctx, [*written, *args[end:]])

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Returns the parts of the usage line."""
        return ["[OPTIONS]", *map(_format_argument, _select(self.get_params(ctx), "argument"))]

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Writes the description and the examples."""
        super().format_help_text(ctx, formatter)
        _write_examples(formatter, (f"netscope {example}" for example in COMMANDS[self.name or ""].examples))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes the arguments, the options and the tables of values."""
        params = self.get_params(ctx)
        sections = {
            "Arguments": [
                (_format_argument(param), param.get_help_record(ctx)[1]) for param in _select(params, "argument")
            ],
            "Options": [*_get_records(ctx, params), *COMMON_OPTIONS],
            **{title: list(values.items()) for title, values in self.tables.items()},
        }
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class UsageGroup(TyperGroup):
    """The application, whose help lists the commands before the options."""

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Writes the description and the examples."""
        super().format_help_text(ctx, formatter)
        _write_examples(formatter, EXAMPLES)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes the commands and the options."""
        self.format_commands(ctx, formatter)
        with formatter.section("Options"):
            formatter.write_dl(_get_records(ctx, self.get_params(ctx)))


def _get_records(ctx: Any, params: Iterable[Any]) -> list[tuple[str, str]]:
    return [record for param in _select(params, "option") if (record := param.get_help_record(ctx)) is not None]


def _select(params: Iterable[Any], kind: str) -> list[Any]:
    return [param for param in params if param.param_type_name == kind]


def _format_argument(param: Any) -> str:
    """Returns an argument as in the usage line: ``ARCH``, ``[PATTERN]`` or ``ARCH...``."""
    name = f"{param.metavar}{'' if param.nargs == 1 else '...'}"
    return name if param.required else f"[{name}]"


def _write_examples(formatter: Any, examples: Iterable[str]) -> None:
    with formatter.section("Examples"):
        for example in examples:
            formatter.write(f"{'':{formatter.current_indent}}{example}\n")
