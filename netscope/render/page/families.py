"""What kind of work a layer does, by the ops that it ran: what the drawings are coloured by."""

from netscope.schema import LayerRow

FAMILIES = (
    "convolution",
    "attention",
    "recurrent",
    "matrix product",
    "embedding",
    "normalisation",
    "pooling",
    "other",
    "holds others",
)
"""The most telling first: a layer that does several is named by the first of them."""

_OTHER = FAMILIES.index("other")

_PARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("normalisation", ("norm",)),
    ("convolution", ("conv",)),
    ("attention", ("attention",)),
    ("recurrent", ("lstm", "gru", "rnn")),
    ("embedding", ("embedding",)),
    ("pooling", ("pool",)),
    ("matrix product", ("mm", "linear", "matmul", "einsum", "bilinear")),
)
"""Family → what is in its ops' names; of an op with several, the first counts."""

_NOT_PRODUCTS = ("upsample", "interpolate", "grid_sampl", "leaky", "comm")


def family_of_op(op: str) -> int:
    """Its position in ``FAMILIES``."""
    name = op.removeprefix("aten.")
    if any(part in name for part in _NOT_PRODUCTS):
        return _OTHER
    found = next((family for family, parts in _PARTS if any(part in name for part in parts)), "other")
    return FAMILIES.index(found)


def family_of_row(row: LayerRow, *, has_children: bool) -> int:
    """Its position in ``FAMILIES``: that of its most telling own op."""
    if has_children:
        return FAMILIES.index("holds others")
    return min((family_of_op(op.op) for op in row.ops), default=_OTHER)
