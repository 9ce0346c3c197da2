"""Propagation of receptive fields through a trace: the ops in order, each by its rule."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from netscope.analysis.dataflow import is_view
from netscope.analysis.receptive_field.fields import Factor, Field, Units, UntrackedError, plain_dimension
from netscope.analysis.receptive_field.rules import Op, apply_rule
from netscope.flops import get_zero_flop_reason
from netscope.schema import ReceptiveField, Shape, Trace, TracedOp

CONVOLUTION = "aten.convolution"

RESTRIDED = "aten.as_strided_"
"""The op by which pooling records that a tensor of one pixel has the channels_last memory format."""

MAX_AXIS_LENGTH = 1 << 15
"""The most positions along an axis of the input; beyond it no receptive field is computed."""

INDEPENDENT = ("creates a tensor", "draws random numbers")
"""The kinds of ops that take only shapes, no values, from the tensors they read."""


def compute_receptive_fields(trace: Trace) -> tuple[tuple[ReceptiveField, ...], ...]:
    """Returns for each module the receptive field of its first call's first output, along each spatial axis.

    The spatial axes are the dimensions of the input that the first convolution slides over. The result is empty for a
    module that was not called or does not depend on the input, if the trace has no convolution, and where an op mixes
    positions in a way that is not followed: nothing is guessed. Only inputs of floating dtype are followed.
    """
    inputs, axes = _find_inputs_and_axes(trace)
    if not axes:
        return ((),) * len(trace.modules)
    propagator = _Propagator(trace, inputs, axes)
    ending: dict[int, list[int]] = {}
    for number, call in enumerate(trace.calls):
        ending.setdefault(call.ops[1], []).append(number)
    found: list[tuple[ReceptiveField, ...] | None] = [None] * len(trace.modules)
    # Many modules return their input, so results are reused by id. Storing the units keeps their ids from being reused.
    summarized: dict[int, tuple[Units | None, tuple[ReceptiveField, ...]]] = {}
    forward_ops = trace.ops[: trace.first_backward_op]
    for position in range(len(forward_ops) + 1):
        for number in ending.get(position, ()):
            call = trace.calls[number]
            if found[call.module] is None and call.outputs:
                units = propagator.units_of(call.outputs[0])
                if id(units) not in summarized:
                    summarized[id(units)] = (units, _summarize(units))
                found[call.module] = summarized[id(units)][1]
        if position < len(forward_ops):
            propagator.run(forward_ops[position])
    return tuple(fields or () for fields in found)


def _find_inputs_and_axes(trace: Trace) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Returns the inputs of the shape that the first convolution reads, and their dimensions that it slides over."""
    if not any(op.name == CONVOLUTION for op in trace.ops):
        return (), ()
    for tensor in trace.calls[0].inputs:
        item = trace.tensors[tensor]
        dimensions = tuple(range(len(item.shape)))
        if "float" not in item.dtype or max(item.shape, default=0) > MAX_AXIS_LENGTH:
            continue
        scout = _Propagator(trace, (tensor,), dimensions)
        for op in trace.ops[: trace.first_backward_op]:
            read = scout.units_of(op.reads[0]) if op.name == CONVOLUTION else None
            if read is not None:
                spatial = [read.axes_of(dimension) for dimension in range(2, len(read.layout))]
                if any(len(found) != 1 or min(found) < 0 for found in spatial):
                    break
                axes = tuple(min(found) for found in spatial)
                alike = (other for other in trace.calls[0].inputs if trace.tensors[other].spec == item.spec)
                return tuple(alike), axes
            scout.run(op)
    return (), ()


class _Propagator:
    """The units of each tensor so far: None if they are untracked, missing if they do not depend on the input.

    Args:
        trace: trace whose ops are followed.
        inputs: input tensors that are followed.
        axes: their dimensions that are followed, in order.
    """

    def __init__(self, trace: Trace, inputs: Sequence[int], axes: Sequence[int]) -> None:
        self._trace = trace
        self._of_storage: dict[int, set[int]] = {}
        self._partly_written: set[int] = set()
        self.units: dict[int, Units | None] = {}
        for tensor in inputs:
            self._put(tensor, _identity(trace.tensors[tensor].shape, axes))

    def _put(self, tensor: int, units: Units | None) -> None:
        self.units[tensor] = units
        self._of_storage.setdefault(self._trace.tensors[tensor].storage, set()).add(tensor)

    def units_of(self, tensor: int) -> Units | None:
        """Returns the units of a tensor; None if they are untracked or do not depend on the input."""
        return self.units.get(tensor)

    def run(self, op: TracedOp) -> None:
        """Records the units of the op's results."""
        if op.name == RESTRIDED:
            self._restride(op)
        for tensor in op.reads:
            if tensor not in self.units and self._trace.tensors[tensor].storage in self._partly_written:
                self._put(tensor, None)
        reads = {tensor: self.units[tensor] for tensor in op.reads if tensor in self.units}
        shapes = [self._trace.tensors[tensor].shape for tensor in op.writes]
        if not reads or get_zero_flop_reason(op.name) in INDEPENDENT:
            for tensor in op.writes:
                if tensor in self.units:
                    self._overwrite(tensor, None)
                    del self.units[tensor]
            return
        in_place = not is_view(op, self._trace) and set(op.writes) & set(op.reads)
        for tensor, units in zip(op.writes, self._results(op, reads, shapes), strict=True):
            if in_place:
                self._overwrite(tensor, units)
            self._put(tensor, units)

    def _results(self, op: TracedOp, reads: dict[int, Units | None], shapes: list[Shape]) -> list[Units | None]:
        """Returns the units of each of the op's results."""
        try:
            return list(apply_rule(Op(op, reads, shapes, self._trace.tensors)))
        except (UntrackedError, LookupError, ArithmeticError, TypeError, ValueError):
            # Either the op is not followed, or it has arguments in a form that its rule does not foresee.
            return [_mix_all(reads, shape) for shape in shapes]

    def _restride(self, op: TracedOp) -> None:
        """Copies the units of the tensor of the same shape: the trace records an in-place restride as a new tensor."""
        (tensor, *_) = op.writes
        after = self._trace.tensors[tensor]
        for view in sorted(self._of_storage.get(after.storage, ())):
            before = self._trace.tensors[view]
            if (before.shape, before.offset) == (after.shape, after.offset):
                self.units.setdefault(tensor, self.units[view])

    def _overwrite(self, tensor: int, units: Units | None) -> None:
        """Marks the other views of a tensor that is written to as untracked, unless its units stay the same."""
        before = self.units.get(tensor)
        if before is not None and units is not None and (before is units or before == units):
            return
        storage = self._trace.tensors[tensor].storage
        self._partly_written.add(storage)
        for view in self._of_storage.get(storage, ()):
            self.units[view] = None


def _identity(shape: Shape, axes: Sequence[int]) -> Units:
    """Returns the units of an input, each of which depends on itself along these dimensions."""
    layout = [plain_dimension(size) for size in shape]
    fields = []
    for axis, dimension in enumerate(axes):
        layout[dimension] = (Factor(shape[dimension], axis),)
        positions = tuple(range(shape[dimension]))
        fields.append(Field(positions, positions, positions, positions, Fraction(1)))
    return Units(tuple(layout), tuple(fields))


def _mix_all(reads: dict[int, Units | None], shape: tuple[int, ...]) -> Units | None:
    """Returns the units of an op without a rule: known only if all units of one operand cover every other operand's."""
    known = [units for units in reads.values() if units is not None]
    if len(known) < len(reads):
        return None
    for units in known:
        if all(own.covers(field) for other in known for own, field in zip(units.fields, other.fields, strict=True)):
            fields = (field.merge([range(len(field.low))], None) for field in units.fields)
            return Units(tuple(plain_dimension(size) for size in shape), tuple(fields))
    return None


def _summarize(units: Units | None) -> tuple[ReceptiveField, ...]:
    """Returns the receptive field along each axis; empty if it is not exactly known."""
    if units is None or not units.is_exact:
        return ()
    found = []
    for field in units.fields:
        middle = len(field.low) // 2
        found.append(
            ReceptiveField(
                size=field.high[middle] - field.low[middle] + 1,
                stride=_stride(field),
                start=field.low[0],
                unit=middle,
                first=field.first[middle],
                last=field.last[middle],
                same=len(set(field.low)) == len(set(field.high)) == 1,
            )
        )
    return tuple(found) if all(item.first <= item.last for item in found) else ()


def _stride(field: Field) -> float | None:
    """Returns the distance between the fields of neighbors; None if it varies."""
    if len(field.low) == 1:
        return None if field.step is None else float(field.step)
    steps = {after - before for values in (field.low, field.high) for before, after in pairwise(values)}
    return float(steps.pop()) if len(steps) == 1 and steps != {0} else None
