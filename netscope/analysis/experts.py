"""How many parameters one token meets where a router sends it to some of several experts."""

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from math import prod

from netscope.schema import Trace, TracedOp

GROUPED_PRODUCTS = frozenset({"aten._grouped_mm", "aten._scaled_grouped_mm", "aten._scaled_grouped_mm_v2"})
SELECTIONS = frozenset({"aten.index", "aten.index_select", "aten.gather"})


def active_params(trace: Trace) -> int | None:
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
    """Experts in one tensor of (E, K, N), which a grouped product multiplies with the rows sent to each."""
    parameters = {
        trace.tensors[item.tensor].storage: item.tensor
        for module in trace.modules
        for item in module.parameters
        if item.tensor is not None
    }
    for op in _forward_ops(trace):
        if op.name in GROUPED_PRODUCTS and len(op.reads) > 1:
            rows, experts = (trace.tensors[tensor] for tensor in op.reads[:2])
            tensor = parameters.get(experts.storage)
            tokens = _rows_into(trace, op.call)
            if tensor is not None and len(rows.shape) == 2 and len(experts.shape) == 3 and tokens:  # noqa: PLR2004
                yield tensor, min(Fraction(rows.shape[0], tokens * experts.shape[0]), Fraction(1))


def _selected_experts(trace: Trace) -> Iterator[tuple[int, Fraction]]:
    """Experts that are sibling modules, each called with the rows that were selected for it."""
    selected = {
        trace.tensors[tensor].storage for op in _forward_ops(trace) if op.name in SELECTIONS for tensor in op.writes
    }
    rows: dict[tuple[int, int], int] = defaultdict(int)
    for call in trace.calls:
        parent = trace.modules[call.module].parent
        if parent is None or call.caller is None or not call.inputs:
            continue
        given = trace.tensors[call.inputs[0]]
        if given.storage in selected:
            rows[parent, call.caller] += prod(given.shape[:-1])
    for (parent, caller), together in rows.items():
        experts = [position for position, module in enumerate(trace.modules) if module.parent == parent]
        tokens = _rows_into(trace, caller)
        if len(experts) > 1 and tokens:
            share = min(Fraction(together, tokens * len(experts)), Fraction(1))
            paths = tuple(trace.modules[position].path for position in experts)
            for module in trace.modules:
                if module.path in paths or module.path.startswith(tuple(f"{path}." for path in paths)):
                    yield from ((item.tensor, share) for item in module.parameters if item.tensor is not None)


def _forward_ops(trace: Trace) -> tuple[TracedOp, ...]:
    return trace.ops[: trace.first_backward_op]


def _rows_into(trace: Trace, call: int) -> int:
    """Tokens that a module was called with: the sizes of its first input but the last one."""
    inputs = trace.calls[call].inputs
    return prod(trace.tensors[inputs[0]].shape[:-1]) if inputs else 0
