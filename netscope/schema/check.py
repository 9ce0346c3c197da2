"""The rules of ``netscope check``, and its results."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal, get_args

from netscope.schema.diff import ModelDiff
from netscope.schema.display import Displayed
from netscope.schema.figures import METRICS
from netscope.schema.layer import LayerTensor
from netscope.schema.summary import FLOP_CONVENTION
from netscope.schema.tensors import PlainValue, Shape

Bound = Literal["equal", "max", "min", "warn", "max_increase", "lock"]
RuleStatus = Literal["passed", "warned", "failed", "error"]
"""From the best to the worst."""

MetricValue = int | Shape
"""A count, a size in bytes, or a shape."""

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
"""Metrics that rules can limit, and their units.

``memory`` of an architecture is the peak of the forward pass, or the sum of all sizes for a training step;
``layer_count`` is the number of modules without submodules.
"""

SHORT_HASH = 8
"""The digits of a commit's hash that are shown."""

PYTEST_SEPARATOR = "::"
"""The separator in the names of tests, and so in the names of their lock file entries."""

TEST_NAME_PREFIX = f"pytest{PYTEST_SEPARATOR}"
"""Start of the name of a lock file entry whose test chose the rest of the name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """The location of a rule, for messages.

    Attributes:
        file: path as the user would write it; empty for an option.
        line: line number, from 1; None for an option.
        key: ``"tool.netscope.check.alexnet.flops.max"``, or the option's name.
    """

    file: str
    line: int | None
    key: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file or self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A limit for a metric, or the rule that the architecture must equal its lock file entry.

    Attributes:
        metric: a key of ``METRIC_UNITS``; ``"architecture"`` for the lock file.
        bound: how the value is compared with the limit; ``"lock"`` compares the architecture with the lock file.
        limit: limit; for ``"max_increase"`` the allowed increase over the lock file or the base revision; None for
            ``"lock"``.
        text: limit as written.
        is_percent: whether ``limit`` is in hundredths of a percent of the earlier value.
        from_base: whether ``"max_increase"`` is measured from the base revision instead of the lock file.
        pattern: pattern of the paths of the modules to limit; None for the entire architecture.
        location: location of the rule.
    """

    metric: str
    bound: Bound
    limit: MetricValue | None
    text: str
    is_percent: bool = False
    from_base: bool = False
    pattern: str | None = None
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """A check of one architecture.

    Attributes:
        name: name of the check.
        model: name of the architecture, as for ``netscope summary``.
        inputs: inputs, as for ``--input``; empty for the architecture's default inputs.
        options: other options of ``summarize``.
        rules: rules to evaluate.
        lock: whether the architecture must equal its lock file entry.
        lock_modes: modes in which it must equal it; empty for the check's own mode.
        location: location of the check.
        lock_location: location of ``lock``.
    """

    name: str
    model: str
    inputs: tuple[str, ...] = ()
    options: dict[str, PlainValue]
    rules: tuple[Rule, ...]
    lock: bool = False
    lock_modes: tuple[str, ...] = ()
    location: Location
    lock_location: Location | None = None

    @property
    def mode(self) -> str:
        """Mode in which its rules are evaluated."""
        return str(self.options.get("mode", "eval"))

    def list_lock_modes(self) -> tuple[str, ...]:
        """Returns the modes in which the architecture must equal its lock file entry."""
        return (self.lock_modes or (self.mode,)) if self.lock else ()

    @property
    def entry_names(self) -> dict[str, str]:
        """Names of the lock file entries that it compares with, by mode."""
        from_lock = any(rule.bound == "max_increase" and not rule.from_base for rule in self.rules)
        own = (self.mode,) if from_lock else ()
        modes = dict.fromkeys((*own, *self.list_lock_modes()))
        return {mode: self.name if mode == self.mode else f"{self.name} in {mode} mode" for mode in modes}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """A layer's own part of a limited metric."""

    path: str
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """The result of a rule for one module or architecture.

    Attributes:
        rule: the rule.
        path: path of the module, ``""`` for the entire architecture.
        actual: exact value; None if there is none or it is unknown.
        limit: exact limit, in the metric's unit also for ``"max_increase"``; None for ``"lock"``.
        status: ``"passed"``, ``"warned"``, ``"failed"``, or ``"error"`` if the rule cannot be evaluated.
        message: the problem in one sentence; empty for a rule that passed.
        largest: the three layers with the largest values, without their children; empty for a rule that passed.
        remedy: how to accept the value or to fix the error; empty for a rule that passed.
    """

    rule: Rule
    path: str
    actual: MetricValue | None
    limit: MetricValue | None
    status: RuleStatus
    message: str = ""
    largest: tuple[Contribution, ...] = ()
    remedy: str = ""

    @property
    def passed(self) -> bool:
        """Whether the rule passed, possibly with a warning."""
        return self.status in ("passed", "warned")


def _find_worst(statuses: Iterable[RuleStatus]) -> RuleStatus:
    return max(statuses, key=get_args(RuleStatus).index, default="passed")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCheck:
    """The result of a check: the results of its rules.

    Attributes:
        name: name of the check.
        model: name of the architecture.
        location: location of the check.
        results: one result per rule and module that it limits.
        error: why the architecture could not be checked; empty if it could.
        exit_code: exit code for ``error``: 2 for a wrong name or option, 3 if it could not be run; 0 without an error.
        updated: whether its lock file entry was written.
        metrics: values of the architecture by metric, a key of ``METRIC_UNITS``; empty with an error.
        is_lower_bound: whether the metrics that count ops are lower bounds.
        lock_diff: difference from the lock file, if the check has ``lock`` and the architecture differs.
        base_diff: difference from the base revision; None without one, or if there is nothing to compare with.
        base_error: why the architecture of the base revision could not be traced; empty if it could.
        is_new: whether the base revision does not have the check, or its architecture.
        base_rules: rules of the check in the base revision's configuration; None if the check is not in it.
        notes: notes about the trace and the comparison with the lock file.
    """

    name: str
    model: str
    location: Location
    results: tuple[RuleResult, ...]
    error: str = ""
    exit_code: int = 0
    updated: bool = False
    metrics: dict[str, MetricValue] = field(default_factory=dict)
    is_lower_bound: bool = False
    lock_diff: ModelDiff | None = None
    base_diff: ModelDiff | None = None
    base_error: str = ""
    is_new: bool = False
    base_rules: tuple[Rule, ...] | None = None
    notes: tuple[str, ...] = ()

    @property
    def status(self) -> RuleStatus:
        """The worst status of its rules; ``"error"`` if it could not be checked."""
        return "error" if self.error else _find_worst(result.status for result in self.results)

    @property
    def has_changed(self) -> bool:
        """Whether the architecture or its inputs differ from the base revision."""
        diff = self.base_diff
        return diff is not None and (not diff.is_same or diff.before.inputs != diff.after.inputs)

    @property
    def diff(self) -> ModelDiff | None:
        """The difference to show: from the base revision if there is any, otherwise from the lock file."""
        return self.base_diff if self.has_changed else self.lock_diff

    @property
    def passed(self) -> bool:
        """Whether it could be checked and every rule passed."""
        return not self.error and all(result.passed for result in self.results)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CheckReport(Displayed):
    """The results of several checks.

    Attributes:
        models: one result per check, in order of names.
        base: git revision that the architectures were compared with; empty for none.
        base_commit: hash of the commit that ``base`` refers to.
        removed: names of the checks that only the base revision's configuration has.
        folder: folder of the project in its repository, if the paths of ``prefix_files`` begin with it.
        notes: notes about the comparison with the base revision.
        flop_convention: definition of a FLOP.
    """

    models: tuple[ModelCheck, ...]
    base: str = ""
    base_commit: str = ""
    removed: tuple[str, ...] = ()
    folder: str = ""
    notes: tuple[str, ...] = ()
    flop_convention: str = FLOP_CONVENTION

    @property
    def status(self) -> RuleStatus:
        """The worst status of its checks."""
        return _find_worst(model.status for model in self.models)

    @property
    def short_base(self) -> str:
        """The base revision as requested, but the first eight digits of a hash."""
        is_hash = self.base and self.base_commit.startswith(self.base)
        return self.base[:SHORT_HASH] if is_hash else self.base

    @property
    def results(self) -> tuple[RuleResult, ...]:
        """Results of the rules of all checks."""
        return tuple(result for model in self.models for result in model.results)

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(model.passed for model in self.models)

    @property
    def exit_code(self) -> int:
        """0 if all passed; otherwise 2 for a wrong configuration, else 1 for a failed rule, else 3 for a failed run."""
        codes = set(self._codes())
        return next((code for code in (2, 1, 3) if code in codes), 0)

    def _codes(self) -> Iterator[int]:
        for model in self.models:
            yield model.exit_code
            for result in model.results:
                yield {"failed": 1, "error": 2}.get(result.status, 0)

    def prefix_files(self, folder: str) -> "CheckReport":
        """Returns the report with ``folder`` before the relative paths of its locations."""

        def prefix(location: Location) -> Location:
            is_relative = location.file and not location.file.startswith("/")
            return replace(location, file=f"{folder}/{location.file}") if is_relative else location

        def prefix_rule(result: RuleResult) -> RuleResult:
            return replace(result, rule=replace(result.rule, location=prefix(result.rule.location)))

        if not folder:
            return self
        models = (
            replace(model, location=prefix(model.location), results=tuple(map(prefix_rule, model.results)))
            for model in self.models
        )
        return replace(self, models=tuple(models), folder=folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The commit that is checked out.

    Attributes:
        revision: its hash, followed by ``"-dirty"`` if files that git tracks are changed.
        date: date of the commit in UTC, ``"2026-01-31T12:00:00Z"``.
    """

    revision: str
    date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedLayer:
    """A module in a lock file.

    ``own`` contains the fields of ``LayerRow.own`` that are not 0. The other attributes are as in ``LayerRow``.
    """

    path: str
    type: str
    hyperparameters: dict[str, PlainValue] = field(default_factory=dict)
    calls: int = 1
    inputs: tuple[Shape, ...] = ()
    outputs: tuple[Shape, ...] = ()
    own: dict[str, int] = field(default_factory=dict)
    tensors: tuple[LayerTensor, ...] = ()
    reads_from: tuple[str, ...] = ()
    operations: dict[str, int] = field(default_factory=dict)
    computation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedModel:
    """An architecture in a lock file.

    Attributes:
        model: name of the architecture, as in the check.
        inputs: inputs, ``"x=1x3x224x224:float32"``.
        mode: ``"eval"`` or ``"train"``.
        traced_on: device, for messages: ``"meta"``, ``"cpu"`` or ``"cuda"``; ``"none"`` for a weights file.
        torch: version of torch, for messages.
        metrics: exact values of the architecture by metric; lower bounds are omitted, and so are values that depend on
            the device and the version of torch, unless a rule limits their increase.
        layers: modules in order of execution, a module before its children.
    """

    model: str
    inputs: tuple[str, ...]
    mode: str
    traced_on: str
    torch: str
    metrics: dict[str, MetricValue]
    layers: tuple[LockedLayer, ...]
