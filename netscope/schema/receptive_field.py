"""The receptive field of a module's output."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceptiveField:
    """The input positions that one unit of a module's output depends on, along one spatial axis of the input.

    Attributes:
        size: number of positions, including padding and positions beyond the edges.
        stride: distance between the fields of neighboring units, which then have the same size; None if all units have
            the same field, or the distance varies, as after an upsampling.
        start: first position of the first unit's field; negative if it begins in the padding.
        unit: index of the middle unit, which ``first`` and ``last`` are for.
        first: first position within the input that the middle unit depends on.
        last: last position within the input that the middle unit depends on.
        same: whether all units have the same field.
    """

    size: int
    stride: float | None
    start: int
    unit: int
    first: int
    last: int
    same: bool = False

    @property
    def center(self) -> float:
        """The center of the first unit's field, as a position in the input; meaningful if there is a stride."""
        return self.start + (self.size - 1) / 2
