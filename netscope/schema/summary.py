"""The result of ``netscope summary``: one row per module, and the totals."""

from dataclasses import dataclass, field, fields
from math import prod
from typing import TYPE_CHECKING, Any

from netscope.errors import MissingExtraError, SavedResultError
from netscope.schema.codec import from_json
from netscope.schema.display import Displayed
from netscope.schema.figures import FIELDS, METRICS, Figures
from netscope.schema.memory import PeakMemory
from netscope.schema.receptive_field import ReceptiveField
from netscope.schema.tensors import ITEM_BYTES, InputSpec, PlainValue, Shape

if TYPE_CHECKING:
    import pandas as pd

FLOP_CONVENTION = "1 MAC = 2 FLOPs; convolutions, matmuls, attention and RNNs"
"""The ops that FLOPs include; biases, norms, activations and pooling are not counted."""

COUNTING_VERSION = 2
"""Version of the counting rules, increased by 1 whenever the counts of an unchanged architecture change."""

NEVER_CALLED = "never called"
"""The note on a module that did not run and whose weights no other module used."""

UNCOUNTED_FORWARD = "the forward pass"
"""The only uncounted op of a weights file."""

NOT_TRACED = "none"
"""The value of ``traced_on`` for a weights file."""

OUTPUT_SHAPES_VARY = "output shapes vary between calls"
"""The note on a module that was called more than once, with different output shapes."""

_MAX_NAMES = 4


def describe_unread(params: int | None, names: tuple[str, ...], mode: str) -> str:
    """Returns ``"partial: 307,482,624 parameters of vision_tower were not read in eval mode"``; empty for no names.

    Args:
        params: number of parameters that were not read; None if unknown.
        names: paths of their modules, or of single parameters.
        mode: ``"eval"`` or ``"train"``.
    """
    if not names:
        return ""
    *first, last = (*names[:_MAX_NAMES], *[f"{len(names) - _MAX_NAMES} more"] * (len(names) > _MAX_NAMES))
    listed = f"{', '.join(first)} and {last}" if first else last
    # An uninitialized lazy parameter has a name but no size.
    count = "1 parameter" if params == 1 else f"{params:,} parameters" if params else "parameters of unknown size"
    were = "was" if params == 1 else "were"
    is_auxiliary = mode == "eval" and all("aux" in name.rpartition(".")[2].lower() for name in names)
    auxiliary = " (auxiliary heads, used in training only)" if is_auxiliary else ""
    return f"partial: {count} of {listed} {were} not read in {mode} mode{auxiliary}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """The requested architecture, and the source that it comes from.

    Attributes:
        spec: name as typed, ``"alexnet@num_classes=10"``; the class name for a module.
        source: ``"built-in"``, ``"torchvision"``, ``"python"``, …
        name: name within the source, ``"alexnet-paper"``.
        options: the ``@key=value`` arguments.
        description: description in one line; empty if unknown.
    """

    spec: str
    source: str
    name: str
    options: dict[str, PlainValue]
    description: str

    @property
    def title(self) -> str:
        """The name with its options: ``"vgg16@num_classes=10"``."""
        options = ",".join(f"{key}={value}" for key, value in self.options.items())
        return self.name + (f"@{options}" if options else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpCount:
    """The calls of an op, and their FLOPs.

    Attributes:
        op: name of the op, ``"aten.convolution"``.
        calls: number of calls.
        flops: FLOPs of all calls; None if netscope has no formula for the op.
    """

    op: str
    calls: int
    flops: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTensor:
    """A parameter or buffer of a module.

    Attributes:
        name: attribute name in the module, ``"weight"``.
        shape: shape; None for an uninitialized lazy parameter.
        dtype: ``"float32"``, …
        is_buffer: whether it is a buffer rather than a parameter.
        trainable: ``requires_grad``; False for buffers.
        persistent: whether the state dict contains it.
        shared_with: first name of the same tensor, ``"embed.weight"``; None if this is the first.
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
        """Number of elements; 0 if the shape is unknown."""
        return 0 if self.shape is None else prod(self.shape)

    @property
    def bytes(self) -> int:
        """Size of the elements."""
        return self.elements * ITEM_BYTES.get(self.dtype, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRow:
    """One module of the module tree.

    Attributes:
        path: dotted path, ``""`` for the root.
        type_name: class name.
        hyperparameters: constructor arguments that the module stores. The settings of a configuration object are
            ``config.hidden_size``, …, only of the first module that has the object.
        depth: number of modules above it; 0 for the root.
        calls: number of calls of its ``forward``.
        input_shapes: input shapes of the first call, nested ones flattened.
        output_shapes: output shapes of the first call, nested ones flattened.
        own: figures of the module without its children.
        total: figures of the module with everything below it.
        is_lower_bound: whether an op without a formula ran in it or below it.
        ops: ops that it ran directly in the forward pass, outside its children.
        backward_ops: ops that the backward pass ran for ``ops``.
        notes: notes about the module, such as ``"never called"``.
        tensors: its own parameters, then its own buffers.
        reads_from: producers of the tensors that its own ops read: module paths, ``""`` for the root, ``"<x>"`` for the
            input ``x``.
        computation: fingerprints, ``"sizes-ops"``: one of the sizes that its ops read, one of what it computes from
            them itself, gives to its children and returns first; then one of each further output. Empty if it was not
            called. Equal computations have equal fingerprints on every device and in every version of torch.
        operations: how often it computes each kind of op itself, by names that do not depend on device and version
            either: ``{"matmul": 1}``.
        receptive_field: receptive field of its first output along each spatial axis of the input; empty without such
            axes, or if an op mixes positions in a way that netscope does not follow.
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
    operations: dict[str, int] = field(default_factory=dict)
    receptive_field: tuple[ReceptiveField, ...] = ()

    @property
    def name(self) -> str:
        """Last part of the path."""
        return self.path.rpartition(".")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals(Figures):
    """Figures of an architecture.

    ``flops`` is a lower bound if ``Summary.uncounted_ops`` is not empty. If ``unread_params`` is not 0, only a part of
    the architecture ran, and ``flops`` covers that part.

    Attributes:
        macs: MACs of one forward pass, half of ``flops``.
        active_params: parameters active per token in a mixture of experts; None without experts.
        buffers: number of elements of the distinct buffers.
        param_dtypes: dtypes of the parameters, sorted.
    """

    macs: int = 0
    active_params: int | None = None
    buffers: int = 0
    param_dtypes: tuple[str, ...] = ()

    @classmethod
    def of(cls, figures: Figures, **others: Any) -> "Totals":
        """Returns the totals with these figures, and values for the ``others``."""
        return cls(**{name: getattr(figures, name) for name in FIELDS}, **others)

    def __post_init__(self) -> None:
        # A field, so that JSON has it, and always that of the FLOPs.
        object.__setattr__(self, "macs", self.flops // 2)

    @property
    def frozen_params(self) -> int:
        """Number of parameters that require no gradient."""
        return self.params - self.trainable_params


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Summary(Displayed):
    """Every layer of one architecture, run once.

    Invariant: each figure of ``totals`` equals ``total`` of the first row and, measured times aside, the sum of ``own``
    over ``rows``.

    Attributes:
        architecture: the architecture.
        inputs: inputs of the forward pass.
        rows: one per entry of the module tree: a module before its children, siblings in order of execution, uncalled
            modules after the others.
        totals: sums over the rows.
        uncounted_ops: ops that ran and that netscope has no formula for; FLOPs that would include them are lower
            bounds.
        uncalled_modules: paths of modules that were not called, nor any module below them.
        traced_on: ``"meta"``, ``"cpu"`` or ``"cuda"``; ``"none"`` for a weights file.
        mode: ``"eval"`` for a forward pass, ``"train"`` for a training step: a forward and a backward pass.
        peak_memory: peak memory of the forward pass; None for a training step.
        optimizer: optimizer of the training step; None outside of training.
        notes: notes about the entire trace, such as the reason why meta could not be used.
        versions: versions of the packages that were used.
        flop_convention: definition of a FLOP.
        unread_parameters: paths of the topmost modules of whose parameters no op read any, and of other single
            parameters that no op read.
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
        """Whether an op without a formula is missing from the FLOPs."""
        return bool(self.uncounted_ops)

    @property
    def unread_note(self) -> str:
        """Description of the parameters that no op read; empty if all were read, or if that is unknown."""
        return describe_unread(self.totals.unread_params, self.unread_parameters, self.mode)

    @property
    def weighted_layers(self) -> int:
        """Number of modules that multiply by their own parameters, close to the number of layers that papers state.

        Convolutions (also on shortcuts), fully connected layers and similar modules count, normalization does not; an
        ``nn.MultiheadAttention`` is one. In a weights file, every module with parameters counts.
        """
        return sum(1 for row in self.rows if row.own.params and (row.own.flops or not self.totals.flops))

    @classmethod
    def from_json(cls, text: str | bytes) -> "Summary":
        """Returns the summary that ``to_json`` wrote.

        Raises:
            SavedResultError: the text is not a summary.
        """
        summary = from_json(cls, text)
        figures = (getattr(part, name) for row in summary.rows for part in (row.own, row.total) for name in FIELDS)
        if not summary.rows or any(figure is not None and figure < 0 for figure in figures):
            raise SavedResultError("this Summary is damaged: it has no rows, or negative counts")
        return summary

    def to_dataframe(self) -> "pd.DataFrame":
        """Returns one row per module, by path: fields of ``LayerRow``, and ``NAME`` and ``own_NAME`` of each metric.

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
