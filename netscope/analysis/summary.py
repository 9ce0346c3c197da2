"""A ``Trace`` and the FLOPs of its ops → ``Summary``: who owns which parameter, and who ran which op."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from netscope.analysis.dataflow import computations, reads_from
from netscope.analysis.experts import active_params
from netscope.analysis.memory import kept_activations, peak_of_inference
from netscope.analysis.receptive_field import receptive_fields
from netscope.analysis.unread import unread_names, unread_tensors
from netscope.schema import (
    NEVER_RAN,
    NOT_TRACED,
    OUTPUTS_DIFFER,
    UNKNOWN_FORWARD,
    Architecture,
    LayerRow,
    LayerTensor,
    MemoryUse,
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
class _Node:
    """A place in the module tree while its figures are being gathered."""

    module: TracedModule
    depth: int
    children: list[int] = field(default_factory=list)
    calls: list[ModuleCall] = field(default_factory=list)
    ops: dict[str, list[int | None]] = field(default_factory=dict)
    backward_ops: dict[str, list[int | None]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    tensors: list[LayerTensor] = field(default_factory=list)
    own_params: int = 0
    own_trainable: int = 0
    own_unread: int = 0
    params: int = 0
    trainable: int = 0
    unread: int = 0
    own_flops: int = 0
    flops: int = 0
    own_backward_flops: int = 0
    backward_flops: int = 0
    own_memory: MemoryUse = field(default_factory=MemoryUse)
    memory: MemoryUse = field(default_factory=MemoryUse)
    is_lower_bound: bool = False
    ran: bool = False


def summarize_trace(
    trace: Trace, flops: Sequence[int | None], architecture: Architecture, optimizer: str | None = None
) -> Summary:
    """The summary of ``trace``.

    Args:
        trace: one forward pass, or one step of training.
        flops: of each of its ops, None for the uncounted.
        architecture: what was traced.
        optimizer: a key of ``STATES_PER_PARAMETER``, for a step of training.
    """
    nodes = _tree(trace)
    _attribute_ops(nodes, trace, flops)
    order = _execution_order(nodes, trace)
    _attribute_parameters(nodes, order, trace)
    _attribute_memory(nodes, order, trace, optimizer)
    _mark(nodes, order, trace)
    for position in reversed(order):
        _add_up(nodes, position)
    uncalled = tuple(nodes[position].module.path for position in order if not nodes[position].ran)
    sources, fingerprints, fields = reads_from(trace), computations(trace), receptive_fields(trace)
    uncounted = Counter(op.name for op, cost in zip(trace.ops, flops, strict=True) if cost is None)
    rows = tuple(
        _row(nodes[position], trace, sources[position], fingerprints[position], fields[position]) for position in order
    )
    return Summary(
        architecture=architecture,
        inputs=trace.inputs,
        rows=rows,
        totals=_totals(trace, nodes[0]),
        uncounted_ops=tuple(OpCount(op=op, calls=calls, flops=None) for op, calls in sorted(uncounted.items())),
        uncalled_modules=uncalled,
        traced_on=trace.device,
        mode=trace.mode,
        peak_memory=peak_of_inference(trace),
        optimizer=optimizer,
        notes=trace.notes,
        versions=trace.versions,
        unread_parameters=unread_names(rows),
    )


def without_forward(summary: Summary) -> Summary:
    """The summary of weights alone: nothing ran, so no FLOPs are known, and nothing is said to have been left out."""
    rows = tuple(
        replace(
            row,
            calls=0,
            is_lower_bound=True,
            notes=tuple(note for note in row.notes if note != NEVER_RAN),
            tensors=tuple(replace(tensor, unread=False) for tensor in row.tensors),
            unread_params=0,
            own_unread_params=0,
        )
        for row in summary.rows
    )
    return replace(
        summary,
        rows=rows,
        totals=replace(summary.totals, unread_params=None),
        unread_parameters=(),
        uncounted_ops=(OpCount(op=UNKNOWN_FORWARD, calls=1, flops=None),),
        uncalled_modules=(),
        traced_on=NOT_TRACED,
        peak_memory=None,
        notes=("what is a buffer and no parameter is told by its name alone",) if summary.totals.buffers else (),
    )


def _tree(trace: Trace) -> list[_Node]:
    nodes: list[_Node] = []
    for position, module in enumerate(trace.modules):
        parent = module.parent
        nodes.append(_Node(module=module, depth=0 if parent is None else nodes[parent].depth + 1))
        if parent is not None:
            nodes[parent].children.append(position)
    for call in trace.calls:
        nodes[call.module].calls.append(call)
    for node in reversed(nodes):
        # A list of layers is never called itself.
        node.ran = bool(node.calls) or any(nodes[child].ran for child in node.children)
    return nodes


def _attribute_ops(nodes: list[_Node], trace: Trace, flops: Sequence[int | None]) -> None:
    """Each op lands on the innermost module whose ``forward`` was running, or is differentiated."""
    forward_ends = len(trace.ops) if trace.first_backward_op is None else trace.first_backward_op
    for position, (op, cost) in enumerate(zip(trace.ops, flops, strict=True)):
        node = nodes[trace.calls[op.call].module]
        if position < forward_ends:
            node.ops.setdefault(op.name, []).append(cost)
            node.own_flops += cost or 0
        else:
            node.backward_ops.setdefault(op.name, []).append(cost)
            node.own_backward_flops += cost or 0
        node.is_lower_bound = node.is_lower_bound or cost is None


def _execution_order(nodes: list[_Node], trace: Trace) -> list[int]:
    """A module before its children; siblings by the first call in or below them, those that never ran behind."""
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


def _attribute_parameters(nodes: list[_Node], order: list[int], trace: Trace) -> None:
    """Each distinct parameter tensor lands on the first row that has it; later ones are marked as sharing it."""
    owners: dict[int, str] = {}
    unread = unread_tensors(trace)
    for position in order:
        node = nodes[position]
        path = node.module.path
        for parameter in node.module.parameters:
            name = f"{path}.{parameter.name}" if path else parameter.name
            owner = None if parameter.tensor is None else owners.setdefault(parameter.tensor, name)
            if owner is None:
                node.notes.append(f"{parameter.name} is not initialised: its shape is unknown")
            elif owner == name:
                node.own_params += parameter.elements
                node.own_trainable += parameter.elements if parameter.trainable else 0
                node.own_unread += parameter.elements if parameter.tensor in unread else 0
            elif node.module.same_as is None:
                node.notes.append(f"{parameter.name} is {owner}")
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


def _attribute_memory(nodes: list[_Node], order: list[int], trace: Trace, optimizer: str | None) -> None:
    """Each tensor's bytes land on the first row that has it, and what autograd keeps on the first that kept it."""
    met: set[int | None] = {None}
    activations = kept_activations(trace)
    for position in order:
        module = nodes[position].module
        parameters = [item for item in _distinct(module.parameters) if item.tensor not in met]
        met.update(item.tensor for item in parameters)
        buffers = [item for item in _distinct(module.buffers) if item.tensor not in met]
        met.update(item.tensor for item in buffers)
        gradients = sum(item.bytes for item in parameters if item.trainable) if optimizer else 0
        nodes[position].own_memory = MemoryUse(
            weights=sum(item.bytes for item in parameters),
            buffers=sum(item.bytes for item in buffers),
            gradients=gradients,
            optimizer_state=gradients * STATES_PER_PARAMETER[optimizer] if optimizer else 0,
            activations=activations.get(position, 0),
        )


def _mark(nodes: list[_Node], order: list[int], trace: Trace) -> None:
    """Notes what is unusual about how a module ran."""
    reader = _readers(trace)
    for position in order:
        node = nodes[position]
        module = node.module
        if module.same_as is not None:
            node.notes.insert(0, f"same module as {trace.modules[module.same_as].path or 'the root'}")
        if not node.ran:
            used_by = next((reader[tensor] for tensor in _tensors(module) if tensor in reader), None)
            if used_by is None:
                node.notes.insert(0, NEVER_RAN)
            else:
                user = trace.modules[used_by]
                node.notes.insert(0, f"not called, but {user.path or user.type_name} uses its weights")
        elif len(node.calls) > 1 and len({_shapes(call.outputs, trace) for call in node.calls}) > 1:
            node.notes.append(OUTPUTS_DIFFER)


def _readers(trace: Trace) -> dict[int, int]:
    """For each tensor, the module that first read it."""
    readers: dict[int, int] = {}
    for op in trace.ops:
        for tensor in op.reads:
            readers.setdefault(tensor, trace.calls[op.call].module)
    return readers


def _tensors(module: TracedModule) -> list[int]:
    return [parameter.tensor for parameter in module.parameters if parameter.tensor is not None]


def _add_up(nodes: list[_Node], position: int) -> None:
    """A module's figures: its own and its children's, which are complete already."""
    node = nodes[position]
    children = [nodes[child] for child in node.children]
    node.params = node.own_params + sum(child.params for child in children)
    node.trainable = node.own_trainable + sum(child.trainable for child in children)
    node.unread = node.own_unread + sum(child.unread for child in children)
    node.flops = node.own_flops + sum(child.flops for child in children)
    node.backward_flops = node.own_backward_flops + sum(child.backward_flops for child in children)
    node.memory = sum((child.memory for child in children), start=node.own_memory)
    node.is_lower_bound = node.is_lower_bound or any(child.is_lower_bound for child in children)


def _row(
    node: _Node,
    trace: Trace,
    reads_from: tuple[str, ...],
    computation: str,
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
        params=node.params,
        own_params=node.own_params,
        trainable_params=node.trainable,
        own_trainable_params=node.own_trainable,
        flops=node.flops,
        own_flops=node.own_flops,
        backward_flops=node.backward_flops,
        own_backward_flops=node.own_backward_flops,
        memory=node.memory,
        own_memory=node.own_memory,
        is_lower_bound=node.is_lower_bound,
        ops=_op_counts(node.ops),
        backward_ops=_op_counts(node.backward_ops),
        notes=tuple(node.notes),
        tensors=tuple(node.tensors),
        reads_from=reads_from,
        computation=computation,
        receptive_field=receptive_field,
        unread_params=node.unread,
        own_unread_params=node.own_unread,
    )


def _op_counts(costs_by_op: dict[str, list[int | None]]) -> tuple[OpCount, ...]:
    return tuple(
        OpCount(op=op, calls=len(costs), flops=None if None in costs else sum(cost or 0 for cost in costs))
        for op, costs in costs_by_op.items()
    )


def _shapes(tensors: tuple[int, ...], trace: Trace) -> tuple[Shape, ...]:
    return tuple(trace.tensors[tensor].shape for tensor in tensors)


def _totals(trace: Trace, root: _Node) -> Totals:
    parameters = _distinct(parameter for module in trace.modules for parameter in module.parameters)
    buffers = _distinct(buffer for module in trace.modules for buffer in module.buffers)
    return Totals(
        params=root.params,
        trainable_params=root.trainable,
        active_params=active_params(trace),
        buffers=sum(buffer.elements for buffer in buffers),
        param_bytes=sum(parameter.bytes for parameter in parameters),
        param_dtypes=tuple(
            sorted(
                {trace.tensors[tensor].dtype for parameter in parameters if (tensor := parameter.tensor) is not None}
            )
        ),
        buffer_bytes=sum(buffer.bytes for buffer in buffers),
        flops=root.flops,
        macs=root.flops // 2,
        backward_flops=root.backward_flops,
        memory=root.memory,
        unread_params=root.unread,
    )


def _distinct(parameters: Iterable[TracedParameter]) -> tuple[TracedParameter, ...]:
    """One for each tensor."""
    return tuple({parameter.tensor: parameter for parameter in parameters if parameter.tensor is not None}.values())
