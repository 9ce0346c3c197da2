"""The causes of differences between other tools' counts and ours, each verified against the tool's own rule."""

from collections import defaultdict
from collections.abc import Sequence
from math import prod

from netscope.schema import Cause, ModuleCall, Summary, ToolCount, ToolTally, Trace

# Operators that fvcore counts the products of. It counts others, such as norms, too: several FLOPs per element.
_FVCORE_PRODUCTS = ("conv", "linear", "addmm", "mm", "matmul", "bmm", "baddbmm", "einsum")

# Operators with products that fvcore skips and we count.
_SKIPPED_BY_FVCORE = (
    "scaled_dot_product_attention", "_native_multi_head_attention", "_transformer_encoder_layer_fwd",
    "lstm", "gru", "rnn_tanh", "rnn_relu", "mv", "dot", "addmv", "addbmm", "addr", "bilinear", "_trilinear",
    "deform_conv2d", "_grouped_mm",
)  # fmt: skip


def compare_counts(tally: ToolTally, summary: Summary, trace: Trace, flops: Sequence[int | None]) -> ToolCount:
    """Returns the totals of another tool, and the causes of their differences from ours.

    Args:
        tally: counts of the tool.
        summary: our counts.
        trace: trace that our counts are from.
        flops: FLOPs of each op of ``trace``.
    """
    causes: list[Cause] = []
    if tally.failure is None:
        causes = [
            *_parameter_causes(tally, trace, summary),
            *{
                "FlopCounterMode": lambda: _flop_counter_causes(tally, trace, flops),
                "fvcore": lambda: _fvcore_causes(tally, summary),
                "torchinfo": lambda: _torchinfo_causes(tally, summary, trace),
            }[tally.tool](),
        ]
    return ToolCount(
        tool=tally.tool,
        version=tally.version,
        params=tally.params,
        macs=None if tally.failure else sum(tally.macs.values()),
        rounded_to=1,
        causes=tuple(causes),
        failure=tally.failure,
    )


def _parameter_causes(tally: ToolTally, trace: Trace, summary: Summary) -> list[Cause]:
    """Returns the cause for tied weights that the tool counts once per name."""
    if tally.params is None:
        return []
    under_every_name = sum(
        parameter.elements for module in trace.modules if module.same_as is None for parameter in module.parameters
    )
    tied = under_every_name - summary.totals.params
    if not tied or tally.params - summary.totals.params != tied:
        return []
    return [Cause(quantity="params", difference=tied, reason="counts tied weights once per name")]


def _flop_counter_causes(tally: ToolTally, trace: Trace, flops: Sequence[int | None]) -> list[Cause]:
    """Returns a cause for each op that torch has no formula for."""
    ours: dict[str, int] = defaultdict(int)
    for op, cost in zip(trace.ops, flops, strict=True):
        ours[op.name] += (cost or 0) // 2
    return [
        Cause(quantity="macs", difference=-macs, reason=f"has no formula for {name}")
        for name, macs in ours.items()
        if macs and name in tally.skipped
    ]


def _fvcore_causes(tally: ToolTally, summary: Summary) -> list[Cause]:
    """Returns the causes for norms, poolings and interpolations that fvcore adds, and for products that it skips."""
    causes = [
        Cause(quantity="macs", difference=macs, reason=f"adds its own count for {operator}, which has no MACs")
        for operator, macs in tally.macs.items()
        if operator not in _FVCORE_PRODUCTS and macs
    ]
    products = sum(macs for operator, macs in tally.macs.items() if operator in _FVCORE_PRODUCTS)
    missing = summary.totals.macs - products
    skipped = [name for name in tally.skipped if name.rpartition("::")[2] in _SKIPPED_BY_FVCORE]
    if missing > 0 and skipped:
        causes.append(Cause(quantity="macs", difference=-missing, reason=f"does not count {', '.join(skipped)}"))
    return causes


def _torchinfo_causes(tally: ToolTally, summary: Summary, trace: Trace) -> list[Cause]:
    """Returns the causes for torchinfo, which multiplies each parameter by output sizes, whatever the layer computes.

    A layer's difference is explained only if torchinfo's count equals its rule and ours equals the arithmetic on the
    layer's weight.
    """
    positions = {module.path: position for position, module in enumerate(trace.modules)}
    differences: dict[str, int] = defaultdict(int)
    for row in summary.rows:
        theirs = tally.macs.get(row.path)
        if theirs is None:
            differences["counts only leaf layers, not functional ops such as attention"] -= row.own.macs
        elif theirs != row.own.macs and theirs == _torchinfo_rule(positions[row.path], trace):
            reason = _torchinfo_reason(positions[row.path], trace, row.own.macs, theirs)
            if reason:
                differences[reason] += theirs - row.own.macs
    return [
        Cause(quantity="macs", difference=difference, reason=reason)
        for reason, difference in differences.items()
        if difference
    ]


def _torchinfo_rule(position: int, trace: Trace, part: str = "") -> int:
    """Returns torchinfo 1.8's count of a leaf layer: its parameters times the batch size, or a convolution's positions.

    Args:
        position: position of the layer's module in the trace.
        trace: trace with the layer's calls.
        part: text that the names of the counted parameters contain.
    """
    module = trace.modules[position]
    total = 0
    for call in _calls_of(position, trace):
        output = trace.tensors[call.outputs[0]].shape
        for parameter in module.parameters:
            if part not in parameter.name:
                continue
            if parameter.name in ("weight", "bias"):
                sizes = output[:1] + output[2:] if "Conv" in module.type_name else output[:1]
            elif "weight" in parameter.name or "bias" in parameter.name:
                sizes = output[:2]
            else:
                continue
            total += parameter.elements * prod(sizes)
    return total


def _torchinfo_reason(position: int, trace: Trace, ours: int, theirs: int) -> str:
    """Returns the reason of a layer's difference; empty if ours does not equal the arithmetic on the layer's weight."""
    module = trace.modules[position]
    if theirs - ours == _torchinfo_rule(position, trace, "bias"):
        return "counts biases"
    weight = next((item for item in module.parameters if item.name == "weight" and item.tensor is not None), None)
    if weight is None or not module.hyperparameters.keys() & {"in_channels", "in_features"}:
        return "counts the parameters of norms, embeddings and custom layers, not their ops"
    calls = _calls_of(position, trace)
    if module.hyperparameters.get("transposed") or "Transpose" in module.type_name:
        inputs = [trace.tensors[call.inputs[0]].shape for call in calls]
        if ours == weight.elements * sum(prod(shape[:1] + shape[2:]) for shape in inputs):
            return "multiplies a transposed convolution's weights by output positions instead of input positions"
    elif ours == weight.elements * sum(prod(trace.tensors[call.outputs[0]].shape[:-1]) for call in calls):
        return "multiplies a linear layer's weights and biases by the batch size alone, ignoring other dimensions"
    return ""


def _calls_of(position: int, trace: Trace) -> list[ModuleCall]:
    return [call for call in trace.calls if call.module == position and call.outputs]
