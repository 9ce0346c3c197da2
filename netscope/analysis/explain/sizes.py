"""The derivation of a layer's output size."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil, floor, prod

from netscope.analysis.explain.formatting import format_product, join_sizes
from netscope.analysis.explain.parameters import integers
from netscope.analysis.shapes import RULE, TRANSPOSED_RULE, SpatialArithmetic, format_decimal, value_on_axis
from netscope.schema import Derivation, LayerRow, Shape

AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
"""The names of the spatial axes, by how many there are."""

_LINES = {
    "length": ("position", "positions"),
    "height": ("row", "rows"),
    "width": ("column", "columns"),
    "depth": ("slice", "slices"),
}
"""The unit along an axis, in the singular and plural."""


def derive_sizes(row: LayerRow) -> tuple[Derivation, ...]:
    """Returns one derivation per spatial axis, or one of the shape; empty if no rule gives the actual shape."""
    if not row.input_shapes or not row.output_shapes:
        return ()
    before, after = row.input_shapes[0], row.output_shapes[0]
    for rule in (_windows, _transposed, _adaptive, _scaled, _linear, _embedding, _flattened):
        found = rule(row, before, after)
        if found:
            return tuple(found)
    if before == after:
        text = f"same as the input: {join_sizes(after)}"
        return (Derivation(quantity="size", rule="", arithmetic=text, value=None, short="same size"),)
    return ()


Derive = Callable[[int, int], tuple[int, Derivation] | None]
"""A function from the size and index of an axis to the output size and its derivation."""


def _per_axis(row: LayerRow, before: Shape, after: Shape, derive: Derive) -> list[Derivation]:
    """Returns the derivations along the spatial axes, joined if equal; empty if one does not give the actual size."""
    rank = spatial_rank(row)
    if not rank or min(len(before), len(after)) < rank + 1:
        return []
    found = []
    for axis, (size, expected) in enumerate(zip(before[-rank:], after[-rank:], strict=True)):
        derived = derive(size, axis)
        if derived is None or derived[0] != expected:
            return []
        found.append(derived[1])
    names = AXES[rank]
    if all(item == found[0] for item in found):
        return [_name_axes(found[0], names)]
    return [_name_axes(item, (name,)) for item, name in zip(found, names, strict=True)]


def _name_axes(derivation: Derivation, axes: Sequence[str]) -> Derivation:
    """Returns a derivation for these axes, with their names in place of ``{line}`` and the like in its notes."""
    one, several = (" and ".join(_LINES[axis][number] for axis in axes) for number in (0, 1))
    notes = tuple(
        note.replace("{lines}", several).replace("{line}", one).replace("{are}", "are" if len(axes) > 1 else "is")
        .replace("{they are}", "they are" if len(axes) > 1 else "it is")
        for note in derivation.notes
    )  # fmt: skip
    return replace(derivation, quantity=" and ".join(axes), notes=notes)


def spatial_rank(row: LayerRow) -> int:
    """Returns the number of a layer's spatial axes, by its class's name or its kernel; 0 for none."""
    for rank in AXES:
        if f"{rank}d" in row.type_name.lower():
            return rank
    kernel = row.hyperparameters.get("kernel_size")
    return len(kernel) if isinstance(kernel, tuple) and len(kernel) in AXES else 0


def _windows(row: LayerRow, before: Shape, after: Shape) -> list[Derivation]:
    """Returns the derivations of a convolution or pooling, unless its output size is a hyperparameter."""
    if {"output_size", "output_ratio"} & row.hyperparameters.keys():
        return []

    def derive(size: int, axis: int) -> tuple[int, Derivation] | None:
        arithmetic = SpatialArithmetic.of(row.hyperparameters, size, axis)
        if arithmetic is None:
            return None
        return arithmetic.output, Derivation(
            quantity="",
            rule=RULE.replace("floor", "ceil") if arithmetic.rounds_up else RULE,
            arithmetic=arithmetic.text,
            value=arithmetic.output,
            short=arithmetic.textbook,
            notes=tuple(_notes(arithmetic)),
        )

    return _per_axis(row, before, after, derive)


def _notes(arithmetic: SpatialArithmetic) -> list[str]:
    """Returns notes on the rounding, on inputs with the same output, and on padding without rounding."""
    notes = []
    if arithmetic.unseen:
        notes.append(_describe_rounding(arithmetic))
    if arithmetic.overhang:
        notes.append(f"the last window extends {_count_lines(arithmetic.overhang)} beyond the padded input")
    skipped = arithmetic.stride - arithmetic.span
    if skipped > 0:
        notes.append(f"{_count_lines(skipped, verb=True)} skipped between two windows")
    smallest, largest = arithmetic.same_output
    if smallest != largest:
        notes.append(f"inputs of {smallest} … {largest} give the same size")
    even = _even(arithmetic)
    if even is not None:
        notes.append(f"with padding {even.left} and {even.right} nothing is rounded: {even.textbook}")
    return notes


def _describe_rounding(arithmetic: SpatialArithmetic) -> str:
    if arithmetic.rounds_up:
        return f"the last {_count_lines(arithmetic.unseen, verb=True)} in no window, as it would begin after the input"
    padded = "the padded input" if arithmetic.left or arithmetic.right else "the input"
    unseen, lost = arithmetic.unseen, arithmetic.unseen_input
    last = f"the last {{line}} of {padded} {{are}}" if unseen == 1 else f"the last {unseen} {{lines}} of {padded} are"
    if not lost:
        effect = f"{'{they are}' if unseen == 1 else 'they are'} padding, so no pixel is lost"
    elif lost == unseen:
        effect = f"{'{they are}' if unseen == 1 else 'they are'} never seen"
    else:
        effect = f"{lost} of them {'is' if lost == 1 else 'are'} not padding and never seen"
    return f"the floor throws away {format_decimal(arithmetic.quotient % 1)} of a step: {last} in no window; {effect}"


def _count_lines(number: int, *, verb: bool = False) -> str:
    lines, are = ("{lines}", "are") if number > 1 else ("{line}", "{are}")
    return f"{number} {lines} {are}" if verb else f"{number} {lines}"


def _even(arithmetic: SpatialArithmetic) -> SpatialArithmetic | None:
    """Returns the arithmetic without the padding that is in no window, the smaller half first; None if impossible."""
    total = arithmetic.left + arithmetic.right - arithmetic.unseen
    if not arithmetic.unseen or arithmetic.rounds_up or total < 0:
        return None
    return replace(arithmetic, left=total // 2, right=total - total // 2)


def _transposed(row: LayerRow, before: Shape, after: Shape) -> list[Derivation]:
    values = row.hyperparameters
    if "output_padding" not in values:
        return []

    def derive(size: int, axis: int) -> tuple[int, Derivation] | None:
        settings = [
            value_on_axis(values.get(key), axis)
            for key in ("kernel_size", "stride", "padding", "dilation", "output_padding")
        ]
        if any(setting is None for setting in settings):
            return None
        kernel, stride, padding, dilation, extra = (setting or 0 for setting in settings)
        result = (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + extra + 1
        text = f"({size} − 1)·{stride} − {padding} − {padding} + {dilation}·({kernel} − 1) + {extra} + 1 = {result}"
        return result, Derivation(quantity="", rule=TRANSPOSED_RULE, arithmetic=text, value=result, short=text)

    return _per_axis(row, before, after, derive)


def _adaptive(row: LayerRow, before: Shape, after: Shape) -> list[Derivation]:
    if "output_size" not in row.hyperparameters or "Adaptive" not in row.type_name:
        return []

    def derive(size: int, axis: int) -> tuple[int, Derivation] | None:
        sizes = row.hyperparameters["output_size"]
        requested = sizes[axis] if isinstance(sizes, tuple) else sizes
        output = size if requested is None else requested
        if not isinstance(output, int) or output < 1:
            return None
        widths = {ceil((index + 1) * size / output) - floor(index * size / output) for index in range(output)}
        window = " or ".join(map(str, sorted(widths)))
        reach = f"from floor(i·{size}/{output}) to ceil((i + 1)·{size}/{output})"
        text = f"{output} as requested: window i is {reach}, {window} wide"
        short = f"{output} as requested" + (f", windows of {window}" if size != output else "")
        return output, Derivation(
            quantity="",
            rule="window i from floor(i·W/N) to ceil((i + 1)·W/N)",
            arithmetic=text,
            value=output,
            short=short,
            notes=("every input size gives the same size",),
        )

    return _per_axis(row, before, after, derive)


def _scaled(row: LayerRow, before: Shape, after: Shape) -> list[Derivation]:
    factor = row.hyperparameters.get("scale_factor")
    if not isinstance(factor, (int, float)) or len(before) != len(after) or len(before) not in (3, 4, 5):
        return []
    if any(floor(size * factor) != output for size, output in zip(before[2:], after[2:], strict=True)):
        return []
    names = AXES[len(before) - 2]
    lines = [
        Derivation(
            quantity=name,
            rule="N = floor(W·factor)",
            arithmetic=f"floor({size}·{factor:g}) = {output}",
            value=output,
            short=f"{size}·{factor:g} = {output}",
        )
        for name, size, output in zip(names, before[2:], after[2:], strict=True)
    ]
    same = all(item.arithmetic == lines[0].arithmetic for item in lines)
    return [_name_axes(lines[0], names)] if same else lines


def _linear(row: LayerRow, before: Shape, after: Shape) -> list[Derivation]:
    sizes = integers(row, "in_features", "out_features")
    if sizes is None or (*before[-1:], *after[-1:]) != sizes:
        return []
    features, units = sizes
    text = f"{units} units, each with a weight for each of {features:,} features"
    each = f" at each of {format_product(before[:-1])} positions" if prod(before[:-1]) > 1 else ""
    return [Derivation(quantity="size", rule="", arithmetic=text + each, value=units, short=f"{features} → {units}")]


def _embedding(row: LayerRow, before: Shape, after: Shape) -> list[Derivation]:
    width = row.hyperparameters.get("embedding_dim")
    if "num_embeddings" not in row.hyperparameters or after != (*before, width):
        return []
    text = f"a vector of {width} for each of {format_product(before)} ids"
    return [Derivation(quantity="size", rule="", arithmetic=text, value=None, short=f"{width} for each id")]


def _flattened(row: LayerRow, before: Shape, after: Shape) -> list[Derivation]:
    if "start_dim" not in row.hyperparameters or len(after) >= len(before):
        return []
    start = row.hyperparameters["start_dim"]
    end = row.hyperparameters.get("end_dim", -1)
    if not isinstance(start, int) or not isinstance(end, int):
        return []
    joined = before[start : len(before) + end + 1 if end < 0 else end + 1]
    if prod(joined) not in after:
        return []
    text = format_product(joined)
    return [Derivation(quantity="size", rule="", arithmetic=text, value=prod(joined), short=text)]
