"""Families of ops: the kinds of work by which pages and pictures color layers."""

from enum import IntEnum

from netscope.schema import LayerRow, Summary


class Family(IntEnum):
    """A kind of work. A layer that does several kinds belongs to the first of them in this order."""

    CONVOLUTION = 0
    ATTENTION = 1
    RECURRENT = 2
    MATMUL = 3
    EMBEDDING = 4
    NORMALIZATION = 5
    POOLING = 6
    OTHER = 7
    CONTAINER = 8

    @property
    def label(self) -> str:
        """The family's name in legends and among the colors."""
        return self.name.lower()


_PARTS: tuple[tuple[Family, tuple[str, ...]], ...] = (
    (Family.NORMALIZATION, ("norm",)),
    (Family.CONVOLUTION, ("conv",)),
    (Family.ATTENTION, ("attention",)),
    (Family.RECURRENT, ("lstm", "gru", "rnn")),
    (Family.EMBEDDING, ("embedding",)),
    (Family.POOLING, ("pool",)),
    (Family.MATMUL, ("mm", "linear", "matmul", "einsum", "bilinear")),
)
"""Parts of op names by family; the first match counts."""

_NOT_MATMULS = ("upsample", "interpolate", "grid_sampl", "leaky", "comm")
"""Parts of names of other ops that would match a family, such as the "linear" in ``upsample_bilinear2d``."""


def family_of_op(op: str) -> Family:
    """Returns the family of an op, such as ``"aten.addmm"``."""
    name = op.removeprefix("aten.")
    if any(part in name for part in _NOT_MATMULS):
        return Family.OTHER
    return next((family for family, parts in _PARTS if any(part in name for part in parts)), Family.OTHER)


def family_of_row(row: LayerRow, *, has_children: bool) -> Family:
    """Returns the first family among a module's own ops; modules with children are containers."""
    if has_children:
        return Family.CONTAINER
    return min((family_of_op(op.op) for op in row.ops), default=Family.OTHER)


def families_of(summary: Summary) -> dict[str, Family]:
    """Returns, by path, the first family among the ops of a module and everything below it."""
    found: dict[str, Family] = {}
    for row in summary.rows:
        own = family_of_row(row, has_children=False)
        path = row.path
        while True:
            found[path] = min(found.get(path, Family.OTHER), own)
            if not path:
                break
            path = path.rpartition(".")[0]
    return found
