"""Runs other FLOP counters on the same module and inputs, each on a separate copy, because they modify the module."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import torch
from torch import nn

from netscope.errors import NetscopeError
from netscope.flops import FORMULAS
from netscope.runtime.startup import ignore_warnings, is_own_process
from netscope.schema import ToolTally
from netscope.tracing import torch_compat
from netscope.tracing.inputs import create_inputs
from netscope.tracing.meta_copy import copy_to_device, is_on
from netscope.tracing.run import TraceRequest, check_memory, count_weight_bytes


def run_reference_counters(subject: TraceRequest, device: str) -> tuple[ToolTally, ...]:
    """Returns the counts of torch's ``FlopCounterMode``, torchinfo and fvcore.

    Args:
        subject: the model and its inputs.
        device: the device of netscope's trace. torchinfo and ``FlopCounterMode`` run there, too; fvcore needs real
            tensors.
    """
    return (
        _run_counter("FlopCounterMode", "torch", _flop_counter_mode, subject, device),
        _run_counter("torchinfo", "torchinfo", _torchinfo, subject, device),
        _run_counter("fvcore", "fvcore", _fvcore, subject, "cpu" if device == "meta" else device),
    )


def _run_counter(
    tool: str, package: str, count: Callable[[nn.Module, Any], dict[str, Any]], subject: TraceRequest, device: str
) -> ToolTally:
    counts: dict[str, Any] = {"params": None, "macs": {}, "skipped": (), "failure": None}
    try:
        model = subject.build("meta" if device == "meta" else "cpu")
        if device != "meta":
            check_memory(count_weight_bytes(model), tool)
        inputs = subject.inputs(model)
        if subject.user_owned or not is_on(model, device):
            model = copy_to_device(model, device)
        model.eval()
        with torch.no_grad(), _suppress_warnings():
            counts |= count(model, create_inputs(model, inputs, device))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - any failure is a result
        reason = str(error) if isinstance(error, NetscopeError) else f"{type(error).__name__}: {error}"
        counts["failure"] = " ".join(reason.split())[:200]
    return ToolTally(tool=tool, version=version(package), **counts)


@contextmanager
def _suppress_warnings() -> Iterator[None]:
    """Suppresses the tools' warnings and log messages, but only in a process that netscope started."""
    if not is_own_process():
        yield
        return
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with ignore_warnings():
            yield
    finally:
        logging.disable(before)


def _flop_counter_mode(model: nn.Module, inputs: Any) -> dict[str, Any]:
    from torch.utils.flop_counter import FlopCounterMode, flop_registry

    # Under no_grad, its module tracker fails on parameters that require a gradient.
    model.requires_grad_(False)
    with torch_compat.disable_fast_path(), FlopCounterMode(display=False) as counter:
        model(*inputs.args, **inputs.kwargs)
    known = {str(op) for op in flop_registry}
    return {
        "macs": {str(op): flops // 2 for op, flops in counter.get_flop_counts().get("Global", {}).items()},
        "skipped": tuple(op for op in FORMULAS if op not in known),
    }


def _torchinfo(model: nn.Module, inputs: Any) -> dict[str, Any]:
    import torchinfo

    device = next(iter(model.parameters()), torch.empty(0)).device
    data = dict(inputs.kwargs) or list(inputs.args)
    statistics = torchinfo.summary(model, input_data=data, verbose=0, device=device)
    macs: dict[str, int] = {}
    for layer in statistics.summary_list:
        if layer.is_leaf_layer:
            path = _get_torchinfo_path(layer)
            macs[path] = macs.get(path, 0) + layer.macs
    return {"params": statistics.total_params, "macs": macs}


def _get_torchinfo_path(layer: Any) -> str:
    parts = []
    while layer.parent_info is not None:
        parts.append(layer.var_name)
        layer = layer.parent_info
    return ".".join(reversed(parts))


def _fvcore(model: nn.Module, inputs: Any) -> dict[str, Any]:
    from fvcore.nn import FlopCountAnalysis, parameter_count

    if inputs.kwargs:
        raise ValueError("it accepts only positional inputs")
    analysis = FlopCountAnalysis(model, inputs.args)
    return {
        "params": parameter_count(model)[""],
        "macs": {operator: int(count) for operator, count in analysis.by_operator().items()},
        "skipped": tuple(sorted(analysis.unsupported_ops())),
    }
