"""A summary in one row: how many layers of weights, which activations, which pooling, and what all of it costs."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from netscope.schema import NOT_TRACED, ComparedArchitecture, LayerRow, OpCount, Summary

ACTIVATION_OF_OP: Mapping[str, str] = MappingProxyType(
    {
        "_prelu_kernel": "PReLU",
        "celu": "CELU",
        "elu": "ELU",
        "gelu": "GELU",
        "glu": "GLU",
        "hardshrink": "Hardshrink",
        "hardsigmoid": "Hardsigmoid",
        "hardswish": "Hardswish",
        "hardtanh": "ReLU6",  # what torch computes it with; nn.Hardtanh is told by its type
        "leaky_relu": "LeakyReLU",
        "log_sigmoid_forward": "LogSigmoid",
        "mish": "Mish",
        "relu": "ReLU",
        "relu6": "ReLU6",
        "rrelu_with_noise": "RReLU",
        "selu": "SELU",
        "sigmoid": "Sigmoid",
        "silu": "SiLU",
        "softplus": "Softplus",
        "softshrink": "Softshrink",
        "tanh": "Tanh",
        "threshold": "Threshold",
    }
)
"""Op, without its namespace and the underscore of its in-place form → what the field calls it."""

ACTIVATION_OF_TYPE: Mapping[str, str] = MappingProxyType(
    {
        "AccurateGELUActivation": "GELU",
        "FastGELUActivation": "GELU",
        "HardSwish": "Hardswish",
        "NewGELUActivation": "GELU",
        "QuickGELU": "GELU",
        "QuickGELUActivation": "GELU",
        "SELU": "SELU",
        "Softsign": "Softsign",
        "Swish": "SiLU",
        "Tanhshrink": "Tanhshrink",
    }
)
"""Modules that compute their activation with other ops, as ``x * sigmoid(1.702 * x)`` stands for a GELU."""

_RELU6_BOUNDS = (0, 6)


def comparison_row(summary: Summary) -> ComparedArchitecture:
    """The row of ``summary``, without what only its source knows."""
    has_run = summary.traced_on != NOT_TRACED
    return ComparedArchitecture(
        spec=summary.architecture.spec,
        architecture=summary.architecture,
        inputs=summary.inputs,
        weighted_layers=summary.weighted_layers,
        activations=_kinds(summary, _activations),
        pooling=_kinds(summary, _pooling),
        totals=summary.totals,
        traced_on=summary.traced_on,
        is_lower_bound=summary.is_lower_bound,
        peak_activation_bytes=summary.peak_memory.activations if has_run and summary.peak_memory else None,
        notes=summary.notes,
        left_out=summary.left_out,
    )


def _kinds(summary: Summary, kinds_of: Callable[[LayerRow], Iterator[tuple[str, int]]]) -> tuple[str, ...]:
    """The kinds of what ran, the commonest first, then in the order in which they are first met."""
    found: Counter[str] = Counter()
    for row in summary.rows:
        for kind, calls in kinds_of(row):
            found[kind] += calls
    return tuple(kind for kind, _ in found.most_common())


def _activations(row: LayerRow) -> Iterator[tuple[str, int]]:
    """The activations that a module computes itself, and how often."""
    if row.type_name in ACTIVATION_OF_TYPE:
        yield ACTIVATION_OF_TYPE[row.type_name], row.calls
        return
    for op in row.ops:
        name = _bare(op)
        kind = ACTIVATION_OF_OP.get(name, "ReLU" if name.endswith("_relu") else "")  # as in quantized.conv2d_relu
        if name == "hardtanh" and row.type_name == "Hardtanh":
            bounds = (row.hyperparameters.get("min_val"), row.hyperparameters.get("max_val"))
            kind = kind if bounds == _RELU6_BOUNDS else "Hardtanh"
        if kind:
            yield kind, op.calls


def _pooling(row: LayerRow) -> Iterator[tuple[str, int]]:
    """The kinds of pooling that a module does itself, and how often.

    torch computes adaptive average pooling to one value as a mean. What a normalisation averages is no pooling.
    """
    normalises = "norm" in row.type_name.lower()
    for op in row.ops:
        name = _bare(op)
        if "max_pool" in name:
            yield "max", op.calls
        elif normalises:
            continue
        elif "avg_pool" in name or (name == "mean" and row.type_name.startswith("AdaptiveAvgPool")):
            yield "average", op.calls
        elif name == "mean":
            yield "mean", op.calls


def _bare(op: OpCount) -> str:
    """Its name without the namespace, and without the underscore of the in-place form."""
    return op.op.rpartition(".")[2].removesuffix("_")
