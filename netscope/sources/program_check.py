"""What an exported program may hold: torch evaluates its symbolic sizes, and would unpickle its objects."""

import json
import pickle
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from netscope.errors import BuildError

FUNCTIONS = frozenset(
    {
        "Abs", "Add", "And", "CeilDiv", "CeilToInt", "CleanDiv", "Eq", "FloatPow", "FloatTrueDiv", "FloorDiv",
        "FloorToInt", "Ge", "Gt", "Identity", "IntTrueDiv", "Integer", "IsNonOverlappingAndDenseIndicator", "LShift",
        "Le", "Lt", "Max", "Min", "Mod", "ModularIndexing", "Mul", "Ne", "Not", "Or", "Pow", "PowByNatural",
        "PythonMod", "RShift", "Rational", "RoundDecimal", "RoundToInt", "Symbol", "ToFloat", "TruncToFloat",
        "TruncToInt", "Where", "ceiling", "floor",
    }
)  # fmt: skip
"""What sizes are calculated with."""

_CALL = re.compile(r"([A-Za-z_]\w*)\s*\(")
_UNUSUAL = re.compile(r"__|[\[\]{};:@\\\n]|\.\s*[A-Za-z_]")


def check_program(path: Path, text: str) -> None:
    """Checks that the sizes in an exported program are arithmetic, since ``sympy.sympify`` runs whatever else it reads.

    Raises:
        BuildError: one of them is not.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        contents = [_parsed(archive.read(name)) for name in archive.namelist() if name.endswith(".json")]
    for expression in _expressions(contents):
        if _UNUSUAL.search(expression) or not FUNCTIONS.issuperset(_CALL.findall(expression)):
            raise BuildError(f"{text} has a size that is no arithmetic, which torch would run: {expression[:80]!r}")


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:  # torch says what is wrong with it
        return None


def _expressions(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "expr_str" and isinstance(item, str):
                yield item
            else:
                yield from _expressions(item)
    elif isinstance(value, list):
        for item in value:
            yield from _expressions(item)


@contextmanager
def nothing_unpickled() -> Iterator[None]:
    """Refuses what would be unpickled; ``torch.load(weights_only=True)`` has a reader of its own."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise pickle.UnpicklingError("Unsupported global: pickle.object")

    before = pickle.loads, pickle.load
    pickle.loads = pickle.load = refuse
    try:
        yield
    finally:
        pickle.loads, pickle.load = before
