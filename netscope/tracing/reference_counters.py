"""Others' counters, run on the same module and inputs: each on a twin of its own, since they leave traces behind."""

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
from netscope.tracing.inputs import tensors_for
from netscope.tracing.meta_copy import independent_copy, is_on
from netscope.tracing.run import TraceRequest, check_memory, weight_bytes


def count_with_other_tools(subject: TraceRequest, device: str) -> tuple[ToolTally, ...]:
    """What torch's ``FlopCounterMode``, torchinfo and fvcore count.

    Args:
        subject: what to count.
        device: where ours was traced. torchinfo and ``FlopCounterMode`` run there too; fvcore needs real tensors.
    """
    return (
        _tally("FlopCounterMode", "torch", _flop_counter_mode, subject, device),
        _tally("torchinfo", "torchinfo", _torchinfo, subject, device),
        _tally("fvcore", "fvcore", _fvcore, subject, "cpu" if device == "meta" else device),
    )


def _tally(
    tool: str, package: str, count: Callable[[nn.Module, Any], dict[str, Any]], subject: TraceRequest, device: str
) -> ToolTally:
    figures: dict[str, Any] = {"params": None, "macs": {}, "skipped": (), "failure": None}
    try:
        model = subject.build("meta" if device == "meta" else "cpu")
        if device != "meta":
            check_memory(weight_bytes(model), tool)
        inputs = subject.inputs(model)
        if subject.user_owned or not is_on(model, device):
            model = independent_copy(model, device)
        model.eval()
        with torch.no_grad(), _quiet():
            figures |= count(model, tensors_for(model, inputs, device))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a peer does is an answer about the peer
        reason = str(error) if isinstance(error, NetscopeError) else f"{type(error).__name__}: {error}"
        figures["failure"] = " ".join(reason.split())[:200]
    return ToolTally(tool=tool, version=version(package), **figures)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the peers' warnings and log lines out of our answer, in a process of our own."""
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

    # Its module tracker fails without gradients on parameters that want one.
    model.requires_grad_(False)
    with torch_compat.unfused(), FlopCounterMode(display=False) as counter:
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
            path = _torchinfo_path(layer)
            macs[path] = macs.get(path, 0) + layer.macs
    return {"params": statistics.total_params, "macs": macs}


def _torchinfo_path(layer: Any) -> str:
    parts = []
    while layer.parent_info is not None:
        parts.append(layer.var_name)
        layer = layer.parent_info
    return ".".join(reversed(parts))


def _fvcore(model: nn.Module, inputs: Any) -> dict[str, Any]:
    from fvcore.nn import FlopCountAnalysis, parameter_count

    if inputs.kwargs:
        raise ValueError("it takes positional inputs only")
    analysis = FlopCountAnalysis(model, inputs.args)
    return {
        "params": parameter_count(model)[""],
        "macs": {operator: int(count) for operator, count in analysis.by_operator().items()},
        "skipped": tuple(sorted(analysis.unsupported_ops())),
    }
