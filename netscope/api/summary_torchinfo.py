"""The arguments of ``torchinfo.summary``, understood, or answered with ours."""

from collections.abc import Iterable
from typing import Any

from netscope.errors import UnknownArgumentError

_COLUMNS = {
    "input_size": "input", "output_size": "output", "num_params": "params", "params_percent": "params-share",
    "kernel_size": "type", "groups": "type", "mult_adds": "macs", "trainable": "trainable",
}  # fmt: skip
_INPUTS = ("input_size", "input_data")
_SHOWN = ("depth", "col_names")
_REMEDIES = {
    "batch_dim": "write the whole shape, inputs=(1, 3, 224, 224)",
    "dtypes": 'write the dtype with the shape, inputs="1x128:int64"',
}
_NEEDLESS = ("verbose", "row_settings", "col_width", "cache_forward_pass")


def translate_torchinfo(function: str, arguments: dict[str, Any]) -> None:
    """Renames ``input_size`` and ``input_data`` to ``inputs``, which take the same values.

    Raises:
        UnknownArgumentError: another argument of torchinfo is given; the message says what to write instead.
    """
    given = [name for name in arguments if name in _SHOWN or name in _REMEDIES or name in _NEEDLESS]
    if given:
        view = ", ".join(_write_view(name, arguments[name]) for name in given if name in _SHOWN)
        needless = [name for name in given if name in _NEEDLESS]
        advice = (
            f"write {function}(…).view({view})" if view else "",
            *(_REMEDIES.get(name, "") for name in given),
            f"leave out {_join(needless)}" if needless else "",
        )
        are = "are arguments" if len(given) > 1 else "is an argument"
        raise UnknownArgumentError(f"{_join(given)} {are} of torchinfo: {'; '.join(filter(None, advice))}")
    for name in _INPUTS:
        if name in arguments:
            if arguments.get("inputs") is not None:
                raise UnknownArgumentError(f"{name} and inputs are the same argument: give one of them")
            arguments["inputs"] = arguments.pop(name)


def _write_view(name: str, value: Any) -> str:
    """Returns the argument of ``Summary.view`` for one of torchinfo."""
    if name == "depth":
        return f"depth={value}"
    columns = [value] if isinstance(value, str) else value if isinstance(value, Iterable) else ()
    keys = dict.fromkeys(_COLUMNS[column] for column in columns if column in _COLUMNS)
    return f'columns="{",".join(keys) or "output,params"}"'


def _join(names: list[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
