"""Where each step's inputs come from."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor

from netscope.schema.inputs import ForwardInputs

ROTATED = 4
"""Different inputs that follow each other, so that no step finds its input in a cache because the last one left it."""


class Feed(Protocol):
    """Gives one step's inputs after the other, and which of the rotation they are."""

    def next(self) -> tuple[int, ForwardInputs]:
        """The next step's."""


class ResidentFeed:
    """Inputs that lie on the device already."""

    def __init__(self, batches: Sequence[ForwardInputs], device: torch.device) -> None:
        self._batches = [batch.mapped(_moved(device)) for batch in batches]
        self._position = -1

    def next(self) -> tuple[int, ForwardInputs]:
        """The next of the rotation."""
        self._position = (self._position + 1) % len(self._batches)
        return self._position, self._batches[self._position]


class HostFeed:
    """Inputs in pinned memory of the host, copied one step ahead on a stream beside the one that computes."""

    def __init__(self, batches: Sequence[ForwardInputs], device: torch.device) -> None:
        self._batches = [batch.mapped(_pinned) for batch in batches]
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._position = 0
        self._is_held = False
        self._ahead = self._copied()

    def next(self) -> tuple[int, ForwardInputs]:
        """The one that was copied meanwhile; and starts copying the one after it."""
        if self._is_held:
            return self._position, self._ahead
        current = torch.cuda.current_stream(self._device)
        current.wait_stream(self._stream)
        position, batch = self._position, self._ahead
        # Keeps the allocator from giving their memory away while the computing stream still reads them.
        batch.mapped(lambda leaf: leaf.record_stream(current) if isinstance(leaf, Tensor) else None)
        self._position = (position + 1) % len(self._batches)
        self._ahead = self._copied()
        return position, batch

    def copy(self) -> None:
        """Copies one step's inputs and does nothing with them."""
        self._position = (self._position + 1) % len(self._batches)
        self._ahead = self._copied()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Gives the same inputs again and again, and copies none."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False

    def _copied(self) -> ForwardInputs:
        with torch.cuda.stream(self._stream):
            return self._batches[self._position].mapped(_moved(self._device))


def _moved(device: torch.device) -> Callable[[Any], Any]:
    return lambda leaf: leaf.to(device, non_blocking=True) if isinstance(leaf, Tensor) else leaf


def _pinned(leaf: Any) -> Any:
    return leaf.pin_memory() if isinstance(leaf, Tensor) else leaf
