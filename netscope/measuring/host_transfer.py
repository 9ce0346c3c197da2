"""Inputs of each step: on the device already, or copied from the host."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor

from netscope.schema.inputs import ForwardInputs

NUM_BATCHES = 4
"""Number of different inputs in rotation, so no step finds its input in a cache because the last step used it."""


class InputLoader(Protocol):
    """Supplies the inputs of one step after another."""

    def next(self) -> tuple[int, ForwardInputs]:
        """Returns the position in the rotation and the inputs of the next step."""


class DeviceInputLoader:
    """Supplies inputs that are already on the device."""

    def __init__(self, batches: Sequence[ForwardInputs], device: torch.device) -> None:
        self._batches = [batch.map_leaves(_create_mover(device)) for batch in batches]
        self._position = -1

    def next(self) -> tuple[int, ForwardInputs]:
        """Returns the position in the rotation and the inputs of the next step."""
        self._position = (self._position + 1) % len(self._batches)
        return self._position, self._batches[self._position]


class HostInputLoader:
    """Supplies inputs from pinned host memory, copied one step ahead on a separate stream.

    The device has two buffers. While a step reads one, the next step's inputs are copied to the other, as soon as the
    previous step has finished reading it.
    """

    def __init__(self, batches: Sequence[ForwardInputs], device: torch.device) -> None:
        self._batches = [batch.map_leaves(_pin) for batch in batches]
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._buffers = [batches[0].map_leaves(_create_mover(device)) for _ in range(2)]
        self._copied = [torch.cuda.Event() for _ in self._buffers]
        self._position, self._index = -1, 0
        self._is_paused = False
        self._copy_to(0)

    def next(self) -> tuple[int, ForwardInputs]:
        """Returns the inputs that are already copied, and starts copying the next ones."""
        index, position = self._index, self._position
        if not self._is_paused:
            # All previous steps are in the current stream, so after this point nothing reads the other buffer.
            self._stream.wait_stream(torch.cuda.current_stream(self._device))
            self._index = 1 - index
            self._copy_to(self._index)
        torch.cuda.current_stream(self._device).wait_event(self._copied[index])
        return position, self._buffers[index]

    def copy(self) -> None:
        """Copies one step's inputs without using them."""
        self._index = 1 - self._index
        self._copy_to(self._index)

    @contextmanager
    def paused_copies(self) -> Iterator[None]:
        """Makes ``next`` return the same inputs without copying any."""
        self._is_paused = True
        try:
            yield
        finally:
            self._is_paused = False

    def _copy_to(self, index: int) -> None:
        self._position = (self._position + 1) % len(self._batches)
        with torch.cuda.stream(self._stream):
            pairs = zip(_find_tensors(self._buffers[index]), _find_tensors(self._batches[self._position]), strict=True)
            for target, source in pairs:
                target.copy_(source, non_blocking=True)
            self._copied[index].record(self._stream)


def _find_tensors(inputs: ForwardInputs) -> list[Tensor]:
    tensors: list[Tensor] = []
    inputs.map_leaves(lambda leaf: tensors.append(leaf) if isinstance(leaf, Tensor) else None)
    return tensors


def _create_mover(device: torch.device) -> Callable[[Any], Any]:
    return lambda leaf: leaf.to(device, non_blocking=True) if isinstance(leaf, Tensor) else leaf


def _pin(leaf: Any) -> Any:
    return leaf.pin_memory() if isinstance(leaf, Tensor) else leaf
