"""Parses a project's checks strictly: an unknown key or a wrong value is an error, never ignored."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

from netscope.config.project import (
    ProjectFile,
    find_file_in_folder,
    find_project_file,
    mentions_netscope,
    quote_key,
    read_project_file,
)
from netscope.config.quantities import parse_percent, parse_quantity, parse_shape
from netscope.errors import ConfigError, did_you_mean
from netscope.schema import METRIC_UNITS, Bound, CheckRequest, Location, Rule

BOUNDS: tuple[Bound, ...] = tuple(bound for bound in get_args(Bound) if bound != "lock")
OPTIONS: Mapping[str, type] = MappingProxyType(
    {"batch_size": int, "seq_len": int, "device": str, "dtype": str, "mode": str, "optimizer": str}
)
BASE = "base"
"""The key beside ``max_increase`` that measures it from the base revision instead of the lock file."""

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
    return file.path, _parse_checks(file)


def find_checks_in_folder(folder: Path) -> tuple[Path, tuple[CheckRequest, ...]] | None:
    """Returns the path of the configuration file in ``folder``, and its checks sorted by name; None without checks.

    A file that is no TOML and does not mention netscope, e.g. in the tests of another tool, has none.

    Raises:
        ConfigError: a file is invalid.
    """
    try:
        file = find_file_in_folder(folder)
    except ConfigError as error:
        if isinstance(error.__cause__, OSError) or error.__cause__ is None or mentions_netscope(folder):
            raise
        return None
    return None if file is None else (file.path, _parse_checks(file))


def read_checks(folder: Path, name: str) -> dict[str, CheckRequest]:
    """Returns the checks in ``folder`` by name; none if the folder has no configuration file.

    Args:
        folder: folder of the configuration file.
        name: name of the file, which may be missing; then netscope.toml and pyproject.toml are read.

    Raises:
        ConfigError: the file cannot be read, or is invalid.
    """
    path = folder / name
    file = read_project_file(path) if path.is_file() else None
    file = file if file is not None and file.checks else find_file_in_folder(folder)
    return {} if file is None else {request.name: request for request in _parse_checks(file)}


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


def parse_rules(table: Mapping[str, Any], layers: Mapping[str, Mapping[str, Any]] | None = None) -> tuple[Rule, ...]:
    """Returns the rules in a table as in the file, ``{"params": 62378344, "flops": {"max": "2.3G"}}``.

    Args:
        table: limit, or limits by bound, of each metric.
        layers: table of rules of each module pattern.

    Raises:
        ConfigError: a metric or bound is unknown, or a limit is invalid.
    """
    return (
        *_parse_rules(table, (), None, _locate_in_python),
        *_parse_layer_rules({} if layers is None else layers, _locate_in_python),
    )


def _locate_in_python(keys: tuple[str, ...]) -> Location:
    return Location(file="", line=None, key=".".join(keys))


def explain_no_failure(rules: Collection[Rule], *, lock: bool) -> str:
    """Returns why a check can never fail; empty if it can."""
    if lock or any(rule.bound != "warn" for rule in rules):
        return ""
    if rules:
        return "this check only warns, so it can never fail; add max, another rule or lock = true"
    return f"this check has no rules, so it can never fail; add a rule or lock = true ({_available(METRIC_UNITS)})"


def _parse_checks(file: ProjectFile) -> tuple[CheckRequest, ...]:
    return tuple(_parse_check(file, name) for name in sorted(file.checks))


def _parse_check(file: ProjectFile, name: str) -> CheckRequest:
    table = file.checks[name]

    def at(keys: tuple[str, ...]) -> Location:
        return Location(
            file=file.display_path,
            line=file.find_line((name, *keys)),
            key=".".join((*file.section, quote_key(name), *keys)),
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
    if reason := explain_no_failure(rules, lock=lock):
        raise _error(at(()), reason)
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
    return _parse_lock(value, _locate_in_python)


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
    if not isinstance(layers, Mapping):
        raise _error(at(("layers",)), 'layers must be a table: [….layers."features.*"] with rules')
    for pattern, inner in layers.items():
        if not isinstance(inner, Mapping):
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
        if isinstance(value, Mapping):
            yield from _parse_bounds(metric, value, (*keys, metric), pattern, at)
        else:
            yield _parse_rule(metric, "equal", value, location, pattern)


def _parse_bounds(
    metric: str, table: Mapping[str, Any], keys: tuple[str, ...], pattern: str | None, at: Any
) -> Iterator[Rule]:
    """Yields the rule of each bound of a metric."""
    if not table.keys() - {BASE}:
        raise _error(at(keys), f"missing bound; {_available(BOUNDS)}")
    from_base = table.get(BASE, False)
    if not isinstance(from_base, bool):
        raise _error(at((*keys, BASE)), f"base must be true or false, not {from_base!r}")
    if from_base and "max_increase" not in table:
        raise _error(at((*keys, BASE)), "base is for max_increase; add max_increase, or remove it")
    rules: dict[str, Rule] = {}
    for bound, limit in table.items():
        location = at((*keys, bound))
        if bound == BASE:
            continue
        if bound not in BOUNDS:
            raise _error(
                location, f"unknown bound {bound!r}{did_you_mean(bound, (*BOUNDS, BASE))}; {_available(BOUNDS)}"
            )
        rule = _parse_rule(metric, bound, limit, location, pattern)
        rules[bound] = replace(rule, from_base=from_base and bound == "max_increase")
    if "warn" in rules and "max" in rules and rules["warn"].limit >= rules["max"].limit:  # type: ignore[operator]  # counts
        raise _error(at((*keys, "warn")), "this can never warn, because max fails first; choose a warn below max")
    yield from rules.values()


def _parse_rule(metric: str, bound: Bound, value: object, location: Location, pattern: str | None = None) -> Rule:
    unit = METRIC_UNITS[metric]
    if unit == "shape" and bound != "equal":
        raise _error(location, f"the bound of a shape must be equal, not {bound}")
    if bound == "max_increase" and str(value).strip().startswith("-"):
        raise _error(location, f"an increase cannot be negative, got {value}; use max to require a smaller value")
    percent = parse_percent(value) if bound == "max_increase" else None
    try:
        limit = (
            percent if percent is not None else parse_shape(value) if unit == "shape" else parse_quantity(value, unit)
        )
    except ValueError as error:
        raise _error(location, str(error)) from error
    if bound == "min" and limit == 0:
        raise _error(location, "a minimum of 0 always holds; write what must at least be there, or remove it")
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
