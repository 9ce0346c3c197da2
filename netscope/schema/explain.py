"""The result of ``netscope explain``: the arithmetic behind each number."""

from dataclasses import dataclass

from netscope.schema.display import Displayed
from netscope.schema.layer import LayerRow
from netscope.schema.report import ChainStage
from netscope.schema.summary import Architecture, Totals
from netscope.schema.tensors import InputSpec, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """The arithmetic behind one number of a layer.

    Attributes:
        quantity: ``"height"``, ``"width"``, ``"size"``, ``"parameters"``, ``"MACs"``, ``"receptive field"``, …
        rule: formula in symbols, ``"N = floor((W + …) / S) + 1"``; empty if the arithmetic needs none.
        arithmetic: formula with the numbers inserted, and the result.
        value: result; None if it is not a single number.
        short: arithmetic in the shorter form of textbooks, for tables.
        notes: consequences, such as the positions that rounding leaves out.
    """

    quantity: str
    rule: str
    arithmetic: str
    value: int | None
    short: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerExplanation:
    """The arithmetic behind the numbers of one module.

    Attributes:
        row: row of the module in the summary.
        derivations: derivations of its numbers; numbers that no known rule gives exactly have none.
        output_before: output shapes without the changes; None without changes, or if they are the same.
    """

    row: LayerRow
    derivations: tuple[Derivation, ...]
    output_before: tuple[Shape, ...] | None = None

    def of(self, quantity: str) -> Derivation | None:
        """Returns the derivation of a quantity; None if it has none."""
        return next((item for item in self.derivations if item.quantity == quantity), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeMismatch:
    """A layer that cannot take its input.

    Attributes:
        path: path of the layer.
        type_name: name of its class.
        reason: input that it expects and got, with the arithmetic.
        remedy: change that makes it accept the input, ``"fc.in_features=6400"``; empty if there is none.
    """

    path: str
    type_name: str
    reason: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Explanation(Displayed):
    """The arithmetic behind the numbers of an architecture, or of one of its modules.

    Attributes:
        architecture: architecture that is explained.
        inputs: inputs that it was traced with.
        path: path of the requested module; None for the entire architecture.
        layers: the requested module and its descendants, or all modules, in order of execution, as far as they ran.
        chain: shapes on the way from input to output.
        flattened: derivation of the first fully connected layer's input size; None without one.
        totals: totals of all layers that ran.
        changes: the changes, e.g. ``"features.0.padding=0"``.
        totals_before: totals without the changes; None without changes.
        mismatch: first layer that cannot take its input; None if all can.
        notes: notes and warnings.
        has_fields: whether any receptive field is known.
    """

    architecture: Architecture
    inputs: tuple[InputSpec, ...]
    path: str | None
    layers: tuple[LayerExplanation, ...]
    chain: tuple[ChainStage, ...]
    flattened: Derivation | None
    totals: Totals
    changes: tuple[str, ...] = ()
    totals_before: Totals | None = None
    mismatch: ShapeMismatch | None = None
    notes: tuple[str, ...] = ()
    has_fields: bool = False

    @property
    def exit_code(self) -> int:
        """1 if a layer cannot take its input with the changes, 2 if it cannot without changes, otherwise 0."""
        return 0 if self.mismatch is None else 1 if self.changes else 2
