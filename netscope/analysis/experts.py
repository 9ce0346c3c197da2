"""How many parameters one token meets where a router sends it to some of several experts."""

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from math import prod

from netscope.schema import Shape, Trace, TracedOp

GROUPED_PRODUCTS = frozenset(
    {"aten._grouped_mm", "aten._scaled_grouped_mm", "aten._scaled_grouped_mm_v2", "transformers.grouped_mm_fallback"}
)
SELECTIONS = frozenset({"aten.index", "aten.index_select", "aten.gather"})


def count_active_params(trace: Trace) -> int | None:
    """Parameters that one token meets; None without experts.

    Of the experts' parameters a token meets the share that it is sent to: the rows that all experts got together, over
    the tokens that came in times the number of experts. All other parameters count whole. Rounded down where tokens
    met different numbers of experts.
    """
    share_by_tensor = dict((*_grouped_experts(trace), *_selected_experts(trace)))
    if not share_by_tensor:
        return None
    elements = {
        item.tensor: item.elements for module in trace.modules for item in module.parameters if item.tensor is not None
    }
    shares = (share_by_tensor.get(tensor, Fraction(1)) * count for tensor, count in elements.items())
    return int(sum(shares, start=Fraction(0)))


def _grouped_experts(trace: Trace) -> Iterator[tuple[int, Fraction]]:
    """Experts in one tensor of (E, K, N), which a grouped product multiplies with the rows sent to each.

    Other parameters of the same module with E rows, such as biases, belong to the experts as well.
    """
    owners = {
        trace.tensors[item.tensor].storage: module
        for module in trace.modules
        for item in module.parameters
        if item.tensor is not None
    }
    for op in _forward_ops(trace):
        if op.name in GROUPED_PRODUCTS and len(op.reads) > 1:
            rows, experts = (trace.tensors[tensor] for tensor in op.reads[:2])
            owner = owners.get(experts.storage)
            tokens = _rows_into(trace, op.call)
            if owner is not None and len(rows.shape) == 2 and len(experts.shape) == 3 and tokens:  # noqa: PLR2004
                share = min(Fraction(rows.shape[0], tokens * experts.shape[0]), Fraction(1))
                for item in owner.parameters:
                    if item.tensor is not None and trace.tensors[item.tensor].shape[:1] == experts.shape[:1]:
                        yield item.tensor, share


def _selected_experts(trace: Trace) -> Iterator[tuple[int, Fraction]]:
    """Experts that are alike and siblings, several of them called with rows that a router selected of one tensor."""
    sources = _routed_selections(trace)
    below = _parameters_below(trace)
    given: dict[tuple[int, int, int, Kind], dict[int, int]] = defaultdict(dict)
    elsewhere: set[int] = set()
    for call in trace.calls:
        parent = trace.modules[call.module].parent
        if parent is None or call.caller is None or not call.inputs:
            continue
        rows = trace.tensors[call.inputs[0]]
        if rows.storage in sources:
            group = (parent, call.caller, sources[rows.storage], _kind(trace, below, call.module))
            given[group][call.inputs[0]] = prod(rows.shape[:-1])
        else:
            elsewhere.add(call.module)
    for (parent, caller, _source, kind), by_selection in given.items():
        experts = [
            position
            for position, module in enumerate(trace.modules)
            if module.parent == parent and position not in elsewhere and _kind(trace, below, position) == kind
        ]
        tokens = _rows_into(trace, caller)
        if len(by_selection) > 1 and tokens:
            share = min(Fraction(sum(by_selection.values()), tokens * len(experts)), Fraction(1))
            yield from ((tensor, share) for position in experts for tensor in below[position])


def _routed_selections(trace: Trace) -> dict[int, int]:
    """The storages of rows selected by what was computed with parameters, each with that of what they are rows of."""
    learnt = {
        trace.tensors[item.tensor].storage
        for module in trace.modules
        for item in module.parameters
        if item.tensor is not None
    }
    selections: dict[int, int] = {}
    for op in _forward_ops(trace):
        read = [trace.tensors[tensor].storage for tensor in op.reads]
        written = {trace.tensors[tensor].storage for tensor in op.writes}
        if op.name in SELECTIONS and any(storage in learnt for storage in read[1:]):
            selections.update(dict.fromkeys(written, read[0]))
        if not learnt.isdisjoint(read):
            learnt |= written
    return selections


Kind = tuple[str, tuple[Shape, ...]]
"""A module's type and the shapes of its parameters and of those below it."""


def _kind(trace: Trace, below: list[list[int]], position: int) -> Kind:
    return trace.modules[position].type_name, tuple(trace.tensors[tensor].shape for tensor in below[position])


def _parameters_below(trace: Trace) -> list[list[int]]:
    """For each module its parameters' tensors and those of all below it."""
    below = [[item.tensor for item in module.parameters if item.tensor is not None] for module in trace.modules]
    for position in reversed(range(1, len(trace.modules))):
        parent = trace.modules[position].parent
        if parent is not None:
            below[parent] += below[position]
    return below


def _forward_ops(trace: Trace) -> tuple[TracedOp, ...]:
    return trace.ops[: trace.first_backward_op]


def _rows_into(trace: Trace, call: int) -> int:
    """Tokens that a module was called with: the sizes of its first input but the last one."""
    inputs = trace.calls[call].inputs
    return prod(trace.tensors[inputs[0]].shape[:-1]) if inputs else 0
