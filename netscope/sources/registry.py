"""Which sources there are, and which of them a name belongs to."""

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType

from netscope.errors import (
    BrokenInstallError,
    BuildError,
    MissingExtraError,
    NetscopeError,
    UnknownNameError,
    UsageError,
    describe_error,
    did_you_mean,
)
from netscope.schema import ListedArchitecture
from netscope.sources.base import Catalog, ModelSource, ResolvedArchitecture
from netscope.sources.builtin import BuiltInSource
from netscope.sources.python import is_python_reference, resolve_python
from netscope.sources.spec import is_saved_file, parse_spec
from netscope.sources.timm import TimmSource
from netscope.sources.torchvision import TorchvisionSource
from netscope.sources.transformers import TransformersSource, is_model_type, read_config_content

ENTRY_POINTS = "netscope.sources"

SOURCES: Mapping[str, Callable[[], ModelSource]] = MappingProxyType(
    {source.name: source for source in (BuiltInSource, TorchvisionSource)}
)
"""The sources that netscope knows itself, in the order in which a plain name is looked for."""

PREFIXED_SOURCES: Mapping[str, Callable[[], ModelSource]] = MappingProxyType(
    {source.name: source for source in (TimmSource, TransformersSource)}
)
"""Those whose names need the source before them: packages of an extra, slow to import."""


BUILT_IN = BuiltInSource.name

HUGGING_FACE = TransformersSource.name

_NAMES_ARE_IN: Mapping[str, str] = MappingProxyType(
    {
        TorchvisionSource.name: "torchvision.models",
        TimmSource.name: "timm",
        TransformersSource.name: "transformers.models.auto.modeling_auto",
    }
)
"""Source → the module that knows its names."""


def list_imported_sources() -> tuple[str, ...]:
    """Those whose names cost nothing, since the module that knows them has been imported."""
    return tuple(name for name, module in _NAMES_ARE_IN.items() if module in sys.modules)


def is_registered(text: str) -> bool:
    """Whether ``text`` is a name rather than a Python object or a file, which are looked for in a folder."""
    try:
        target = parse_spec(text).target
    except UsageError:
        return False
    return not (is_python_reference(target) or is_saved_file(target))


def read_cache_key_content(text: str, folder: Path) -> bytes | None:
    """Returns what ``text`` means beside what is installed: the contents of a configuration; of a name nothing.

    None if it means a Python object or a saved file, about which no answer can be cached; or a configuration that
    leads to other files.

    Args:
        text: an architecture as typed.
        folder: where files are looked for.
    """
    if not is_registered(text):
        return None
    spec = parse_spec(text)
    prefix, _, name = spec.target.partition("/")
    return read_config_content(name, spec.options, folder) if prefix == HUGGING_FACE else b""


def is_cacheable(prefix: str, name: str | None = None, folder: Path | None = None) -> bool:
    """Returns whether what is installed, and ``read_cache_key_content``, define an architecture that was resolved.

    Args:
        prefix: the source that has it.
        name: its name there; None for the names of all.
        folder: where files are looked for.
    """
    make = _sources().get(prefix)
    if make is None or not getattr(_made(prefix, make), "is_cacheable", False):
        return False
    if prefix != HUGGING_FACE or name is None or folder is None:
        return True
    return is_model_type(name) or bool(read_config_content(name, {}, folder))  # otherwise it was downloaded


def resolve(text: str) -> ResolvedArchitecture:
    """The architecture that ``text`` means: a name, ``SOURCE/NAME``, a Python object, each with options, or a file.

    Raises:
        UnknownNameError: no source has it.
        UsageError: an option is malformed or not the architecture's.
        MissingExtraError: the package of its source is not installed.
        BrokenInstallError: the package of its source does not fit torch.
    """
    spec = parse_spec(text)
    if is_python_reference(spec.target):
        return resolve_python(spec.text, spec.target, spec.options)
    if is_saved_file(spec.target):
        from netscope.sources.saved import resolve_saved

        return resolve_saved(spec.text, spec.target, spec.options)
    prefix, slash, rest = spec.target.partition("/")
    sources = _sources()
    if slash:
        if prefix not in sources:
            raise UnknownNameError(
                f"there is no source {prefix!r}; the sources are {', '.join(sources)}{did_you_mean(prefix, sources)}"
            )
        return _made(prefix, sources[prefix]).resolve(spec.text, rest, spec.options)
    return _resolve_plain(spec.text, spec.target, spec.options)


def _resolve_plain(text: str, name: str, options: dict[str, object]) -> ResolvedArchitecture:
    """Looks for ``name`` in all but the prefixed sources; one that cannot be read is passed over if another has it."""
    known: list[str] = []
    unreadable: NetscopeError | None = None
    for prefix, make in _sources().items():
        if prefix in PREFIXED_SOURCES:
            continue
        try:
            source = _made(prefix, make)
            names = tuple(source.names())
        except (BrokenInstallError, MissingExtraError) as error:
            unreadable = unreadable or error
            continue
        if name in names:
            return source.resolve(text, name, options)
        known += names
    if unreadable:
        raise type(unreadable)(f"{name!r} is not built in, and {unreadable}") from unreadable
    remedy = did_you_mean(name, known) or _elsewhere(name) or "; netscope list shows what there is"
    module, dot, attribute = name.rpartition(".")
    if dot:
        remedy = f"; a Python object is written {module}:{attribute}"
    raise UnknownNameError(f"there is no architecture {name!r}{remedy}")


def _elsewhere(name: str) -> str:
    """A clause that names the prefixed source that has exactly ``name``, if one is installed and does."""
    for prefix, make in PREFIXED_SOURCES.items():
        with suppress(MissingExtraError, BrokenInstallError):
            if name in _made(prefix, make).names():
                return f"; did you mean {prefix}/{name}?"
    return ""


def load_catalog(prefix: str) -> Catalog:
    """What there is in the source ``prefix``.

    Raises:
        MissingExtraError: its package is not installed.
        BrokenInstallError: its package does not fit torch.
        BuildError: it cannot be loaded.
    """
    source = _made(prefix, _sources()[prefix])
    return Catalog(entries=tuple(source.listing()), names=tuple(source.names()))


def list_names(
    pattern: str, look_up: Callable[[str], Catalog] = load_catalog
) -> tuple[tuple[ListedArchitecture, ...], tuple[str, ...]]:
    """The architectures whose name, or ``source/name``, fits ``pattern``, and remarks on sources that failed.

    A name that needs its source before it, or that an earlier source has taken, is listed so: that is what to type.

    Args:
        pattern: with ``*`` and ``?``; without either, any name that holds it.
        look_up: gives what there is in a source, with the errors of ``load_catalog``.
    """
    wanted = (pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*").lower()
    only, slash, _ = wanted.partition("/")
    found: list[ListedArchitecture] = []
    notes: list[str] = []
    taken: set[str] = set()
    known: list[str] = []
    for prefix in _sources():
        if slash and prefix in PREFIXED_SOURCES and not fnmatchcase(prefix, only):
            continue
        try:
            there = look_up(prefix)
        except (BrokenInstallError, MissingExtraError) as error:
            notes.append(str(error))
            continue
        found += (
            replace(entry, name=f"{prefix}/{entry.name}")
            if entry.name in taken or prefix in PREFIXED_SOURCES
            else entry
            for entry in there.entries
            if fnmatchcase(entry.name.lower(), wanted) or fnmatchcase(f"{entry.source}/{entry.name}".lower(), wanted)
        )
        taken.update(there.names)
        known += (entry.name for entry in there.entries)
    if not found and (closest := did_you_mean(pattern, known)):
        notes.append(closest.removeprefix("; "))
    return tuple(found), tuple(notes)


def _sources() -> dict[str, Callable[[], ModelSource]]:
    """Our own, then those that entry points add."""
    from importlib.metadata import entry_points

    known = {**SOURCES, **PREFIXED_SOURCES}
    added: dict[str, Callable[[], ModelSource]] = {
        entry.name: entry.load for entry in entry_points(group=ENTRY_POINTS) if entry.name not in known
    }
    return {**known, **added}


def _made(prefix: str, make: Callable[[], ModelSource]) -> ModelSource:
    """The source itself; an entry point may name the class or an instance of it."""
    try:
        source = make()
        return source() if isinstance(source, type) else source
    except Exception as error:
        raise BuildError(f"the source {prefix!r} could not be loaded: {describe_error(error)}") from error
