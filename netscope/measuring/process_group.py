"""The processes that measure together, over ``torch.distributed``."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from netscope.measuring.runner import SINGLE_PROCESS, ProcessGroup, Value
from netscope.runtime.torchrun_env import is_torchrun_process
from netscope.schema import Block

_TIMES = ("wall_s", "enqueue_s", "first_enqueue_s", "busy_s")
_TIMEOUT = timedelta(minutes=30)
"""Long enough for a first step in which one process compiles and the others wait."""


class DistributedGroup:
    """The processes that torchrun started.

    Times and decisions are exchanged between the hosts, so nothing of it runs on the measured devices.
    """

    def __init__(self) -> None:
        self._hosts: Any = dist.new_group(backend="gloo", timeout=_TIMEOUT)

    def barrier(self) -> None:
        """Waits until all processes have called it."""
        with torch.inference_mode(mode=False):  # dist.barrier() runs on the device in some versions
            dist.all_reduce(torch.zeros(1), group=self._hosts)

    def find_slowest(self, block: Block) -> Block:
        """Returns the block with each time replaced by the longest of all processes."""
        times = [getattr(block, name) for name in _TIMES]
        longest = torch.tensor([*times, block.device_s or 0.0], dtype=torch.float64)
        with torch.inference_mode(mode=False):
            dist.all_reduce(longest, op=dist.ReduceOp.MAX, group=self._hosts)
        *times, device_s = longest.tolist()
        return replace(
            block, **dict(zip(_TIMES, times, strict=True)), device_s=None if block.device_s is None else device_s
        )

    def broadcast(self, value: Value) -> Value:
        """Returns the value of the first process."""
        values = [value]
        dist.broadcast_object_list(values, src=0, group=self._hosts)
        return values[0]

    def all_gather(self, value: Value) -> list[Value]:
        """Returns the values of all processes, by rank."""
        values: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(values, value, group=self._hosts)
        return values


@contextmanager
def join_process_group(device: torch.device) -> Iterator[ProcessGroup]:
    """Yields the processes that torchrun started, over NCCL on GPUs and gloo on CPUs; otherwise this process."""
    if not is_torchrun_process():
        yield SINGLE_PROCESS
        return
    is_first = not dist.is_initialized()
    if is_first:
        # torch 2.6 needs the device for NCCL, otherwise its barriers guess one.
        options: dict[str, Any] = {"device_id": device} if device.type == "cuda" else {}
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_TIMEOUT, **options)
    yield DistributedGroup()
    # Not after an error: the remaining processes would wait for one that does not come.
    if is_first:
        dist.destroy_process_group()
