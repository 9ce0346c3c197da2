"""Writes the reference pages that are generated from the code: commands, JSON schema and files.

    python docs/generate.py

A test fails if a page is out of date.
"""

import ast
import inspect
import re
import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_args, get_origin

from house import FLOORS, PACKAGE, modules, owners
from typer.main import get_command

from netscope import schema
from netscope.cli.app import COMMANDS, app

REFERENCE = Path(__file__).parent / "reference"
GENERATED = "Generated from the code by `docs/generate.py`."
RESULTS = (
    schema.Summary,
    schema.ModelDiff,
    schema.WeightsMap,
    schema.ComparisonTable,
    schema.CheckReport,
    schema.BenchReport,
    schema.SelfTest,
    schema.Listing,
    schema.Verification,
)


def commands_page() -> str:
    """Returns the page that lists every command with its arguments and options."""
    lines = ["# Commands", "", GENERATED, ""]
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]  # the app has several
        lines += [f"## netscope {name}", "", command.help, "", *_options(command), ""]
    lines.append("See also the [exit codes](grammar.md#exit-codes).")
    return "\n".join(lines) + "\n"


def _options(command: Any) -> Iterator[str]:
    yield "| option | default | |"
    yield "| --- | --- | --- |"
    for parameter in command.params:
        names = parameter.opts if parameter.param_type_name == "option" else ()
        written = " ".join(
            (", ".join(f"`{text}`" for text in names), f"`{parameter.metavar}`" if parameter.metavar else "")
        )
        default = "" if parameter.default in (None, False) else f"`{parameter.default}`"
        yield f"| {written.strip()} | {default} | {_cell(parameter.help)} |"


def schema_page() -> str:
    """Returns the page that lists every result type with its fields."""
    lines = [
        "# JSON schema",
        "",
        GENERATED,
        "",
        f"A saved result has the fields of its type, and `kind` and `schema_version` ({schema.SCHEMA_VERSION}).",
        "Shapes are arrays of integers. Parameters are counted in elements, FLOPs per forward pass.",
        "",
    ]
    for kind in _reachable(RESULTS):
        lines += [f"## {kind.__name__}", "", _cell((inspect.getdoc(kind) or "").partition("\n\nAttributes:")[0]), ""]
        lines += ["| field | type | |", "| --- | --- | --- |"]
        meanings = _meanings(kind)
        hints = typing.get_type_hints(kind)
        for field in fields(kind):
            optional = "" if field.default is MISSING else f" Default: {field.default!r}."
            meaning = f"{meanings.get(field.name, '')}{optional}"
            lines.append(f"| `{field.name}` | {_cell(_type(hints[field.name]))} | {_cell(meaning)} |")
        lines.append("")
    return "\n".join(lines)


def _reachable(kinds: tuple[Any, ...]) -> list[Any]:
    """Returns the types, each followed by the types of its fields."""
    found: list[Any] = []

    def visit(kind: Any) -> None:
        if hasattr(kind, "__dataclass_fields__") and kind not in found:
            found.append(kind)
            for hint in typing.get_type_hints(kind).values():
                visit(hint)
        for argument in get_args(kind):
            visit(argument)

    for kind in kinds:
        visit(kind)
    return found


def _type(hint: Any) -> str:  # noqa: PLR0911 - a table of cases
    if hint == schema.PlainValue:
        return "null, boolean, number, string or array of these"
    if hint is type(None):
        return "null"
    if get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(_type(argument) for argument in get_args(hint))
    if get_origin(hint) is tuple:
        return f"array of {_type(get_args(hint)[0])}"
    if get_origin(hint) is dict:
        return f"object of {_type(get_args(hint)[1])}"
    if get_origin(hint) is typing.Literal:
        return " or ".join(f'"{value}"' for value in get_args(hint))
    names = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return names.get(hint) or f"[{hint.__name__}](#{hint.__name__.lower()})"


def _meanings(kind: Any) -> dict[str, str]:
    """Returns the description of each field, from the ``Attributes`` section of the docstring."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        section = inspect.cleandoc(base.__doc__ or "").partition("Attributes:\n")[2]
        for entry in re.split(r"\n(?=    \w)", section):
            name, _, meaning = entry.strip().partition(": ")
            found[name] = " ".join(meaning.split())
    return found


def _cell(text: str) -> str:
    return text.replace("``", "`").replace("|", r"\|")


def files_page() -> str:
    """Returns the page that lists every command with its files, and the files that several commands share."""
    owner = owners()
    lines = [
        "# Files of each command",
        "",
        GENERATED,
        "",
        f"A command's files have its name on every floor: {', '.join(f'`{floor}/`' for floor in FLOORS)}.",
        "A file under another name is listed with a command if no other command imports it.",
        "[The architecture of the code](../explanation/architecture.md) describes the floors.",
        "",
    ]
    for command in COMMANDS:
        lines += [f"## {command}", "", *_files(module for module in owner if owner[module] == command), ""]
    lines += ["## Shared", "", *_files(module for module in modules() if module not in owner), ""]
    return "\n".join(lines)


def _files(names: Iterable[str]) -> Iterator[str]:
    yield "| file | contains |"
    yield "| --- | --- |"
    files = modules()
    floors = dict.fromkeys((*FLOORS, *(name.partition(".")[0] for name in files)))
    for name in sorted(names, key=lambda name: (list(floors).index(name.partition(".")[0]), files[name])):
        tree = ast.parse((PACKAGE / files[name]).read_text(encoding="utf-8"))
        yield f"| `{files[name].as_posix()}` | {_cell((ast.get_docstring(tree) or '').partition(chr(10))[0])} |"


PAGES = {"commands.md": commands_page, "schema.md": schema_page, "files.md": files_page}


def main() -> None:
    """Writes the pages."""
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
