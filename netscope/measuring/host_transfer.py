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
        self._batches = [batch.map_leaves(_moved(device)) for batch in batches]
        self._position = -1

    def next(self) -> tuple[int, ForwardInputs]:
        """The next of the rotation."""
        self._position = (self._position + 1) % len(self._batches)
        return self._position, self._batches[self._position]


class HostFeed:
    """Inputs in pinned memory of the host, copied one step ahead on a stream beside the one that computes.

    There are two places on the device. While a step reads one of them, the next step's inputs are copied to the other,
    as soon as the step before has done with it.
    """

    def __init__(self, batches: Sequence[ForwardInputs], device: torch.device) -> None:
        self._batches = [batch.map_leaves(_pinned) for batch in batches]
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._places = [batches[0].map_leaves(_moved(device)) for _ in range(2)]
        self._copied = [torch.cuda.Event() for _ in self._places]
        self._position, self._slot = -1, 0
        self._is_held = False
        self._copy_to(0)

    def next(self) -> tuple[int, ForwardInputs]:
        """The inputs that were copied meanwhile; and starts copying those after them."""
        slot, position = self._slot, self._position
        if not self._is_held:
            # All steps so far have been issued, so behind this point the other place is read no more.
            self._stream.wait_stream(torch.cuda.current_stream(self._device))
            self._slot = 1 - slot
            self._copy_to(self._slot)
        torch.cuda.current_stream(self._device).wait_event(self._copied[slot])
        return position, self._places[slot]

    def copy(self) -> None:
        """Copies one step's inputs and does nothing with them."""
        self._slot = 1 - self._slot
        self._copy_to(self._slot)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Gives the same inputs again and again, and copies none."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False

    def _copy_to(self, slot: int) -> None:
        self._position = (self._position + 1) % len(self._batches)
        with torch.cuda.stream(self._stream):
            pairs = zip(_tensors(self._places[slot]), _tensors(self._batches[self._position]), strict=True)
            for there, here in pairs:
                there.copy_(here, non_blocking=True)
            self._copied[slot].record(self._stream)


def _tensors(inputs: ForwardInputs) -> list[Tensor]:
    found: list[Tensor] = []
    inputs.map_leaves(lambda leaf: found.append(leaf) if isinstance(leaf, Tensor) else None)
    return found


def _moved(device: torch.device) -> Callable[[Any], Any]:
    return lambda leaf: leaf.to(device, non_blocking=True) if isinstance(leaf, Tensor) else leaf


def _pinned(leaf: Any) -> Any:
    return leaf.pin_memory() if isinstance(leaf, Tensor) else leaf
