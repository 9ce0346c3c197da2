"""The cache of results: which results are cached, under which key, and when they are reused."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from netscope import __version__, cache, sources
from netscope.schema import SCHEMA_VERSION
from netscope.schema.inputs import ForwardInputs, TensorRequest

Result = TypeVar("Result")

DEFAULTS: Mapping[str, Any] = {
    "batch_size": None,
    "seq_len": None,
    "device": "auto",
    "dtype": None,
    "mode": "eval",
    "optimizer": None,
}
"""Default values of the options of a query."""

_CACHEABLE_DEVICES = ("auto", "meta", "cpu")
_FINGERPRINT_VARIABLE = "NETSCOPE_FINGERPRINT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A request for a result that may be cached.

    Attributes:
        kind: kind of result: ``"summary"``, ``"report"`` or ``"names"``.
        spec: the architecture as typed, or the source whose names are requested.
        inputs: inputs of the architecture; None for its default inputs.
        options: the given options of ``summarize``.
        folder: folder in which a configuration is searched.
    """

    kind: str
    spec: str
    inputs: ForwardInputs | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    folder: Path = Path()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultCache:
    """The store of results and the fingerprint that all of their keys contain.

    Attributes:
        store: file with the results.
        fingerprint: hash of the installed packages.
    """

    store: cache.Store
    fingerprint: bytes

    def key(self, query: Query) -> bytes | None:
        """Returns the cache key of a query, or None if its result cannot be cached."""
        options = {**DEFAULTS, **query.options}
        if options["device"] not in _CACHEABLE_DEVICES or not _is_plain(query.inputs):
            return None
        content = b"" if query.kind == "names" else sources.read_cache_key_content(query.spec, query.folder)
        if content is None:
            return None
        request = (query.kind, query.spec, query.inputs, sorted(options.items()), content)
        versions = (__version__, SCHEMA_VERSION)
        return blake2b(
            self.fingerprint + repr((versions, request)).encode(errors="surrogatepass"), digest_size=16
        ).digest()


_CACHE: ContextVar[ResultCache | None] = ContextVar("result_cache", default=None)


@contextmanager
def use_cache() -> Iterator[None]:
    """Reuses cached results and caches new ones within the context. For netscope's own processes only."""
    token = _open_cache(cache.fingerprint())
    try:
        yield
    finally:
        _CACHE.reset(token)


@contextmanager
def without_cache() -> Iterator[None]:
    """Computes every result again within the context, and caches none."""
    token = _CACHE.set(None)
    try:
        yield
    finally:
        _CACHE.reset(token)


def _open_cache(fingerprint: bytes) -> "Token[ResultCache | None]":
    return _CACHE.set(ResultCache(store=cache.open_store(), fingerprint=fingerprint))


def cache_environment() -> dict[str, str]:
    """Returns environment variables that make a worker use the cache, under this process's fingerprint, if it does."""
    results = _CACHE.get()
    return {} if results is None else {_FINGERPRINT_VARIABLE: results.fingerprint.hex()}


def inherit_cache() -> None:
    """Makes this worker process use the cache if the process that started it does."""
    fingerprint = os.environ.pop(_FINGERPRINT_VARIABLE, None)
    if fingerprint is not None:
        _open_cache(bytes.fromhex(fingerprint))


def compute_key(query: Query) -> bytes | None:
    """Returns the cache key of a query, or None if its result cannot be cached or the cache is not used."""
    results = _CACHE.get()
    return None if results is None else results.key(query)


def list_cached_specs(kind: str) -> frozenset[str]:
    """Returns the specs of which a result of this kind is cached, for any inputs and options."""
    results = _CACHE.get()
    if results is not None:
        with suppress(cache.StoreError):
            return frozenset(result.name for result in results.store.list_results() if result.kind == kind)
    return frozenset()


def lookup(key: bytes | None, kind: type[Result]) -> Result | None:
    """Returns the cached result under the key of ``compute_key``, or None if it is not cached."""
    results = _CACHE.get()
    content = results.store.get(key) if results and key else None
    if results is None or key is None or content is None:
        return None
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        results.store.drop(key)
        return None


def store_result(query: Query, key: bytes | None, result: Any) -> None:
    """Caches a result, unless it depends on more than its key.

    Args:
        query: query that was computed.
        key: key of the query before it was computed; a configuration may have changed since.
        result: result of the query.
    """
    results = _CACHE.get()
    if results is None or key is None or key != results.key(query) or cache.list_local_modules():
        return
    if query.kind == "names":
        is_cacheable = sources.is_cacheable(query.spec)
    else:
        architecture = result.summary.architecture
        is_cacheable = sources.is_cacheable(architecture.source, architecture.name, query.folder)
    # Names and paths may be anything; a result that cannot be encoded is not cached.
    with suppress(ValueError, TypeError, msgspec.MsgspecError):
        content = msgspec.json.encode(result)
        if is_cacheable and msgspec.json.decode(content, type=type(result)) == result:
            results.store.put(key, content, kind=query.kind, label=query.spec, version=__version__)


def get_or_compute(query: Query, kind: type[Result], compute: Callable[[], Result]) -> Result:
    """Returns the cached result of a query; otherwise computes and caches it."""
    key = compute_key(query)
    cached = lookup(key, kind)
    if cached is not None:
        return cached
    result = compute()
    store_result(query, key, result)
    return result


def _is_plain(inputs: ForwardInputs | None) -> bool:
    """Whether the inputs are only shapes, as the command line takes them."""
    leaves: list[Any] = []
    if inputs is not None:
        inputs.map_leaves(leaves.append)
    return all(isinstance(leaf, TensorRequest) for leaf in leaves)
