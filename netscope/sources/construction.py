"""Builds modules from factories, with weights on meta if the constructors work without values."""

import inspect
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from netscope.errors import BuildError, DeviceError, NetscopeError, UsageError, describe_error
from netscope.runtime.machine import available_memory_bytes
from netscope.runtime.startup import ignore_warnings

if TYPE_CHECKING:
    from torch import nn

_REFUSALS = (TypeError, ValueError, ArithmeticError, AssertionError)
"""What constructors raise for values that they do not accept."""


def build(
    factory: Callable[[], Any],
    label: str,
    device: str,
    make_rng_context: Callable[[], AbstractContextManager[Any]] = nullcontext,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> "nn.Module":
    """Returns the module that ``factory`` builds.

    Args:
        factory: function without arguments.
        label: name of the architecture, for errors.
        device: ``"meta"`` requests weights without memory. If a constructor reads values (``.item()``), it is called
            again with real values for all tensors except those of ``torch.empty``, which allocates parameters; if that
            fails too, with real values for all. The result may therefore not be on meta. Any other device gets real
            weights.
        make_rng_context: function that returns a context for code that draws real random numbers.
        options: the options that ``factory`` passes on, for errors.

    Real values are tried only after an error that ``_is_meta_error`` accepts: any other, such as a wrong option, would
    repeat. They are allocated only within the available memory.

    Raises:
        UsageError: the constructor refused the values of the options.
        BuildError: the factory raised, or did not return a module.
        DeviceError: the constructor needs values, and more memory than is available.
    """
    from torch import nn

    attempts: list[tuple[AbstractContextManager[Any], ...]] = [(nullcontext(), make_rng_context())]
    if device == "meta":
        available_bytes = available_memory_bytes()
        attempts = [
            (_build_on_meta(), nullcontext()),
            (_allow_real_values(label, available_bytes, empty_on_meta=True), make_rng_context()),
            (_allow_real_values(label, available_bytes), make_rng_context()),
        ]
    for attempt in attempts:
        device_context, rng_context = attempt
        try:
            with device_context, rng_context, ignore_warnings():
                module = factory()
        except NetscopeError:
            raise
        except (Exception, SystemExit) as error:
            if attempt is attempts[-1] or not _is_meta_error(error):
                is_refusal = options and (isinstance(error, _REFUSALS) or "negative dimension" in str(error))
                kind = UsageError if is_refusal else BuildError
                raise kind(f"failed to build {label}: {describe_error(error)}") from error
        else:
            break
    if not isinstance(module, nn.Module):
        raise BuildError(f"{label} must return a torch.nn.Module, not a {type(module).__name__}")
    return module


def _build_on_meta() -> AbstractContextManager[Any]:
    """Returns ``torch.device("meta")`` as a context in which normal initialization of meta tensors is skipped.

    torch takes a third of a millisecond per tensor to do nothing, which is half of the time of building a ResNet.
    """
    import torch
    from torch import Tensor, nn
    from torch.utils._device import DeviceContext

    def is_no_op(tensor: Any, mean: Any = 0.0, std: Any = 1.0, generator: Any = None) -> bool:
        """Returns whether filling ``tensor`` would succeed without any effect."""
        return (
            type(tensor) in (Tensor, nn.Parameter)
            and tensor.is_meta
            and tensor.is_floating_point()
            and tensor.is_contiguous()
            and type(mean) in (int, float)
            and type(std) in (int, float)
            and std >= 0
            and generator is None
        )

    class OnMeta(DeviceContext):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if function is nn.init.normal_ or function is Tensor.normal_:
                tensor = args[0] if args else kwargs.get("tensor")
                can_be_written = function is nn.init.normal_ or not (tensor.requires_grad and torch.is_grad_enabled())
                if can_be_written and is_no_op(*args, **kwargs):
                    return tensor
            return super().__torch_function__(function, types, args, kwargs)  # type: ignore[no-untyped-call]

    return OnMeta("meta")


def _is_meta_error(error: BaseException | None) -> bool:
    """Returns whether an error, or one of its causes, is about meta tensors without values.

    torch names the device in all these errors except the one about a tensor's address.
    """
    while error is not None:
        if re.search(r"\bmeta\b|data pointer|doesn't have storage", str(error), re.IGNORECASE):
            return True
        error = error.__cause__ or error.__context__
    return False


def _allow_real_values(label: str, available_bytes: int | None, *, empty_on_meta: bool = False) -> Any:
    """Returns a mode that creates real tensors as long as all of them fit into memory.

    Args:
        label: name of the architecture, for errors.
        available_bytes: available memory; None if unknown.
        empty_on_meta: whether ``torch.empty`` and ``torch.empty_strided`` create meta tensors if no device is given.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    empty = (torch.empty, torch.empty_strided)
    constructors = {*empty, torch.zeros, torch.ones, torch.rand, torch.randn}

    class RealValues(TorchFunctionMode):
        allocated_bytes = 0

        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if function in constructors and kwargs.get("device") is None:
                if function in empty and empty_on_meta:
                    return function(*args, **{**kwargs, "device": "meta"})
                self._check_memory(function, args, kwargs)
            return function(*args, **kwargs)

        def _check_memory(self, function: Any, args: Any, kwargs: Any) -> None:
            sizes = {name: value for name, value in kwargs.items() if name in ("size", "stride", "dtype")}
            self.allocated_bytes += function(*args, **sizes, device="meta").nbytes
            if available_bytes is not None and self.allocated_bytes > available_bytes:
                raise DeviceError(
                    f"{label} cannot be built on meta, and needs more than {self.allocated_bytes / 2**30:,.1f} GiB for "
                    f"real weights, but only {available_bytes / 2**30:,.1f} GiB are available"
                )

    return RealValues()


def call_with_options(function: Callable[..., Any], options: dict[str, Any], label: str, **fixed: Any) -> Any:
    """Returns ``function(**fixed, **options)``, for a function that passes on keyword arguments it does not check.

    Raises:
        UsageError: an option is not accepted.
    """
    try:
        return function(**fixed, **options)
    except TypeError as error:
        if any(f"unexpected keyword argument '{key}'" in str(error) for key in options):
            raise UsageError(f"{label}: {error}") from error
        raise


def check_options(function: Callable[..., Any], options: dict[str, Any], label: str) -> None:
    """Checks that ``function`` can be called with these keyword arguments.

    Raises:
        UsageError: it does not accept one of them, or requires more.
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
            f"{label}: {error}; available options (@key=value,key=value): {parameters or 'none'}"
        ) from error
