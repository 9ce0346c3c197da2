"""The result of ``netscope compare``: one row per architecture."""

from dataclasses import dataclass

from netscope.schema.display import Displayed
from netscope.schema.summary import FLOP_CONVENTION, Architecture, Totals
from netscope.schema.tensors import InputSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedArchitecture:
    """One architecture of a comparison, or the error that prevented its trace.

    Attributes:
        spec: name as typed, file of a saved summary, or class name of a module.
        architecture: the architecture; None after an error.
        year: year of the first publication; None if unknown.
        paper: authors and year of the paper, ``"He et al. 2015"``; empty if unknown.
        idea: the new idea of the paper, in a few words; empty if unknown.
        inputs: inputs of the forward pass.
        weighted_layers: number of modules that multiply by their own parameters, as in ``Summary``; None after an
            error.
        activations: kinds of activation functions that ran, ``"ReLU"``, most frequent first; without softmax.
        pooling: ``"max"``, ``"average"`` and ``"mean"``, most frequent first; ``"mean"`` is a mean over entire axes,
            outside of any pooling module.
        totals: totals of the architecture; None after an error.
        traced_on: ``"meta"``, ``"cpu"`` or ``"cuda"``; ``"none"`` for a weights file, whose FLOPs are unknown.
        is_lower_bound: whether an op without a formula is missing from the FLOPs.
        peak_activation_bytes: size of the live activations at the peak of the forward pass; None for a weights file
            and a training step.
        top1: published accuracy on ImageNet-1K, in percent; None if unknown, or if options or inputs differ from the
            published ones.
        top1_weights: name of the weights with this accuracy, ``"IMAGENET1K_V2"``.
        notes: notes about the trace, such as the reason why meta could not be used.
        error: error message; empty without an error.
        exit_code: exit code of ``netscope`` for this error; 0 without an error.
        unread_note: description of the parameters that no op read; empty if all were read.
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
    top1_weights: str = ""
    notes: tuple[str, ...] = ()
    error: str = ""
    exit_code: int = 0
    unread_note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ComparisonTable(Displayed):
    """A comparison of several architectures.

    Attributes:
        rows: one row per distinct architecture, in the requested order.
        notes: notes about the comparison, such as a source that could not be read.
        flop_convention: definition of a FLOP.
    """

    rows: tuple[ComparedArchitecture, ...]
    notes: tuple[str, ...] = ()
    flop_convention: str = FLOP_CONVENTION

    @property
    def exit_code(self) -> int:
        """Largest exit code of the rows; 0 if none failed."""
        return max((row.exit_code for row in self.rows), default=0)
