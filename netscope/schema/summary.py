"""What ``netscope summary`` answers: a row per module, and the totals."""

from dataclasses import dataclass, fields
from math import prod
from typing import TYPE_CHECKING, Any

from netscope.errors import MissingExtraError, SavedResultError
from netscope.schema.codec import from_json, to_json
from netscope.schema.display import Displayed
from netscope.schema.figures import FIELDS, METRICS, Figures
from netscope.schema.memory import PeakMemory
from netscope.schema.receptive_field import ReceptiveField
from netscope.schema.tensors import InputSpec, PlainValue, Shape

if TYPE_CHECKING:
    import pandas as pd

FLOP_CONVENTION = "1 MAC = 2 FLOPs; convolutions, matmuls, attention and RNNs"
"""What our FLOPs hold; biases, norms, activations and pooling are not in them."""

COUNTING_VERSION = 2
"""Raised by one whenever an architecture that did not change is counted otherwise."""

NEVER_RAN = "never ran"
"""The note on a module that did not run, and whose weights no other used."""

UNKNOWN_FORWARD = "the forward pass"
"""What stands among the uncounted ops where there are weights alone."""

NOT_TRACED = "nowhere"
"""Where weights alone were traced."""

OUTPUTS_DIFFER = "its calls differ in output shape"
"""The note on a module that ran more than once, and not always to the same shape."""

_MOST_NAMES = 4


def left_out(params: int | None, names: tuple[str, ...], mode: str) -> str:
    """``"of what ran in eval mode: 307,482,624 parameters of vision_tower were not read"``; empty for no names.

    Args:
        params: how many were not read; None if that is unknown.
        names: of their modules, or their own.
        mode: of the pass.
    """
    if not names:
        return ""
    *first, last = (*names[:_MOST_NAMES], *[f"{len(names) - _MOST_NAMES} more"] * (len(names) > _MOST_NAMES))
    listed = f"{', '.join(first)} and {last}" if first else last
    # What a lazy module has not learnt the size of is in the names alone.
    what = "1 parameter" if params == 1 else f"{params:,} parameters" if params else "parameters of unknown size"
    were = "was" if params == 1 else "were"
    is_auxiliary = mode == "eval" and all("aux" in name.rpartition(".")[2].lower() for name in names)
    auxiliary = " (auxiliary heads, which are for training)" if is_auxiliary else ""
    return f"of what ran in {mode} mode: {what} of {listed} {were} not read{auxiliary}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """What was asked for and what it was resolved to.

    Attributes:
        spec: as typed, ``"alexnet@num_classes=10"``, or the class's name for a model object.
        source: ``"built-in"``, ``"torchvision"``, ``"python"``, …
        name: within the source, ``"alexnet-paper"``.
        options: the ``@key=value`` arguments.
        description: one line about it, empty if unknown.
    """

    spec: str
    source: str
    name: str
    options: dict[str, PlainValue]
    description: str

    @property
    def title(self) -> str:
        """Its name with its options: ``"vgg16@num_classes=10"``."""
        options = ",".join(f"{key}={value}" for key, value in self.options.items())
        return self.name + (f"@{options}" if options else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpCount:
    """How often an op ran, and what it cost.

    Attributes:
        op: ``"aten.convolution"``.
        calls: how often.
        flops: in all of them; None if netscope has no formula for it.
    """

    op: str
    calls: int
    flops: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTensor:
    """A parameter or buffer under the name that its module gives it.

    Attributes:
        name: the attribute's name, ``"weight"``.
        shape: its sizes; None while a lazy module has not learnt them.
        dtype: ``"float32"``, …
        is_buffer: whether it is a buffer and no parameter.
        trainable: ``requires_grad``; False for buffers.
        persistent: whether the state dict has it.
        shared_with: the same tensor's first name, ``"embed.weight"``; None if this is it.
        unread: whether it is a parameter that no op read.
    """

    name: str
    shape: Shape | None
    dtype: str
    is_buffer: bool
    trainable: bool
    persistent: bool
    shared_with: str | None
    unread: bool = False

    @property
    def elements(self) -> int:
        """How many it has; 0 while its shape is unknown."""
        return 0 if self.shape is None else prod(self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRow:
    """One module of the tree.

    Attributes:
        path: dotted, ``""`` for the root.
        type_name: the class's name.
        hyperparameters: the constructor's arguments that the module kept.
        depth: 0 for the root.
        calls: how often its ``forward`` ran.
        input_shapes: of its first call, nested ones flattened.
        output_shapes: likewise.
        own: figures of the module itself, outside its children.
        total: figures of the module with everything below it.
        is_lower_bound: whether an op that netscope has no formula for ran in it or below it.
        ops: what it ran itself in the forward pass, outside its children.
        backward_ops: what the backward pass through these ran.
        notes: what a reader should know, such as ``"never ran"``.
        tensors: its own parameters, then its own buffers.
        reads_from: who made what its own ops read: paths, ``""`` for the root, ``"<x>"`` for the input ``x``.
        computation: two fingerprints, ``"sizes-ops"``: of the sizes that it was given, and of its own forward ops with
            their arguments, of whom it called and what it returned; ``""`` if it was not called.
        receptive_field: of its first output along each spatial axis of the input; empty where there are none, or where
            an op mixes positions in a way that is not followed.
    """

    path: str
    type_name: str
    hyperparameters: dict[str, PlainValue]
    depth: int
    calls: int
    input_shapes: tuple[Shape, ...]
    output_shapes: tuple[Shape, ...]
    own: Figures
    total: Figures
    is_lower_bound: bool
    ops: tuple[OpCount, ...]
    backward_ops: tuple[OpCount, ...]
    notes: tuple[str, ...]
    tensors: tuple[LayerTensor, ...] = ()
    reads_from: tuple[str, ...] = ()
    computation: str = ""
    receptive_field: tuple[ReceptiveField, ...] = ()

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals(Figures):
    """Figures of a whole architecture.

    ``flops`` are a lower bound if ``Summary.uncounted_ops`` is not empty. If ``unread_params`` is not 0, they are the
    FLOPs of a part of the architecture.

    Attributes:
        macs: multiply–adds of one forward pass, half of ``flops``.
        active_params: parameters active per token, where a router sends it to some of several experts; None without
            experts.
        buffers: number of elements of the distinct buffers.
        param_dtypes: dtypes of the parameters, sorted.
    """

    macs: int = 0
    active_params: int | None = None
    buffers: int = 0
    param_dtypes: tuple[str, ...] = ()

    @classmethod
    def of(cls, figures: Figures, **others: Any) -> "Totals":
        """Returns ``figures`` as those of a whole architecture, with its ``others``."""
        return cls(**{name: getattr(figures, name) for name in FIELDS}, macs=figures.flops // 2, **others)

    @property
    def frozen_params(self) -> int:
        """Parameters that require no gradient."""
        return self.params - self.trainable_params


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Summary(Displayed):
    """Every layer of one architecture, run once.

    Invariant: each figure of ``totals`` is the sum of ``own`` over ``rows``, and equals ``total`` of the first row.

    Attributes:
        architecture: what it is.
        inputs: what the forward pass was given.
        rows: one per place in the module tree, a module before its children, siblings in order of execution,
            those that never ran after the others.
        totals: their sums.
        uncounted_ops: ops that ran and that netscope has no formula for; while there are any,
            every FLOP figure that holds them is a lower bound.
        uncalled_modules: paths of modules whose ``forward`` never ran, and no other's below them.
        traced_on: ``"meta"``, ``"cpu"`` or ``"cuda"``; ``"nowhere"`` for weights alone.
        mode: ``"eval"`` for a forward pass, ``"train"`` for a step of training: a forward and a backward pass.
        peak_memory: of the forward pass; None for a step of training.
        optimizer: whose state is in ``memory``; None outside of training.
        notes: about the whole, such as why meta could not be used.
        versions: of the packages that took part.
        flop_convention: what a FLOP is here.
        unread_parameters: paths of the topmost modules none of whose parameters an op read, and of the single
            parameters of others that none read.
    """

    architecture: Architecture
    inputs: tuple[InputSpec, ...]
    rows: tuple[LayerRow, ...]
    totals: Totals
    uncounted_ops: tuple[OpCount, ...]
    uncalled_modules: tuple[str, ...]
    traced_on: str
    mode: str
    peak_memory: PeakMemory | None
    optimizer: str | None
    notes: tuple[str, ...]
    versions: dict[str, str]
    flop_convention: str = FLOP_CONVENTION
    unread_parameters: tuple[str, ...] = ()

    @property
    def is_lower_bound(self) -> bool:
        """Whether the FLOPs leave out an op that has no formula."""
        return bool(self.uncounted_ops)

    @property
    def left_out(self) -> str:
        """What the pass did not read, in words; empty if it read every parameter, or if that is unknown."""
        return left_out(self.totals.unread_params, self.unread_parameters, self.mode)

    @property
    def weighted_layers(self) -> int:
        """Modules that multiply by parameters of their own, near to how papers count their layers.

        Convolutions, those on shortcuts too, fully connected layers and their like, no normalisation; an
        ``nn.MultiheadAttention`` is one. Those with parameters where nothing ran.
        """
        return sum(1 for row in self.rows if row.own.params and (row.own.flops or not self.totals.flops))

    def to_json(self) -> str:
        """This summary as JSON; ``from_json`` reads it back equal."""
        return to_json(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Summary":
        """The summary that ``to_json`` wrote.

        Raises:
            SavedResultError: the text is not one.
        """
        summary = from_json(cls, text)
        if not summary.rows or any(row.own.params < 0 or row.own.flops < 0 for row in summary.rows):
            raise SavedResultError("this Summary is damaged: it has no rows, or figures below zero")
        return summary

    def to_dataframe(self) -> "pd.DataFrame":
        """One row per module, indexed by path: fields of ``LayerRow``, and ``NAME`` and ``own_NAME`` for each metric.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise MissingExtraError("to_dataframe() needs pandas: pip install pandas") from error
        plain = [field.name for field in fields(LayerRow) if field.type is not Figures]
        records: list[dict[str, Any]] = [
            {name: getattr(row, name) for name in plain}
            | {name: metric.value(row.total) for name, metric in METRICS.items()}
            | {f"own_{name}": metric.value(row.own) for name, metric in METRICS.items()}
            for row in self.rows
        ]
        return pd.DataFrame(records).set_index("path")
