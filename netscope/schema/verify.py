"""What ``netscope verify`` answers: our counts beside everyone else's, each difference with its cause."""

from dataclasses import dataclass
from typing import Literal

from netscope.schema.codec import to_json
from netscope.schema.display import Displayed
from netscope.schema.summary import Architecture, OpCount
from netscope.schema.tensors import InputSpec

Quantity = Literal["params", "macs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolTally:
    """What a peer counted, as it counted it.

    Attributes:
        tool: ``"torchinfo"``, ``"fvcore"`` or ``"FlopCounterMode"``.
        version: of its package.
        params: None if it counts none.
        macs: multiply–adds by what the peer attributes them to: a layer's path, an operator, or an op.
        skipped: operators that the peer says it cannot count.
        failure: why there are no figures, None if there are.
    """

    tool: str
    version: str
    params: int | None
    macs: dict[str, int]
    skipped: tuple[str, ...]
    failure: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a peer's figure differs from ours.

    Attributes:
        quantity: ``"params"`` or ``"macs"``.
        difference: the peer's figure less ours, as far as this cause goes.
        reason: in words.
    """

    quantity: Quantity
    difference: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCount:
    """One peer's figures.

    Attributes:
        tool: ``"torchinfo"``, ``"fvcore"``, ``"FlopCounterMode"`` or ``"published"``.
        version: of its package, or which weights the published figures belong to.
        params: None if it gives none.
        macs: None if it gives none.
        rounded_to: of ``macs``; 1 if exact, 1,000,000 if published in thousandths of a G.
        causes: of its differences from ours.
        failure: why it gives no figures, None if it does.
    """

    tool: str
    version: str
    params: int | None
    macs: int | None
    rounded_to: int
    causes: tuple[Cause, ...]
    failure: str | None

    def unexplained(self, quantity: Quantity, ours: int) -> int | None:
        """What is left of the difference from ``ours`` once the causes are taken off; None without a figure."""
        theirs = self.params if quantity == "params" else self.macs
        if theirs is None:
            return None
        left = theirs - ours - sum(cause.difference for cause in self.causes if cause.quantity == quantity)
        if quantity == "macs" and 2 * abs(left) <= self.rounded_to > 1:
            return 0
        return left


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Verification(Displayed):
    """Our counts of one architecture beside its peers'.

    Attributes:
        architecture: what it is.
        inputs: what every count was made on.
        params: ours.
        macs: ours.
        uncounted_ops: those that ran and have no formula; with any, ``macs`` is a lower bound.
        tools: the others, in a fixed order.
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
        """The peers whose figures differ from ours without a cause."""
        return tuple(
            tool.tool
            for tool in self.tools
            if tool.unexplained("params", self.params) or tool.unexplained("macs", self.macs)
        )

    def to_json(self) -> str:
        """This verification as JSON."""
        return to_json(self)
