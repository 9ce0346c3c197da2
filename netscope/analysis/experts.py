"""Counts the parameters that are active per token in mixture-of-experts models."""

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from math import prod

from netscope.schema import Shape, Trace, TracedOp

GROUPED_MATMULS = frozenset(
    {"aten._grouped_mm", "aten._scaled_grouped_mm", "aten._scaled_grouped_mm_v2", "transformers.grouped_mm_fallback"}
)
SELECTIONS = frozenset({"aten.index", "aten.index_select", "aten.gather"})


def count_active_params(trace: Trace) -> int | None:
    """Returns the number of parameters that are active per token; None without experts.

    The active share of the experts' parameters is the number of rows that all experts got, divided by the number of
    tokens times the number of experts. All other parameters are active. The result is rounded down if tokens were
    routed to different numbers of experts.
    """
    share_by_tensor = dict((*_find_grouped_experts(trace), *_find_selected_experts(trace)))
    if not share_by_tensor:
        return None
    elements = {
        item.tensor: item.elements for module in trace.modules for item in module.parameters if item.tensor is not None
    }
    shares = (share_by_tensor.get(tensor, Fraction(1)) * count for tensor, count in elements.items())
    return int(sum(shares, start=Fraction(0)))


def _find_grouped_experts(trace: Trace) -> Iterator[tuple[int, Fraction]]:
    """Yields the tensors of experts that are one (E, K, N) tensor in a grouped matmul, each with its active share.

    Other parameters of the same module with E rows, such as biases, belong to the experts, too.
    """
    owners = {
        trace.tensors[item.tensor].storage: module
        for module in trace.modules
        for item in module.parameters
        if item.tensor is not None
    }
    for op in _get_forward_ops(trace):
        if op.name in GROUPED_MATMULS and len(op.reads) > 1:
            rows, experts = (trace.tensors[tensor] for tensor in op.reads[:2])
            owner = owners.get(experts.storage)
            tokens = _count_tokens(trace, op.call)
            if owner is not None and len(rows.shape) == 2 and len(experts.shape) == 3 and tokens:  # noqa: PLR2004
                share = min(Fraction(rows.shape[0], tokens * experts.shape[0]), Fraction(1))
                for item in owner.parameters:
                    if item.tensor is not None and trace.tensors[item.tensor].shape[:1] == experts.shape[:1]:
                        yield item.tensor, share


def _find_selected_experts(trace: Trace) -> Iterator[tuple[int, Fraction]]:
    """Yields the tensors of experts that are separate modules, each with its active share.

    Experts are siblings of the same kind, of which several were called with rows that a router selected from a tensor.
    """
    sources = _find_routed_selections(trace)
    below = _collect_parameters(trace)
    selected: dict[tuple[int, int, int, Kind], dict[int, int]] = defaultdict(dict)
    elsewhere: set[int] = set()
    for call in trace.calls:
        parent = trace.modules[call.module].parent
        if parent is None or call.caller is None or not call.inputs:
            continue
        rows = trace.tensors[call.inputs[0]]
        if rows.storage in sources:
            group = (parent, call.caller, sources[rows.storage], _get_kind(trace, below, call.module))
            selected[group][call.inputs[0]] = prod(rows.shape[:-1])
        else:
            elsewhere.add(call.module)
    for (parent, caller, _source, kind), by_selection in selected.items():
        experts = [
            position
            for position, module in enumerate(trace.modules)
            if module.parent == parent and position not in elsewhere and _get_kind(trace, below, position) == kind
        ]
        tokens = _count_tokens(trace, caller)
        if len(by_selection) > 1 and tokens:
            share = min(Fraction(sum(by_selection.values()), tokens * len(experts)), Fraction(1))
            yield from ((tensor, share) for position in experts for tensor in below[position])


def _find_routed_selections(trace: Trace) -> dict[int, int]:
    """Returns the storages of rows selected by a value computed from parameters, each with the storage of all rows."""
    learned = {
        trace.tensors[item.tensor].storage
        for module in trace.modules
        for item in module.parameters
        if item.tensor is not None
    }
    selections: dict[int, int] = {}
    for op in _get_forward_ops(trace):
        read = [trace.tensors[tensor].storage for tensor in op.reads]
        written = {trace.tensors[tensor].storage for tensor in op.writes}
        if op.name in SELECTIONS and any(storage in learned for storage in read[1:]):
            selections.update(dict.fromkeys(written, read[0]))
        if not learned.isdisjoint(read):
            learned |= written
    return selections


Kind = tuple[str, tuple[Shape, ...]]
"""A module's type, and the shapes of all parameters in it and below it."""


def _get_kind(trace: Trace, below: list[list[int]], position: int) -> Kind:
    return trace.modules[position].type_name, tuple(trace.tensors[tensor].shape for tensor in below[position])


def _collect_parameters(trace: Trace) -> list[list[int]]:
    """Returns for each module the tensors of all parameters in it and below it."""
    below = [[item.tensor for item in module.parameters if item.tensor is not None] for module in trace.modules]
    for position in reversed(range(1, len(trace.modules))):
        parent = trace.modules[position].parent
        if parent is not None:
            below[parent] += below[position]
    return below


def _get_forward_ops(trace: Trace) -> tuple[TracedOp, ...]:
    return trace.ops[: trace.first_backward_op]


def _count_tokens(trace: Trace, call: int) -> int:
    """Returns the number of tokens in a call's first input: the product of all its sizes but the last."""
    inputs = trace.calls[call].inputs
    return prod(trace.tensors[inputs[0]].shape[:-1]) if inputs else 0
