"""What ``netscope check`` is asked and what it answers: rules, and how each came out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from netscope.schema.codec import from_json, to_json
from netscope.schema.diff import ModelDiff
from netscope.schema.display import Displayed
from netscope.schema.figures import METRICS
from netscope.schema.summary import LayerTensor
from netscope.schema.tensors import PlainValue, Shape

Bound = Literal["equal", "max", "min", "warn", "max_increase", "lock"]
RuleStatus = Literal["passed", "warned", "failed", "error"]
Figure = int | Shape
"""A count, bytes, or a shape."""

METRIC_UNITS: Mapping[str, Literal["count", "bytes", "shape"]] = MappingProxyType(
    {
        **{
            name: "bytes" if metric.unit == "bytes" else "count"
            for name, metric in METRICS.items()
            if metric.is_sum and metric.unit != "seconds"
        },
        "output_shape": "shape",
        "layer_count": "count",
    }
)
"""Metrics that rules can limit, each with its unit. ``memory`` of a whole architecture is the peak of the forward pass,
or all that a training step keeps; ``layer_count`` is the number of modules without others below them.
"""


PYTEST_SEPARATOR = "::"
"""What the names of tests have in them, and so their entries in the lock file."""

NAMED_BY_TEST = f"pytest{PYTEST_SEPARATOR}"
"""What the lock file's entry begins with that a test has given a name of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where a rule stands.

    Attributes:
        file: as the user would name it.
        line: from 1; None if it stands in no file, such as an option.
        key: ``"tool.netscope.check.alexnet.flops.max"``, or the option's name.
    """

    file: str
    line: int | None
    key: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file or self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that has to hold.

    Attributes:
        metric: a key of ``METRIC_UNITS``; ``"architecture"`` for the lock.
        bound: how the figure is held against the limit; ``"lock"`` for the whole architecture against the lock file.
        limit: the figure; for ``"max_increase"`` in per cent of the locked one if ``is_percent``.
        text: the limit as it was written.
        is_percent: whether ``limit`` is in hundredths of a per cent.
        pattern: of the modules that it holds for, None for the whole.
        location: where it stands.
    """

    metric: str
    bound: Bound
    limit: Figure | None
    text: str
    is_percent: bool = False
    pattern: str | None = None
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """What is to be checked of one architecture.

    Attributes:
        name: of the check.
        model: the architecture, as ``netscope summary`` takes it.
        inputs: what it is run on, as ``--input`` takes it; empty for its own.
        options: the others of ``summarize``.
        rules: what has to hold.
        lock: whether it has to be as the lock file says.
        location: where the check stands.
        lock_location: where ``lock`` does.
    """

    name: str
    model: str
    inputs: tuple[str, ...] = ()
    options: dict[str, PlainValue]
    rules: tuple[Rule, ...]
    lock: bool = False
    location: Location
    lock_location: Location | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """A layer and what it has of a figure itself."""

    path: str
    figure: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """How one rule came out.

    Attributes:
        rule: what had to hold.
        path: of the module, ``""`` for the whole.
        actual: the exact figure; None where there is none, or it is not known.
        limit: the exact limit, of the lock also where the rule is relative to it; None for the lock itself.
        status: ``"passed"``, ``"warned"``, ``"failed"``; ``"error"`` where it cannot be told, which is no pass.
        message: one sentence; empty for a rule that passed.
        heaviest: the three layers that have most of the figure; empty unless it failed.
        remedy: what accepts it, or what to do; empty for a rule that passed.
    """

    rule: Rule
    path: str
    actual: Figure | None
    limit: Figure | None
    status: RuleStatus
    message: str = ""
    heaviest: tuple[Contribution, ...] = ()
    remedy: str = ""

    @property
    def passed(self) -> bool:
        """Whether it holds; a warning does not keep it from holding."""
        return self.status in ("passed", "warned")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCheck:
    """One architecture's rules.

    Attributes:
        name: of the check.
        model: the architecture.
        location: where the check stands.
        results: one for each rule and module that it holds for.
        error: why it could not be checked at all; empty if it could.
        exit_code: what that means for the command line: 2 a wrong question, 3 no answer; 0 without an error.
        updated: whether its entry in the lock file was written.
        against_lock: what differs from the lock file, if it has to be as that says and is not.
        against_base: what differs from another revision, if that was asked for; None also if it was not there yet.
        notes: what a reader should know.
    """

    name: str
    model: str
    location: Location
    results: tuple[RuleResult, ...]
    error: str = ""
    exit_code: int = 0
    updated: bool = False
    against_lock: ModelDiff | None = None
    against_base: ModelDiff | None = None
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether it could be checked and every rule holds."""
        return not self.error and all(result.passed for result in self.results)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CheckReport(Displayed):
    """Every architecture that was checked.

    Attributes:
        models: in order of their names.
        base: the revision that they were compared with; empty if with none.
        flop_convention: what a FLOP is here.
    """

    models: tuple[ModelCheck, ...]
    base: str
    flop_convention: str

    @property
    def results(self) -> tuple[RuleResult, ...]:
        """Those of all models."""
        return tuple(result for model in self.models for result in model.results)

    @property
    def passed(self) -> bool:
        """Whether everything could be checked and holds."""
        return all(model.passed for model in self.models)

    @property
    def exit_code(self) -> int:
        """0 if all holds; 2 if a question was wrong, 1 if a rule does not hold, 3 if something has no answer."""
        codes = set(self._codes())
        return next((code for code in (2, 1, 3) if code in codes), 0)

    def _codes(self) -> Iterator[int]:
        for model in self.models:
            yield model.exit_code
            for result in model.results:
                yield {"failed": 1, "error": 2}.get(result.status, 0)

    def with_files_below(self, folder: str) -> "CheckReport":
        """The same report with the files of its rules seen from further up, where this is ``folder``."""

        def moved(location: Location) -> Location:
            is_elsewhere = not location.file or location.file.startswith("/")
            return location if is_elsewhere else replace(location, file=f"{folder}/{location.file}")

        def with_moved(result: RuleResult) -> RuleResult:
            return replace(result, rule=replace(result.rule, location=moved(result.rule.location)))

        if not folder:
            return self
        models = (
            replace(model, location=moved(model.location), results=tuple(map(with_moved, model.results)))
            for model in self.models
        )
        return replace(self, models=tuple(models))

    def to_json(self) -> str:
        """This report as JSON; ``from_json`` reads it back equal."""
        return to_json(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> "CheckReport":
        """The report that ``to_json`` wrote.

        Raises:
            SavedResultError: the text is not one.
        """
        return from_json(cls, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedLayer:
    """One module in a lock file: everything about it that must stay.

    ``own`` has the fields of ``Figures`` that are not 0, without the children's.
    """

    path: str
    type: str
    hyperparameters: dict[str, PlainValue]
    calls: int
    outputs: tuple[Shape, ...]
    own: dict[str, int]
    tensors: tuple[LayerTensor, ...]
    reads_from: tuple[str, ...]
    computation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedModel:
    """One architecture in a lock file.

    Attributes:
        model: the architecture, as it was asked for.
        inputs: what it was run on, ``"x=1x3x224x224:float32"``.
        mode: ``"eval"`` or ``"train"``.
        traced_on: ``"meta"``, ``"cpu"`` or ``"cuda"``.
        torch: its version: ``computation`` of the layers is comparable between equal ones only.
        metrics: the figures of the whole by ``METRIC_UNITS``; those that are not exact are left out.
        layers: in order of execution, a module before its children.
    """

    model: str
    inputs: tuple[str, ...]
    mode: str
    traced_on: str
    torch: str
    metrics: dict[str, Figure]
    layers: tuple[LockedLayer, ...]
