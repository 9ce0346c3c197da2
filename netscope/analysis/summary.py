"""Summaries of traces: which module owns each parameter, and which module ran each op."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from netscope.analysis.computation import Computation, fingerprint_modules
from netscope.analysis.dataflow import find_producers
from netscope.analysis.experts import count_active_params
from netscope.analysis.memory import find_inference_peak, sum_saved_activations
from netscope.analysis.receptive_field import compute_receptive_fields
from netscope.analysis.unread import find_unread_tensors, list_unread_names
from netscope.schema import (
    NEVER_CALLED,
    NOT_TRACED,
    OUTPUT_SHAPES_VARY,
    UNCOUNTED_FORWARD,
    Architecture,
    Figures,
    LayerRow,
    LayerTensor,
    ModuleCall,
    OpCount,
    ReceptiveField,
    Shape,
    Summary,
    Totals,
    Trace,
    TracedModule,
    TracedParameter,
)
from netscope.schema.memory import STATES_PER_PARAMETER


@dataclass(slots=True)
class _Module:
    """An entry of the module tree whose figures are being added up.

    Attributes:
        own: fields of the module's ``Figures`` without its children.
        total: figures with its children's, once these are complete.
        ran: whether it or a module below it was called.
    """

    module: TracedModule
    depth: int
    children: list[int] = field(default_factory=list)
    calls: list[ModuleCall] = field(default_factory=list)
    ops: dict[str, list[int | None]] = field(default_factory=dict)
    backward_ops: dict[str, list[int | None]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    tensors: list[LayerTensor] = field(default_factory=list)
    own: Counter[str] = field(default_factory=lambda: Counter(unread_params=0))
    figures: Figures = field(default_factory=Figures)
    total: Figures = field(default_factory=Figures)
    is_lower_bound: bool = False
    ran: bool = False


def summarize_trace(
    trace: Trace, flops: Sequence[int | None], architecture: Architecture, optimizer: str | None = None
) -> Summary:
    """Returns the summary of a trace.

    Args:
        trace: trace of a forward pass or a training step.
        flops: FLOPs of each op of the trace, in order; None for uncounted ops.
        architecture: the traced architecture.
        optimizer: optimizer of a training step, a key of ``STATES_PER_PARAMETER``; None for a forward pass.
    """
    nodes = _build_tree(trace)
    _attribute_ops(nodes, trace, flops)
    order = _sort_by_execution(nodes, trace)
    _attribute_parameters(nodes, order, trace)
    _attribute_memory(nodes, order, trace, optimizer)
    _add_notes(nodes, order, trace)
    for position in reversed(order):
        _add_up(nodes, position)
    uncalled = tuple(nodes[position].module.path for position in order if not nodes[position].ran)
    sources, computations, fields = find_producers(trace), fingerprint_modules(trace), compute_receptive_fields(trace)
    uncounted = Counter(op.name for op, cost in zip(trace.ops, flops, strict=True) if cost is None)
    rows = tuple(
        _make_row(nodes[position], trace, sources[position], computations[position], fields[position])
        for position in order
    )
    return Summary(
        architecture=architecture,
        inputs=trace.inputs,
        rows=rows,
        totals=_sum_totals(trace, nodes[0]),
        uncounted_ops=tuple(OpCount(op=op, calls=calls, flops=None) for op, calls in sorted(uncounted.items())),
        uncalled_modules=uncalled,
        traced_on=trace.device,
        mode=trace.mode,
        peak_memory=find_inference_peak(trace),
        optimizer=optimizer,
        notes=trace.notes,
        versions=trace.versions,
        unread_parameters=list_unread_names(rows),
    )


def drop_forward_pass(summary: Summary) -> Summary:
    """Returns the summary of a weights file: FLOPs are unknown, and no module or parameter is reported as unused."""
    rows = tuple(
        replace(
            row,
            calls=0,
            is_lower_bound=True,
            notes=tuple(note for note in row.notes if note != NEVER_CALLED),
            tensors=tuple(replace(tensor, unread=False) for tensor in row.tensors),
            own=replace(row.own, unread_params=None),
            total=replace(row.total, unread_params=None),
        )
        for row in summary.rows
    )
    return replace(
        summary,
        rows=rows,
        totals=replace(summary.totals, unread_params=None),
        unread_parameters=(),
        uncounted_ops=(OpCount(op=UNCOUNTED_FORWARD, calls=1, flops=None),),
        uncalled_modules=(),
        traced_on=NOT_TRACED,
        peak_memory=None,
        notes=("buffers are distinguished from parameters by their names only",) if summary.totals.buffers else (),
    )


def _build_tree(trace: Trace) -> list[_Module]:
    nodes: list[_Module] = []
    for position, module in enumerate(trace.modules):
        parent = module.parent
        nodes.append(_Module(module=module, depth=0 if parent is None else nodes[parent].depth + 1))
        if parent is not None:
            nodes[parent].children.append(position)
    for call in trace.calls:
        nodes[call.module].calls.append(call)
    for node in reversed(nodes):
        # A list of layers is never called itself.
        node.ran = bool(node.calls) or any(nodes[child].ran for child in node.children)
    return nodes


def _attribute_ops(nodes: list[_Module], trace: Trace, flops: Sequence[int | None]) -> None:
    """Adds each op to the innermost module whose ``forward`` ran it, or ran the op that it differentiates."""
    forward_ends = len(trace.ops)
    if trace.first_backward_op is not None:
        forward_ends = trace.first_backward_op
        for node in nodes:
            node.own["backward_flops"] = 0
    for position, (op, cost) in enumerate(zip(trace.ops, flops, strict=True)):
        node = nodes[trace.calls[op.call].module]
        if position < forward_ends:
            node.ops.setdefault(op.name, []).append(cost)
            node.own["flops"] += cost or 0
        else:
            node.backward_ops.setdefault(op.name, []).append(cost)
            node.own["backward_flops"] += cost or 0
        node.is_lower_bound = node.is_lower_bound or cost is None


def _sort_by_execution(nodes: list[_Module], trace: Trace) -> list[int]:
    """Returns the positions of the modules: parents first, siblings by the first call in or below them."""
    first_call: dict[int, int] = {}
    for number, call in enumerate(trace.calls):
        position: int | None = call.module
        while position is not None and position not in first_call:
            first_call[position] = number
            position = trace.modules[position].parent
    order: list[int] = []
    pending = [0]
    while pending:
        following = pending.pop()
        order.append(following)
        children = sorted(nodes[following].children, key=lambda child: first_call.get(child, len(trace.calls)))
        pending.extend(reversed(children))
    return order


def _attribute_parameters(nodes: list[_Module], order: list[int], trace: Trace) -> None:
    """Adds each distinct parameter to the first row that has it; later rows refer to that one."""
    owners: dict[int, str] = {}
    unread = find_unread_tensors(trace)
    for position in order:
        node = nodes[position]
        path = node.module.path
        for parameter in node.module.parameters:
            name = f"{path}.{parameter.name}" if path else parameter.name
            owner = None if parameter.tensor is None else owners.setdefault(parameter.tensor, name)
            if owner is None:
                node.notes.append(f"{parameter.name} is not initialized: its shape is unknown")
            elif owner == name:
                node.own["params"] += parameter.elements
                node.own["trainable_params"] += parameter.elements if parameter.trainable else 0
                node.own["unread_params"] += parameter.elements if parameter.tensor in unread else 0
            elif node.module.same_as is None:
                node.notes.append(f"{parameter.name} is shared with {owner}")
            tensor = _layer_tensor(parameter, trace, is_buffer=False, owner=owner, name=name)
            node.tensors.append(replace(tensor, unread=parameter.tensor is None or parameter.tensor in unread))
        for buffer in node.module.buffers:
            name = f"{path}.{buffer.name}" if path else buffer.name
            owner = None if buffer.tensor is None else owners.setdefault(buffer.tensor, name)
            node.tensors.append(_layer_tensor(buffer, trace, is_buffer=True, owner=owner, name=name))


def _layer_tensor(
    tensor: TracedParameter, trace: Trace, *, is_buffer: bool, owner: str | None, name: str
) -> LayerTensor:
    traced = None if tensor.tensor is None else trace.tensors[tensor.tensor]
    return LayerTensor(
        name=tensor.name,
        shape=traced.shape if traced else None,
        dtype=traced.dtype if traced else "",
        is_buffer=is_buffer,
        trainable=tensor.trainable,
        persistent=tensor.persistent,
        shared_with=None if owner == name else owner,
    )


def _attribute_memory(nodes: list[_Module], order: list[int], trace: Trace, optimizer: str | None) -> None:
    """Adds the size of each tensor to the first row that has it; a saved activation counts for its first user."""
    seen: set[int | None] = {None}
    activations = sum_saved_activations(trace)
    for position in order:
        module = nodes[position].module
        parameters = [item for item in _distinct(module.parameters) if item.tensor not in seen]
        seen.update(item.tensor for item in parameters)
        buffers = [item for item in _distinct(module.buffers) if item.tensor not in seen]
        seen.update(item.tensor for item in buffers)
        own = nodes[position].own
        own.update(param_bytes=sum(item.bytes for item in parameters), buffer_bytes=sum(item.bytes for item in buffers))
        if trace.mode == "train":
            own.update(activation_bytes=activations.get(position, 0))
        if optimizer:
            gradients = sum(item.bytes for item in parameters if item.trainable)
            own.update(gradient_bytes=gradients, optimizer_bytes=gradients * STATES_PER_PARAMETER[optimizer])


def _add_notes(nodes: list[_Module], order: list[int], trace: Trace) -> None:
    """Adds notes to modules that are shared, uncalled, or called with different output shapes."""
    reader = _find_readers(trace)
    for position in order:
        node = nodes[position]
        module = node.module
        if module.same_as is not None:
            node.notes.insert(0, f"same module as {trace.modules[module.same_as].path or 'the root'}")
        if not node.ran:
            used_by = next((reader[tensor] for tensor in _tensors(module) if tensor in reader), None)
            if used_by is None:
                node.notes.insert(0, NEVER_CALLED)
            else:
                user = trace.modules[used_by]
                node.notes.insert(0, f"forward never called; its weights are used by {user.path or user.type_name}")
        elif len(node.calls) > 1 and len({_shapes(call.outputs, trace) for call in node.calls}) > 1:
            node.notes.append(OUTPUT_SHAPES_VARY)


def _find_readers(trace: Trace) -> dict[int, int]:
    """Returns, for each tensor, the position of the module that first read it."""
    readers: dict[int, int] = {}
    for op in trace.ops:
        for tensor in op.reads:
            readers.setdefault(tensor, trace.calls[op.call].module)
    return readers


def _tensors(module: TracedModule) -> list[int]:
    return [parameter.tensor for parameter in module.parameters if parameter.tensor is not None]


def _add_up(nodes: list[_Module], position: int) -> None:
    """Adds the totals of a module's children, which must be complete, to its own."""
    node = nodes[position]
    children = [nodes[child] for child in node.children]
    node.figures = Figures(**node.own)
    node.total = Figures.sum((node.figures, *(child.total for child in children)))
    node.is_lower_bound = node.is_lower_bound or any(child.is_lower_bound for child in children)


def _make_row(
    node: _Module,
    trace: Trace,
    reads_from: tuple[str, ...],
    computation: Computation,
    receptive_field: tuple[ReceptiveField, ...],
) -> LayerRow:
    module, calls = node.module, node.calls
    return LayerRow(
        path=module.path,
        type_name=module.type_name,
        hyperparameters=module.hyperparameters,
        depth=node.depth,
        calls=len(calls),
        input_shapes=_shapes(calls[0].inputs, trace) if calls else (),
        output_shapes=_shapes(calls[0].outputs, trace) if calls else (),
        own=node.figures,
        total=node.total,
        is_lower_bound=node.is_lower_bound,
        ops=_sum_ops(node.ops),
        backward_ops=_sum_ops(node.backward_ops),
        notes=tuple(node.notes),
        tensors=tuple(node.tensors),
        reads_from=reads_from,
        computation=computation.fingerprint,
        operations=computation.operations,
        receptive_field=receptive_field,
    )


def _sum_ops(costs_by_op: dict[str, list[int | None]]) -> tuple[OpCount, ...]:
    return tuple(
        OpCount(op=op, calls=len(costs), flops=None if None in costs else sum(cost or 0 for cost in costs))
        for op, costs in costs_by_op.items()
    )


def _shapes(tensors: tuple[int, ...], trace: Trace) -> tuple[Shape, ...]:
    return tuple(trace.tensors[tensor].shape for tensor in tensors)


def _sum_totals(trace: Trace, root: _Module) -> Totals:
    parameters = _distinct(parameter for module in trace.modules for parameter in module.parameters)
    buffers = _distinct(buffer for module in trace.modules for buffer in module.buffers)
    return Totals.of(
        root.total,
        active_params=count_active_params(trace),
        buffers=sum(buffer.elements for buffer in buffers),
        param_dtypes=tuple(
            sorted(
                {trace.tensors[tensor].dtype for parameter in parameters if (tensor := parameter.tensor) is not None}
            )
        ),
    )


def _distinct(parameters: Iterable[TracedParameter]) -> tuple[TracedParameter, ...]:
    """Returns one parameter per tensor."""
    return tuple({parameter.tensor: parameter for parameter in parameters if parameter.tensor is not None}.values())
