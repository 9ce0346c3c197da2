"""The ops of a saved program, one at a time: called by name on meta, or else known by what the file says of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from netscope.errors import BuildError, NetscopeError
from netscope.flops import get_zero_flop_reason, is_safe_to_call, is_side_effect_free
from netscope.schema.program import Argument, Graph, NameOrNumber, OptionalTensor, TensorMeta
from netscope.tracing import torch_compat
from netscope.tracing.recorder import note_op, ops_recorded
from netscope.tracing.saved_program.calls import Scope, Step, steps_of
from netscope.tracing.saved_program.values import OpenSizes, UnreadableArgumentError, dtype_of, number_of

MEMORY_FORMATS: Mapping[int, torch.memory_format] = MappingProxyType(
    {1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d, 4: torch.preserve_format}
)
STRIDED = 7

REPEATING = frozenset({"higher_order.map_impl", "higher_order.scan"})
"""Operators that run their body for each element. torch's own run it otherwise in one release than in the next."""

MOST_OPS = 100_000
"""That such bodies, and recurrent layers, may run in all."""

OPS_OF_A_STEP = 10
"""That a recurrent layer takes for each element of a sequence."""

NOT_RUN = " (not run)"
"""Behind the name of an op whose cost the file does not tell."""

_OPS = "torch.ops."
_CHECKS = ("aten._assert", "aten.sym_constrain", "aten._functional_assert")
_RECURRENT = ("aten.lstm", "aten.gru", "aten.rnn_tanh", "aten.rnn_relu")


class ProgramRun:
    """The tensors of one run of a program, which are on meta, and its ops."""

    def __init__(self, graph: Graph, sizes: OpenSizes) -> None:
        self.tensors: dict[str, Any] = {}
        self._graph = graph
        self._sizes = sizes
        self._ops_left = MOST_OPS

    def step(self, step: Step) -> None:
        """Runs an op. Checks are left out, and the sizes that ops compute are in the file."""
        target = step.node.target
        name, _, overload = target.removeprefix(_OPS).rpartition(".")
        if name.startswith(_CHECKS) or not (step.writes or not step.node.outputs):
            return
        if name == "higher_order":
            name, overload = f"higher_order.{overload}", ""
        is_op = target.startswith(_OPS)
        self._bind(step, self._result(step, name, overload) if is_op else self._noted(step, target + NOT_RUN, ""))

    def _result(self, step: Step, name: str, overload: str) -> Any:
        """What an op returns that is known to compute, and of any other what the file says of that."""
        before = ops_recorded()
        arguments: list[tuple[str, Any]] | None
        try:
            arguments = [(item.name, self._value(item.arg, step.scope)) for item in step.node.inputs]
        except UnreadableArgumentError:
            arguments = None
        try:
            call = None if arguments is None else self._call_of(name, overload, arguments, step)
            if call is not None:
                return call()
        except NetscopeError:
            raise
        except Exception:  # noqa: BLE001, S110 - it needs values, or is another torch's
            pass
        costs_nothing = bool(get_zero_flop_reason(name)) and is_side_effect_free(name)
        is_told = costs_nothing and ops_recorded() == before and not _is_open(step)
        return self._noted(step, name if is_told else name + NOT_RUN, overload)

    def _noted(self, step: Step, name: str, overload: str) -> Any:
        """What the file says of an op's results, noted under a name that has no formula, or none that is needed."""
        given = [self.tensors[read] for read in step.reads if read in self.tensors]
        results = [self._made(meta, name) for name, meta in zip(step.writes, _metas(step), strict=True)]
        return note_op(torch_compat.UnrunOp(name, overload or "default", results), given)

    def _call_of(
        self, name: str, overload: str, arguments: Sequence[tuple[str, Any]], step: Step
    ) -> Callable[[], Any] | None:
        """The call of an op on meta; None for what is not to be called."""
        if name in REPEATING:
            return self._repetition(name, [value for _, value in arguments])
        operator = torch_compat.operator_named(name, overload or "default") if is_safe_to_call(name) else None
        given = dict(arguments)
        if operator is None or not _is_bounded(name, given, len(step.writes)):
            return None
        if name.startswith(_RECURRENT) and isinstance(given.get("input"), Tensor):
            self._ops_left -= OPS_OF_A_STEP * max(given["input"].shape) * given.get("num_layers", 1)
            if self._ops_left < 0:
                return None
        return lambda: torch_compat.call_by_names(operator, arguments)

    def _repetition(self, name: str, values: list[Any]) -> Callable[[], Any] | None:
        """The call of an operator that runs its body for each element, unless these are too many."""
        body, *lists = values
        # A scan also carries values from one element to the next.
        carried, elements, others = lists if name.endswith("scan") else ([], *lists)
        times = min(tensor.shape[0] for tensor in elements)
        self._ops_left -= times * max(1, len(body.steps))
        if self._ops_left < 0:
            return None

        def repeated() -> list[Any]:
            state, found = list(carried), []
            for row in zip(*[torch.unbind(tensor) for tensor in elements], strict=True):
                results = list(_tensors_in(body(*state, *row, *others)))
                state, rest = results[: len(state)], results[len(state) :]
                found.append(rest)
            return [*state, *(torch.stack(column) for column in zip(*found, strict=True))]

        return repeated

    def _bind(self, step: Step, result: Any) -> None:
        """Gives the tensors of a result their names; what torch does not return is as the file says."""
        found = list(_tensors_in(result))
        self.tensors.update(zip(step.writes, found, strict=False))
        for name, meta in list(zip(step.writes, _metas(step), strict=True))[len(found) :]:
            self.tensors[name] = self._made(meta, name)

    def _made(self, meta: TensorMeta | None, name: str) -> Tensor:
        """A tensor as the file describes it."""
        if meta is None:
            raise BuildError(f"the saved program does not say what {name} is")
        shape = [self._sizes.of(size) for size in meta.sizes]
        return torch_compat.empty_on_meta(shape, dtype_of(meta.dtype))

    # Arguments

    def _value(self, argument: Argument, scope: Scope) -> Any:
        """An argument as torch takes it, with meta in the place of any device.

        Raises:
            UnreadableArgumentError: it is of a kind that netscope does not read, or names nothing.
        """
        for kind, convert in _CONVERSIONS.items():
            raw = getattr(argument, kind)
            if raw is not None:
                return convert(self, raw, scope)
        raise UnreadableArgumentError

    def tensor(self, name: str, scope: Scope) -> Any:
        """The tensor, or the number that a caller gave, of this name."""
        found = self.tensors.get(scope.name(name))
        if found is None:
            raise UnreadableArgumentError(f"the saved program does not say what {name} is")
        return found

    def optional(self, item: OptionalTensor, scope: Scope) -> Any:
        """The tensor, or None."""
        return None if item.as_tensor is None else self.tensor(item.as_tensor.name, scope)

    def size(self, item: NameOrNumber, scope: Scope) -> Any:
        """The number that a size is."""
        if item.as_name is None:
            return self._sizes.of(item)
        if scope.name(item.as_name) in self.tensors:
            return self.tensors[scope.name(item.as_name)]
        for graph in (scope.graph, self._graph):
            for values in (graph.sym_int_values, graph.sym_bool_values, graph.sym_float_values):
                if item.as_name in values:
                    return self._sizes.of(values[item.as_name])
        raise UnreadableArgumentError

    def body(self, graph: Graph, name: str, scope: Scope) -> "_GraphFunction":
        """The function that a higher-order operator calls."""
        return _GraphFunction(self, Scope(graph, f"{scope.prefix}{name}."))


class _GraphFunction:
    """A graph as a function of its inputs."""

    def __init__(self, run: ProgramRun, scope: Scope) -> None:
        self._run = run
        self._scope = scope
        self.steps = list(steps_of(scope))

    def __call__(self, *given: Any) -> Any:
        names = [name for item in self._scope.graph.inputs for name in item.names()]
        self._run.tensors.update(zip(map(self._scope.name, names), _tensors_in(given), strict=False))
        for step in self.steps:
            self._run.step(step)
        outputs = [name for item in self._scope.graph.outputs for name in item.names()]
        results = [self._run.tensor(name, self._scope) for name in outputs]
        return results[0] if self._scope.graph.is_single_tensor_return else results


def _strided(number: int) -> torch.layout:
    if number != STRIDED:
        raise UnreadableArgumentError
    return torch.strided


def _memory_format(number: int) -> torch.memory_format:
    if number not in MEMORY_FORMATS:
        raise UnreadableArgumentError
    return MEMORY_FORMATS[number]


_CONVERSIONS: Mapping[str, Callable[[ProgramRun, Any, Scope], Any]] = MappingProxyType(
    {
        "as_tensor": lambda run, item, scope: run.tensor(item.name, scope),
        "as_tensors": lambda run, items, scope: [run.tensor(item.name, scope) for item in items],
        "as_optional_tensor": lambda run, item, scope: run.optional(item, scope),
        "as_optional_tensors": lambda run, items, scope: [run.optional(item, scope) for item in items],
        "as_sym_int": lambda run, item, scope: run.size(item, scope),
        "as_sym_float": lambda run, item, scope: run.size(item, scope),
        "as_sym_bool": lambda run, item, scope: run.size(item, scope),
        "as_sym_ints": lambda run, items, scope: [run.size(item, scope) for item in items],
        "as_sym_floats": lambda run, items, scope: [run.size(item, scope) for item in items],
        "as_sym_bools": lambda run, items, scope: [run.size(item, scope) for item in items],
        "as_int": lambda _run, value, _scope: value,
        "as_ints": lambda _run, values, _scope: list(values),
        "as_bool": lambda _run, value, _scope: value,
        "as_bools": lambda _run, values, _scope: list(values),
        "as_string": lambda _run, value, _scope: value,
        "as_strings": lambda _run, values, _scope: list(values),
        "as_float": lambda _run, value, _scope: number_of(value),
        "as_floats": lambda _run, values, _scope: [number_of(value) for value in values],
        "as_complex": lambda _run, value, _scope: complex(value.real, value.imag),
        "as_scalar_type": lambda _run, number, _scope: dtype_of(number),
        "as_memory_format": lambda _run, number, _scope: _memory_format(number),
        "as_layout": lambda _run, number, _scope: _strided(number),
        "as_device": lambda _run, _device, _scope: torch.device("meta"),
        "as_graph": lambda run, item, scope: run.body(item.graph, item.name, scope),
        "as_none": lambda _run, _value, _scope: None,
    }
)
"""By the kind of an argument in the file."""


def _metas(step: Step) -> list[TensorMeta | None]:
    """What the file says of each tensor that an op returns."""
    values = step.scope.graph.tensor_values
    return [values.get(name) for item in step.node.outputs for name in item.names()]


def _is_open(step: Step) -> bool:
    """Whether a size of what an op returns depends on values."""
    sizes = (size for meta in _metas(step) if meta is not None for size in meta.sizes)
    return any(size.as_expr is not None and size.as_expr.hint is None for size in sizes)


def _tensors_in(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors_in(item)


def _is_bounded(name: str, arguments: Mapping[str, Any], results: int) -> bool:
    """Whether an op that takes a step for each element, or returns a tensor for each, has as few as the file says."""
    if name.startswith(_RECURRENT) and not name.endswith("_cell"):
        return _is_recurrence(arguments)
    if name == "aten.diff":
        return arguments.get("n", 1) == 1
    first = arguments.get("self")
    dim = arguments.get("dim", 0)
    if not isinstance(first, Tensor) or not isinstance(dim, int) or not -first.dim() <= dim < first.dim():
        return True
    pieces = 0
    if name in ("aten.unbind", "aten.unbind_copy"):
        pieces = first.shape[dim]
    elif isinstance(size := arguments.get("split_size"), int):
        pieces = -(-first.shape[dim] // max(1, size))
    elif isinstance(count := arguments.get("chunks"), int):
        pieces = min(count, first.shape[dim]) if first.shape[dim] else count
    elif isinstance(count := arguments.get("sections"), int):
        pieces = count
    return pieces <= max(1, results)


def _is_recurrence(arguments: Mapping[str, Any]) -> bool:
    """Whether a recurrent layer is given what one of torch's own is, which its C++ does not check.

    Packed sequences are none: they have another argument, and lengths that are values.
    """
    sequence, state, weights = (arguments.get(name) for name in ("input", "hx", "params"))
    states = state if isinstance(state, list) else [state]
    if not isinstance(sequence, Tensor) or not isinstance(weights, list):
        return False
    each = 2 + 2 * bool(arguments.get("has_biases"))
    times = arguments.get("num_layers", 0) * (1 + bool(arguments.get("bidirectional")))
    is_projected = len(weights) == times * (each + 1)
    dims = [2, 2, 1, 1][:each] + [2] * is_projected
    return (
        sequence.dim() == 3  # noqa: PLR2004 - steps, batch and features
        and len({tensor.dtype for tensor in (sequence, *states, *weights) if isinstance(tensor, Tensor)}) == 1
        and all(isinstance(item, Tensor) and item.dim() == 3 and item.shape[0] == times for item in states)  # noqa: PLR2004
        and [item.dim() for item in weights] == dims * times
    )
