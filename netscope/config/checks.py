"""The project's checks, read strictly: what is not understood is an error, and never a pass."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

from netscope.config.project import ProjectFile, find_project_file, read_project_file
from netscope.config.quantities import parse_percent, parse_quantity, parse_shape
from netscope.errors import ConfigError, did_you_mean
from netscope.schema import METRIC_UNITS, Bound, CheckRequest, Location, Rule

BOUNDS: tuple[Bound, ...] = tuple(bound for bound in get_args(Bound) if bound != "lock")
OPTIONS: Mapping[str, type] = MappingProxyType(
    {"batch_size": int, "seq_len": int, "device": str, "dtype": str, "mode": str, "optimizer": str}
)
_CHECK_KEYS = ("model", "input", "lock", "layers", *OPTIONS, *METRIC_UNITS)


def find_checks(start: Path, config: Path | None = None) -> tuple[Path, tuple[CheckRequest, ...]]:
    """The project's file, and its checks by name.

    Args:
        start: where the file is looked for, and above.
        config: the file itself, instead.

    Raises:
        ConfigError: there is none, or it says something that is not understood.
    """
    file = read_project_file(config) if config is not None else find_project_file(start)
    if file is None or not file.checks:
        where = str(config) if config is not None else "pyproject.toml or netscope.toml, here or above"
        raise ConfigError(
            f'there is no check in {where}: write [tool.netscope.check.NAME] with model = "…" and a rule, or give '
            f"an architecture with a rule, like: netscope check resnet50 --max-params 26M"
        )
    return file.path, tuple(_request(file, name) for name in sorted(file.checks))


def make_check_request(
    model: str, inputs: Iterable[str], options: Mapping[str, Any], rules: Iterable[tuple[str, str, Bound, str]]
) -> CheckRequest:
    """A check that stands in no file.

    Args:
        model: the architecture.
        inputs: what it is run on.
        options: the others of ``summarize``.
        rules: option, metric, bound and limit of each.

    Raises:
        ConfigError: a limit is none.
    """
    return CheckRequest(
        name=model,
        model=model,
        inputs=tuple(inputs),
        options={name: value for name, value in options.items() if value is not None},
        rules=tuple(
            _rule(metric, bound, value, Location(file="", line=None, key=option))
            for option, metric, bound, value in rules
        ),
        location=Location(file="", line=None, key=model),
    )


def parse_rules(
    table: Mapping[str, Any], layers: Mapping[str, Mapping[str, Any]] | None = None, *, where: str = ""
) -> tuple[Rule, ...]:
    """The rules of a table as in the file, ``{"params": 62378344, "flops": {"max": "2.3G"}}``, from Python.

    Args:
        table: metric → limit, or bound → limit.
        layers: module pattern → such a table.
        where: the file that it stands in.

    Raises:
        ConfigError: there is no such metric or bound, or a limit is none.
    """

    def at(keys: tuple[str, ...]) -> Location:
        return Location(file=where, line=None, key=".".join(keys))

    found = list(_rules(table, (), None, at))
    for pattern, inner in (layers or {}).items():
        if not isinstance(inner, Mapping):
            raise ConfigError(f"layers.{pattern} has to be a table of rules, not {inner!r}")
        found += _rules(inner, ("layers", pattern), pattern, at)
    return tuple(found)


def _request(file: ProjectFile, name: str) -> CheckRequest:
    table = file.checks[name]

    def at(keys: tuple[str, ...]) -> Location:
        return Location(
            file=file.shown, line=file.line_of((name, *keys)), key=".".join((*file.section, _quoted(name), *keys))
        )

    if not isinstance(table, dict):
        raise _wrong(at(()), f'a check is a table with model = "…" and rules, not {table!r}')
    for key in table:
        if key not in _CHECK_KEYS:
            raise _wrong(at((key,)), f"there is no key {key!r}{did_you_mean(key, _CHECK_KEYS)}; {_known(_CHECK_KEYS)}")
    model = table.get("model")
    if not isinstance(model, str) or not model.strip():
        raise _wrong(at(("model",) if model is not None else ()), 'model = "…" has to name an architecture')
    lock = table.get("lock", False)
    if not isinstance(lock, bool):
        raise _wrong(at(("lock",)), f"lock has to be true or false, not {lock!r}")
    rules = [*_rules({key: table[key] for key in table if key in METRIC_UNITS}, (), None, at)]
    rules += _layer_rules(table.get("layers", {}), at)
    if not rules and not lock:
        raise _wrong(at(()), f"this check has no rule and no lock = true, so it could not fail; {_known(METRIC_UNITS)}")
    return CheckRequest(
        name=name,
        model=model,
        inputs=_inputs(table.get("input", []), at),
        options=dict(_options(table, at)),
        rules=tuple(rules),
        lock=lock,
        location=at(()),
        lock_location=at(("lock",)) if lock else None,
    )


def _quoted(name: str) -> str:
    return name if name.replace("-", "").replace("_", "").isalnum() else f'"{name}"'


def _known(keys: Iterable[str]) -> str:
    return f"there are {', '.join(keys)}"


def _wrong(location: Location, message: str) -> ConfigError:
    where = f"{location}: " if location.file else ""
    return ConfigError(f"{where}{location.key}: {message}" if location.key else f"{where}{message}")


def _inputs(value: Any, at: Any) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise _wrong(at(("input",)), f'input has to be like "1x3x224x224", or an array of such, not {value!r}')
    return tuple(texts)


def _options(table: Mapping[str, Any], at: Any) -> Iterator[tuple[str, Any]]:
    for key, kind in OPTIONS.items():
        if key in table:
            if type(table[key]) is not kind:
                wanted = "a whole number" if kind is int else "a text"
                raise _wrong(at((key,)), f"{key} has to be {wanted}, not {table[key]!r}")
            yield key, table[key]


def _layer_rules(layers: Any, at: Any) -> Iterator[Rule]:
    if not isinstance(layers, dict):
        raise _wrong(at(("layers",)), 'layers has to be a table: [….layers."features.*"] with rules')
    for pattern, inner in layers.items():
        if not isinstance(inner, dict):
            raise _wrong(at(("layers", pattern)), f"this has to be a table of rules, not {inner!r}")
        if not inner:
            raise _wrong(at(("layers", pattern)), f"this has no rule, so it could not fail; {_known(METRIC_UNITS)}")
        yield from _rules(inner, ("layers", pattern), pattern, at)


def _rules(table: Mapping[str, Any], keys: tuple[str, ...], pattern: str | None, at: Any) -> Iterator[Rule]:
    for metric, value in table.items():
        location = at((*keys, metric))
        if metric not in METRIC_UNITS:
            raise _wrong(
                location, f"there is no metric {metric!r}{did_you_mean(metric, METRIC_UNITS)}; {_known(METRIC_UNITS)}"
            )
        if not isinstance(value, Mapping):
            yield _rule(metric, "equal", value, location, pattern)
            continue
        if not value:
            raise _wrong(location, f"this has no bound; {_known(BOUNDS)}")
        for bound, limit in value.items():
            inner = at((*keys, metric, bound))
            if bound not in BOUNDS:
                raise _wrong(inner, f"there is no bound {bound!r}{did_you_mean(bound, BOUNDS)}; {_known(BOUNDS)}")
            yield _rule(metric, bound, limit, inner, pattern)


def _rule(metric: str, bound: Bound, value: object, location: Location, pattern: str | None = None) -> Rule:
    unit = METRIC_UNITS[metric]
    if unit == "shape" and bound != "equal":
        raise _wrong(location, f"a shape can only be equal, not {bound}")
    percent = parse_percent(value) if bound == "max_increase" else None
    try:
        limit = (
            percent if percent is not None else parse_shape(value) if unit == "shape" else parse_quantity(value, unit)
        )
    except ValueError as error:
        raise _wrong(location, str(error)) from error
    return Rule(
        metric=metric,
        bound=bound,
        limit=limit,
        text=_as_written(value),
        is_percent=percent is not None,
        pattern=pattern,
        location=location,
    )


def _as_written(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return "x".join(map(str, value))
    return f"{value:,}" if type(value) is int else str(value)
