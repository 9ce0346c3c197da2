"""Fingerprints of the computation in each module, which do not depend on the version of torch or the device."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain
from typing import Any

from netscope.analysis.computation.rewriting import evaluate
from netscope.analysis.computation.values import Value, make_value
from netscope.analysis.dataflow import is_view
from netscope.schema import TensorRef, Trace, TracedOp


@dataclass(frozen=True, slots=True, kw_only=True)
class Computation:
    """What a module computes itself, without its children.

    Attributes:
        fingerprint: hashes, ``"sizes-ops"``: one of the sizes of the tensors that the module did not compute, one of
            what it computes from them and returns first; then one of each further value that it returns. Empty if it
            was not called.
        operations: canonical name of each op that computes something → how often it ran.
    """

    fingerprint: str = ""
    operations: dict[str, int] = field(default_factory=dict)


def fingerprint_modules(trace: Trace) -> tuple[Computation, ...]:
    """Returns what each module computes.

    Two modules have the same fingerprint if their calls compute the same results from the same kinds of tensors. These
    differ in an op, in an argument, such as a number of heads, in the tensors used as operands, or in what is returned
    or given to a child. A tensor is identified by its origin: an input, a parameter, or a call that the module made.
    Names have no influence, nor has the order of independent ops.
    """
    recording = _Recording(trace)
    for position, op in enumerate(trace.ops[: trace.first_backward_op]):
        recording.add(position, op)
    return recording.finish()


@dataclass(slots=True)
class _Call:
    """A module call while its ops are read.

    Attributes:
        values: value of each tensor, and the position of the op that wrote it.
        used: keys of the values that an op of the call reads.
        made: values of the ops of the call, by key.
        children: the calls that it made.
        given: values that it gave to each of them.
        returned: values that it returned, as they were then: a later op may change them in place.
        rank: number of this call among those of its caller.
        elsewhere: number of tensors from neither its inputs, its module nor its children.
    """

    values: dict[int, tuple[Value, int]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    made: dict[str, Value] = field(default_factory=dict)
    children: list[int] = field(default_factory=list)
    given: list[list[Value]] = field(default_factory=list)
    returned: list[Value] = field(default_factory=list)
    rank: int = 0
    elsewhere: int = 0


class _Recording:
    """Reads a trace's ops in order, and evaluates each from the view of the call that ran it."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._calls = [_Call() for _ in trace.calls]
        self._changed: dict[int, tuple[int, int, Value]] = {}
        self._pending = 0
        self._open: list[int] = []
        self._own = [
            {trace.tensors[item.tensor].storage: item.name for item in (*module.parameters, *module.buffers)
             if item.tensor is not None}
            for module in trace.modules
        ]  # fmt: skip

    def add(self, position: int, op: TracedOp) -> None:
        """Adds an op to the call that ran it."""
        self._open_calls(position)
        if self._trace.modules[self._trace.calls[op.call].module].is_recurrent:
            return
        call = self._calls[op.call]
        operands = {tensor: self._find_value(tensor, op.call) for tensor in op.reads}
        call.used.update(value.key for value in operands.values())
        results = [(self._trace.tensors[tensor].shape, self._trace.tensors[tensor].dtype) for tensor in op.writes]
        args: Any = _replace_tensors(op.args, operands)
        kwargs: Any = _replace_tensors(op.kwargs, operands)
        values = evaluate(op, args, kwargs, results)
        for tensor, value in zip(op.writes, values, strict=False):
            call.values[tensor] = (value, position)
            call.made[value.key] = value
        if not is_view(op, self._trace):
            read = {self._trace.tensors[tensor].storage for tensor in op.reads}
            for tensor, value in zip(op.writes, values, strict=False):
                if self._trace.tensors[tensor].storage in read:
                    self._changed[self._trace.tensors[tensor].storage] = (position, op.call, value)

    def _open_calls(self, position: int) -> None:
        """Opens the calls that start before the op at ``position``, and closes those that ended."""
        calls = self._trace.calls
        while True:
            starts = self._pending < len(calls) and calls[self._pending].ops[0] <= position
            start = calls[self._pending].ops[0] if starts else position
            while (
                self._open
                and calls[self._open[-1]].ops[1] <= start
                and (not starts or calls[self._pending].caller != self._open[-1])
            ):
                self._close(self._open.pop())
            if not starts:
                return
            self._enter(self._pending)
            self._pending += 1

    def _enter(self, number: int) -> None:
        caller = self._trace.calls[number].caller
        if caller is not None:
            above = self._calls[caller]
            self._calls[number].rank = len(above.children)
            above.children.append(number)
            above.given.append([self._find_value(tensor, caller) for tensor in self._trace.calls[number].inputs])
        self._open.append(number)

    def _close(self, number: int) -> None:
        """Makes the outputs of a call known to its caller."""
        call = self._trace.calls[number]
        self._calls[number].returned = [self._find_value(tensor, number) for tensor in call.outputs]
        if call.caller is not None:
            above = self._calls[call.caller]
            for rank, tensor in reversed(
                list(enumerate(call.outputs))
            ):  # one that is returned twice counts as the first
                traced = self._trace.tensors[tensor]
                value = make_value("call", (self._calls[number].rank, rank), traced.shape, traced.dtype)
                above.values[tensor] = (value, call.ops[1])

    def _find_value(self, tensor: int, number: int) -> Value:
        """Returns the value of a tensor from the view of a call."""
        call = self._calls[number]
        known = call.values.get(tensor)
        if known is None:
            known = call.values[tensor] = (self._find_origin(tensor, number), self._trace.calls[number].ops[0])
        value, since = known
        position, changer, change = self._changed.get(self._trace.tensors[tensor].storage, (-1, 0, value))
        if position <= since:
            return value
        by = change if changer == number else str(self._find_child(changer, number))
        before = value.args[0] if value.name == "after" else value
        return make_value("after", (before, by), value.shape, value.dtype)

    def _find_child(self, number: int | None, caller: int) -> int:
        """Returns the number among the caller's calls of the one that contains another call; -1 if none does."""
        while number is not None and self._trace.calls[number].caller != caller:
            number = self._trace.calls[number].caller
        return -1 if number is None else self._calls[number].rank

    def _find_origin(self, tensor: int, number: int) -> Value:
        """Returns the value of a tensor that the call did not compute."""
        traced, running = self._trace.tensors[tensor], self._trace.calls[number]
        name = self._own[running.module].get(traced.storage)
        if name is not None:
            return make_value("own", (name,), traced.shape, traced.dtype)
        if tensor in running.inputs:
            return make_value("input", (running.inputs.index(tensor),), traced.shape, traced.dtype)
        given = [self._trace.tensors[item].storage for item in running.inputs]
        if traced.storage in given:
            return make_value("input", (given.index(traced.storage),), traced.shape, traced.dtype)
        self._calls[number].elsewhere += 1
        return make_value("elsewhere", (self._calls[number].elsewhere,), traced.shape, traced.dtype)

    def finish(self) -> tuple[Computation, ...]:
        """Returns what all modules compute, after closing the calls that are open."""
        self._open_calls(len(self._trace.ops))
        while self._open:
            self._close(self._open.pop())
        calls_of: list[list[int]] = [[] for _ in self._trace.modules]
        for number, call in enumerate(self._trace.calls):
            calls_of[call.module].append(number)
        return tuple(self._combine(module, calls) for module, calls in enumerate(calls_of))

    def _combine(self, module: int, numbers: list[int]) -> Computation:
        """Returns what a module computes in all of its calls."""
        if not numbers:
            return Computation()
        sizes, ops = blake2b(digest_size=6), blake2b(digest_size=6)
        operations: dict[str, int] = {}
        more: dict[str, None] = {}
        for number in numbers:
            call = self._calls[number]
            # Whatever is returned after the first value counts as computed, whether it is returned or not.
            reached = _reach([*call.returned[:1], *chain.from_iterable(call.given)])
            effects = [
                value
                for key, value in call.made.items()
                if key not in reached and key not in call.used and value.is_operation
            ]
            reached |= _reach(effects)
            found = [*reached.values(), *self._list_inputs(number)]
            external = sorted({f"{value.shape}{value.dtype}" for value in found if value.is_external})
            sizes.update(f"{external}{len(call.children)}".encode())
            ops.update(repr(self._describe_call(number, effects)).encode())
            more |= {blake2b(value.key.encode(), digest_size=3).hexdigest(): None for value in call.returned[1:]}
            for value in reached.values():
                if value.is_operation:
                    operations[value.name] = operations.get(value.name, 0) + 1
        if self._trace.modules[module].is_recurrent:
            operations = {self._trace.modules[module].type_name.lower(): len(numbers)}
        return Computation(
            fingerprint="-".join((sizes.hexdigest(), ops.hexdigest(), *more)),
            operations=dict(sorted(operations.items())),
        )

    def _list_inputs(self, number: int) -> list[Value]:
        """Returns the inputs of a call whose ops are not evaluated."""
        call = self._trace.calls[number]
        is_recurrent = self._trace.modules[call.module].is_recurrent
        return [self._find_origin(tensor, number) for tensor in call.inputs] if is_recurrent else []

    def _describe_call(self, number: int, effects: list[Value]) -> Any:
        """Returns what a call returns first, changes, and gives to its children, as plain values."""
        call = self._calls[number]
        modules = [self._trace.calls[made].module for made in call.children]
        rank = {module: position for position, module in enumerate(dict.fromkeys(modules))}
        given = [["" if value.is_external else value.key for value in values] for values in call.given]
        return (
            [value.key for value in call.returned[:1]],
            sorted(value.key for value in effects),
            [(rank[module], keys) for module, keys in zip(modules, given, strict=True)],
        )


def _replace_tensors(value: Any, operands: dict[int, Value]) -> Any:
    """Returns arguments with values in place of tensors."""
    if isinstance(value, TensorRef):
        return operands[value.tensor]
    if isinstance(value, tuple):
        return tuple([_replace_tensors(item, operands) for item in value])
    if isinstance(value, dict):
        return {name: _replace_tensors(item, operands) for name, item in value.items()}
    return value


def _reach(values: Iterable[Value]) -> dict[str, Value]:
    """Returns the values from which others are computed, and these themselves, by key."""
    found: dict[str, Value] = {}
    pending: list[Any] = list(values)
    while pending:
        value = pending.pop()
        if isinstance(value, Value):
            if value.key not in found:
                found[value.key] = value
                pending += value.args
        elif isinstance(value, tuple):
            pending += value
    return found
