"""The result of ``netscope summary --params``: every parameter and buffer by name."""

from dataclasses import dataclass

from typing_extensions import Self

from netscope.schema.display import Displayed
from netscope.schema.summary import NOT_TRACED, Architecture, Summary, Totals
from netscope.schema.tensors import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTensor:
    """A parameter or buffer under one of its names.

    Attributes:
        name: name, as in ``named_parameters(remove_duplicate=False)``: ``"features.0.weight"``.
        shape: shape; None for an uninitialized lazy parameter.
        dtype: ``"float32"``, …
        elements: number of elements; 0 if the shape is unknown.
        bytes: size of the elements.
        is_buffer: whether it is a buffer rather than a parameter.
        trainable: ``requires_grad``; None in a weights file, which does not say.
        persistent: whether the state dict contains it.
        tied_to: first name of the same tensor; None if this is the first.
    """

    name: str
    shape: Shape | None
    dtype: str
    elements: int
    bytes: int
    is_buffer: bool
    trainable: bool | None
    persistent: bool
    tied_to: str | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ParameterTable(Displayed):
    """Every parameter and buffer of an architecture.

    Invariant: ``params`` and ``param_bytes`` of ``totals`` are the sums over the parameters that are not tied to an
    earlier one.

    Attributes:
        architecture: the architecture.
        tensors: its tensors in the order of the summary's rows, the parameters of a module before its buffers.
        totals: the totals of the summary.
    """

    architecture: Architecture
    tensors: tuple[NamedTensor, ...]
    totals: Totals

    @classmethod
    def of(cls, summary: Summary) -> Self:
        """Returns the parameters and buffers of a summary."""
        is_traced = summary.traced_on != NOT_TRACED
        return cls(
            architecture=summary.architecture,
            tensors=tuple(
                NamedTensor(
                    name=f"{row.path}.{tensor.name}".lstrip("."),
                    shape=tensor.shape,
                    dtype=tensor.dtype,
                    elements=tensor.elements,
                    bytes=tensor.bytes,
                    is_buffer=tensor.is_buffer,
                    trainable=tensor.trainable if is_traced else None,
                    persistent=tensor.persistent,
                    tied_to=tensor.shared_with,
                )
                for row in summary.rows
                for tensor in row.tensors
            ),
            totals=summary.totals,
        )
