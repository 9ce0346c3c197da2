"""An ``nn.Module`` and its inputs → ``Trace``, on one device."""

import platform
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import nn

from netscope.errors import DeviceError, NetscopeError, TracingError
from netscope.runtime.machine import available_memory_bytes
from netscope.schema import LayerFailure, Trace
from netscope.schema.inputs import ForwardInputs
from netscope.tracing import torch_compat
from netscope.tracing.inputs import input_specs, tensors_for
from netscope.tracing.meta_copy import independent_copy, is_on
from netscope.tracing.modules import module_entries, traced_modules
from netscope.tracing.recorder import Recorder


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRequest:
    """What is to be traced.

    Attributes:
        build: gives the module for ``"meta"``, ``"cpu"`` or ``"cuda"``; it need not be on that device yet.
        inputs: the arguments for the module that ``build`` gave.
        user_owned: whether the module belongs to the caller, who wants it back as it was.
        dtype: of its floating parameters and buffers; None for as they are.
        alter: changes the module that is about to be run, which is never the caller's own.
        meta_only: whether it has no form with values, as a saved program has none.
        notes: for its trace to carry.
    """

    build: Callable[[str], nn.Module]
    inputs: Callable[[nn.Module], ForwardInputs]
    user_owned: bool
    dtype: str | None = None
    alter: Callable[[nn.Module, str], None] | None = None
    meta_only: bool = False
    notes: tuple[str, ...] = ()


class ForwardError(TracingError):
    """A forward or backward pass raised.

    Attributes:
        failure: where, and what is known of it.
        partial: what ran before.
    """

    def __init__(self, failure: LayerFailure, partial: Trace) -> None:
        where = f"{failure.path} ({failure.type_name})" if failure.path else failure.type_name
        super().__init__(f"the {failure.phase} pass on {failure.device} failed in {where}: {failure.message}")
        self.failure = failure
        self.partial = partial


@torch_compat.compiler_left_out()
def trace(subject: TraceRequest, *, device: str, mode: str = "eval", notes: tuple[str, ...] = ()) -> Trace:
    """The trace of one forward pass without gradients, or of one step of training.

    Args:
        subject: what to run.
        device: ``"meta"``, ``"cpu"`` or ``"cuda"``.
        mode: ``"eval"``, or ``"train"`` for a forward and a backward pass in train mode. A lent model that is being
            trained keeps its modules' flags in ``"train"``.
        notes: for the trace to carry.

    Raises:
        ForwardError: the forward or the backward pass raised.
        UntrainableError: there is nothing to differentiate.
        DeviceError: there is no such device.
        BuildError: the factory raised.
        InputError: the arguments do not fit the parameters of ``forward``.
        TracingError: the lent model cannot be copied.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("torch sees no CUDA device here; on meta, the default, no device is needed")
    could_compile = torch_compat.compiler_is_loaded()
    try:
        return _trace_of(subject, device, mode, notes)
    except ForwardError:
        # What the pass was the first to compile, it compiled in earnest.
        if could_compile or not torch_compat.compiler_is_loaded():
            raise
    return _trace_of(subject, device, mode, notes)


def _trace_of(subject: TraceRequest, device: str, mode: str, notes: tuple[str, ...]) -> Trace:
    # Before anything is built on meta: what torch 2.6 imports for it does not come up there.
    torch_compat.settle(Recorder)
    model = subject.build(device)
    inputs = subject.inputs(model)
    if subject.user_owned or not is_on(model, device):
        model = independent_copy(model, device)
    if subject.alter is not None:
        subject.alter(model, device)
    if subject.dtype is not None:
        torch_compat.cast(model, getattr(torch, subject.dtype))
    if mode == "eval" or not (subject.user_owned and model.training):
        # An exported graph has only the mode that it was exported in, and says so by this error.
        with suppress(NotImplementedError):
            model.eval() if mode == "eval" else model.train()
    recorder = Recorder(module_entries(model))
    arguments = tensors_for(model, inputs, device, subject.dtype)
    specs = input_specs(model, arguments)

    def recorded() -> Trace:
        return Trace(
            modules=traced_modules(recorder.places, recorder.tensors),
            calls=recorder.calls(),
            ops=recorder.ops(),
            tensors=recorder.tensors.traced(),
            storage_bytes=tuple(recorder.tensors.storages.bytes),
            first_backward_op=recorder.first_backward_op,
            kept=recorder.kept(),
            inputs=specs,
            device=device,
            mode=mode,
            notes=(*subject.notes, *notes, *recorder.departures()),
            versions={"python": platform.python_version(), "torch": str(torch.__version__)},
        )

    try:
        with torch_compat.uncompiled():
            run = recorder.run_step if mode == "train" else recorder.run
            run(arguments.args, dict(arguments.kwargs))
    except NetscopeError:
        raise
    except (Exception, SystemExit) as error:
        raise ForwardError(recorder.failure(error, inputs=specs, device=device), recorded()) from error
    return recorded()


def weight_bytes(model: nn.Module) -> int:
    """Bytes of the model's distinct parameters and buffers, as far as their shapes are known."""
    return sum(
        tensor.numel() * tensor.element_size()
        for tensor in (*model.parameters(), *model.buffers())
        if not torch_compat.is_uninitialised(tensor)
    )


def check_memory(needed_bytes: int, what: str) -> None:
    """Refuses before the machine swaps.

    Raises:
        DeviceError: less memory is available than ``needed_bytes``.
    """
    available = available_memory_bytes()
    if available is not None and needed_bytes > available:
        raise DeviceError(
            f"{what} needs {needed_bytes / 2**30:,.1f} GiB for its weights on the CPU, "
            f"where {available / 2**30:,.1f} GiB are available; only meta needs none"
        )
