"""Named arguments of the public functions: the same names everywhere, and an answer for each unknown one."""

import inspect
import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypedDict, TypeVar

from netscope.errors import UnknownArgumentError, did_you_mean

if TYPE_CHECKING:
    import torch

Given = ParamSpec("Given")
Result = TypeVar("Result")


class SummaryOptions(TypedDict, total=False):
    """The options of ``summarize`` that other functions take too."""

    batch_size: int | None
    seq_len: int | None
    device: "str | torch.device"
    dtype: "str | torch.dtype | None"
    mode: str
    optimizer: str | None


def check_arguments(
    options: Callable[..., Any] | None = None, *, translate: Callable[[str, dict[str, Any]], None] | None = None
) -> Callable[[Callable[Given, Result]], Callable[Given, Result]]:
    """Returns a decorator for functions of the Python API, which answers unknown arguments with those there are.

    A ``torch.device`` and a ``torch.dtype`` are understood by their names.

    Args:
        options: callable whose keyword arguments the function takes as ``**options``; its signature shows them.
        translate: is called with the function's name and the arguments, in which it may replace those of other tools.

    Raises:
        UnknownArgumentError: by the decorated function: it has no argument of that name.
    """

    def decorate(function: Callable[Given, Result]) -> Callable[Given, Result]:
        signature = _expand_options(inspect.signature(function), options)
        name = function.__name__

        @wraps(function)
        def call(*args: Given.args, **kwargs: Given.kwargs) -> Result:
            named: dict[str, Any] = kwargs
            if not named.keys() <= signature.parameters.keys():
                if translate is not None:
                    translate(name, named)
                _check_names(name, named, signature.parameters)
            try:
                signature.bind(*args, **named)
            except TypeError as error:
                raise UnknownArgumentError(f"{name}: {error}; arguments: {', '.join(signature.parameters)}") from error
            for key in ("device", "dtype"):
                if type(named.get(key)).__module__ == "torch":
                    named[key] = str(named[key]).removeprefix("torch.")
            if name != "bench" and isinstance(named.get("device"), str):
                named["device"] = re.sub(r"^(cpu|cuda):\d+$", r"\1", named["device"])
            return function(*args, **kwargs)

        call.__signature__ = signature  # type: ignore[attr-defined]  # PEP 362
        return call

    return decorate


def _expand_options(signature: inspect.Signature, options: Callable[..., Any] | None) -> inspect.Signature:
    """Returns the signature with the keyword arguments of ``options`` in the place of ``**options``."""
    if options is None:
        return signature
    own = [item for item in signature.parameters.values() if item.kind is not item.VAR_KEYWORD]
    names = {item.name for item in own}
    more = inspect.signature(options).parameters.values()
    return signature.replace(
        parameters=[*own, *(item for item in more if item.kind is item.KEYWORD_ONLY and item.name not in names)]
    )


def _check_names(function: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for name in given:
        if name not in known:
            raise UnknownArgumentError(
                f"{function} has no argument {name!r}{did_you_mean(name, known)}; arguments: {', '.join(known)}"
            )
