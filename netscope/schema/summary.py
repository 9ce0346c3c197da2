"""The result of ``netscope summary``: one row per module, and the totals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from netscope.errors import SavedResultError, UnknownLayerError, did_you_mean
from netscope.schema.codec import from_json
from netscope.schema.display import Displayed, DisplayedView, view_summary
from netscope.schema.figures import FIELDS, Figures
from netscope.schema.layer import LayerRow, OpCount
from netscope.schema.memory import PeakMemory
from netscope.schema.summary_dataframe import make_dataframe
from netscope.schema.tensors import InputSpec, PlainValue

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
        reference: what to type to get it, with the source if it is needed: ``"hf/gpt2"``; empty for a Python object.
        also: names of architectures in other sources that have the same name, ``"timm/resnet50"``.
    """

    spec: str
    source: str
    name: str
    options: dict[str, PlainValue]
    description: str
    reference: str = ""
    also: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The name with its options: ``"vgg16@num_classes=10"``."""
        options = ",".join(f"{key}={value}" for key, value in self.options.items())
        return self.name + (f"@{options}" if options else "")

    @property
    def resolution(self) -> str:
        """What the typed name resolved to, ``"ResNet50 → resnet50"``, and other architectures with that name."""
        typed = self.spec.partition("@")[0]
        is_exact = not self.reference or typed in (self.reference, f"{self.source}/{self.name}")
        also = f"also {', '.join(self.also)}" if self.also else ""
        return "; ".join(filter(None, ("" if is_exact else f"{typed} → {self.reference}", also)))


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
    """Every layer of one architecture, run once: a sequence of rows, which a path selects as well.

    ``len(summary)``, ``summary[0]``, ``summary[1:3]``, ``summary["layer1.0.conv1"]``, ``"fc" in summary``, and
    ``for row in summary`` use ``rows``.

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

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[LayerRow]:
        return iter(self.rows)

    def __contains__(self, item: object) -> bool:
        return any(item in (row.path, row) for row in self.rows)

    @overload
    def __getitem__(self, key: int | str) -> LayerRow: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[LayerRow, ...]: ...
    def __getitem__(self, key: int | str | slice) -> LayerRow | tuple[LayerRow, ...]:
        """Returns the row at a position or of a path, ``""`` for the root; the rows of a slice.

        Raises:
            UnknownLayerError: no module has this path.
        """
        if not isinstance(key, str):
            return self.rows[key]
        for row in self.rows:
            if row.path == key:
                return row
        paths = filter(None, self._ipython_key_completions_())
        raise UnknownLayerError(f"{self.architecture.title} has no module {key!r}{did_you_mean(key, paths)}")

    def _ipython_key_completions_(self) -> list[str]:
        """Returns the paths, which IPython completes in ``summary["``."""
        return [row.path for row in self.rows]

    @property
    def params(self) -> int:
        """Number of elements of the distinct parameters, ``totals.params``."""
        return self.totals.params

    @property
    def flops(self) -> int:
        """FLOPs of one forward pass, ``totals.flops``; a lower bound if ``is_lower_bound``."""
        return self.totals.flops

    @property
    def macs(self) -> int:
        """MACs of one forward pass, half of ``flops``."""
        return self.totals.macs

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

    def to_dataframe(self, *, full: bool = False) -> "pd.DataFrame":
        """Returns one row per module, by path: type, depth, calls, shapes as text, and figures.

        ``params`` and ``flops`` include the module's children, ``own_params`` and ``own_flops`` do not.

        Args:
            full: whether to return each field of ``LayerRow`` as it is, and ``NAME`` and ``own_NAME`` of each metric.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        return make_dataframe(self.rows, full=full)

    def view(
        self,
        *,
        columns: Sequence[str] | str | None = None,
        depth: int | None = None,
        sort: str = "order",
        expand: bool = False,
        macs: bool = False,
        ops: bool = False,
    ) -> DisplayedView:
        """Returns what ``print`` and notebooks show of the summary with these options of ``netscope summary``.

        Args:
            columns: columns, also comma-separated: ``"input,output,params"``; None for the usual ones.
            depth: maximum number of levels below the root; None for all.
            sort: ``"order"`` for the tree; ``"name"`` or a metric for a flat list, sorted by the modules' own values.
            expand: whether runs of identical siblings are listed one by one.
            macs: whether MACs are shown instead of FLOPs.
            ops: whether the ops that each module ran directly are listed below it.

        Raises:
            UsageError: a column or sort order is unknown, or the depth is negative.
        """
        names = [name.strip() for name in columns.split(",")] if isinstance(columns, str) else columns
        return view_summary(
            self,
            columns=None if names is None else tuple(names),
            depth=depth,
            sort=sort,
            expand=expand,
            macs=macs,
            ops=ops,
        )
