"""Turns a model and a configuration into the step that is measured."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from netscope.measuring import execution_compat
from netscope.measuring.host_transfer import NUM_BATCHES, DeviceInputLoader, HostInputLoader, InputLoader
from netscope.measuring.precision import autocast, get_cast_dtype
from netscope.measuring.runner import Workload
from netscope.measuring.training import Loss, create_optimizer
from netscope.schema import BenchConfig
from netscope.schema.inputs import ForwardInputs


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchModel:
    """A model to measure.

    Attributes:
        name: the model's name, for errors.
        build: returns the module with real weights, on any device; the benchmark may change it.
        create_inputs: returns the inputs of a number in the rotation, on a device.
        find_outputs: returns the tensors of a model's result that a training step differentiates; raises if none.
    """

    name: str
    build: Callable[[], nn.Module]
    create_inputs: Callable[[nn.Module, int, torch.device], ForwardInputs]
    find_outputs: Callable[[Any], list[Tensor]]


@dataclass(slots=True, kw_only=True)
class PreparedModel:
    """A model that is ready to run.

    Attributes:
        model: the module on the device, as configured, before compilation.
        workload: the model's step.
        loader: the source of the inputs.
        loss: the loss of a training step; None for inference.
    """

    model: nn.Module
    workload: Workload
    loader: InputLoader
    loss: Loss | None

    def describe(self, config: BenchConfig) -> str:
        """Returns a description of a step; call it after one step."""
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
            "inputs copied from pinned memory in each step"
            if config.data == "host"
            else f"{NUM_BATCHES} random inputs in rotation, already on the device"
        )
        if config.nproc > 1:
            parallel = f"{config.parallel} over {config.nproc} processes"
            parts.append(parallel if config.mode == "train" else f"{config.nproc} independent processes")
        return "; ".join(parts)


@torch.inference_mode(mode=False)
def prepare(bench_model: BenchModel, config: BenchConfig, device: torch.device) -> PreparedModel:
    """Returns the model on the device, as configured.

    It is built with gradients enabled, as usual, also if steps have none.

    Raises:
        NetscopeError: the model cannot be built or trained.
        RuntimeError: the model cannot be moved or wrapped.
    """
    torch.manual_seed(config.seed)
    model = bench_model.build()
    # Inputs are created on the device, which may have more memory than the host.
    input_device = torch.device("cpu") if config.data == "host" else device
    batches = [bench_model.create_inputs(model, number, input_device) for number in range(NUM_BATCHES)]
    if any(map(is_lazy, (*model.parameters(), *model.buffers()))):
        with torch.no_grad():  # lazy modules infer their shapes
            model.to(input_device)(*batches[0].args, **batches[0].kwargs)
    dtype = get_cast_dtype(config)
    if dtype is not None:
        model._apply(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)
        batches = [batch.map_leaves(lambda leaf: _cast(leaf, dtype)) for batch in batches]
    if config.channels_last:
        model._apply(execution_compat.to_channels_last)
        batches = [
            batch.map_leaves(lambda leaf: execution_compat.to_channels_last(leaf) if isinstance(leaf, Tensor) else leaf)
            for batch in batches
        ]
    if not _is_sharded(config):  # sharding moves the parameters itself, so no process holds all of them
        model.to(device)
    model.train(config.mode == "train")
    loader: InputLoader = (HostInputLoader if config.data == "host" else DeviceInputLoader)(batches, device)
    model = _wrap_parallel(model, config, device)
    loss = Loss(bench_model.find_outputs, config.seed) if config.mode == "train" else None
    forward: Callable[..., Any] = model
    if config.compile is not None:
        forward = torch.compile(model, mode=config.compile, dynamic=False)  # for static shapes
    step = (
        _create_training_step(model, forward, loader, loss, config)
        if loss
        else _create_inference_step(forward, loader, config)
    )
    if config.cuda_graph:
        step = _CapturedStep(step, device)
    before_s = execution_compat.read_compile_s()
    workload = Workload(
        step=step,
        compilations=execution_compat.count_compilations,
        allocations=lambda: _count_allocations(device),
        compile_s=(lambda: execution_compat.read_compile_s() - before_s)
        if config.compile is not None
        else lambda: None,
    )
    return PreparedModel(model=model, workload=workload, loader=loader, loss=loss)


def grad_mode(config: BenchConfig) -> AbstractContextManager[Any]:
    """Returns the context that enables or disables gradients for all steps of a configuration."""
    return torch.inference_mode() if config.mode == "infer" else torch.enable_grad()


def _cast(leaf: Any, dtype: torch.dtype) -> Any:
    return leaf.to(dtype) if isinstance(leaf, Tensor) and leaf.is_floating_point() else leaf


def _is_sharded(config: BenchConfig) -> bool:
    return config.parallel == "fsdp" and config.mode == "train"


def _wrap_parallel(model: nn.Module, config: BenchConfig, device: torch.device) -> nn.Module:
    if config.parallel is None or config.mode == "infer":
        return model  # in inference, each process runs independently
    if _is_sharded(config):
        return execution_compat.apply_fsdp(model, device)
    return nn.parallel.DistributedDataParallel(model, device_ids=[device.index] if device.type == "cuda" else None)


def _create_inference_step(forward: Callable[..., Any], loader: InputLoader, config: BenchConfig) -> Callable[[], None]:
    def step() -> None:
        _, inputs = loader.next()
        with autocast(config):
            forward(*inputs.args, **inputs.kwargs)

    return step


def _needs_scaler(config: BenchConfig) -> bool:
    """Whether gradients are scaled to avoid underflow; float16 gradients of float16 weights cannot be unscaled."""
    return config.dtype == "fp16" and not config.cast


def _create_training_step(
    model: nn.Module, forward: Callable[..., Any], loader: InputLoader, loss: Loss, config: BenchConfig
) -> Callable[[], None]:
    optimizer = create_optimizer(config.optimizer or "sgd", model, capturable=config.cuda_graph)
    scaler = torch.amp.GradScaler("cuda" if config.is_cuda else "cpu") if _needs_scaler(config) else None

    def step() -> None:
        number, inputs = loader.next()
        optimizer.zero_grad(set_to_none=True)
        with autocast(config):
            value = loss.compute(forward(*inputs.args, **inputs.kwargs), number)
        if scaler is None:
            value.backward()
            optimizer.step()
        else:
            scaler.scale(value).backward()
            scaler.step(optimizer)
            scaler.update()

    return step


class _CapturedStep:
    """A step that is captured on its first call, once per input in the rotation, and replayed afterwards."""

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
        # One-time work, such as creating the optimizer's state and the targets, must be done before the capture.
        with torch.cuda.stream(side):
            for _ in range(NUM_BATCHES):
                self._step()
        current.wait_stream(side)
        pool = None
        for _ in range(NUM_BATCHES):
            graph = torch.cuda.CUDAGraph()
            try:
                with torch.cuda.graph(graph, pool=pool):
                    self._step()
            except Exception as error:  # noqa: BLE001 - a step can raise anything during capture
                # Ending the capture then fails as well, which hides the reason and leaves its stream active.
                torch.cuda.set_stream(current)
                reason = error.__context__ if isinstance(error.__context__, Exception) else error
                raise reason from None
            pool = graph.pool()
            self._graphs.append(graph)


def _count_allocations(device: torch.device) -> int:
    """Returns the number of memory allocations on the GPU; 0 on a CPU, whose allocator does not count them."""
    if device.type != "cuda":
        return 0
    return int(torch.cuda.memory_stats(device).get("num_device_alloc", 0))
