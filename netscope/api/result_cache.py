"""Answers that were given before, by any command of netscope's: when one is given again, and when one is kept."""

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

Answer = TypeVar("Answer")

DEFAULTS: Mapping[str, Any] = {
    "batch_size": None,
    "seq_len": None,
    "device": "auto",
    "dtype": None,
    "mode": "eval",
    "optimizer": None,
}
"""What the options of a query are where nothing is said."""

_STEADY_DEVICES = ("auto", "meta", "cpu")
_FINGERPRINT = "NETSCOPE_FINGERPRINT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked.

    Attributes:
        kind: which answer: ``"summary"``, ``"report"``, ``"names"``.
        spec: the architecture as typed, or the source whose names are asked for.
        inputs: what it is run on; None for its own.
        options: those of ``summarize`` that were given.
        folder: where a configuration is looked for.
    """

    kind: str
    spec: str
    inputs: ForwardInputs | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    folder: Path = Path()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """Where answers are kept, and what all of them rest on.

    Attributes:
        store: the file.
        fingerprint: of what is installed.
    """

    store: cache.Store
    fingerprint: bytes

    def key(self, query: Query) -> bytes | None:
        """Returns the key of the answer to ``query``, or None if it cannot be cached."""
        options = {**DEFAULTS, **query.options}
        if options["device"] not in _STEADY_DEVICES or not _is_plain(query.inputs):
            return None
        content = b"" if query.kind == "names" else sources.read_cache_key_content(query.spec, query.folder)
        if content is None:
            return None
        asked = (query.kind, query.spec, query.inputs, sorted(options.items()), content)
        versions = (__version__, SCHEMA_VERSION)
        return blake2b(
            self.fingerprint + repr((versions, asked)).encode(errors="surrogatepass"), digest_size=16
        ).digest()


_RECALL: ContextVar[Recall | None] = ContextVar("recall", default=None)


@contextmanager
def recalling() -> Iterator[None]:
    """Gives answers again within, and keeps new ones. For processes of netscope's own alone."""
    token = _recall_by(cache.fingerprint())
    try:
        yield
    finally:
        _RECALL.reset(token)


def _recall_by(fingerprint: bytes) -> "Token[Recall | None]":
    return _RECALL.set(Recall(store=cache.Store(cache.find_folder(), cache.LIMIT_BYTES), fingerprint=fingerprint))


def environment_of_workers() -> dict[str, str]:
    """Returns the variables by which a worker does as we do: their environment is another, our fingerprint theirs."""
    recall = _RECALL.get()
    return {} if recall is None else {_FINGERPRINT: recall.fingerprint.hex()}


def recall_as_asked() -> None:
    """Has this process, a worker, give answers again and keep them if the one that started it does."""
    fingerprint = os.environ.pop(_FINGERPRINT, None)
    if fingerprint is not None:
        _recall_by(bytes.fromhex(fingerprint))


def cache_key(query: Query) -> bytes | None:
    """Returns the key of the answer to ``query``, or None if it cannot be cached, or answers are not given again."""
    recall = _RECALL.get()
    return None if recall is None else recall.key(query)


def lookup(query: Query, kind: type[Answer]) -> Answer | None:
    """Returns the answer that was given before, or None if there is none."""
    recall, key = _RECALL.get(), cache_key(query)
    found = recall.store.get(key) if recall and key else None
    if recall is None or key is None or found is None:
        return None
    try:
        return msgspec.json.decode(found, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        recall.store.drop(key)
        return None


def keep(query: Query, key: bytes | None, answer: Any) -> None:
    """Keeps an answer, unless more than its key defines it.

    Args:
        query: what was asked.
        key: that of the query before it was answered; a configuration may have changed since.
        answer: to it.
    """
    recall = _RECALL.get()
    if recall is None or key is None or key != recall.key(query) or cache.list_local_modules():
        return
    if query.kind == "names":
        is_cacheable = sources.is_cacheable(query.spec)
    else:
        architecture = answer.summary.architecture
        is_cacheable = sources.is_cacheable(architecture.source, architecture.name, query.folder)
    # Names and paths may be anything, and what cannot be written down is not kept.
    with suppress(ValueError, TypeError, msgspec.MsgspecError):
        content = msgspec.json.encode(answer)
        if is_cacheable and msgspec.json.decode(content, type=type(answer)) == answer:
            recall.store.put(key, content, kind=query.kind, label=query.spec, version=__version__)


def get_or_compute(query: Query, kind: type[Answer], compute: Callable[[], Answer]) -> Answer:
    """Returns the answer that was given before, or else the one that ``compute`` gives, which is kept."""
    found = lookup(query, kind)
    if found is not None:
        return found
    key = cache_key(query)
    answer = compute()
    keep(query, key, answer)
    return answer


def _is_plain(inputs: ForwardInputs | None) -> bool:
    """Whether the inputs are only shapes, as the command line has them."""
    leaves: list[Any] = []
    if inputs is not None:
        inputs.map_leaves(leaves.append)
    return all(isinstance(leaf, TensorRequest) for leaf in leaves)
