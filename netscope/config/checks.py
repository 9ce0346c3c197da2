"""Parses a project's checks strictly: an unknown key or a wrong value is an error, never ignored."""

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
MODES = ("eval", "train")
_CHECK_KEYS = ("model", "input", "lock", "layers", *OPTIONS, *METRIC_UNITS)


def find_checks(start: Path, config: Path | None = None) -> tuple[Path, tuple[CheckRequest, ...]]:
    """Returns the path of the configuration file, and its checks sorted by name.

    Args:
        start: folder where the search begins; its parents follow.
        config: path of the configuration file, instead of a search.

    Raises:
        ConfigError: no checks are found, or the file is invalid.
    """
    file = read_project_file(config) if config is not None else find_project_file(start)
    if file is None or not file.checks:
        where = str(config) if config is not None else "pyproject.toml or netscope.toml here or in a parent folder"
        raise ConfigError(
            f'no checks found in {where}; add [tool.netscope.check.NAME] with model = "…" and a rule, or pass an '
            f"architecture and a rule, e.g. netscope check resnet50 --max-params 26M"
        )
    return file.path, tuple(_parse_check(file, name) for name in sorted(file.checks))


def make_check_request(
    model: str, inputs: Iterable[str], options: Mapping[str, Any], rules: Iterable[tuple[str, str, Bound, str]]
) -> CheckRequest:
    """Returns a check that is defined by command-line options instead of a file.

    Args:
        model: architecture to check.
        inputs: inputs of the architecture, as typed.
        options: other options of ``summarize``.
        rules: option, metric, bound and limit of each rule.

    Raises:
        ConfigError: a limit is invalid.
    """
    return CheckRequest(
        name=model,
        model=model,
        inputs=tuple(inputs),
        options={name: value for name, value in options.items() if value is not None},
        rules=tuple(
            _parse_rule(metric, bound, value, Location(file="", line=None, key=option))
            for option, metric, bound, value in rules
        ),
        location=Location(file="", line=None, key=model),
    )


def parse_rules(
    table: Mapping[str, Any], layers: Mapping[str, Mapping[str, Any]] | None = None, *, where: str = ""
) -> tuple[Rule, ...]:
    """Returns the rules in a table as in the file, ``{"params": 62378344, "flops": {"max": "2.3G"}}``.

    Args:
        table: limit, or limits by bound, of each metric.
        layers: table of rules of each module pattern.
        where: path of the file, for errors; empty for a table from Python.

    Raises:
        ConfigError: a metric or bound is unknown, or a limit is invalid.
    """

    def at(keys: tuple[str, ...]) -> Location:
        return Location(file=where, line=None, key=".".join(keys))

    found = list(_parse_rules(table, (), None, at))
    for pattern, inner in (layers or {}).items():
        if not isinstance(inner, Mapping):
            raise ConfigError(f"layers.{pattern} must be a table of rules, not {inner!r}")
        found += _parse_rules(inner, ("layers", pattern), pattern, at)
    return tuple(found)


def _parse_check(file: ProjectFile, name: str) -> CheckRequest:
    table = file.checks[name]

    def at(keys: tuple[str, ...]) -> Location:
        return Location(
            file=file.display_path,
            line=file.find_line((name, *keys)),
            key=".".join((*file.section, _quote_key(name), *keys)),
        )

    if not isinstance(table, dict):
        raise _error(at(()), f'a check must be a table with model = "…" and rules, not {table!r}')
    for key in table:
        if key not in _CHECK_KEYS:
            raise _error(at((key,)), f"unknown key {key!r}{did_you_mean(key, _CHECK_KEYS)}; {_available(_CHECK_KEYS)}")
    model = table.get("model")
    if not isinstance(model, str) or not model.strip():
        raise _error(at(("model",) if model is not None else ()), 'model = "…" must name an architecture')
    lock, lock_modes = _parse_lock(table.get("lock", False), at)
    rules = [*_parse_rules({key: table[key] for key in table if key in METRIC_UNITS}, (), None, at)]
    rules += _parse_layer_rules(table.get("layers", {}), at)
    if not rules and not lock:
        raise _error(at(()), f"this check can never fail; add a rule or lock = true ({_available(METRIC_UNITS)})")
    return CheckRequest(
        name=name,
        model=model,
        inputs=_parse_inputs(table.get("input", []), at),
        options=dict(_parse_options(table, at)),
        rules=tuple(rules),
        lock=lock,
        lock_modes=lock_modes,
        location=at(()),
        lock_location=at(("lock",)) if lock else None,
    )


def parse_lock(value: object) -> tuple[bool, tuple[str, ...]]:
    """Returns whether to compare with the lock file, and in which modes; without any, in the check's own.

    Args:
        value: ``True``, ``False`` or ``{"modes": ["eval", "train"]}``.

    Raises:
        ConfigError: it is something else, or a mode is unknown.
    """
    return _parse_lock(value, lambda keys: Location(file="", line=None, key=".".join(keys)))


def _parse_lock(value: object, at: Any) -> tuple[bool, tuple[str, ...]]:
    if isinstance(value, bool):
        return value, ()
    if not isinstance(value, Mapping) or not value:
        raise _error(at(("lock",)), f'lock must be true, false or {{ modes = ["eval", "train"] }}, not {value!r}')
    for key in value:
        if key != "modes":
            raise _error(
                at(("lock", key)), f"unknown key {key!r}{did_you_mean(key, ['modes'])}; {_available(['modes'])}"
            )
    modes = value["modes"]
    if not isinstance(modes, (list, tuple)) or not modes:
        raise _error(at(("lock", "modes")), f'modes must be an array such as ["eval", "train"], not {modes!r}')
    for mode in modes:
        if mode not in MODES:
            closest = did_you_mean(mode, MODES) if isinstance(mode, str) else ""
            raise _error(at(("lock", "modes")), f"unknown mode {mode!r}{closest}; {_available(MODES)}")
    return True, tuple(dict.fromkeys(modes))


def _quote_key(name: str) -> str:
    return name if name.replace("-", "").replace("_", "").isalnum() else f'"{name}"'


def _available(keys: Iterable[str]) -> str:
    return f"available: {', '.join(keys)}"


def _error(location: Location, message: str) -> ConfigError:
    where = f"{location}: " if location.file else ""
    return ConfigError(f"{where}{location.key}: {message}" if location.key else f"{where}{message}")


def _parse_inputs(value: Any, at: Any) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise _error(at(("input",)), f'input must be a text like "1x3x224x224" or an array of such, not {value!r}')
    return tuple(texts)


def _parse_options(table: Mapping[str, Any], at: Any) -> Iterator[tuple[str, Any]]:
    for key, kind in OPTIONS.items():
        if key in table:
            if type(table[key]) is not kind:
                expected = "an integer" if kind is int else "a string"
                raise _error(at((key,)), f"{key} must be {expected}, not {table[key]!r}")
            yield key, table[key]


def _parse_layer_rules(layers: Any, at: Any) -> Iterator[Rule]:
    if not isinstance(layers, dict):
        raise _error(at(("layers",)), 'layers must be a table: [….layers."features.*"] with rules')
    for pattern, inner in layers.items():
        if not isinstance(inner, dict):
            raise _error(at(("layers", pattern)), f"this must be a table of rules, not {inner!r}")
        if not inner:
            raise _error(at(("layers", pattern)), f"this table can never fail; add a rule ({_available(METRIC_UNITS)})")
        yield from _parse_rules(inner, ("layers", pattern), pattern, at)


def _parse_rules(table: Mapping[str, Any], keys: tuple[str, ...], pattern: str | None, at: Any) -> Iterator[Rule]:
    for metric, value in table.items():
        location = at((*keys, metric))
        if metric not in METRIC_UNITS:
            raise _error(
                location, f"unknown metric {metric!r}{did_you_mean(metric, METRIC_UNITS)}; {_available(METRIC_UNITS)}"
            )
        if not isinstance(value, Mapping):
            yield _parse_rule(metric, "equal", value, location, pattern)
            continue
        if not value:
            raise _error(location, f"missing bound; {_available(BOUNDS)}")
        for bound, limit in value.items():
            inner = at((*keys, metric, bound))
            if bound not in BOUNDS:
                raise _error(inner, f"unknown bound {bound!r}{did_you_mean(bound, BOUNDS)}; {_available(BOUNDS)}")
            yield _parse_rule(metric, bound, limit, inner, pattern)


def _parse_rule(metric: str, bound: Bound, value: object, location: Location, pattern: str | None = None) -> Rule:
    unit = METRIC_UNITS[metric]
    if unit == "shape" and bound != "equal":
        raise _error(location, f"the bound of a shape must be equal, not {bound}")
    percent = parse_percent(value) if bound == "max_increase" else None
    try:
        limit = (
            percent if percent is not None else parse_shape(value) if unit == "shape" else parse_quantity(value, unit)
        )
    except ValueError as error:
        raise _error(location, str(error)) from error
    return Rule(
        metric=metric,
        bound=bound,
        limit=limit,
        text=_format_limit(value),
        is_percent=percent is not None,
        pattern=pattern,
        location=location,
    )


def _format_limit(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return "x".join(map(str, value))
    return f"{value:,}" if type(value) is int else str(value)
