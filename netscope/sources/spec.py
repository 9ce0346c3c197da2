"""The grammar of an architecture: ``[SOURCE/]NAME``, ``module:factory`` or ``file.py:factory``, then options."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netscope.errors import UsageError

_OPTIONS = re.compile(r"@(?=[^\W\d]\w*=)")
_NEXT_OPTION = re.compile(r",(?=\s*[^\W\d]\w*=)")
_WORD = re.compile(r"[\w.+\-/]+")
_WORDS = {"true": True, "false": False, "none": None}


SAVED = "file"
"""The source of what is saved in files."""

SAVED_SUFFIXES = frozenset({".pt2", ".safetensors", ".pt", ".pth", ".bin", ".ckpt"})
"""Of the files that programs and weights are saved in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureSpec:
    """An architecture as typed, taken apart.

    Attributes:
        text: the whole.
        target: what comes before the options.
        options: Python values by name.
    """

    text: str
    target: str
    options: dict[str, Any]


def parse_spec(text: str) -> ArchitectureSpec:
    """The parts of ``text``.

    Raises:
        UsageError: it is empty, or an option is malformed or given twice.
    """
    target, *rest = _OPTIONS.split(text.strip(), maxsplit=1)
    if not target:
        raise UsageError("the name of the architecture is empty; try alexnet, or netscope list")
    if "@" in re.split("[:/]", target)[-1] and not rest:
        raise UsageError(f"{text!r}: what follows the @ is not key=value,key=value")
    options: dict[str, Any] = {}
    for option in _NEXT_OPTION.split(rest[0]) if rest else ():
        key, _, value = option.strip().partition("=")
        if key in options:
            raise UsageError(f"{text!r} gives {key!r} twice")
        options[key] = parse_value(value.strip(), text)
    return ArchitectureSpec(text=text.strip(), target=target, options=options)


def parse_value(literal: str, text: str) -> Any:
    """A Python literal, or a bare word as a string; ``true``, ``false`` and ``none`` mean Python's.

    Raises:
        UsageError: it is neither; the message quotes ``text``.
    """
    if literal.endswith(","):
        raise UsageError(f"{text!r}: nothing follows the last comma")
    if literal.lower() in _WORDS:
        return _WORDS[literal.lower()]
    try:
        return ast.literal_eval(literal)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        if _WORD.fullmatch(literal):
            return literal
        raise UsageError(
            f"{text!r}: the value {literal!r} is neither a Python literal nor a bare word; quote it"
        ) from error


def is_saved_file(target: str) -> bool:
    """Whether ``target`` names a file of a program or of weights."""
    return Path(target).suffix in SAVED_SUFFIXES
