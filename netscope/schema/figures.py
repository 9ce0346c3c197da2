"""Figures of modules and models, and the table of metrics: the name, unit and heading of each.

Columns, sort orders, rules, deltas, CSV, dataframes and the page all read ``METRICS``. A new metric needs a field of
``Figures`` with its line in the table, and its computation in ``analysis/summary.py``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, fields
from functools import reduce
from types import MappingProxyType
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The costs of a module or a model. A module's total is its own figures plus its children's totals.

    Attributes:
        params: number of elements of the distinct parameters, each counted for the first module that has it.
        trainable_params: number of elements of the parameters that require a gradient.
        unread_params: number of elements of the parameters that no op read; None if unknown, as for a weights file.
        flops: FLOPs of the forward pass, over all calls.
        backward_flops: FLOPs of the backward pass; None if it did not run.
        param_bytes: size of the parameters, in their own dtypes.
        buffer_bytes: size of the buffers, in their own dtypes.
        gradient_bytes: size of the gradients, in the parameters' dtypes; None outside of a training step.
        optimizer_bytes: size of the optimizer's state; None outside of a training step.
        activation_bytes: size of the tensors that autograd saves for the backward pass, each storage once, without
            parameters, buffers and inputs; None in eval mode.
        time_s: measured time of the calls in one forward pass, in seconds; None if it was not measured.
    """

    params: int = 0
    trainable_params: int = 0
    unread_params: int | None = None
    flops: int = 0
    backward_flops: int | None = None
    param_bytes: int = 0
    buffer_bytes: int = 0
    gradient_bytes: int | None = None
    optimizer_bytes: int | None = None
    activation_bytes: int | None = None
    time_s: float | None = None

    @property
    def macs(self) -> int:
        """MACs of the forward pass: one multiply and one add each, so half the FLOPs."""
        return self.flops // 2

    @property
    def backward_macs(self) -> int | None:
        """MACs of the backward pass; None if it did not run."""
        return None if self.backward_flops is None else self.backward_flops // 2

    @property
    def flop_rate(self) -> float | None:
        """FLOPs of the forward pass per second; None if there are none, or no time was measured."""
        return self.flops / self.time_s if self.time_s and self.flops else None

    @property
    def step_flops(self) -> int | None:
        """FLOPs of a forward and a backward pass; None if no backward pass ran."""
        return None if self.backward_flops is None else self.flops + self.backward_flops

    @property
    def step_macs(self) -> int | None:
        """MACs of a forward and a backward pass; None if no backward pass ran."""
        return None if self.step_flops is None else self.step_flops // 2

    @property
    def memory_bytes(self) -> int:
        """Sum of all the sizes in bytes."""
        training = (self.gradient_bytes, self.optimizer_bytes, self.activation_bytes)
        return self.param_bytes + self.buffer_bytes + sum(filter(None, training))

    def __add__(self, other: "Figures") -> "Figures":
        """Returns the sum of each field; None counts as 0, unless both are None."""
        return Figures(**{name: _sum(getattr(self, name), getattr(other, name)) for name in FIELDS})

    def __sub__(self, other: "Figures") -> "Figures":
        """Returns the difference of each field; None if either side is None."""
        return Figures(**{name: _difference(getattr(self, name), getattr(other, name)) for name in FIELDS})

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in FIELDS)

    @classmethod
    def sum(cls, items: Iterable["Figures"]) -> "Figures":
        """Returns the sum of ``items``."""
        return reduce(cls.__add__, items)


def _sum(left: Any, right: Any) -> Any:
    return right if left is None else left if right is None else left + right


def _difference(left: Any, right: Any) -> Any:
    return None if left is None or right is None else left - right


FIELDS = tuple(field.name for field in fields(Figures))

Unit = Literal["count", "flops", "bytes", "seconds"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the table of metrics.

    Attributes:
        name: key in rules and dataframes, ``"trainable_params"``.
        heading: column heading, ``"Trainable"``.
        noun: name in sentences, ``"trainable parameters"``.
        unit: unit of the values, which selects their number format.
        attribute: attribute of ``Figures`` with the value, if it is not called ``name``.
        column: column key, if it differs from ``name`` with hyphens: ``"trainable"`` (and ``"own-trainable"``).
        macs: name of the metric that ``--macs`` shows instead.
        counts_ops: whether an op without a formula makes the value a lower bound.
        is_sum: whether a module's total is the sum over its parts; shares and limits are for sums only.
        needs_training: whether only training steps have it.
        depends_on_device: whether the device and the version of torch affect the value.
        in_csv: whether CSV contains it by default.
        in_page: whether the HTML page shows it if any module has it.
        in_diff: whether the table of a diff shows it.
    """

    name: str
    heading: str
    noun: str
    unit: Unit
    _: KW_ONLY
    attribute: str = ""
    column: str = ""
    macs: str = ""
    counts_ops: bool = False
    is_sum: bool = True
    needs_training: bool = False
    depends_on_device: bool = False
    in_csv: bool = False
    in_page: bool = False
    in_diff: bool = False

    def value(self, figures: Figures) -> Any:
        """Returns the value of ``figures``; None if it is unknown."""
        return getattr(figures, self.attribute or self.name)

    @property
    def key(self) -> str:
        """Column key."""
        return self.column or self.name.replace("_", "-")

    @property
    def is_inference_metric(self) -> bool:
        """Whether a forward pass determines it, without training or a measurement, on any device."""
        return self.is_sum and not self.needs_training and not self.depends_on_device and self.unit != "seconds"

    @property
    def lowercase_heading(self) -> str:
        """Heading in running text: ``"params"``, but ``"FLOPs"``."""
        return self.heading if self.heading[1].isupper() else self.heading.lower()


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            Metric("params", "Params", "parameters", "count", in_csv=True, in_page=True, in_diff=True),
            Metric("trainable_params", "Trainable", "trainable parameters", "count", column="trainable", in_csv=True),
            Metric("unread_params", "Unread", "unread parameters", "count", column="unread", in_csv=True),
            Metric("flops", "FLOPs", "FLOPs", "flops", macs="macs", counts_ops=True, in_csv=True, in_page=True,
                   in_diff=True),
            Metric("macs", "MACs", "MACs", "flops", counts_ops=True),
            Metric("backward_flops", "Backward", "backward FLOPs", "flops", macs="backward_macs", counts_ops=True,
                   needs_training=True, in_csv=True, in_page=True),
            Metric("backward_macs", "Backward", "backward MACs", "flops", counts_ops=True, needs_training=True),
            Metric("step_flops", "Step", "FLOPs of a training step", "flops", column="step", macs="step_macs",
                   counts_ops=True, needs_training=True),
            Metric("step_macs", "Step", "MACs of a training step", "flops", counts_ops=True, needs_training=True),
            Metric("weight_bytes", "Weights", "bytes of weights", "bytes", attribute="param_bytes", column="weights"),
            Metric("gradient_bytes", "Gradients", "bytes of gradients", "bytes", column="gradients",
                   needs_training=True, in_csv=True),
            Metric("optimizer_bytes", "Optimizer", "bytes of optimizer state", "bytes", column="optimizer-state",
                   needs_training=True, in_csv=True),
            Metric("activation_bytes", "Activations", "bytes of activations", "bytes", column="activations",
                   needs_training=True, depends_on_device=True, in_csv=True),
            Metric("memory", "Memory", "bytes of memory", "bytes", attribute="memory_bytes", depends_on_device=True,
                   in_page=True),
            Metric("time_s", "Time", "seconds", "seconds", column="time", in_page=True),
            Metric("flop_rate", "FLOP/s", "FLOP/s", "flops", counts_ops=True, is_sum=False),
        )
    }
)  # fmt: skip
"""The metrics by name, in the order of columns."""
