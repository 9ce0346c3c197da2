"""A factory → a module, with its weights on meta if the factory can do without values."""

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from netscope.errors import BuildError, DeviceError, NetscopeError, UsageError, described
from netscope.runtime.machine import available_memory_bytes
from netscope.runtime.startup import ignore_warnings

if TYPE_CHECKING:
    from torch import nn


def build(
    factory: Callable[[], Any],
    what: str,
    device: str,
    drawing: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> "nn.Module":
    """The module that ``factory`` makes.

    Args:
        factory: a call without arguments.
        what: the name of the architecture, for errors.
        device: ``"meta"`` asks for weights without memory. Constructors that look at values (``.item()``) get real
            ones for everything but ``torch.empty``, which is what parameters are made with; and real ones throughout
            if that fails too. So the result need not be on meta. Any other device gets real weights.
        drawing: gives a context for what draws real random numbers.

    Real values are tried only where the failure before is meta's own, as ``_is_of_meta`` tells; any other, such as of
    a wrong option, would come again. They are made only as far as there is memory for them.

    Raises:
        BuildError: the factory raised, or returned no module.
        DeviceError: it needs values, and more memory than there is.
    """
    from torch import nn

    attempts: list[tuple[AbstractContextManager[Any], ...]] = [(nullcontext(), drawing())]
    if device == "meta":
        room = available_memory_bytes()
        attempts = [
            (_on_meta(), nullcontext()),
            (_real_values(what, room, empty_on_meta=True), drawing()),
            (_real_values(what, room), drawing()),
        ]
    for attempt in attempts:
        on_meta, numbers = attempt
        try:
            with on_meta, numbers, ignore_warnings():
                module = factory()
        except NetscopeError:
            raise
        except (Exception, SystemExit) as error:
            if attempt is attempts[-1] or not _is_of_meta(error):
                raise BuildError(f"{what} could not be built: {described(error)}") from error
        else:
            break
    if not isinstance(module, nn.Module):
        raise BuildError(f"{what} gives a {type(module).__name__}, not a torch.nn.Module")
    return module


@contextmanager
def _on_meta() -> Iterator[None]:
    """``torch.device("meta")``, without normal numbers being drawn for tensors that hold none.

    torch takes a third of a millisecond to find out that this does nothing: half of the time of building a ResNet.
    """
    import torch
    from torch import Tensor, nn
    from torch.utils._device import DeviceContext

    def holds_none(tensor: Any, mean: Any = 0.0, std: Any = 1.0, generator: Any = None) -> bool:
        """Whether filling ``tensor`` succeeds and leaves no trace."""
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
                if can_be_written and holds_none(*args, **kwargs):
                    return tensor
            return super().__torch_function__(function, types, args, kwargs)  # type: ignore[no-untyped-call]

    with OnMeta("meta"):
        yield


def _is_of_meta(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, is about meta tensors having no values.

    torch names the device in all such errors but the one about a tensor's address.
    """
    while error is not None:
        if re.search(r"\bmeta\b|data pointer|doesn't have storage", str(error), re.IGNORECASE):
            return True
        error = error.__cause__ or error.__context__
    return False


def _real_values(what: str, room: int | None, *, empty_on_meta: bool = False) -> Any:
    """A mode in which tensors are real as long as there is memory for all that were made.

    Args:
        what: the name of the architecture, for errors.
        room: bytes of memory that there are; None if unknown.
        empty_on_meta: whether ``torch.empty`` and ``torch.empty_strided`` make meta tensors unless told a device.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    empty = (torch.empty, torch.empty_strided)
    makes = {*empty, torch.zeros, torch.ones, torch.rand, torch.randn}

    class RealValues(TorchFunctionMode):
        made = 0

        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if function in makes and kwargs.get("device") is None:
                if function in empty and empty_on_meta:
                    return function(*args, **{**kwargs, "device": "meta"})
                self._make_room(function, args, kwargs)
            return function(*args, **kwargs)

        def _make_room(self, function: Any, args: Any, kwargs: Any) -> None:
            sizes = {name: value for name, value in kwargs.items() if name in ("size", "stride", "dtype")}
            self.made += function(*args, **sizes, device="meta").nbytes
            if room is not None and self.made > room:
                raise DeviceError(
                    f"{what} cannot be built on meta, and needs more than {self.made / 2**30:,.1f} GiB for real "
                    f"weights, where {room / 2**30:,.1f} GiB are available"
                )

    return RealValues()


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
