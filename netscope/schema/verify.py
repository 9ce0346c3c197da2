"""The result of ``netscope verify``: our counts compared with other tools' counts, and the causes of differences."""

from dataclasses import dataclass
from typing import Literal

from netscope.schema.display import Displayed
from netscope.schema.layer import OpCount
from netscope.schema.summary import Architecture
from netscope.schema.tensors import InputSpec

Quantity = Literal["params", "macs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolTally:
    """The raw counts of another tool.

    Attributes:
        tool: ``"torchinfo"``, ``"fvcore"`` or ``"FlopCounterMode"``.
        version: version of its package.
        params: number of parameters; None if the tool does not count them.
        macs: MACs by the path of a layer, the operator or the op that the tool attributes them to.
        skipped: operators that the tool reports as uncounted.
        failure: reason why there are no counts; None if there are.
    """

    tool: str
    version: str
    params: int | None
    macs: dict[str, int]
    skipped: tuple[str, ...]
    failure: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """The cause of a difference between another tool's count and ours.

    Attributes:
        quantity: ``"params"`` or ``"macs"``.
        difference: part of the difference (the tool's count minus ours) that is due to this cause.
        reason: the cause, as a predicate of the tool.
    """

    quantity: Quantity
    difference: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCount:
    """The counts of another tool, or published values.

    Attributes:
        tool: ``"torchinfo"``, ``"fvcore"``, ``"FlopCounterMode"`` or ``"published"``.
        version: version of its package, or the weights that the published values belong to.
        params: number of parameters; None if unknown.
        macs: number of MACs; None if unknown.
        rounded_to: unit that ``macs`` is rounded to; 1 if exact, 1,000,000 if published in thousandths of a G.
        causes: causes of the differences from our counts.
        failure: reason why there are no counts; None if there are.
    """

    tool: str
    version: str
    params: int | None
    macs: int | None
    rounded_to: int
    causes: tuple[Cause, ...]
    failure: str | None

    def unexplained(self, quantity: Quantity, ours: int) -> int | None:
        """Returns the difference from ``ours`` that no cause explains; None without a count."""
        theirs = self.params if quantity == "params" else self.macs
        if theirs is None:
            return None
        left = theirs - ours - sum(cause.difference for cause in self.causes if cause.quantity == quantity)
        if quantity == "macs" and 2 * abs(left) <= self.rounded_to > 1:
            return 0
        return left


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Verification(Displayed):
    """Our counts of one architecture compared with other tools and published values.

    Attributes:
        architecture: architecture that is counted.
        inputs: inputs that all counts are for.
        params: our number of parameters.
        macs: our number of MACs.
        uncounted_ops: ops that ran and have no formula; with any, ``macs`` is a lower bound.
        tools: counts of the other tools and published values, in a fixed order.
    """

    architecture: Architecture
    inputs: tuple[InputSpec, ...]
    params: int
    macs: int
    uncounted_ops: tuple[OpCount, ...]
    tools: tuple[ToolCount, ...]

    @property
    def is_lower_bound(self) -> bool:
        """Whether an op without a formula ran."""
        return bool(self.uncounted_ops)

    @property
    def contradicted_by(self) -> tuple[str, ...]:
        """The tools whose counts differ from ours without a known cause."""
        return tuple(
            tool.tool
            for tool in self.tools
            if tool.unexplained("params", self.params) or tool.unexplained("macs", self.macs)
        )
