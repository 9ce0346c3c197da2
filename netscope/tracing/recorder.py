"""Records a forward pass or a training step: module calls, ops, and the tensors that they read and write."""

import inspect
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import update_wrapper, wraps
from math import prod
from threading import RLock, local
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from netscope.errors import describe_error
from netscope.schema import InputSpec, LayerFailure, ModuleCall, SavedTensor, TracedOp
from netscope.tracing import torch_compat
from netscope.tracing.backward import Origins, find_differentiable_outputs, record_saved_tensors, run_backward
from netscope.tracing.conversions import MAX_UNCOUNTED_ELEMENTS, ConversionMode
from netscope.tracing.modules import ModuleEntry, collect_hyperparameters, find_subtree_ends, get_type_name
from netscope.tracing.op_cache import OpCache, value_key
from netscope.tracing.tensors import TensorTable, dtype_name, find_tensors

_MISSING = object()
_ORIGINAL_FORWARD = "_netscope_original_forward"


@dataclass(slots=True)
class _Call:
    """A module call while it is being recorded."""

    entry: int
    caller: int | None
    inputs: tuple[int, ...]
    first_op: int
    outputs: tuple[int, ...] = ()
    end_op: int = 0
    turns: dict[int, int] = field(default_factory=dict)


class _CallStack(local):
    """The calls that are running in this thread, the innermost last."""

    def __init__(self) -> None:
        self.calls: list[int] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class _OpKind:
    """The properties of an op that do not depend on its arguments."""

    written: tuple[int | str, ...]
    calls_functions: bool
    is_functional: bool
    is_in_place: bool


@dataclass(slots=True)
class _Arguments:
    """An op's arguments as plain data.

    Attributes:
        args: positional arguments.
        kwargs: keyword arguments.
        reads: numbers of the tensors among them.
        key: everything that the layout of the result may depend on.
    """

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    reads: list[int] = field(default_factory=list)
    key: list[Any] = field(default_factory=list)


class Recorder(TorchDispatchMode):
    """A dispatch mode that records every op while it is active, and every module call of an instrumented tree.

    Attributes:
        tensors: the tensors seen so far.
        entries: the module tree.
        first_backward_op: position of the first op of the backward pass; None without a backward pass.
    """

    supports_higher_order_operators = True

    def __init__(self, entries: tuple[ModuleEntry, ...]) -> None:
        super().__init__()
        self.tensors = TensorTable()
        self.entries = entries
        self.first_backward_op: int | None = None
        self._failed: _Call | None = None
        self._entries_of: dict[int, list[int]] = {}
        self._entries_by_parent: dict[tuple[int | None, int], list[int]] = {}
        for position, entry in enumerate(entries):
            self._entries_of.setdefault(id(entry.module), []).append(position)
            self._entries_by_parent.setdefault((entry.parent, id(entry.module)), []).append(position)
        self._ends = find_subtree_ends(entries)
        self._calls: list[_Call] = []
        self._root_ran = False
        self._stack = _CallStack()
        self._lock = RLock()
        self._ops: list[tuple[Any, int, tuple[Any, ...], dict[str, Any], tuple[int, ...], tuple[int, ...]]] = []
        self._kinds: dict[Any, _OpKind] = {}
        self._wrapper_classes: dict[type, bool] = {}
        self._cache = OpCache(self.tensors)
        self._decomposing: set[Any] = set()
        self._generators = torch_compat.PrivateGenerators()
        self._origins = Origins()
        self._saved_tensors: list[tuple[int, int]] = []
        self._with_gradients = True
        self._origin_of_failure = 0
        self._converted: dict[int, dict[int, int]] = {}

    # Modules

    @contextmanager
    def instrument(self) -> Iterator[None]:
        """Wraps ``forward`` of every module, so that a direct ``self.child.forward(x)`` is recorded, too."""
        try:
            for entry in self.entries:
                # A scripted module with several forward methods, such as a recurrent layer, has no ``forward``.
                if entry.same_as is None and hasattr(entry.module, "forward"):
                    attributes = vars(entry.module)
                    recorded = self._wrap_forward(entry.module)
                    recorded.__dict__[_ORIGINAL_FORWARD] = attributes.get("forward", _MISSING)
                    attributes["forward"] = recorded
            yield
        finally:
            for entry in self.entries:
                restore_forward(entry.module)

    def _wrap_forward(self, module: nn.Module) -> Callable[..., Any]:
        """Returns the module's ``forward`` in a wrapper that records each call."""
        forward = torch_compat.get_traceable_forward(module)
        is_root = module is self.entries[0].module

        def recorded(*args: Any, **kwargs: Any) -> Any:
            if is_root and not self._root_ran:
                self._root_ran = True
                return forward(*args, **kwargs)
            return self._call(module, forward, args, kwargs)

        return update_wrapper(recorded, forward)

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Calls the root without gradients. Its call is the first, and includes what its hooks and ``__call__`` run."""
        root = self.entries[0].module
        self._with_gradients = False
        with self.instrument(), torch.no_grad(), self._watch_conversions(), self:
            self._call(root, root, args, kwargs)

    def run_step(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Calls the root with gradients, then runs the backward pass from its outputs.

        Raises:
            UntrainableError: none of the outputs requires a gradient.
        """
        root = self.entries[0].module
        with self.instrument(), torch.enable_grad(), self._watch_conversions():
            with self, record_saved_tensors(self._record_saved_tensor):
                result = self._call(root, root, args, kwargs)
            outputs = find_differentiable_outputs(result, get_type_name(root))
            self.first_backward_op = len(self._ops)
            with self:
                run_backward(outputs)

    def _watch_conversions(self) -> AbstractContextManager[Any]:
        """Returns a context that records conversions to NumPy or Python values, which are impossible on meta."""
        parameters = (item for entry in self.entries for item in entry.module._parameters.values() if item is not None)
        first = next(parameters, None)
        return nullcontext() if first is not None and first.is_meta else ConversionMode(self._record_conversion)

    def _record_conversion(self, tensor: Tensor, function: str) -> None:
        """Records a conversion as an op without a formula once more than a few elements of a storage were converted."""
        with self._lock:
            number = self.tensors.index(tensor)
            converted = self._converted.setdefault(self.tensors.get_storage(number), {})
            converted[number] = tensor.numel()
            if sum(converted.values()) > MAX_UNCOUNTED_ELEMENTS:
                self._record(function, _Arguments(args=(self.tensors.refs[number],), reads=[number]), ())

    def _record_saved_tensor(self, tensor: Tensor) -> None:
        running = self._stack.calls
        with self._lock:
            self._saved_tensors.append((running[-1] if running else 0, self.tensors.index(tensor)))

    def _call(self, module: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        running = self._stack.calls
        if not running and self._calls and not torch_compat.is_active(self):
            # A thread that the model started. Modes are per thread, so this one enters them, too.
            running.append(0)
            try:
                with torch.set_grad_enabled(self._with_gradients), torch_compat.disable_compilation(), self:
                    return self._call(module, forward, args, kwargs)
            finally:
                running.pop()
        number, call = self._enter(module, args, kwargs)
        running.append(number)
        self._origins.enter(number)
        try:
            result = forward(*args, **kwargs)
            call.outputs = self._number_tensors(result)
        except BaseException:
            self._failed = self._failed or call
            raise
        finally:
            call.end_op = len(self._ops)
            running.pop()
            self._origins.enter(running[-1] if running else 0)
        return result

    def _enter(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[int, _Call]:
        running = self._stack.calls
        caller = running[-1] if running else None
        with self._lock:
            call = _Call(
                entry=self._find_entry(module, caller),
                caller=caller,
                inputs=self._number_tensors((args, kwargs)),
                first_op=len(self._ops),
            )
            self._calls.append(call)
            return len(self._calls) - 1, call

    def _find_entry(self, module: nn.Module, caller: int | None) -> int:
        """Returns the entry to which a call of the module is attributed.

        A child of the caller is preferred. If the caller has the module under several names, they take turns, because
        ``Sequential`` runs them in that order. Otherwise it is the entry that shares most of its path with the caller.
        """
        candidates = self._entries_of[id(module)]
        if len(candidates) == 1 or caller is None:
            return candidates[0]
        above: int | None = self._calls[caller].entry
        children = self._entries_by_parent.get((above, id(module)))
        if children:
            turns = self._calls[caller].turns
            turn = turns.get(id(module), 0)
            turns[id(module)] = turn + 1
            return children[turn % len(children)]
        while above:
            following = bisect_right(candidates, above)
            if following < len(candidates) and candidates[following] < self._ends[above]:
                return candidates[following]
            above = self.entries[above].parent
        return candidates[0]

    # Ops

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if types and any(self._is_wrapper_class(kind) for kind in types):
            return NotImplemented  # the subclass comes next, and runs ops on its inner tensors, which arrive here
        kind = self._kinds.get(func)
        if kind is None:
            # Nested tensors have dedicated kernels for some of these. An op that decomposes into itself runs as it is.
            nested = any(isinstance(value, Tensor) and value.is_nested for value in args)
            if torch_compat.is_composite(func) and func not in self._decomposing and not nested:
                self._decomposing.add(func)
                try:
                    with self:
                        return func.decompose(*args, **kwargs)
                finally:
                    self._decomposing.discard(func)
            kind = self._kinds[func] = _OpKind(
                written=torch_compat.find_written_arguments(func),
                calls_functions=torch_compat.is_calling_operator(func),
                is_functional=torch_compat.is_functional(func),
                is_in_place=torch_compat.is_in_place(func),
            )
        if kind.calls_functions:
            return func(*self._wrap_functions(args), **self._wrap_functions(kwargs))
        if kind.is_functional or kind.is_in_place:
            return self._run_cached(func, kind, args, kwargs)
        result = self._run(func, args, kwargs)
        with self._lock:
            constant = torch_compat.read_constant(func, args)
            arguments = self._convert_arguments(args, kwargs) if constant is None else _Arguments(args=(constant,))
            writes = self._number_tensors(result)
            for position in kind.written:
                value = _get_argument(position, args, kwargs)
                if isinstance(value, Tensor) and (number := self.tensors.index(value)) not in writes:
                    writes = (*writes, number)
            self._record(func, arguments, writes)
        return result

    def _is_wrapper_class(self, kind: type) -> bool:
        known = self._wrapper_classes.get(kind)
        if known is None:
            known = self._wrapper_classes[kind] = torch_compat.is_wrapper_class(kind)
        return known

    def _run(self, func: Any, args: Any, kwargs: Any) -> Any:
        try:
            return self._generators.run(func, args, kwargs)
        except BaseException:
            self._origin_of_failure = self._origins.find_current_call()
            raise

    def _run_cached(self, func: Any, kind: _OpKind, args: Any, kwargs: Any) -> Any:
        """Returns the result of an op, without running it if the cache has the layout of its result."""
        with self._lock:
            arguments = self._convert_arguments(args, kwargs)
            reads = arguments.reads
            # The written tensor must not overlap the others: whether torch refuses that depends on more than the sizes.
            is_cacheable = kind.is_functional or len(reads) == len(set(map(self.tensors.get_storage, reads)))
        key = (func, torch.get_default_dtype(), *arguments.key)
        result = self._cache.lookup(key, args) if is_cacheable else None
        is_cached = result is not None
        if not is_cached:
            result = self._run(func, args, kwargs)
        with self._lock:
            if not is_cached and is_cacheable:
                store = self._cache.store if kind.is_functional else self._cache.store_in_place
                store(key, reads, result)
            self._record(func, arguments, self._number_tensors(result))
        return result

    def _wrap_functions(self, value: Any) -> Any:
        """Wraps the functions in ``value`` to record their ops: a higher-order operator calls them below this mode."""
        if isinstance(value, (list, tuple)):
            return type(value)(self._wrap_functions(item) for item in value)
        if isinstance(value, dict):
            return {name: self._wrap_functions(item) for name, item in value.items()}
        if not callable(value) or isinstance(value, Tensor):
            return value

        @wraps(value)
        def recorded(*args: Any, **kwargs: Any) -> Any:
            with self:
                return value(*args, **kwargs)

        return recorded

    def _record(self, func: Any, arguments: _Arguments, writes: tuple[int, ...]) -> None:
        running = self._stack.calls
        call = running[-1] if running else self._origins.find_current_call()
        self._ops.append((func, call, arguments.args, arguments.kwargs, tuple(arguments.reads), writes))

    def _convert_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Arguments:
        arguments = _Arguments()
        arguments.args = tuple([self._convert(value, arguments) for value in args])
        for name, value in kwargs.items():
            arguments.key.append(name)
            arguments.kwargs[name] = self._convert(value, arguments)
        return arguments

    def _convert(self, value: Any, arguments: _Arguments) -> Any:
        """Returns an op's argument as plain data, and adds its tensors to ``reads`` and all of it to ``key``."""
        if isinstance(value, Tensor):
            number = self.tensors.index(value)
            arguments.reads.append(number)
            arguments.key.append(self._cache.tensor_key(value, number))
            return self.tensors.refs[number]
        if value is None:
            arguments.key.append(None)
            return None
        arguments.key.append(type(value))
        if isinstance(value, (list, tuple)):
            arguments.key.append(len(value))
            return tuple([self._convert(item, arguments) for item in value])
        arguments.key.append(value_key(value))
        if isinstance(value, (bool, int, float, str)):
            return value
        packed = self.tensors.unpack(value)
        if packed is not None:
            return self._convert(packed, arguments)
        return _format_value(value)

    def _number_tensors(self, value: Any) -> tuple[int, ...]:
        """Returns the numbers of the tensors in nested lists, tuples, dicts and objects with attributes, in order."""
        if isinstance(value, Tensor):
            return (self.tensors.index(value),)
        return tuple([self.tensors.index(tensor) for tensor in find_tensors(value)])

    # Results

    def describe_failure(self, error: BaseException, *, inputs: tuple[InputSpec, ...], device: str) -> LayerFailure:
        """Returns a description of the pass that raised ``error``, and of the module that was running."""
        backward = self.first_backward_op is not None
        failed = self._calls[self._origin_of_failure] if backward and not self._failed else self._failed
        entry = self.entries[failed.entry if failed else 0]
        forward = inspect.getattr_static(entry.module, "forward", None)
        traced = self.tensors.export()
        return LayerFailure(
            phase="backward" if backward else "forward",
            path=entry.path,
            type_name=get_type_name(entry.module),
            is_torch_layer=(getattr(forward, "__module__", None) or "").startswith("torch.nn"),
            hyperparameters=collect_hyperparameters(entry.module),
            weight_dtype=next(
                (dtype_name(item.dtype) for item in entry.module._parameters.values() if item is not None), None
            ),
            layer_inputs=tuple(traced[tensor].spec for tensor in (failed.inputs if failed else ())),
            inputs=inputs,
            message=describe_error(error),
            device=device,
        )

    def export_calls(self) -> tuple[ModuleCall, ...]:
        """Returns the module calls as plain data."""
        return tuple(
            ModuleCall(
                module=call.entry,
                caller=call.caller,
                inputs=call.inputs,
                outputs=call.outputs,
                ops=(call.first_op, call.end_op),
            )
            for call in self._calls
        )

    def export_saved_tensors(self) -> tuple[SavedTensor, ...]:
        """Returns the tensors that autograd saved for the backward pass, in order."""
        return tuple(SavedTensor(call=call, tensor=tensor) for call, tensor in self._saved_tensors)

    def describe_conversions(self) -> tuple[str, ...]:
        """Returns a note for each module that converted tensors to NumPy or Python values."""
        found: dict[tuple[str, int], int] = {}
        for func, call, _, _, reads, _ in self._ops:
            if isinstance(func, str):
                key = (func, self._calls[call].entry)
                found[key] = found.get(key, 0) + prod(self.tensors.get_layout(reads[0]).plain_shape)
        return tuple(
            f"{self.entries[entry].path or get_type_name(self.entries[entry].module)} converts {elements:,} elements "
            f"to NumPy or Python values with {function}; computations on these are not counted"
            for (function, entry), elements in found.items()
        )

    def export_ops(self) -> tuple[TracedOp, ...]:
        """Returns the ops as plain data."""
        names: dict[Any, tuple[str, str]] = {}
        traced = []
        for func, call, args, kwargs, reads, writes in self._ops:
            if func not in names:
                names[func] = (func, "") if isinstance(func, str) else torch_compat.get_op_name(func)
            name, overload = names[func]
            traced.append(
                TracedOp(name=name, overload=overload, call=call, args=args, kwargs=kwargs, reads=reads, writes=writes)
            )
        return tuple(traced)


def restore_forward(module: nn.Module) -> None:
    """Restores the original ``forward`` of an instrumented module, or of a copy of one."""
    attributes = vars(module)
    original = getattr(attributes.get("forward"), _ORIGINAL_FORWARD, None)
    if original is _MISSING:
        del attributes["forward"]
    elif original is not None:
        attributes["forward"] = original


def _format_value(value: Any) -> str:
    """Returns the text that represents an argument that is neither a tensor nor a plain value."""
    if isinstance(value, torch.dtype):
        return dtype_name(value)
    return getattr(value, "__qualname__", type(value).__name__) if callable(value) else str(value)


def _get_argument(position: int | str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if isinstance(position, str):
        return kwargs.get(position)
    return args[position] if position < len(args) else None


def count_recorded_ops() -> int:
    """Returns the number of ops that this thread's recorder has recorded; 0 if none is active."""
    mode = torch_compat.get_innermost_mode()
    return len(mode._ops) if isinstance(mode, Recorder) else 0


def record_op(op: torch_compat.UnrunOp, given: list[Tensor]) -> Any:
    """Returns the results of ``op``, after this thread's recorder has recorded it as if torch had dispatched it."""
    if not isinstance(torch_compat.get_innermost_mode(), Recorder):
        return op()
    with torch_compat.pop_innermost_mode() as mode:
        return mode.__torch_dispatch__(op, (), tuple(given), {})
