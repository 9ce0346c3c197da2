"""What of the input a unit depends on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceptiveField:
    """The input positions that one unit of a module's output depends on, along one spatial axis of the input.

    Attributes:
        size: how many positions it spans, the padding and what lies beyond the edges counted.
        stride: positions between the fields of neighbouring units, which are all of one size then; None where all units
            see the same, and where the steps are uneven, as behind an upsampling.
        start: the first position of the first unit's field; negative where it begins in the padding.
        unit: which unit ``first`` and ``last`` are of: the middle one.
        first: the first position within the input that it depends on.
        last: the last one.
        same: whether all units see the same.
    """

    size: int
    stride: float | None
    start: int
    unit: int
    first: int
    last: int
    same: bool = False

    @property
    def centre(self) -> float:
        """The position in the input that the first unit's field is centred on, where there is a stride."""
        return self.start + (self.size - 1) / 2
