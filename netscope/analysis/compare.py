"""The row of a summary in a comparison: its layers, activations, pooling and costs."""

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
        "hardtanh": "ReLU6",  # torch computes ReLU6 with hardtanh; nn.Hardtanh is recognized by its type
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
"""Op, without its namespace and the underscore of its in-place form → common name of the activation."""

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
"""Class of a module that computes its activation with other ops, as QuickGELU does → common name of the activation."""

_RELU6_BOUNDS = (0, 6)


def make_comparison_row(summary: Summary) -> ComparedArchitecture:
    """Returns the row of a summary, without the publication and its accuracy."""
    has_run = summary.traced_on != NOT_TRACED
    return ComparedArchitecture(
        spec=summary.architecture.spec,
        architecture=summary.architecture,
        inputs=summary.inputs,
        weighted_layers=summary.weighted_layers,
        activations=_rank_kinds(summary, _find_activations),
        pooling=_rank_kinds(summary, _find_pooling),
        totals=summary.totals,
        traced_on=summary.traced_on,
        is_lower_bound=summary.is_lower_bound,
        peak_activation_bytes=summary.peak_memory.activations if has_run and summary.peak_memory else None,
        notes=summary.notes,
        unread_note=summary.unread_note,
    )


def _rank_kinds(summary: Summary, find_kinds: Callable[[LayerRow], Iterator[tuple[str, int]]]) -> tuple[str, ...]:
    """Returns the kinds of ops that ran, most frequent first; equally frequent kinds in order of execution."""
    found: Counter[str] = Counter()
    for row in summary.rows:
        for kind, calls in find_kinds(row):
            found[kind] += calls
    return tuple(kind for kind, _ in found.most_common())


def _find_activations(row: LayerRow) -> Iterator[tuple[str, int]]:
    """Yields the activations that a module itself computes, with their numbers of calls."""
    if row.type_name in ACTIVATION_OF_TYPE:
        yield ACTIVATION_OF_TYPE[row.type_name], row.calls
        return
    for op in row.ops:
        name = _bare_name(op)
        kind = ACTIVATION_OF_OP.get(name, "ReLU" if name.endswith("_relu") else "")  # as in quantized.conv2d_relu
        if name == "hardtanh" and row.type_name == "Hardtanh":
            bounds = (row.hyperparameters.get("min_val"), row.hyperparameters.get("max_val"))
            kind = kind if bounds == _RELU6_BOUNDS else "Hardtanh"
        if kind:
            yield kind, op.calls


def _find_pooling(row: LayerRow) -> Iterator[tuple[str, int]]:
    """Yields the kinds of pooling that a module itself computes, with their numbers of calls.

    torch computes adaptive average pooling to one value as a mean. The mean of a normalization is not pooling.
    """
    is_normalization = "norm" in row.type_name.lower()
    for op in row.ops:
        name = _bare_name(op)
        if "max_pool" in name:
            yield "max", op.calls
        elif is_normalization:
            continue
        elif "avg_pool" in name or (name == "mean" and row.type_name.startswith("AdaptiveAvgPool")):
            yield "average", op.calls
        elif name == "mean":
            yield "mean", op.calls


def _bare_name(op: OpCount) -> str:
    """Returns the op's name without the namespace and the underscore of the in-place form."""
    return op.op.rpartition(".")[2].removesuffix("_")
