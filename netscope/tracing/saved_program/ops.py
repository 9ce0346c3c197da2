"""Runs the ops of a saved program on meta by name, or takes their results from the file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from netscope.errors import BuildError, NetscopeError
from netscope.flops import get_zero_flop_reason, is_safe_to_call, is_side_effect_free
from netscope.schema.program import Argument, Graph, NameOrNumber, OptionalTensor, TensorMeta
from netscope.tracing import torch_compat
from netscope.tracing.recorder import count_recorded_ops, record_op
from netscope.tracing.saved_program.calls import Scope, Step, iter_steps
from netscope.tracing.saved_program.values import DynamicSizes, UnsupportedArgumentError, get_dtype, parse_number

MEMORY_FORMATS: Mapping[int, torch.memory_format] = MappingProxyType(
    {1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d, 4: torch.preserve_format}
)
STRIDED = 7

REPEATING = frozenset({"higher_order.map_impl", "higher_order.scan"})
"""Operators that run their body for each element. Releases of torch differ in how they do that."""

MAX_OPS = 100_000
"""Maximum number of ops that such bodies and recurrent layers may run in total."""

OPS_PER_STEP = 10
"""Number of ops that a recurrent layer runs for each element of a sequence."""

NOT_RUN = " (not run)"
"""Suffix of the name of an op whose cost is not in the file."""

_OPS = "torch.ops."
_CHECKS = ("aten._assert", "aten.sym_constrain", "aten._functional_assert")
_RECURRENT = ("aten.lstm", "aten.gru", "aten.rnn_tanh", "aten.rnn_relu")


class ProgramRun:
    """One run of a program on meta: its ops, and its tensors by name."""

    def __init__(self, graph: Graph, sizes: DynamicSizes) -> None:
        self.tensors: dict[str, Any] = {}
        self._graph = graph
        self._sizes = sizes
        self._ops_left = MAX_OPS

    def run_step(self, step: Step) -> None:
        """Runs an op, except for checks and for ops that compute sizes, which are in the file."""
        target = step.node.target
        name, _, overload = target.removeprefix(_OPS).rpartition(".")
        if name.startswith(_CHECKS) or not (step.writes or not step.node.outputs):
            return
        if name == "higher_order":
            name, overload = f"higher_order.{overload}", ""
        is_op = target.startswith(_OPS)
        self._bind(step, self._run(step, name, overload) if is_op else self._record(step, target + NOT_RUN, ""))

    def _run(self, step: Step, name: str, overload: str) -> Any:
        """Returns the results of an op, computed if the op is safe to call and otherwise as described in the file."""
        before = count_recorded_ops()
        arguments: list[tuple[str, Any]] | None
        try:
            arguments = [(item.name, self._convert(item.arg, step.scope)) for item in step.node.inputs]
        except UnsupportedArgumentError:
            arguments = None
        try:
            call = None if arguments is None else self._prepare_call(name, overload, arguments, step)
            if call is not None:
                return call()
        except NetscopeError:
            raise
        except Exception:  # noqa: BLE001, S110 - it needs values, or this torch does not have it
            pass
        is_free = bool(get_zero_flop_reason(name)) and is_side_effect_free(name)
        is_exact = is_free and count_recorded_ops() == before and not _has_unknown_size(step)
        return self._record(step, name if is_exact else name + NOT_RUN, overload)

    def _record(self, step: Step, name: str, overload: str) -> Any:
        """Returns an op's results as described in the file, and records it under a name that needs no formula."""
        reads = [self.tensors[read] for read in step.reads if read in self.tensors]
        results = [self._create_tensor(meta, name) for name, meta in zip(step.writes, _list_metas(step), strict=True)]
        return record_op(torch_compat.UnrunOp(name, overload or "default", results), reads)

    def _prepare_call(
        self, name: str, overload: str, arguments: Sequence[tuple[str, Any]], step: Step
    ) -> Callable[[], Any] | None:
        """Returns a function that calls an op on meta; None if it must not be called."""
        if name in REPEATING:
            return self._prepare_repetition(name, [value for _, value in arguments])
        operator = torch_compat.find_operator(name, overload or "default") if is_safe_to_call(name) else None
        given = dict(arguments)
        if operator is None or not _is_bounded(name, given, len(step.writes)):
            return None
        if name.startswith(_RECURRENT) and isinstance(given.get("input"), Tensor):
            self._ops_left -= OPS_PER_STEP * max(given["input"].shape) * given.get("num_layers", 1)
            if self._ops_left < 0:
                return None
        return lambda: torch_compat.call_by_names(operator, arguments)

    def _prepare_repetition(self, name: str, values: list[Any]) -> Callable[[], Any] | None:
        """Returns a function that runs an operator's body for each element; None if there are too many."""
        body, *lists = values
        # A scan also carries values from one element to the next.
        carried, elements, others = lists if name.endswith("scan") else ([], *lists)
        times = min(tensor.shape[0] for tensor in elements)
        self._ops_left -= times * max(1, len(body.steps))
        if self._ops_left < 0:
            return None

        def repeat() -> list[Any]:
            state, found = list(carried), []
            for row in zip(*[torch.unbind(tensor) for tensor in elements], strict=True):
                results = list(_find_tensors(body(*state, *row, *others)))
                state, rest = results[: len(state)], results[len(state) :]
                found.append(rest)
            return [*state, *(torch.stack(column) for column in zip(*found, strict=True))]

        return repeat

    def _bind(self, step: Step, result: Any) -> None:
        """Binds the tensors of a result to their names; missing ones are created as described in the file."""
        found = list(_find_tensors(result))
        self.tensors.update(zip(step.writes, found, strict=False))
        for name, meta in list(zip(step.writes, _list_metas(step), strict=True))[len(found) :]:
            self.tensors[name] = self._create_tensor(meta, name)

    def _create_tensor(self, meta: TensorMeta | None, name: str) -> Tensor:
        """Returns a tensor as described in the file."""
        if meta is None:
            raise BuildError(f"the saved program does not define {name}")
        shape = [self._sizes.get(size) for size in meta.sizes]
        return torch_compat.create_meta_tensor(shape, get_dtype(meta.dtype))

    # Arguments

    def _convert(self, argument: Argument, scope: Scope) -> Any:
        """Returns an argument as torch accepts it, with meta instead of any device.

        Raises:
            UnsupportedArgumentError: netscope does not support its kind, or its name is undefined.
        """
        for kind, convert in _CONVERSIONS.items():
            raw = getattr(argument, kind)
            if raw is not None:
                return convert(self, raw, scope)
        raise UnsupportedArgumentError

    def get_tensor(self, name: str, scope: Scope) -> Any:
        """Returns the tensor, or the number given as an input, with this name."""
        found = self.tensors.get(scope.name(name))
        if found is None:
            raise UnsupportedArgumentError(f"the saved program does not define {name}")
        return found

    def get_optional_tensor(self, item: OptionalTensor, scope: Scope) -> Any:
        """Returns the tensor, or None."""
        return None if item.as_tensor is None else self.get_tensor(item.as_tensor.name, scope)

    def get_size(self, item: NameOrNumber, scope: Scope) -> Any:
        """Returns the value of a size."""
        if item.as_name is None:
            return self._sizes.get(item)
        if scope.name(item.as_name) in self.tensors:
            return self.tensors[scope.name(item.as_name)]
        for graph in (scope.graph, self._graph):
            for values in (graph.sym_int_values, graph.sym_bool_values, graph.sym_float_values):
                if item.as_name in values:
                    return self._sizes.get(values[item.as_name])
        raise UnsupportedArgumentError

    def create_function(self, graph: Graph, name: str, scope: Scope) -> "_GraphFunction":
        """Returns the function that a higher-order operator calls."""
        return _GraphFunction(self, Scope(graph, f"{scope.prefix}{name}."))


class _GraphFunction:
    """A graph as a callable."""

    def __init__(self, run: ProgramRun, scope: Scope) -> None:
        self._run = run
        self._scope = scope
        self.steps = list(iter_steps(scope))

    def __call__(self, *inputs: Any) -> Any:
        names = [name for item in self._scope.graph.inputs for name in item.names()]
        self._run.tensors.update(zip(map(self._scope.name, names), _find_tensors(inputs), strict=False))
        for step in self.steps:
            self._run.run_step(step)
        outputs = [name for item in self._scope.graph.outputs for name in item.names()]
        results = [self._run.get_tensor(name, self._scope) for name in outputs]
        return results[0] if self._scope.graph.is_single_tensor_return else results


def _to_layout(number: int) -> torch.layout:
    if number != STRIDED:
        raise UnsupportedArgumentError
    return torch.strided


def _to_memory_format(number: int) -> torch.memory_format:
    if number not in MEMORY_FORMATS:
        raise UnsupportedArgumentError
    return MEMORY_FORMATS[number]


_CONVERSIONS: Mapping[str, Callable[[ProgramRun, Any, Scope], Any]] = MappingProxyType(
    {
        "as_tensor": lambda run, item, scope: run.get_tensor(item.name, scope),
        "as_tensors": lambda run, items, scope: [run.get_tensor(item.name, scope) for item in items],
        "as_optional_tensor": lambda run, item, scope: run.get_optional_tensor(item, scope),
        "as_optional_tensors": lambda run, items, scope: [run.get_optional_tensor(item, scope) for item in items],
        "as_sym_int": lambda run, item, scope: run.get_size(item, scope),
        "as_sym_float": lambda run, item, scope: run.get_size(item, scope),
        "as_sym_bool": lambda run, item, scope: run.get_size(item, scope),
        "as_sym_ints": lambda run, items, scope: [run.get_size(item, scope) for item in items],
        "as_sym_floats": lambda run, items, scope: [run.get_size(item, scope) for item in items],
        "as_sym_bools": lambda run, items, scope: [run.get_size(item, scope) for item in items],
        "as_int": lambda _run, value, _scope: value,
        "as_ints": lambda _run, values, _scope: list(values),
        "as_bool": lambda _run, value, _scope: value,
        "as_bools": lambda _run, values, _scope: list(values),
        "as_string": lambda _run, value, _scope: value,
        "as_strings": lambda _run, values, _scope: list(values),
        "as_float": lambda _run, value, _scope: parse_number(value),
        "as_floats": lambda _run, values, _scope: [parse_number(value) for value in values],
        "as_complex": lambda _run, value, _scope: complex(value.real, value.imag),
        "as_scalar_type": lambda _run, number, _scope: get_dtype(number),
        "as_memory_format": lambda _run, number, _scope: _to_memory_format(number),
        "as_layout": lambda _run, number, _scope: _to_layout(number),
        "as_device": lambda _run, _device, _scope: torch.device("meta"),
        "as_graph": lambda run, item, scope: run.create_function(item.graph, item.name, scope),
        "as_none": lambda _run, _value, _scope: None,
    }
)
"""Functions that convert an argument, by its kind in the file."""


def _list_metas(step: Step) -> list[TensorMeta | None]:
    """Returns the file's description of each tensor that an op returns."""
    values = step.scope.graph.tensor_values
    return [values.get(name) for item in step.node.outputs for name in item.names()]


def _has_unknown_size(step: Step) -> bool:
    """Returns whether a size of an op's results depends on values."""
    sizes = (size for meta in _list_metas(step) if meta is not None for size in meta.sizes)
    return any(size.as_expr is not None and size.as_expr.hint is None for size in sizes)


def _find_tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _find_tensors(item)


def _is_bounded(name: str, arguments: Mapping[str, Any], results: int) -> bool:
    """Returns whether an op that runs a step or returns a tensor per element has no more than in the file."""
    if name.startswith(_RECURRENT) and not name.endswith("_cell"):
        return _is_valid_recurrence(arguments)
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


def _is_valid_recurrence(arguments: Mapping[str, Any]) -> bool:
    """Returns whether a recurrent op has the arguments of one of torch's layers, which its C++ code does not check.

    Packed sequences are rejected: they have another argument, and their lengths are values.
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
