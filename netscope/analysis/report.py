"""The chain of an architecture's shapes, and its dataflow op by op."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from netscope.analysis.dataflow import is_view, list_input_storages
from netscope.schema import ChainStage, DataflowNode, LayerRow, Shape, Summary, Trace

VIEWS = frozenset(
    f"aten.{name}"
    for name in (
        "_unsafe_view", "alias", "detach", "expand", "flatten", "permute", "reshape", "squeeze", "t", "transpose",
        "unsqueeze", "view",
    )
)  # fmt: skip
"""Ops that only rearrange elements; between two modules they do not count as a step."""


def build_chain(summary: Summary) -> tuple[ChainStage, ...]:
    """Returns the shapes on the way from input to output, each with the successive modules whose output has it.

    A module whose children run one after the other is replaced by them; a module that branches or skips is one step.
    """
    stages = [ChainStage(paths=(f"<{item.name}>",), types=("input",), shape=item.shape) for item in summary.inputs[:1]]
    children = _list_children(summary.rows)
    reads = _collect_reads(summary.rows, children)
    for row in _steps(0, summary.rows, children, reads):
        shape = row.output_shapes[0]
        last = stages[-1] if stages else None
        if last is not None and last.shape == shape and last.types != ("input",):
            stages[-1] = ChainStage(paths=(*last.paths, row.path), types=(*last.types, row.type_name), shape=shape)
        else:
            stages.append(ChainStage(paths=(row.path,), types=(row.type_name,), shape=shape))
    return tuple(stages)


def _list_children(rows: Sequence[LayerRow]) -> list[list[int]]:
    children: list[list[int]] = [[] for _ in rows]
    ancestors: list[int] = []
    for position, row in enumerate(rows):
        del ancestors[row.depth :]
        if ancestors:
            children[ancestors[-1]].append(position)
        ancestors.append(position)
    return children


def _collect_reads(rows: Sequence[LayerRow], children: list[list[int]]) -> list[set[str]]:
    """Returns for each module the sources that depend on the inputs and that it or its descendants read."""
    dependent: set[str] = set()
    size = -1
    while len(dependent) > size:
        size = len(dependent)
        dependent.update(
            row.path for row in rows if any(source.startswith("<") or source in dependent for source in row.reads_from)
        )
    reads = [{source for source in row.reads_from if source.startswith("<") or source in dependent} for row in rows]
    for position in reversed(range(len(rows))):
        for child in children[position]:
            reads[position] |= reads[child]
    return reads


def _steps(
    position: int, rows: Sequence[LayerRow], children: list[list[int]], reads: list[set[str]]
) -> Iterator[LayerRow]:
    """Yields the steps of a module: the steps of its children if they run one after the other, otherwise itself."""
    # Children that do not depend on the inputs, such as position embeddings, are not steps.
    successors = [child for child in children[position] if reads[child]]
    if successors and (position == 0 or _is_chain(position, successors, rows, reads)):
        for child in successors:
            yield from _steps(child, rows, children, reads)
    elif rows[position].output_shapes:
        yield rows[position]


def _is_chain(position: int, children: Sequence[int], rows: Sequence[LayerRow], reads: list[set[str]]) -> bool:
    """Whether each child reads only the output of the child before or of the module, which skips no child."""
    row = rows[position]
    if row.calls > 1:
        return False
    for before, child in pairwise(children):
        near = (rows[before].path, rows[child].path)
        if not all(source == row.path or any(_is_in(source, path) for path in near) for source in reads[child]):
            return False
    # An input that the module reads itself must enter before its first child; otherwise it bypasses the children.
    computes = any(op.op not in VIEWS for op in row.ops)
    first_reads_outside = any(not _is_in(source, row.path) for source in reads[children[0]])
    reads_outside = any(not _is_in(source, row.path) for source in row.reads_from)
    return not (computes and first_reads_outside and reads_outside)


def _is_in(path: str, ancestor: str) -> bool:
    return path == ancestor or path.startswith(f"{ancestor}.")


def build_dataflow(trace: Trace, flops: Sequence[int | None]) -> tuple[DataflowNode, ...]:
    """Returns the ops of the forward pass that depend on its inputs, with the ops that they read from, without views.

    Args:
        trace: trace of a forward pass.
        flops: FLOPs of each of its ops, None for uncounted ops.
    """
    nodes: list[DataflowNode] = []
    made_by: dict[int, int] = {}
    for storage, name in list_input_storages(trace):
        if storage not in made_by:
            made_by[storage] = len(nodes)
            shape = _shape_of_storage(trace, storage)
            nodes.append(DataflowNode(op="", path=name.strip("<>"), shape=shape, flops=0, reads=()))
    for position, op in enumerate(trace.ops[: trace.first_backward_op]):
        if is_view(op, trace):
            continue
        found = [made_by.get(trace.tensors[tensor].storage) for tensor in op.reads]
        reads = tuple(dict.fromkeys(maker for maker in found if maker is not None))
        if not reads or not op.writes:
            continue
        for tensor in op.writes:
            made_by[trace.tensors[tensor].storage] = len(nodes)
        nodes.append(
            DataflowNode(
                op=op.name,
                path=trace.modules[trace.calls[op.call].module].path,
                shape=trace.tensors[op.writes[0]].shape,
                flops=flops[position],
                reads=reads,
            )
        )
    return tuple(nodes)


def _shape_of_storage(trace: Trace, storage: int) -> Shape:
    given = trace.calls[0].inputs
    return next(trace.tensors[tensor].shape for tensor in given if trace.tensors[tensor].storage == storage)
