"""Traces an ``nn.Module`` with its inputs on one device."""

import platform
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass

import torch
from torch import nn

from netscope.errors import DeviceError, NetscopeError, TracingError
from netscope.runtime.machine import available_memory_bytes
from netscope.runtime.startup import defer_garbage_collection
from netscope.schema import LayerFailure, Trace
from netscope.schema.inputs import ForwardInputs
from netscope.tracing import torch_compat
from netscope.tracing.inputs import collect_input_specs, create_inputs
from netscope.tracing.meta_copy import copy_to_device, is_on
from netscope.tracing.modules import describe_modules, list_modules
from netscope.tracing.recorder import Recorder


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRequest:
    """A request to trace a model.

    Attributes:
        build: returns the module for ``"meta"``, ``"cpu"`` or ``"cuda"``; it need not be on this device.
        inputs: returns the arguments for the module from ``build``.
        user_owned: whether the module belongs to the caller and must not be changed.
        dtype: dtype of its floating-point parameters and buffers; None to leave them unchanged.
        alter: changes the module before it is run; it never gets the caller's module.
        meta_only: whether the module exists only without values, like a saved program.
        notes: notes for its trace.
        diagnose: returns a sentence about the inputs if they are why a pass in a mode failed; None if unknown.
    """

    build: Callable[[str], nn.Module]
    inputs: Callable[[nn.Module], ForwardInputs]
    user_owned: bool
    dtype: str | None = None
    alter: Callable[[nn.Module, str], None] | None = None
    meta_only: bool = False
    notes: tuple[str, ...] = ()
    diagnose: Callable[[LayerFailure, str], str | None] = lambda _failure, _mode: None


class ForwardError(TracingError):
    """A forward or backward pass raised an exception.

    Attributes:
        failure: the module that failed, and the message.
        partial: the trace up to the failure.
    """

    def __init__(self, failure: LayerFailure, partial: Trace) -> None:
        where = f"{failure.path} ({failure.type_name})" if failure.path else failure.type_name
        super().__init__(f"the {failure.phase} pass on {failure.device} failed in {where}: {failure.message}")
        self.failure = failure
        self.partial = partial


@torch_compat.avoid_compiler_import()
def trace(subject: TraceRequest, *, device: str, mode: str = "eval", notes: tuple[str, ...] = ()) -> Trace:
    """Returns the trace of one forward pass without gradients, or of one training step.

    Args:
        subject: the model and its inputs.
        device: ``"meta"``, ``"cpu"`` or ``"cuda"``.
        mode: ``"eval"``, or ``"train"`` for a forward and a backward pass in train mode. If the user's model is in
            train mode, ``"train"`` leaves the flag of each of its modules unchanged.
        notes: notes for the trace.

    Raises:
        ForwardError: the forward or backward pass raised an exception.
        UntrainableError: no output requires a gradient.
        DeviceError: the device is not available.
        BuildError: the factory raised an exception.
        InputError: the arguments do not match the parameters of ``forward``.
        TracingError: the user's model cannot be copied.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("torch found no CUDA device; use auto (the default), meta or cpu")
    could_compile = torch_compat.is_compiler_loaded()
    with defer_garbage_collection() if device == "meta" else nullcontext():
        try:
            return _trace(subject, device, mode, notes)
        except ForwardError:
            # The pass itself imported the compiler, so compilation could not be disabled before. Now it can.
            if could_compile or not torch_compat.is_compiler_loaded():
                raise
        return _trace(subject, device, mode, notes)


def _trace(subject: TraceRequest, device: str, mode: str, notes: tuple[str, ...]) -> Trace:
    # Before anything is built on meta: torch 2.6 cannot import the modules that this needs under a meta device.
    torch_compat.prepare_torch(Recorder)
    model = subject.build(device)
    inputs = subject.inputs(model)
    if subject.user_owned or not is_on(model, device):
        model = copy_to_device(model, device)
    if subject.alter is not None:
        subject.alter(model, device)
    if subject.dtype is not None:
        torch_compat.cast(model, getattr(torch, subject.dtype))
    if mode == "eval" or not (subject.user_owned and model.training):
        # An exported graph has only the mode that it was exported in, and raises this error for any other.
        with suppress(NotImplementedError):
            model.eval() if mode == "eval" else model.train()
    recorder = Recorder(list_modules(model))
    arguments = create_inputs(model, inputs, device, subject.dtype)
    specs = collect_input_specs(model, arguments)

    def create_trace() -> Trace:
        return Trace(
            modules=describe_modules(recorder.entries, recorder.tensors),
            calls=recorder.export_calls(),
            ops=recorder.export_ops(),
            tensors=recorder.tensors.export(),
            storage_bytes=tuple(recorder.tensors.storages.bytes),
            first_backward_op=recorder.first_backward_op,
            saved_tensors=recorder.export_saved_tensors(),
            inputs=specs,
            device=device,
            mode=mode,
            notes=(*subject.notes, *notes, *recorder.describe_conversions()),
            versions={"python": platform.python_version(), "torch": str(torch.__version__)},
        )

    try:
        with torch_compat.disable_compilation():
            run = recorder.run_step if mode == "train" else recorder.run
            run(arguments.args, dict(arguments.kwargs))
    except NetscopeError:
        raise
    except (Exception, SystemExit) as error:
        raise ForwardError(recorder.describe_failure(error, inputs=specs, device=device), create_trace()) from error
    return create_trace()


def count_weight_bytes(model: nn.Module) -> int:
    """Returns the bytes of the model's distinct parameters and buffers whose shapes are known."""
    return sum(
        tensor.numel() * tensor.element_size()
        for tensor in (*model.parameters(), *model.buffers())
        if not torch_compat.is_uninitialized(tensor)
    )


def check_memory(needed_bytes: int, what: str) -> None:
    """Checks that the weights fit in memory, before the machine starts to swap.

    Raises:
        DeviceError: less memory is available than ``needed_bytes``.
    """
    available = available_memory_bytes()
    if available is not None and needed_bytes > available:
        raise DeviceError(
            f"{what} needs {needed_bytes / 2**30:,.1f} GiB for its weights on the CPU, but only "
            f"{available / 2**30:,.1f} GiB are available; on meta, weights take no memory"
        )
