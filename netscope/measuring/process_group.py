"""Several processes that measure together, over ``torch.distributed``."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from netscope.measuring.runner import ALONE, Team, Value
from netscope.runtime.torchrun_env import in_group
from netscope.schema import Block

_TIMES = ("wall_s", "enqueue_s", "first_enqueue_s", "busy_s")
_PATIENCE = timedelta(minutes=30)
"""For a first step in which one process compiles and the others wait."""


class DistributedTeam:
    """The processes of the group that torchrun has started.

    Times and decisions go over the hosts, so that nothing of them runs on the devices that are measured.
    """

    def __init__(self) -> None:
        self._hosts: Any = dist.new_group(backend="gloo", timeout=_PATIENCE)

    def gather(self) -> None:
        """Waits until all are here."""
        with torch.inference_mode(mode=False):  # not barrier(), which some versions run on the device
            dist.all_reduce(torch.zeros(1), group=self._hosts)

    def slowest(self, block: Block) -> Block:
        """The block with the longest times of any process."""
        times = [getattr(block, name) for name in _TIMES]
        longest = torch.tensor([*times, block.device_s or 0.0], dtype=torch.float64)
        with torch.inference_mode(mode=False):
            dist.all_reduce(longest, op=dist.ReduceOp.MAX, group=self._hosts)
        *found, device_s = longest.tolist()
        return replace(
            block, **dict(zip(_TIMES, found, strict=True)), device_s=None if block.device_s is None else device_s
        )

    def agreed(self, value: Value) -> Value:
        """What the first process says."""
        said = [value]
        dist.broadcast_object_list(said, src=0, group=self._hosts)
        return said[0]

    def collected(self, value: Value) -> list[Value]:
        """Every process's value, in their order."""
        values: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(values, value, group=self._hosts)
        return values


@contextmanager
def joined(device: torch.device) -> Iterator[Team]:
    """The group that torchrun has started, over NCCL on GPUs and gloo on CPUs; or this process alone."""
    if not in_group():
        yield ALONE
        return
    began = not dist.is_initialized()
    if began:
        # torch 2.6 wants the device named for NCCL, so that its barriers need not guess.
        more: dict[str, Any] = {"device_id": device} if device.type == "cuda" else {}
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE, **more)
    yield DistributedTeam()
    # Not after an error: whoever is left would wait there for a process that does not come.
    if began:
        dist.destroy_process_group()
