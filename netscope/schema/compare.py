"""What ``netscope compare`` answers: many architectures, a row each."""

from dataclasses import dataclass

from netscope.schema.codec import from_json, to_json
from netscope.schema.display import Displayed
from netscope.schema.summary import FLOP_CONVENTION, Architecture, Totals
from netscope.schema.tensors import InputSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedArchitecture:
    """One architecture, or why there are no figures of it.

    Attributes:
        spec: as given: a name, the file of a saved summary, or the class's name for a module.
        architecture: what it was resolved to; None if it failed, as then all figures are.
        year: of the first publication; None if unknown.
        paper: its authors and year, ``"He et al. 2015"``; empty if unknown.
        idea: what was new in it, in a few words; empty if unknown.
        inputs: what the forward pass was given.
        weighted_layers: modules that multiply by parameters of their own, convolutions on shortcuts among them.
        activations: kinds of activation functions that ran, ``"ReLU"``, the commonest first; no softmax.
        pooling: ``"max"``, ``"average"`` and ``"mean"``, the commonest first; ``"mean"`` is taken outside of any
            pooling module, over whole axes.
        totals: its figures; None if it failed.
        traced_on: ``"meta"``, ``"cpu"`` or ``"cuda"``; ``"nowhere"`` for a weights file, whose FLOPs are unknown.
        is_lower_bound: whether the FLOPs leave out an op that has no formula.
        peak_activation_bytes: what the forward pass has made itself and still needs, when it holds most; None for
            weights alone and for a step of training.
        top1: published accuracy on ImageNet-1K, in per cent; None if none is known, or if it was built otherwise or
            run on other inputs.
        top1_of: the weights that have this accuracy, ``"IMAGENET1K_V2"``.
        notes: about the run, such as why meta could not be used.
        error: why it failed; empty if it did not.
        exit_code: what ``netscope`` exits with for this error; 0 for none.
        left_out: what that was, in words; empty if every parameter was read.
    """

    spec: str
    architecture: Architecture | None = None
    year: int | None = None
    paper: str = ""
    idea: str = ""
    inputs: tuple[InputSpec, ...] = ()
    weighted_layers: int | None = None
    activations: tuple[str, ...] = ()
    pooling: tuple[str, ...] = ()
    totals: Totals | None = None
    traced_on: str = ""
    is_lower_bound: bool = False
    peak_activation_bytes: int | None = None
    top1: float | None = None
    top1_of: str = ""
    notes: tuple[str, ...] = ()
    error: str = ""
    exit_code: int = 0
    left_out: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ComparisonTable(Displayed):
    """Many architectures beside each other.

    Attributes:
        rows: in the order in which they were asked for, each once.
        notes: about the whole, such as a source that could not be read.
        flop_convention: what a FLOP is here.
    """

    rows: tuple[ComparedArchitecture, ...]
    notes: tuple[str, ...] = ()
    flop_convention: str = FLOP_CONVENTION

    @property
    def exit_code(self) -> int:
        """The largest of the failed rows; 0 if none failed."""
        return max((row.exit_code for row in self.rows), default=0)

    def to_json(self) -> str:
        """This table as JSON; ``from_json`` reads it back equal."""
        return to_json(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> "ComparisonTable":
        """The table that ``to_json`` wrote.

        Raises:
            SavedResultError: the text is not one.
        """
        return from_json(cls, text)
