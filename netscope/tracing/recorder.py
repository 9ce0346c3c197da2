"""Records one pass, or a forward and a backward one: every module call, every op, and the tensors between them."""

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

from netscope.errors import described
from netscope.schema import InputSpec, LayerFailure, ModuleCall, SavedTensor, TracedOp
from netscope.tracing import torch_compat
from netscope.tracing.backward import Origins, find_differentiable_outputs, kept_tensors, run_backward
from netscope.tracing.conversions import FEW, Departures
from netscope.tracing.modules import ModuleEntry, hyperparameters, subtree_ends, type_name
from netscope.tracing.op_cache import OpCache, part_of_key
from netscope.tracing.tensors import TensorTable, dtype_name, tensors_in

_MISSING = object()
_BEFORE = "_netscope_before"


@dataclass(slots=True)
class _Call:
    """A module call while it is being recorded."""

    place: int
    caller: int | None
    inputs: tuple[int, ...]
    first_op: int
    outputs: tuple[int, ...] = ()
    end_op: int = 0
    children: dict[int, int] = field(default_factory=dict)


class _Running(local):
    """The calls that are running in this thread, the innermost last."""

    def __init__(self) -> None:
        self.calls: list[int] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class _OpKind:
    """What is known of an op, whatever it is given."""

    written: tuple[int | str, ...]
    runs_others: bool
    is_functional: bool
    is_in_place: bool


@dataclass(slots=True)
class _Arguments:
    """An op's arguments as plain data, the tensors among them, and what the result may depend on."""

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    reads: list[int] = field(default_factory=list)
    key: list[Any] = field(default_factory=list)


class Recorder(TorchDispatchMode):
    """Sees every op that torch dispatches while it is active, and every module call of an instrumented tree."""

    supports_higher_order_operators = True

    def __init__(self, places: tuple[ModuleEntry, ...]) -> None:
        super().__init__()
        self.tensors = TensorTable()
        self.places = places
        self._failed: _Call | None = None
        self._places_of: dict[int, list[int]] = {}
        self._children_of: dict[tuple[int | None, int], list[int]] = {}
        for position, place in enumerate(places):
            self._places_of.setdefault(id(place.module), []).append(position)
            self._children_of.setdefault((place.parent, id(place.module)), []).append(position)
        self._ends = subtree_ends(places)
        self._calls: list[_Call] = []
        self._root_ran = False
        self._running = _Running()
        self._lock = RLock()
        self._ops: list[tuple[Any, int, tuple[Any, ...], dict[str, Any], tuple[int, ...], tuple[int, ...]]] = []
        self._kinds: dict[Any, _OpKind] = {}
        self._wrappers: dict[type, bool] = {}
        self._results = OpCache(self.tensors)
        self._decomposing: set[Any] = set()
        self._numbers = torch_compat.PrivateGenerators()
        self._origins = Origins()
        self._kept: list[tuple[int, int]] = []
        self._with_gradients = True
        self._first_backward_op: int | None = None
        self._origin_of_failure = 0
        self._left: dict[int, dict[int, int]] = {}

    # Modules

    @contextmanager
    def instrumented(self) -> Iterator[None]:
        """Wraps ``forward`` of every module, so that a direct ``self.child.forward(x)`` is seen as well."""
        try:
            for place in self.places:
                # A scripted module has no ``forward`` where it has several of them, as a recurrent layer does.
                if place.same_as is None and hasattr(place.module, "forward"):
                    attributes = vars(place.module)
                    recorded = self._recorded(place.module)
                    recorded.__dict__[_BEFORE] = attributes.get("forward", _MISSING)
                    attributes["forward"] = recorded
            yield
        finally:
            for place in self.places:
                unrecord(place.module)

    def _recorded(self, module: nn.Module) -> Callable[..., Any]:
        """The module's ``forward``, each call of which is recorded."""
        forward = torch_compat.as_written(module)
        is_root = module is self.places[0].module

        def recorded(*args: Any, **kwargs: Any) -> Any:
            if is_root and not self._root_ran:
                self._root_ran = True
                return forward(*args, **kwargs)
            return self._call(module, forward, args, kwargs)

        return update_wrapper(recorded, forward)

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Calls the root, without gradients. Its call is the first, and holds what its hooks and ``__call__`` run."""
        root = self.places[0].module
        self._with_gradients = False
        with self.instrumented(), torch.no_grad(), self._departures(), self:
            self._call(root, root, args, kwargs)

    def run_step(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Calls the root with gradients, and then runs the backward pass from what it returned.

        Raises:
            UntrainableError: nothing that it returned has a gradient.
        """
        root = self.places[0].module
        with self.instrumented(), torch.enable_grad(), self._departures():
            with self, kept_tensors(self._keep):
                result = self._call(root, root, args, kwargs)
            outputs = find_differentiable_outputs(result, type_name(root))
            self._first_backward_op = len(self._ops)
            with self:
                run_backward(outputs)

    def _departures(self) -> AbstractContextManager[Any]:
        """Sees tensors leave torch; on meta none can."""
        parameters = (item for place in self.places for item in place.module._parameters.values() if item is not None)
        first = next(parameters, None)
        return nullcontext() if first is not None and first.is_meta else Departures(self._leave)

    def _leave(self, tensor: Tensor, way: str) -> None:
        """Records that ``tensor`` left as an op without a formula, if more than a few elements of its storage did."""
        with self._lock:
            number = self.tensors.index(tensor)
            left = self._left.setdefault(self.tensors.storage_of(number), {})
            left[number] = tensor.numel()
            if sum(left.values()) > FEW:
                self._record(way, _Arguments(args=(self.tensors.refs[number],), reads=[number]), ())

    def _keep(self, tensor: Tensor) -> None:
        running = self._running.calls
        with self._lock:
            self._kept.append((running[-1] if running else 0, self.tensors.index(tensor)))

    def _call(self, module: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        running = self._running.calls
        if not running and self._calls and not torch_compat.is_active(self):
            # A thread that the model started: modes hold for the thread that entered them, so this one enters too.
            running.append(0)
            try:
                with torch.set_grad_enabled(self._with_gradients), torch_compat.uncompiled(), self:
                    return self._call(module, forward, args, kwargs)
            finally:
                running.pop()
        number, call = self._enter(module, args, kwargs)
        running.append(number)
        self._origins.now_in(number)
        try:
            result = forward(*args, **kwargs)
            call.outputs = self._indices(result)
        except BaseException:
            self._failed = self._failed or call
            raise
        finally:
            call.end_op = len(self._ops)
            running.pop()
            self._origins.now_in(running[-1] if running else 0)
        return result

    def _enter(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[int, _Call]:
        running = self._running.calls
        caller = running[-1] if running else None
        with self._lock:
            call = _Call(
                place=self._place_called(module, caller),
                caller=caller,
                inputs=self._indices((args, kwargs)),
                first_op=len(self._ops),
            )
            self._calls.append(call)
            return len(self._calls) - 1, call

    def _place_called(self, module: nn.Module, caller: int | None) -> int:
        """Which of the module's places this call means.

        A child of the caller, if it is one; under several names, they take turns (``Sequential`` runs them in that
        order). Otherwise the one that shares most of its path with the caller.
        """
        candidates = self._places_of[id(module)]
        if len(candidates) == 1 or caller is None:
            return candidates[0]
        above: int | None = self._calls[caller].place
        children = self._children_of.get((above, id(module)))
        if children:
            turns = self._calls[caller].children
            turn = turns.get(id(module), 0)
            turns[id(module)] = turn + 1
            return children[turn % len(children)]
        while above:
            following = bisect_right(candidates, above)
            if following < len(candidates) and candidates[following] < self._ends[above]:
                return candidates[following]
            above = self.places[above].parent
        return candidates[0]

    # Ops

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if types and any(self._wraps_tensors(kind) for kind in types):
            return NotImplemented  # its own class comes next, and runs ops on what it holds that are seen again
        kind = self._kinds.get(func)
        if kind is None:
            # Nested tensors have kernels of their own for some of these; an op that decomposes into itself is as it is.
            nested = any(isinstance(value, Tensor) and value.is_nested for value in args)
            if torch_compat.decomposes(func) and func not in self._decomposing and not nested:
                self._decomposing.add(func)
                try:
                    with self:
                        return func.decompose(*args, **kwargs)
                finally:
                    self._decomposing.discard(func)
            kind = self._kinds[func] = _OpKind(
                written=torch_compat.written_arguments(func),
                runs_others=torch_compat.runs_others(func),
                is_functional=torch_compat.is_functional(func),
                is_in_place=torch_compat.is_in_place(func),
            )
        if kind.runs_others:
            return func(*self._listening(args), **self._listening(kwargs))
        if kind.is_functional or kind.is_in_place:
            return self._run_or_repeat(func, kind, args, kwargs)
        result = self._run(func, args, kwargs)
        with self._lock:
            told = self._told(args, kwargs)
            writes = self._indices(result)
            for place in kind.written:
                value = _argument(place, args, kwargs)
                if isinstance(value, Tensor) and (number := self.tensors.index(value)) not in writes:
                    writes = (*writes, number)
            self._record(func, told, writes)
        return result

    def _wraps_tensors(self, kind: type) -> bool:
        known = self._wrappers.get(kind)
        if known is None:
            known = self._wrappers[kind] = torch_compat.wraps_tensors(kind)
        return known

    def _run(self, func: Any, args: Any, kwargs: Any) -> Any:
        try:
            return self._numbers.run(func, args, kwargs)
        except BaseException:
            self._origin_of_failure = self._origins.of_current_node()
            raise

    def _run_or_repeat(self, func: Any, kind: _OpKind, args: Any, kwargs: Any) -> Any:
        """The result of an op that can be made without running it, if it is known what it looks like."""
        with self._lock:
            told = self._told(args, kwargs)
            # What is written into must not overlap what is read: torch refuses that, or not, by more than the sizes.
            is_alone = kind.is_functional or len(told.reads) == len(set(map(self.tensors.storage_of, told.reads)))
        key = (func, torch.get_default_dtype(), *told.key)
        result = self._results.lookup(key, args) if is_alone else None
        is_known = result is not None
        if not is_known:
            result = self._run(func, args, kwargs)
        with self._lock:
            if not is_known and is_alone:
                learn = self._results.learn if kind.is_functional else self._results.learn_in_place
                learn(key, told.reads, result)
            self._record(func, told, self._indices(result))
        return result

    def _listening(self, value: Any) -> Any:
        """``value`` with its functions recording what they run: a higher-order operator calls them below us."""
        if isinstance(value, (list, tuple)):
            return type(value)(self._listening(item) for item in value)
        if isinstance(value, dict):
            return {name: self._listening(item) for name, item in value.items()}
        if not callable(value) or isinstance(value, Tensor):
            return value

        @wraps(value)
        def recorded(*args: Any, **kwargs: Any) -> Any:
            with self:
                return value(*args, **kwargs)

        return recorded

    def _record(self, func: Any, told: _Arguments, writes: tuple[int, ...]) -> None:
        running = self._running.calls
        call = running[-1] if running else self._origins.of_current_node()
        self._ops.append((func, call, told.args, told.kwargs, tuple(told.reads), writes))

    def _told(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Arguments:
        told = _Arguments()
        told.args = tuple([self._plain(value, told) for value in args])
        for name, value in kwargs.items():
            told.key.append(name)
            told.kwargs[name] = self._plain(value, told)
        return told

    def _plain(self, value: Any, told: _Arguments) -> Any:
        """An op's argument as plain data; the tensors in it are added to what is read, and all of it to the key."""
        if isinstance(value, Tensor):
            number = self.tensors.index(value)
            told.reads.append(number)
            told.key.append(self._results.part_of_key(value, number))
            return self.tensors.refs[number]
        if value is None:
            told.key.append(None)
            return None
        told.key.append(type(value))
        if isinstance(value, (list, tuple)):
            told.key.append(len(value))
            return tuple([self._plain(item, told) for item in value])
        told.key.append(part_of_key(value))
        if isinstance(value, (bool, int, float, str)):
            return value
        packed = self.tensors.unpacked(value)
        if packed is not None:
            return self._plain(packed, told)
        return _word_for(value)

    def _indices(self, value: Any) -> tuple[int, ...]:
        """The tensors in a nest of lists, tuples, dicts and objects with attributes, in order."""
        if isinstance(value, Tensor):
            return (self.tensors.index(value),)
        return tuple([self.tensors.index(tensor) for tensor in tensors_in(value)])

    # Results

    def failure(self, error: BaseException, *, inputs: tuple[InputSpec, ...], device: str) -> LayerFailure:
        """What is known of the pass that raised ``error``."""
        backward = self._first_backward_op is not None
        failed = self._calls[self._origin_of_failure] if backward and not self._failed else self._failed
        place = self.places[failed.place if failed else 0]
        traced = self.tensors.traced()
        return LayerFailure(
            phase="backward" if backward else "forward",
            path=place.path,
            type_name=type_name(place.module),
            is_torch_layer=_defined_in(inspect.getattr_static(place.module, "forward", None)).startswith("torch.nn"),
            hyperparameters=hyperparameters(place.module),
            weight_dtype=next(
                (dtype_name(item.dtype) for item in place.module._parameters.values() if item is not None), None
            ),
            layer_inputs=tuple(traced[tensor].spec for tensor in (failed.inputs if failed else ())),
            inputs=inputs,
            message=described(error),
            device=device,
        )

    def calls(self) -> tuple[ModuleCall, ...]:
        """The module calls as plain data."""
        return tuple(
            ModuleCall(
                module=call.place,
                caller=call.caller,
                inputs=call.inputs,
                outputs=call.outputs,
                ops=(call.first_op, call.end_op),
            )
            for call in self._calls
        )

    def kept(self) -> tuple[SavedTensor, ...]:
        """What autograd kept for the backward pass, in order."""
        return tuple(SavedTensor(call=call, tensor=tensor) for call, tensor in self._kept)

    def departures(self) -> tuple[str, ...]:
        """Where tensors left torch, in words."""
        found: dict[tuple[str, int], int] = {}
        for func, call, _, _, reads, _ in self._ops:
            if isinstance(func, str):
                key = (func, self._calls[call].place)
                found[key] = found.get(key, 0) + prod(self.tensors.layout_of(reads[0]).plain_shape)
        return tuple(
            f"{self.places[place].path or type_name(self.places[place].module)} hands {elements:,} elements to what is "
            f"not torch, by {way}: what is computed there is not counted"
            for (way, place), elements in found.items()
        )

    @property
    def first_backward_op(self) -> int | None:
        """Position of the first op of the backward pass; None if there was none."""
        return self._first_backward_op

    def ops(self) -> tuple[TracedOp, ...]:
        """The ops as plain data."""
        names: dict[Any, tuple[str, str]] = {}
        traced = []
        for func, call, args, kwargs, reads, writes in self._ops:
            if func not in names:
                names[func] = (func, "") if isinstance(func, str) else torch_compat.op_name(func)
            name, overload = names[func]
            traced.append(
                TracedOp(name=name, overload=overload, call=call, args=args, kwargs=kwargs, reads=reads, writes=writes)
            )
        return tuple(traced)


def unrecord(module: nn.Module) -> None:
    """Gives an instrumented module, or a copy of one, the ``forward`` that it had before."""
    attributes = vars(module)
    before = getattr(attributes.get("forward"), _BEFORE, None)
    if before is _MISSING:
        del attributes["forward"]
    elif before is not None:
        attributes["forward"] = before


def _defined_in(function: Any) -> str:
    """The name of the Python module that a function comes from."""
    return getattr(function, "__module__", None) or ""


def _word_for(value: Any) -> str:
    """What stands for an argument that is neither a tensor nor plain."""
    if isinstance(value, torch.dtype):
        return dtype_name(value)
    return getattr(value, "__qualname__", type(value).__name__) if callable(value) else str(value)


def _argument(place: int | str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if isinstance(place, str):
        return kwargs.get(place)
    return args[place] if place < len(args) else None


def ops_recorded() -> int:
    """How many ops the recorder of this thread has seen; 0 where none is active."""
    mode = torch_compat.innermost_mode()
    return len(mode._ops) if isinstance(mode, Recorder) else 0


def note_op(op: torch_compat.UnrunOp, given: list[Tensor]) -> Any:
    """What ``op`` returns, noted by the recorder of this thread as if torch had dispatched it."""
    if not isinstance(torch_compat.innermost_mode(), Recorder):
        return op()
    with torch_compat.without_innermost_mode() as mode:
        return mode.__torch_dispatch__(op, (), tuple(given), {})
