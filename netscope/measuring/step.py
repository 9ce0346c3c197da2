"""A model, a configuration → the step that is measured."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from netscope.measuring import execution_compat
from netscope.measuring.host_transfer import ROTATED, Feed, HostFeed, ResidentFeed
from netscope.measuring.precision import autocast, cast_dtype
from netscope.measuring.runner import Work
from netscope.measuring.training import Loss, optimizer_of
from netscope.schema import BenchConfig
from netscope.schema.inputs import ForwardInputs


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSubject:
    """What is to be measured.

    Attributes:
        what: its name, for errors.
        build: gives the module with real weights, somewhere; it is ours to change.
        batch: the inputs of that number of the rotation, on that device.
        differentiable: finds what a step differentiates in whatever a model returns; refuses where there is nothing.
    """

    what: str
    build: Callable[[], nn.Module]
    batch: Callable[[nn.Module, int, torch.device], ForwardInputs]
    differentiable: Callable[[Any], list[Tensor]]


@dataclass(slots=True, kw_only=True)
class Prepared:
    """A subject, ready to be run.

    Attributes:
        model: on the device, as configured, before it is compiled.
        work: its step.
        feed: what it takes its inputs from.
        loss: of a step of training; None for inference.
    """

    model: nn.Module
    work: Work
    feed: Feed
    loss: Loss | None

    def description(self, config: BenchConfig) -> str:
        """What a step does, in words; after one has run."""
        parts = ["forward in eval mode and inference_mode"]
        if self.loss is not None:
            scaler = " through a gradient scaler" if _needs_scaler(config) else ""
            parts = [
                f"zero_grad, forward in train mode, {self.loss.description}, backward{scaler}, {config.optimizer} step"
            ]
        if config.compile is not None:
            parts.append(f"compiled ({config.compile})")
        if config.cuda_graph:
            parts.append("replayed from a CUDA graph")
        if config.channels_last:
            parts.append("channels last")
        if config.dtype in ("bf16", "fp16"):
            parts.append(f"weights and inputs in {config.dtype}" if config.cast else f"autocast to {config.dtype}")
        parts.append(
            "inputs copied from pinned memory at each step"
            if config.data == "host"
            else f"{ROTATED} random inputs in rotation, already on the device"
        )
        if config.nproc > 1:
            together = f"{config.parallel} over {config.nproc} processes"
            parts.append(together if config.mode == "train" else f"{config.nproc} processes, each by itself")
        return "; ".join(parts)


@torch.inference_mode(mode=False)
def prepare(subject: BenchSubject, config: BenchConfig, device: torch.device) -> Prepared:
    """The subject on the device, as configured; built with gradients, as anyone would, also where steps have none.

    Raises:
        NetscopeError: it cannot be built, or not be trained.
        RuntimeError: whatever torch raises where it cannot be moved or wrapped.
    """
    torch.manual_seed(config.seed)
    model = subject.build()
    # On the device itself, of whose memory there may be more than of the host's.
    made_on = torch.device("cpu") if config.data == "host" else device
    batches = [subject.batch(model, number, made_on) for number in range(ROTATED)]
    if any(map(is_lazy, (*model.parameters(), *model.buffers()))):
        with torch.no_grad():  # they learn their shapes
            model.to(made_on)(*batches[0].args, **batches[0].kwargs)
    dtype = cast_dtype(config)
    if dtype is not None:
        model._apply(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)
        batches = [batch.map_leaves(lambda leaf: _cast(leaf, dtype)) for batch in batches]
    if config.channels_last:
        model._apply(execution_compat.channels_last)
        batches = [
            batch.map_leaves(lambda leaf: execution_compat.channels_last(leaf) if isinstance(leaf, Tensor) else leaf)
            for batch in batches
        ]
    if not _is_sharded(config):  # which moves the parameters itself, so that no process holds all of them
        model.to(device)
    model.train(config.mode == "train")
    feed: Feed = HostFeed(batches, device) if config.data == "host" else ResidentFeed(batches, device)
    model = _parallel(model, config, device)
    loss = Loss(subject.differentiable, config.seed) if config.mode == "train" else None
    forward: Callable[..., Any] = model
    if config.compile is not None:
        forward = torch.compile(model, mode=config.compile, dynamic=False)  # for exactly the sizes that it meets
    step = _training_step(model, forward, feed, loss, config) if loss else _inference_step(forward, feed, config)
    if config.cuda_graph:
        step = _Replayed(step, device)
    before_s = execution_compat.compile_s()
    work = Work(
        step=step,
        compilations=execution_compat.compilations,
        allocations=lambda: _allocations(device),
        compile_s=(lambda: execution_compat.compile_s() - before_s) if config.compile is not None else lambda: None,
    )
    return Prepared(model=model, work=work, feed=feed, loss=loss)


def grad_mode(config: BenchConfig) -> AbstractContextManager[Any]:
    """What all steps of a configuration run within."""
    return torch.inference_mode() if config.mode == "infer" else torch.enable_grad()


def _cast(leaf: Any, dtype: torch.dtype) -> Any:
    return leaf.to(dtype) if isinstance(leaf, Tensor) and leaf.is_floating_point() else leaf


def _is_sharded(config: BenchConfig) -> bool:
    return config.parallel == "fsdp" and config.mode == "train"


def _parallel(model: nn.Module, config: BenchConfig, device: torch.device) -> nn.Module:
    if config.parallel is None or config.mode == "infer":
        return model  # of inference, each process does its own
    if _is_sharded(config):
        return execution_compat.sharded(model, device)
    return nn.parallel.DistributedDataParallel(model, device_ids=[device.index] if device.type == "cuda" else None)


def _inference_step(forward: Callable[..., Any], feed: Feed, config: BenchConfig) -> Callable[[], None]:
    def step() -> None:
        _, inputs = feed.next()
        with autocast(config):
            forward(*inputs.args, **inputs.kwargs)

    return step


def _needs_scaler(config: BenchConfig) -> bool:
    """Whether gradients in half precision are kept from vanishing; those of weights in it cannot be unscaled."""
    return config.dtype == "fp16" and not config.cast


def _training_step(
    model: nn.Module, forward: Callable[..., Any], feed: Feed, loss: Loss, config: BenchConfig
) -> Callable[[], None]:
    optimizer = optimizer_of(config.optimizer or "sgd", model, capturable=config.cuda_graph)
    scaler = torch.amp.GradScaler("cuda" if config.is_cuda else "cpu") if _needs_scaler(config) else None

    def step() -> None:
        number, inputs = feed.next()
        optimizer.zero_grad(set_to_none=True)
        with autocast(config):
            value = loss.of(forward(*inputs.args, **inputs.kwargs), number)
        if scaler is None:
            value.backward()
            optimizer.step()
        else:
            scaler.scale(value).backward()
            scaler.step(optimizer)
            scaler.update()

    return step


class _Replayed:
    """A step that is captured at its first call, once for each input of the rotation, and replayed from then on."""

    def __init__(self, step: Callable[[], None], device: torch.device) -> None:
        self._step = step
        self._device = device
        self._graphs: list[torch.cuda.CUDAGraph] = []
        self._position = -1

    def __call__(self) -> None:
        if not self._graphs:
            self._capture()
        self._position = (self._position + 1) % len(self._graphs)
        self._graphs[self._position].replay()

    def _capture(self) -> None:
        side, current = torch.cuda.Stream(self._device), torch.cuda.current_stream(self._device)
        side.wait_stream(current)
        # Everything that happens once, such as the optimizer's state and the targets, has to exist before.
        with torch.cuda.stream(side):
            for _ in range(ROTATED):
                self._step()
        current.wait_stream(side)
        pool = None
        for _ in range(ROTATED):
            graph = torch.cuda.CUDAGraph()
            try:
                with torch.cuda.graph(graph, pool=pool):
                    self._step()
            except Exception as error:  # noqa: BLE001 - whatever a step raises while it is captured
                # What ends the capture fails as well then, hides the reason, and leaves its stream behind.
                torch.cuda.set_stream(current)
                reason = error.__context__ if isinstance(error.__context__, Exception) else error
                raise reason from None
            pool = graph.pool()
            self._graphs.append(graph)


def _allocations(device: torch.device) -> int:
    """How often memory has been asked of the GPU; the CPU's allocator does not tell."""
    if device.type != "cuda":
        return 0
    return int(torch.cuda.memory_stats(device).get("num_device_alloc", 0))
