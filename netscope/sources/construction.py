"""A factory → a module, with its weights on meta if the factory can do without values."""

import inspect
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from netscope.errors import BuildError, NetscopeError, UsageError, described

if TYPE_CHECKING:
    from torch import nn


def build(factory: Callable[[], Any], what: str, device: str) -> "nn.Module":
    """The module that ``factory`` makes.

    Args:
        factory: a call without arguments.
        what: the name of the architecture, for errors.
        device: ``"meta"`` asks for weights without memory. Constructors that look at values (``.item()``) get real
            ones for everything but ``torch.empty``, which is what parameters are made with; and real ones throughout
            if that fails too. So the result need not be on meta. Any other device gets real weights.

    Raises:
        BuildError: the factory raised, or returned no module.
    """
    import torch
    from torch import nn

    attempts: list[AbstractContextManager[Any]] = [nullcontext()]
    if device == "meta":
        attempts = [torch.device("meta"), _parameters_on_meta(), *attempts]
    for context in attempts:
        try:
            with context, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                module = factory()
        except NetscopeError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a constructor raises, the next attempt may do
            failure = error
        else:
            break
    else:
        raise BuildError(f"{what} could not be built: {described(failure)}") from failure
    if not isinstance(module, nn.Module):
        raise BuildError(f"{what} gives a {type(module).__name__}, not a torch.nn.Module")
    return module


def _parameters_on_meta() -> Any:
    """A mode in which ``torch.empty`` and ``torch.empty_strided`` make meta tensors unless told a device."""
    import torch
    from torch.overrides import TorchFunctionMode

    class ParametersOnMeta(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if function in (torch.empty, torch.empty_strided) and kwargs.get("device") is None:
                kwargs = {**kwargs, "device": "meta"}
            return function(*args, **kwargs)

    return ParametersOnMeta()


def called(function: Callable[..., Any], options: dict[str, Any], what: str, **fixed: Any) -> Any:
    """``function(**fixed, **options)``, where it hands ``options`` on to another that may not take them.

    Raises:
        UsageError: one of the options is not taken.
    """
    try:
        return function(**fixed, **options)
    except TypeError as error:
        if any(f"unexpected keyword argument '{key}'" in str(error) for key in options):
            raise UsageError(f"{what}: {error}") from error
        raise


def check_options(function: Callable[..., Any], options: dict[str, Any], what: str) -> None:
    """Checks that ``function`` takes exactly these keyword arguments.

    Raises:
        UsageError: it takes others, or more are required.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(**options)
    except TypeError as error:
        parameters = ", ".join(
            name for name, item in signature.parameters.items() if item.kind is not item.VAR_POSITIONAL
        )
        raise UsageError(
            f"{what}: {error}; its arguments, given as @key=value,key=value, are {parameters or 'none'}"
        ) from error
