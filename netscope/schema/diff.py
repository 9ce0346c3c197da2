"""The result of ``netscope diff``: two aligned architectures."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

from netscope.schema.display import Displayed
from netscope.schema.figures import FIELDS, Figures
from netscope.schema.layer import LayerRow, OpCount
from netscope.schema.summary import Architecture, Summary, Totals, describe_unread
from netscope.schema.tensors import InputSpec, PlainValue

ChangeKind = Literal["same", "changed", "added", "removed", "moved"]
Ignorable = Literal["names", "dropout", "bias", "wiring", "identity"]

NOTHING = Figures(**dict.fromkeys(FIELDS, 0))
_COMPARED = attrgetter("params", "trainable_params", "flops")
"""Returns the figures that two equal modules have in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeChange:
    """An attribute of a layer that differs between two architectures.

    Attributes:
        name: a hyperparameter, ``"out_channels"``; or ``"type"``, ``"calls"``, ``"ops"``; a tensor's shape
            (``"weight"``), dtype (``"weight.dtype"``), ``"weight.requires_grad"`` or ``"weight.shared_with"``;
            ``"reads_from"`` for its wiring; ``"computation"`` if only the fingerprints of its ops differ.
        before: value before; None if absent.
        after: value after; None if absent.
    """

    name: str
    before: PlainValue
    after: PlainValue


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerChange:
    """A module of one architecture, or a pair of corresponding modules of both.

    Attributes:
        kind: ``"same"``; ``"changed"``, if ``attributes`` differ; ``"added"``; ``"removed"``; or ``"moved"``, if the
            module is at another position. A consequence of another module's change (shapes, FLOPs) is not a change.
        before: row before; None for an added module.
        after: row after; None for a removed module.
        attributes: attributes of the module itself that differ; also for a moved module.
    """

    kind: ChangeKind
    before: LayerRow | None
    after: LayerRow | None
    attributes: tuple[AttributeChange, ...] = ()

    @property
    def row(self) -> LayerRow:
        """The row after; for a removed module the row before."""
        row = self.after or self.before
        if row is None:
            raise ValueError("a change has at least one side")
        return row

    @property
    def is_renamed(self) -> bool:
        """Whether the module is in both architectures, under different paths."""
        return self.before is not None and self.after is not None and self.before.path != self.after.path

    @property
    def own_figures(self) -> tuple[Figures, Figures]:
        """Before and after, of the module without its children; 0 for a missing side."""
        return self.before.own if self.before else NOTHING, self.after.own if self.after else NOTHING

    @property
    def figures(self) -> tuple[Figures, Figures]:
        """Before and after, of the module with everything below it; 0 for a missing side."""
        return self.before.total if self.before else NOTHING, self.after.total if self.after else NOTHING

    @property
    def own_delta(self) -> Figures:
        """After minus before, of the module without its children; these add up to the delta of the totals."""
        before, after = self.own_figures
        return after - before

    @property
    def delta(self) -> Figures:
        """After minus before, of the module with everything below it."""
        before, after = self.figures
        return after - before

    @property
    def has_same_cost(self) -> bool:
        """Whether parameters and FLOPs are equal on both sides, own and total."""
        return not any(_COMPARED(self.own_delta) + _COMPARED(self.delta))

    @property
    def has_value_changes(self) -> bool:
        """Whether its own parameters, FLOPs, shapes or number of calls differ; always for a module of one side only."""
        if self.before is None or self.after is None:
            return True
        return _values(self.before) != _values(self.after)


def _values(row: LayerRow) -> tuple[object, ...]:
    return row.calls, row.input_shapes, row.output_shapes, _COMPARED(row.own)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedModel:
    """One side of a diff: a summary without its rows.

    Attributes:
        architecture: the architecture.
        inputs: inputs of the forward pass.
        totals: totals of the architecture.
        weighted_layers: number of modules that multiply by their own parameters, as in ``Summary``.
        uncounted_ops: ops without a formula; if there are any, the FLOPs are a lower bound.
        traced_on: ``"meta"``, ``"cpu"`` or ``"cuda"``; ``"none"`` for a weights file.
        mode: ``"eval"`` or ``"train"``.
        versions: versions of the packages that were used.
        unread_parameters: paths of the modules and parameters that no op read, as in ``Summary``.
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
    def unread_note(self) -> str:
        """Description of the parameters that no op read; empty if all were read, or if that is unknown."""
        return describe_unread(self.totals.unread_params, self.unread_parameters, self.mode)

    @classmethod
    def of(cls, summary: Summary) -> "ComparedModel":
        """Returns the side of a diff that a summary makes."""
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
    """The difference of two architectures, aligned row by row.

    Invariants: each row of either side is in exactly one of ``changes``; ``delta`` is the sum of their ``own_delta``;
    swapping the sides inverts the diff; comparing an architecture with itself gives only ``"same"``.

    Attributes:
        before: first architecture.
        after: second architecture.
        changes: modules in the order of ``after``, with removed modules at their old positions.
        delta: difference of the totals, after minus before.
        ignored: aspects that the comparison and the figures exclude.
        notes: limits of the comparison, such as the reason why fingerprints were not compared.
    """

    before: ComparedModel
    after: ComparedModel
    changes: tuple[LayerChange, ...]
    delta: Figures
    ignored: tuple[Ignorable, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_same(self) -> bool:
        """Whether no layer, count or shape differs, and no name unless names are ignored."""
        is_same = all(change.kind == "same" and not change.has_value_changes for change in self.changes)
        return is_same and not self.renamed

    @property
    def renamed(self) -> tuple[LayerChange, ...]:
        """Pairs of modules with different paths; empty if names are ignored."""
        if "names" in self.ignored:
            return ()
        return tuple(change for change in self.changes if change.is_renamed)

    @property
    def is_lower_bound(self) -> bool:
        """Whether the FLOPs of a side are a lower bound, so the true difference may be larger or smaller."""
        return bool(self.before.uncounted_ops or self.after.uncounted_ops)

    def of_kind(self, *kinds: ChangeKind) -> tuple[LayerChange, ...]:
        """Returns the changes of these kinds, in order."""
        return tuple(change for change in self.changes if change.kind in kinds)
