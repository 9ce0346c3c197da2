"""The registry of sources: finds the source of a name, and lists the names of all sources."""

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
"""The sources that are searched for a plain name, in this order."""

PREFIXED_SOURCES: Mapping[str, Callable[[], ModelSource]] = MappingProxyType(
    {source.name: source for source in (TimmSource, TransformersSource)}
)
"""The sources whose names need a prefix, ``SOURCE/NAME``: optional packages that are slow to import."""

BUILT_IN = BuiltInSource.name
HUGGING_FACE = TransformersSource.name

_NAME_MODULES: Mapping[str, str] = MappingProxyType(
    {
        TorchvisionSource.name: "torchvision.models",
        TimmSource.name: "timm",
        TransformersSource.name: "transformers.models.auto.modeling_auto",
    }
)
"""The module that lists the names of a source, by source."""


def list_imported_sources() -> tuple[str, ...]:
    """Returns the sources whose names can be listed without an import, because their module is already imported."""
    return tuple(name for name, module in _NAME_MODULES.items() if module in sys.modules)


def is_registered(text: str) -> bool:
    """Returns whether ``text`` is a name of a source, not a Python object or a file."""
    try:
        target = parse_spec(text).target
    except UsageError:
        return False
    return not (is_python_reference(target) or is_saved_file(target))


def read_cache_key_content(text: str, folder: Path) -> bytes | None:
    """Returns the part of a cache key that the installed packages do not define: the content of a configuration file.

    Empty for a plain name. None if results cannot be cached: for a Python object, a saved file, or a configuration that
    refers to other files.

    Args:
        text: architecture as typed.
        folder: folder that relative paths start from.
    """
    if not is_registered(text):
        return None
    spec = parse_spec(text)
    prefix, _, name = spec.target.partition("/")
    return read_config_content(name, spec.options, folder) if prefix == HUGGING_FACE else b""


def is_cacheable(prefix: str, name: str | None = None, folder: Path | None = None) -> bool:
    """Returns whether installed packages and ``read_cache_key_content`` fully define an architecture.

    Args:
        prefix: name of its source.
        name: name of the architecture in the source; None for the list of all names.
        folder: folder that relative paths start from.
    """
    make = _sources().get(prefix)
    if make is None or not getattr(_load_source(prefix, make), "is_cacheable", False):
        return False
    if prefix != HUGGING_FACE or name is None or folder is None:
        return True
    # A configuration that is neither a type nor a local file was downloaded from the hub.
    return is_model_type(name) or bool(read_config_content(name, {}, folder))


def resolve(text: str) -> ResolvedArchitecture:
    """Returns the architecture that ``text`` names: ``[SOURCE/]NAME`` or a Python object with options, or a file.

    Raises:
        UnknownNameError: no source has that name.
        UsageError: an option is malformed, or the architecture does not accept it.
        MissingExtraError: the package of its source is not installed.
        BrokenInstallError: the package of its source is incompatible with torch.
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
                f"unknown source {prefix!r}{did_you_mean(prefix, sources)}; available sources: {', '.join(sources)}"
            )
        return _load_source(prefix, sources[prefix]).resolve(spec.text, rest, spec.options)
    return _resolve_plain(spec.text, spec.target, spec.options)


def _resolve_plain(text: str, name: str, options: dict[str, object]) -> ResolvedArchitecture:
    """Returns the architecture ``name`` of the first source without prefix that has it, skipping unusable sources."""
    known: list[str] = []
    unusable: NetscopeError | None = None
    for prefix, make in _sources().items():
        if prefix in PREFIXED_SOURCES:
            continue
        try:
            source = _load_source(prefix, make)
            names = tuple(source.names())
        except (BrokenInstallError, MissingExtraError) as error:
            unusable = unusable or error
            continue
        if name in names:
            return source.resolve(text, name, options)
        known += names
    if unusable:
        raise type(unusable)(f"{name!r} is not a built-in architecture, and {unusable}") from unusable
    remedy = did_you_mean(name, known) or _suggest_prefixed(name)
    module, dot, attribute = name.rpartition(".")
    if dot:
        remedy = f"; for a Python object, use {module}:{attribute}"
    raise UnknownNameError(f"unknown architecture {name!r}{remedy or '; run `netscope list` to see all names'}")


def _suggest_prefixed(name: str) -> str:
    """Returns a clause that suggests ``SOURCE/NAME`` if an installed source with prefix has ``name``; else empty."""
    for prefix, make in PREFIXED_SOURCES.items():
        with suppress(MissingExtraError, BrokenInstallError):
            if name in _load_source(prefix, make).names():
                return f"; did you mean {prefix}/{name}?"
    return ""


def load_catalog(prefix: str) -> Catalog:
    """Returns the catalog of the source ``prefix``.

    Raises:
        MissingExtraError: its package is not installed.
        BrokenInstallError: its package is incompatible with torch.
        BuildError: the source cannot be loaded.
    """
    source = _load_source(prefix, _sources()[prefix])
    return Catalog(entries=tuple(source.listing()), names=tuple(source.names()))


def list_names(
    pattern: str, look_up: Callable[[str], Catalog] = load_catalog
) -> tuple[tuple[ListedArchitecture, ...], tuple[str, ...]]:
    """Returns the architectures whose name or ``source/name`` matches ``pattern``, and notes on sources that failed.

    Names are listed as they must be typed: with the source if it needs one, or if an earlier source has the same name.

    Args:
        pattern: pattern with ``*`` and ``?``; without either, a part of the name.
        look_up: function that returns the catalog of a source, and raises the errors of ``load_catalog``.
    """
    query = (pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*").lower()
    query_source, slash, _ = query.partition("/")
    found: list[ListedArchitecture] = []
    notes: list[str] = []
    taken: set[str] = set()
    known: list[str] = []
    for prefix in _sources():
        if slash and prefix in PREFIXED_SOURCES and not fnmatchcase(prefix, query_source):
            continue
        try:
            catalog = look_up(prefix)
        except (BrokenInstallError, MissingExtraError) as error:
            notes.append(str(error))
            continue
        found += (
            replace(entry, name=f"{prefix}/{entry.name}")
            if entry.name in taken or prefix in PREFIXED_SOURCES
            else entry
            for entry in catalog.entries
            if fnmatchcase(entry.name.lower(), query) or fnmatchcase(f"{entry.source}/{entry.name}".lower(), query)
        )
        taken.update(catalog.names)
        known += (entry.name for entry in catalog.entries)
    if not found and (closest := did_you_mean(pattern, known)):
        notes.append(closest.removeprefix("; "))
    return tuple(found), tuple(notes)


def list_sources() -> tuple[str, ...]:
    """Returns the names of all sources, which are the prefixes of ``SOURCE/NAME``, without loading any."""
    return tuple(_sources())


def _sources() -> dict[str, Callable[[], ModelSource]]:
    """Returns the constructors of netscope's sources, then of those that entry points add."""
    from importlib.metadata import entry_points

    known = {**SOURCES, **PREFIXED_SOURCES}
    added: dict[str, Callable[[], ModelSource]] = {
        entry.name: entry.load for entry in entry_points(group=ENTRY_POINTS) if entry.name not in known
    }
    return {**known, **added}


def _load_source(prefix: str, make: Callable[[], ModelSource]) -> ModelSource:
    """Returns the source; its entry point may be a class or an instance."""
    try:
        source = make()
        return source() if isinstance(source, type) else source
    except Exception as error:
        raise BuildError(f"failed to load the source {prefix!r}: {describe_error(error)}") from error
