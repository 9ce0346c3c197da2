"""Answers that were given before, by any command of netscope's: when one is given again, and when one is kept."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from netscope import __version__, cache, sources
from netscope.schema import SCHEMA_VERSION, Architecture
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked.

    Attributes:
        kind: which answer: ``"summary"``, ``"report"``, ``"names"``.
        spec: the architecture as typed, or the source whose names are asked for.
        inputs: what it is run on; None for its own.
        options: those of ``summarize`` that were given.
    """

    kind: str
    spec: str
    inputs: ForwardInputs | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Recall:
    """Where answers are kept, and what all of them rest on.

    Attributes:
        store: the file.
        folder: where architectures' files and modules are looked for.
        fingerprint: of what is installed.
    """

    store: cache.Store
    folder: Path
    fingerprint: bytes

    @cached_property
    def search_path(self) -> Sequence[str]:
        """Where modules are looked for."""
        return [str(self.folder), str(self.folder / "src"), *sys.path]

    def key(self, query: Query) -> bytes | None:
        """Under which the answer to ``query`` is kept; None if none can be."""
        options = {**DEFAULTS, **query.options}
        if options["device"] not in _STEADY_DEVICES or not _is_plain(query.inputs):
            return None
        place = () if query.kind == "names" else sources.place_of(query.spec, self.folder)
        asked = (query.kind, query.spec, query.inputs, sorted(options.items()), place)
        versions = (__version__, SCHEMA_VERSION)
        return blake2b(
            self.fingerprint + repr((versions, asked)).encode(errors="surrogatepass"), digest_size=16
        ).digest()


_RECALL: ContextVar[Recall | None] = ContextVar("recall", default=None)


@contextmanager
def recalling(folder: Path, fingerprint: bytes | None = None) -> Iterator[None]:
    """Gives answers again within, and keeps new ones. For processes of netscope's own, in which nobody else's code ran.

    Args:
        folder: where architectures' files and modules are looked for.
        fingerprint: of what is installed, if it is known.
    """
    store = cache.Store(cache.folder(), cache.LIMIT_BYTES)
    recall = Recall(store=store, folder=folder, fingerprint=fingerprint or cache.fingerprint())
    cache.listen()
    token = _RECALL.set(recall)
    try:
        yield
    finally:
        _RECALL.reset(token)


@contextmanager
def recalling_in(folder: Path) -> Iterator[None]:
    """As ``recalling`` with another folder, where answers are given again; nothing where they are not."""
    fingerprint = current_fingerprint()
    if fingerprint is None:
        yield
        return
    with recalling(folder, fingerprint):
        yield


def current_fingerprint() -> bytes | None:
    """Of what is installed, where answers are given again; None where they are not."""
    recall = _RECALL.get()
    return None if recall is None else recall.fingerprint


def recalled(query: Query, kind: type[Answer]) -> Answer | None:
    """The answer that was given before and is still right; None if there is none."""
    recall, key = _place(query)
    found = recall.store.get(key) if recall and key else None
    if recall is None or key is None or found is None:
        return None
    try:
        footprint = cache.Footprint.from_json(found.footprint)
        answer = msgspec.json.decode(found.content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        recall.store.drop([key])
        return None
    return answer if footprint.holds(recall.search_path) else None


def _place(query: Query) -> tuple[Recall | None, bytes | None]:
    """Where the answer is kept, and under which key; None where none is."""
    recall = _RECALL.get()
    return recall, None if recall is None else recall.key(query)


@contextmanager
def remembering(query: Query) -> Iterator[Callable[[Any], None]]:
    """Keeps the answer that is handed to what it yields, if it can be said what it rests on.

    Nothing is kept in a process where code ran before that is not installed: it may have changed anything.
    """
    recall, key = _place(query)
    if recall is None or key is None or cache.loose_modules():
        yield lambda _answer: None
        return
    answers: list[Any] = []
    with cache.recording() as recording:
        yield answers.append
        if answers:
            # Names and paths may be anything, and what cannot be written down is not kept.
            with suppress(OSError, ValueError, TypeError, msgspec.MsgspecError):
                _keep(recall, key, query, answers[0], recording)


def _keep(recall: Recall, key: bytes, query: Query, answer: Any, recording: cache.Recording) -> None:
    footprint = recording.footprint()
    content = msgspec.json.encode(answer)
    if footprint is not None and msgspec.json.decode(content, type=type(answer)) == answer:
        kept = cache.StoredAnswer(footprint=footprint.to_json(), content=content)
        recall.store.put(key, kept, kind=query.kind, label=query.spec, version=__version__)


def remembered(query: Query, kind: type[Answer], make: Callable[[], Answer]) -> Answer:
    """The answer that was given before and is still right, or else the one that ``make`` gives, which is kept."""
    found = recalled(query, kind)
    if found is not None:
        return found
    with remembering(query) as keep:
        answer = make()
        keep(answer)
    return answer


def note(architecture: Architecture) -> None:
    """Notes what the answer on ``architecture`` rests on besides what Python reads: to be called while it is made."""
    recording = cache.current_recording()
    if recording is None:
        return
    path = Path(architecture.name).expanduser()
    if architecture.source == sources.HUGGING_FACE and not sources.is_model_type(architecture.name):
        if not path.exists():
            recording.reasons.add("it is a configuration that was downloaded")
    elif architecture.source == sources.SAVED:
        recording.add_file(str(path))
    elif architecture.source not in sources.OWN:
        recording.reasons.add("it comes from a source that may look anywhere")


def _is_plain(inputs: ForwardInputs | None) -> bool:
    """Whether the inputs are only shapes, as the command line has them."""
    leaves: list[Any] = []
    if inputs is not None:
        inputs.mapped(leaves.append)
    return all(isinstance(leaf, TensorRequest) for leaf in leaves)
