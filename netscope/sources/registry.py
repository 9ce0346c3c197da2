"""The registry of sources: finds the source of a name, and lists the names of all sources."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType

from netscope.errors import (
    BrokenInstallError,
    BuildError,
    MissingExtraError,
    NetscopeError,
    UsageError,
    describe_error,
    did_you_mean,
)
from netscope.runtime.files import expand_home
from netscope.schema import ListedArchitecture
from netscope.sources.base import Catalog, ModelSource, ResolvedArchitecture, unknown_name_error
from netscope.sources.builtin import BuiltInSource
from netscope.sources.python import is_python_reference, resolve_python
from netscope.sources.spec import is_saved_file, parse_spec
from netscope.sources.timm import TimmSource
from netscope.sources.torchvision import TorchvisionSource
from netscope.sources.transformers import (
    TransformersSource,
    is_model_type,
    may_be_configuration,
    read_config_content,
    unknown_type_error,
)
from netscope.sources.unknown_names import unknown_architecture_error, unknown_source_error

LookUp = Callable[[str], Catalog]
"""A function that returns the catalog of a source."""

ENTRY_POINTS = "netscope.sources"

SOURCES: Mapping[str, Callable[[], ModelSource]] = MappingProxyType(
    {source.name: source for source in (BuiltInSource, TorchvisionSource)}
)
"""The sources that are searched for a plain name, in this order."""

PREFIXED_SOURCES: Mapping[str, Callable[[], ModelSource]] = MappingProxyType(
    {source.name: source for source in (TimmSource, TransformersSource)}
)
"""The sources whose names need a prefix, ``SOURCE/NAME``: optional packages that are slow to import."""

OWN_SOURCES = (*SOURCES, *PREFIXED_SOURCES)
BUILT_IN = BuiltInSource.name
HUGGING_FACE = TransformersSource.name


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where the architecture of a name is.

    Attributes:
        source: name of its source; empty for a Python object or a file.
        name: exact name in the source.
        also: ``SOURCE/NAME`` of other sources that have the name.
    """

    source: str = ""
    name: str = ""
    also: tuple[str, ...] = ()


def resolve(text: str, location: Location | None = None) -> ResolvedArchitecture:
    """Returns the architecture that ``text`` names: ``[SOURCE/]NAME`` or a Python object with options, or a file.

    Args:
        text: architecture as typed.
        location: what ``locate`` returns for it; None to locate it here.

    Raises:
        UnknownNameError: no source has that name.
        UsageError: an option is malformed, or the architecture does not accept it.
        MissingExtraError: the package of its source is not installed.
        BrokenInstallError: the package of its source is incompatible with torch.
    """
    spec = parse_spec(text)
    location = location or locate(text)
    prefix = location.source
    if not prefix and is_saved_file(spec.target):
        from netscope.sources.saved import resolve_saved

        return resolve_saved(spec.text, spec.target, spec.options)
    if not prefix:
        return resolve_python(spec.text, spec.target, spec.options)
    resolved = _load_source(prefix, _sources()[prefix]).resolve(spec.text, location.name, spec.options)
    name = resolved.architecture.name
    reference = f"{prefix}/{name}" if prefix in PREFIXED_SOURCES else name
    return replace(resolved, architecture=replace(resolved.architecture, reference=reference, also=location.also))


def locate(text: str, look_up: LookUp | None = None) -> Location:
    """Returns where the architecture of a name is. No package is imported, except those of entry points.

    Args:
        text: architecture as typed.
        look_up: function that returns the catalog of a source, and raises the errors of ``load_catalog``.

    Raises:
        UnknownNameError: no source has that name.
        UsageError: an option is malformed.
        MissingExtraError: the package of its source is not installed.
    """
    target = parse_spec(text).target
    if is_python_reference(target) or is_saved_file(target):
        return Location()
    look_up = look_up or load_catalog
    prefix, slash, name = target.partition("/")
    if not slash:
        return _locate_plain(target, look_up)
    sources = _sources()
    if prefix not in sources:
        raise unknown_source_error(target, tuple(sources))
    if prefix not in OWN_SOURCES:
        return Location(source=prefix, name=name)
    names = look_up(prefix).names
    is_path = prefix == HUGGING_FACE and expand_home(name).exists()
    found = name if is_path or _has_name(prefix, name, names) else find_name(name, names)
    if found is None and prefix == HUGGING_FACE:
        if may_be_configuration(name):
            return Location(source=prefix, name=name)
        raise unknown_type_error(name, names)
    if found is None:
        raise unknown_name_error(_load_source(prefix, sources[prefix]), name)
    return Location(source=prefix, name=found)


def _locate_plain(name: str, look_up: LookUp) -> Location:
    """Returns what ``locate`` returns, for a name without source.

    The first source that has the exact name is taken. Sources with prefix come last, and only for a name that begins
    none of the others' names: ``vit`` may mean ``vit_b_16``. If no source has the name, case, hyphens and underscores
    do not matter in sources without prefix.
    """
    names: dict[str, tuple[str, ...]] = {}
    plain: list[str] = []
    unusable: NetscopeError | None = None
    for prefix in sorted(_sources(), key=PREFIXED_SOURCES.__contains__):
        try:
            names[prefix] = look_up(prefix).names
        except (BrokenInstallError, BuildError, MissingExtraError) as error:
            unusable = unusable or (error if prefix in SOURCES else None)
            continue
        if unusable and prefix in PREFIXED_SOURCES:
            break
        if prefix in PREFIXED_SOURCES and any(known.startswith(name) for known in plain):
            continue
        plain += () if prefix in PREFIXED_SOURCES else names[prefix]
        if _has_name(prefix, name, names[prefix]):
            return Location(source=prefix, name=name, also=tuple(_list_others(name, prefix, look_up)))
    for prefix, known in names.items():
        found = None if prefix in PREFIXED_SOURCES else find_name(name, known)
        if found:
            return Location(source=prefix, name=found, also=tuple(_list_others(found, prefix, look_up)))
    if unusable:
        raise type(unusable)(f"{name!r} is not a built-in architecture, and {unusable}") from unusable
    raise unknown_architecture_error(name, names, PREFIXED_SOURCES)


def _has_name(prefix: str, name: str, names: tuple[str, ...]) -> bool:
    """Returns whether a source has the name; in timm, the tag of weights may follow it."""
    return (name.partition(".")[0] if prefix == TimmSource.name else name) in names


def _list_others(name: str, taken: str, look_up: LookUp) -> Iterator[str]:
    """Yields ``SOURCE/NAME`` of every other source, except entry points, that has the name."""
    for prefix in OWN_SOURCES:
        with suppress(BrokenInstallError, MissingExtraError):
            if prefix != taken and _has_name(prefix, name, look_up(prefix).names):
                yield f"{prefix}/{name}"


def find_name(name: str, names: Iterable[str]) -> str | None:
    """Returns the name that equals ``name`` apart from case, hyphens and underscores; the exact one if there is one."""
    folded = {_fold(known): known for known in names}
    return name if name in folded.values() else folded.get(_fold(name))


def _fold(name: str) -> str:
    return name.lower().replace("-", "_")


def load_catalog(prefix: str) -> Catalog:
    """Returns the catalog of the source ``prefix``.

    Raises:
        MissingExtraError: its package is not installed.
        BrokenInstallError: its package is incompatible with torch.
        BuildError: the source cannot be loaded.
    """
    source = _load_source(prefix, _sources()[prefix])
    return Catalog(entries=tuple(source.listing()), names=tuple(source.names()))


def list_names(pattern: str, look_up: LookUp = load_catalog) -> tuple[tuple[ListedArchitecture, ...], tuple[str, ...]]:
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
        except (BrokenInstallError, BuildError, MissingExtraError) as error:
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
