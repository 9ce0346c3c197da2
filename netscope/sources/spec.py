"""The grammar of architecture names: ``[SOURCE/]NAME``, ``module:factory`` or ``file.py:factory``, then options."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netscope.errors import UsageError
from netscope.runtime.wording import show_all_names

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
"""The tokens of Python literals. Some invalid text only causes a warning in Python, e.g. ``1is 2`` and ``'\\d'``."""

MAX_VALUE_LENGTH = 3_500
"""Characters of an option's value. As a hexadecimal number, it is as long as the longest that Python prints."""

MAX_NAME_BYTES = 255
"""Maximum bytes of a file name on common file systems."""

FILE_SOURCE = "file"
"""Name of the source of saved programs and weights."""

SAVED_SUFFIXES = frozenset({".pt2", ".safetensors", ".pt", ".pth", ".bin", ".ckpt"})
"""Suffixes of files that contain programs or weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureSpec:
    """The parsed name of an architecture.

    Attributes:
        text: full text as typed.
        target: part before the options.
        options: values of the options, by name.
    """

    text: str
    target: str
    options: dict[str, Any]


def parse_spec(text: str) -> ArchitectureSpec:
    """Returns the parts of an architecture's name.

    Raises:
        UsageError: the name is empty, or an option is malformed or given twice.
    """
    target, *rest = _OPTIONS.split(text.strip(), maxsplit=1)
    if not target:
        raise UsageError(f"the name of the architecture is empty; {show_all_names()}")
    if "@" in re.split("[:/]", target)[-1] and not rest:
        raise UsageError(f"invalid options in {text!r}; expected NAME@key=value,key=value")
    if any(len(part.encode(errors="surrogatepass")) > MAX_NAME_BYTES for part in target.split("/")):
        raise UsageError(f"the name {target[:40]!r}… is too long: a part of it has more than {MAX_NAME_BYTES} bytes")
    options: dict[str, Any] = {}
    for option in _NEXT_OPTION.split(rest[0]) if rest else ():
        key, _, value = option.strip().partition("=")
        if key in options:
            raise UsageError(f"{text!r} sets {key!r} twice")
        options[key] = parse_value(value.strip(), text)
    return ArchitectureSpec(text=text.strip(), target=target, options=options)


def parse_value(literal: str, text: str) -> Any:
    """Returns the value of a Python literal or bare word; ``true``, ``false``, ``none`` are constants.

    Raises:
        UsageError: ``literal`` is neither; the message quotes ``text``.
    """
    if literal.endswith(","):
        raise UsageError(f"{text!r} ends with a comma; remove it, or add another key=value")
    if len(literal) > MAX_VALUE_LENGTH:
        raise UsageError(f"the value {literal[:40]!r}… has more than {MAX_VALUE_LENGTH:,} characters")
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
        f"{text!r}: the value {literal!r} is neither a Python literal nor a bare word; put it in quotes"
    ) from reason


def is_saved_file(target: str) -> bool:
    """Returns whether ``target`` is the path of a saved program or weights file."""
    return Path(target).suffix in SAVED_SUFFIXES
