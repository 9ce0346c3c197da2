"""The errors for names that no source has: what the name looks like, and what to type instead."""

import ast
import inspect
import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher, get_close_matches
from typing import Any

from netscope.errors import UnknownNameError, did_you_mean, join_choices
from netscope.runtime.files import expand_home
from netscope.runtime.wording import show_all_names
from netscope.sources.spec import SAVED_SUFFIXES

MAX_DISTANCE = 0.15
"""How much less similar than the closest name another suggestion may be."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_LITERAL_NODES = (ast.Constant, ast.Tuple, ast.List, ast.Dict, ast.UnaryOp, ast.USub, ast.UAdd, ast.Load)
_WEIGHTS_OPTIONS = ("weights", "pretrained", "progress", "weights_backbone")
_MODULE_ALIASES = {"nn": "torch.nn", "models": "torchvision.models"}


def unknown_architecture_error(
    target: str, names: Mapping[str, Sequence[str]], prefixed: Mapping[str, Any]
) -> UnknownNameError:
    """Returns the error for a name without a source.

    Args:
        target: the name as typed, without options.
        names: the names of each source; the best known first.
        prefixed: the sources whose names need their prefix.
    """
    remedy = _explain_call(target, names) or _explain_path(target)
    if remedy:
        return UnknownNameError(remedy)
    scores: dict[str, float] = {}
    for source, known in names.items():
        closest = _find_closest(target, known)
        if closest is not None:
            name, score = closest
            scores.setdefault(f"{source}/{name}" if source in prefixed else name, score)
    best = [name for name, score in scores.items() if score >= max(scores.values()) - MAX_DISTANCE]
    module, dot, attribute = target.rpartition(".")
    if dot and module.replace(".", "").isidentifier():
        remedy = f"; for a Python object, use {module}:{attribute}"
    elif best:
        remedy = f"; did you mean {join_choices(best)}?"
    missing = [source.package for prefix, source in prefixed.items() if prefix not in names]
    if missing and not remedy:
        remedy = f"; for names of {' and '.join(missing)}, run pip install {' '.join(missing)}"
    return UnknownNameError(f"unknown architecture {target!r}{remedy or f'; {show_all_names()}'}")


def unknown_source_error(target: str, sources: Sequence[str]) -> UnknownNameError:
    """Returns the error for ``SOURCE/NAME`` whose source does not exist."""
    remedy = _explain_path(target)
    if remedy:
        return UnknownNameError(remedy)
    prefix = target.partition("/")[0]
    closest = did_you_mean(prefix, sources)
    if not closest and _HUB_ID.fullmatch(target):
        closest = f"; for a model of the Hugging Face Hub, use hf/{target}"
    return UnknownNameError(f"unknown source {prefix!r}{closest}; available sources: {', '.join(sources)}")


def _find_closest(name: str, known: Sequence[str]) -> tuple[str, float] | None:
    """Returns the first name that starts with ``name``, otherwise the most similar, and the similarity."""
    by_lower = {candidate.lower(): candidate for candidate in reversed(known)}
    wanted = name.lower()
    if wanted in by_lower:
        return by_lower[wanted], 1.0
    for candidate in known:
        if candidate.lower().startswith(wanted):
            return candidate, 1.0
    # A checkpoint is often called after its architecture: bert-base-uncased, Llama-3.1-8B.
    first_word = re.split(r"[-_.\d]", wanted)[0]
    matches = get_close_matches(wanted, by_lower, n=1) or ([first_word] if first_word in by_lower else [])
    return (by_lower[matches[0]], SequenceMatcher(None, wanted, matches[0]).ratio()) if matches else None


def _explain_path(target: str) -> str | None:
    """Returns what to do about a file or folder; None if the name is not a path."""
    path = expand_home(target)
    if path.is_dir():
        if (path / "config.json").is_file():
            return f"{target!r} is a folder; for the transformers model in it, use hf/{target}"
        return f"{target!r} is a folder; name a class or function in a Python file, e.g. {target.rstrip('/')}/my.py:Net"
    if path.is_file():
        readable = ", ".join(sorted({*SAVED_SUFFIXES, ".json"}))
        return f"cannot read an architecture from {target!r}; expected FILE.py:NAME or a file with one of {readable}"
    return f"file or folder {target!r} not found" if target.startswith((".", "/", "~")) else None


def _explain_call(target: str, names: Mapping[str, Sequence[str]]) -> str | None:
    """Returns how to write a call such as ``nn.Linear(3, 4)``; None if the name is not a call."""
    if "(" not in target:
        return None
    try:
        call = ast.parse(target, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not isinstance(call, ast.Call):
        return None
    path = ast.unparse(call.func).split(".")
    path[:1] = _MODULE_ALIASES.get(path[0], path[0]).split(".") if len(path) > 1 else path[:1]
    module, name = ".".join(path[:-1]), path[-1]
    known = _list_parameters(name)[: len(call.args)] if module == "torch.nn" else ()
    values = dict(zip(known, call.args, strict=False)) | {word.arg: word.value for word in call.keywords}
    is_registered = module in ("", "torchvision.models") and any(name in names_ for names_ in names.values())
    if is_registered:
        values = {key: value for key, value in values.items() if key not in _WEIGHTS_OPTIONS}
    is_expressible = len(known) == len(call.args) and None not in values and all(map(_is_literal, values.values()))
    refusal = f"{target!r} is a Python expression, which netscope does not run"
    if not is_expressible or (module == "torch.nn" and not known and call.args):
        return f"{refusal}; return it from a function in a file, and write my.py:function"
    options = ",".join(f"{key}={ast.unparse(value)}" for key, value in values.items())
    written = name if is_registered else f"{module or 'my.py'}:{name}"
    return f"{refusal}; write {written}{options and '@'}{options}"


def _is_literal(value: ast.expr) -> bool:
    return all(isinstance(node, _LITERAL_NODES) for node in ast.walk(value))


def _list_parameters(name: str) -> list[str]:
    """Returns the names of the parameters of a class in ``torch.nn``; empty if there is no such class."""
    from torch import nn

    return list(inspect.signature(getattr(nn, name)).parameters) if hasattr(nn, name) else []
