"""What ``netscope explain`` answers: how each figure comes about."""

from dataclasses import dataclass

from netscope.schema.codec import from_json, to_json
from netscope.schema.display import Displayed
from netscope.schema.report import ChainStage
from netscope.schema.summary import Architecture, LayerRow, Totals
from netscope.schema.tensors import InputSpec, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """One figure, and how it comes about.

    Attributes:
        quantity: ``"height"``, ``"width"``, ``"size"``, ``"parameters"``, ``"MACs"``, ``"receptive field"``, …
        rule: in symbols, ``"N = floor((W + …) / S) + 1"``; empty where the arithmetic speaks for itself.
        arithmetic: the same with the figures put in and the result.
        value: the result; None where it is no single number.
        short: in as few signs as a table has room for, as textbooks write it.
        notes: what follows from it, such as what the floor threw away.
    """

    quantity: str
    rule: str
    arithmetic: str
    value: int | None
    short: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerExplanation:
    """One module, and how its figures come about.

    Attributes:
        row: its figures.
        derivations: of them; what no known rule gives exactly has none.
        output_before: what it gave before what was changed; None if nothing was, or it gives the same.
    """

    row: LayerRow
    derivations: tuple[Derivation, ...]
    output_before: tuple[Shape, ...] | None = None

    def of(self, quantity: str) -> Derivation | None:
        """The derivation of that quantity."""
        return next((item for item in self.derivations if item.quantity == quantity), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeMismatch:
    """A layer that does not fit what it is given.

    Attributes:
        path: of the layer.
        type_name: its class's name.
        reason: what it expects and what it got, with the arithmetic.
        remedy: the hyperparameter with which it would fit, ``"fc.in_features=6400"``; empty if there is none.
    """

    path: str
    type_name: str
    reason: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Explanation(Displayed):
    """How the figures of an architecture, or of one module, come about.

    Attributes:
        architecture: what it is.
        inputs: what it was run on.
        path: of the module that was asked about; None for the whole.
        layers: that module and those below it; for the whole, all; in order of execution, as far as it ran.
        chain: the shapes on the way from input to output.
        flattened: how the size of the first fully connected layer comes about; None without one.
        totals: of all that ran.
        changes: what was changed, ``"features.0.padding=0"``.
        totals_before: without the changes; None without any.
        mismatch: the first layer that does not fit; None if all do.
        notes: what a reader should know.
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
        """1 if a change no longer fits, 2 if the input itself does not, else 0."""
        return 0 if self.mismatch is None else 1 if self.changes else 2

    def to_json(self) -> str:
        """This explanation as JSON; ``from_json`` reads it back equal."""
        return to_json(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Explanation":
        """The explanation that ``to_json`` wrote.

        Raises:
            SavedResultError: the text is not one.
        """
        return from_json(cls, text)
