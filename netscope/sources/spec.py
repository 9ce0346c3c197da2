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
_NUMBER = r"(?:0[xob][0-9a-f_]+|(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:e[+-]?[0-9_]+)?j?)(?![\w.])"
_BYTE = r"\\(?-i:[\\'\"abfnrtv\n]|[0-3][0-7]{2}|[0-7]{1,2}(?![0-7])|x[0-9a-fA-F]{2})"
_CHARACTER = rf"{_BYTE}|\\(?-i:u[0-9a-fA-F]{{4}}|U[0-9a-fA-F]{{8}}|N\{{)"
_STRING = "|".join(
    rf"{prefix}{quote}(?:{escape}|(?!{quote})[^\\])*{quote}"
    for quote in ("'''", '"""', "'", '"')
    for prefix, escape in (("(?:r|br|rb)", r"\\."), ("b", _BYTE), ("u?", _CHARACTER))
)
_TOKEN = re.compile(
    rf"[\s()\[\]{{}},:+-]|(?-i:True|False|None)\b|{_NUMBER}|{_STRING}|(?P<rest>.+)", re.IGNORECASE | re.DOTALL
)
"""What Python's literals are made of. Of some other text Python only warns, as of ``1is 2`` and ``'\\d'``."""

LONGEST_VALUE = 3_500
"""Characters. So many hexadecimal digits are as long a number as Python writes."""

LONGEST_NAME = 255
"""Bytes of a name in a path, on the file systems that there are."""

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
    if any(len(part.encode(errors="surrogatepass")) > LONGEST_NAME for part in target.split("/")):
        raise UsageError(f"no file, no object and no architecture has a name as long as {target[:40]!r}…")
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
    if len(literal) > LONGEST_VALUE:
        raise UsageError(f"the value {literal[:40]!r}… has more than {LONGEST_VALUE:,} characters")
    if literal.lower() in _WORDS:
        return _WORDS[literal.lower()]
    reason = None
    if not _TOKEN.sub(r"\g<rest>", literal):
        try:
            return ast.literal_eval(literal)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
            reason = error
    if _WORD.fullmatch(literal):
        return literal
    raise UsageError(
        f"{text!r}: the value {literal!r} is neither a Python literal nor a bare word; quote it"
    ) from reason


def is_saved_file(target: str) -> bool:
    """Whether ``target`` names a file of a program or of weights."""
    return Path(target).suffix in SAVED_SUFFIXES
