"""What ``netscope diff`` answers: two architectures, aligned."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

from netscope.schema.codec import from_json, to_json
from netscope.schema.display import Displayed
from netscope.schema.figures import Figures
from netscope.schema.summary import Architecture, LayerRow, OpCount, Summary, Totals, left_out
from netscope.schema.tensors import InputSpec, PlainValue, Shape

ChangeKind = Literal["same", "changed", "added", "removed", "moved"]
Ignorable = Literal["names", "dropout", "bias"]


_NOTHING = Figures(unread_params=0)
_COMPARED = attrgetter("params", "trainable_params", "flops")
"""Figures in which two modules that are the same must agree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeChange:
    """One thing about a layer that differs.

    Attributes:
        name: a hyperparameter, ``"out_channels"``; or ``"type"``, ``"calls"``, ``"ops"``; a tensor's shape
            (``"weight"``), dtype (``"weight.dtype"``), ``"weight.requires_grad"`` or ``"weight.shared_with"``;
            ``"reads_from"`` for its wiring; ``"computation"`` where only a fingerprint of its ops tells them apart.
        before: None if there was none.
        after: None if there is none.
    """

    name: str
    before: PlainValue
    after: PlainValue


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerChange:
    """A module of either architecture, or one of each that stand for each other.

    Attributes:
        kind: ``"same"``; ``"changed"``, where ``attributes`` says what; ``"added"``, ``"removed"``; ``"moved"``, which
            is the same elsewhere. What only follows from a change further up (shapes, FLOPs) makes no change of kind.
        before: None for an added one.
        after: None for a removed one.
        attributes: what differs in what the module is; also for a moved one.
    """

    kind: ChangeKind
    before: LayerRow | None
    after: LayerRow | None
    attributes: tuple[AttributeChange, ...] = ()

    @property
    def row(self) -> LayerRow:
        """As it is after, or else as it was before."""
        row = self.after or self.before
        if row is None:
            raise ValueError("a change has at least one side")
        return row

    @property
    def is_renamed(self) -> bool:
        """Whether both sides are there and their paths differ."""
        return self.before is not None and self.after is not None and self.before.path != self.after.path

    @property
    def own_delta(self) -> Figures:
        """After minus before, of the module itself: the sum over all changes is the delta of the totals."""
        before, after = (side.own if side else _NOTHING for side in (self.before, self.after))
        return after - before

    @property
    def delta(self) -> Figures:
        """After minus before, with everything below the module."""
        before, after = (side.total if side else _NOTHING for side in (self.before, self.after))
        return after - before

    @property
    def has_same_cost(self) -> bool:
        """Whether parameters and FLOPs are the same on both sides, own and total."""
        return not any(_COMPARED(self.own_delta) + _COMPARED(self.delta))

    @property
    def is_affected(self) -> bool:
        """Whether its own parameters, FLOPs, shapes or number of calls differ."""
        if self.before is None or self.after is None:
            return True
        return _seen(self.before) != _seen(self.after)


def _seen(row: LayerRow) -> tuple[object, ...]:
    return row.calls, row.input_shapes, row.output_shapes, _COMPARED(row.own)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedModel:
    """One side of a diff, without its rows.

    Attributes:
        architecture: what it is.
        inputs: what the forward pass was given.
        totals: its figures.
        weighted_layers: modules that multiply by parameters of their own: convolutions, those on shortcuts among them,
            fully connected layers and their like, no normalisation; those with parameters where nothing ran.
        uncounted_ops: while there are any, its FLOPs are a lower bound.
        traced_on: ``"meta"``, ``"cpu"`` or ``"cuda"``; ``"nowhere"`` for weights alone.
        mode: ``"eval"`` or ``"train"``.
        versions: of the packages that took part.
        unread_parameters: what no op read: paths of whole modules, and of single parameters.
    """

    architecture: Architecture
    inputs: tuple[InputSpec, ...]
    totals: Totals
    weighted_layers: int
    uncounted_ops: tuple[OpCount, ...]
    traced_on: str
    mode: str
    versions: dict[str, str]
    unread_parameters: tuple[str, ...] = ()

    @property
    def left_out(self) -> str:
        """What the pass did not read, in words; empty if it read every parameter, or if that is unknown."""
        return left_out(self.totals.unread_params, self.unread_parameters, self.mode)

    @classmethod
    def of(cls, summary: Summary) -> "ComparedModel":
        """That of ``summary``."""
        return cls(
            architecture=summary.architecture,
            inputs=summary.inputs,
            totals=summary.totals,
            weighted_layers=summary.weighted_layers,
            uncounted_ops=summary.uncounted_ops,
            traced_on=summary.traced_on,
            mode=summary.mode,
            versions=summary.versions,
            unread_parameters=summary.unread_parameters,
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ModelDiff(Displayed):
    """Two architectures, aligned row by row.

    Invariants: each row of either is in exactly one of ``changes``; ``delta`` is the sum of their ``own_delta``; with
    both sides swapped it is the inverse; of an architecture with itself all changes are ``"same"``.

    Attributes:
        before: the one side.
        after: the other.
        changes: in the order of ``after``, with what was removed where it stood.
        delta: of the totals.
        ignored: what was left out of the comparison, and of the figures.
        notes: what a reader should know, such as why fingerprints were not compared.
    """

    before: ComparedModel
    after: ComparedModel
    changes: tuple[LayerChange, ...]
    delta: Figures
    ignored: tuple[Ignorable, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_same(self) -> bool:
        """Whether nothing differs: no layer, no figure, no shape, and no name unless names are ignored."""
        return all(change.kind == "same" and not change.is_affected for change in self.changes) and not self.renamed

    @property
    def renamed(self) -> tuple[LayerChange, ...]:
        """The same modules under other paths; none if names are ignored."""
        if "names" in self.ignored:
            return ()
        return tuple(change for change in self.changes if change.is_renamed)

    @property
    def is_lower_bound(self) -> bool:
        """Whether either side's FLOPs leave something out, so that their difference may be off either way."""
        return bool(self.before.uncounted_ops or self.after.uncounted_ops)

    def of_kind(self, *kinds: ChangeKind) -> tuple[LayerChange, ...]:
        """The changes of these kinds, in order."""
        return tuple(change for change in self.changes if change.kind in kinds)

    def to_json(self) -> str:
        """This diff as JSON; ``from_json`` reads it back equal."""
        return to_json(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> "ModelDiff":
        """The diff that ``to_json`` wrote.

        Raises:
            SavedResultError: the text is not one.
        """
        return from_json(cls, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmappedTensor:
    """A tensor that has no counterpart.

    Attributes:
        name: its key in the state dict.
        shape: its sizes; None if unknown.
        reason: why it has none.
    """

    name: str
    shape: Shape | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsMap:
    """Which tensors of one architecture's state dict load into which of another's.

    Attributes:
        before: the architecture that the weights are from.
        after: the one that they go into.
        tensors: key before → key after, of equal shapes.
        params: the parameters of ``after``, each once.
        covered_params: those of them that are loaded.
        missing: tensors of ``after`` that nothing is loaded into.
        unused: tensors of ``before`` that are loaded nowhere.
    """

    before: Architecture
    after: Architecture
    tensors: dict[str, str]
    params: int
    covered_params: int
    missing: tuple[UnmappedTensor, ...]
    unused: tuple[UnmappedTensor, ...]

    def to_json(self) -> str:
        """This map as JSON; ``from_json`` reads it back equal."""
        return to_json(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> "WeightsMap":
        """The map that ``to_json`` wrote.

        Raises:
            SavedResultError: the text is not one.
        """
        return from_json(cls, text)
