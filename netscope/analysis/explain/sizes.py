"""Why a layer's output has the size that it has."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil, floor, prod

from netscope.analysis.explain.formatting import format_product, join_sizes
from netscope.analysis.shapes import RULE, TRANSPOSED_RULE, SpatialArithmetic, format_decimal, value_on_axis
from netscope.schema import Derivation, LayerRow, Shape

AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
"""The spatial axes by their number."""

_LINES = {
    "length": ("position", "positions"),
    "height": ("row", "rows"),
    "width": ("column", "columns"),
    "depth": ("slice", "slices"),
}
"""What lies along an axis, one and several."""


def derive_sizes(row: LayerRow) -> tuple[Derivation, ...]:
    """One for each spatial axis, or one for the shape; none where no rule gives what came out."""
    if not row.input_shapes or not row.output_shapes:
        return ()
    given, made = row.input_shapes[0], row.output_shapes[0]
    for rule in (_windows, _transposed, _adaptive, _scaled, _linear, _embedding, _flattened):
        found = rule(row, given, made)
        if found:
            return tuple(found)
    if given == made:
        text = f"the same as it was given: {join_sizes(made)}"
        return (Derivation(quantity="size", rule="", arithmetic=text, value=None, short="same size"),)
    return ()


Derive = Callable[[int, int], tuple[int, Derivation] | None]
"""The size of an axis and its number → the size after the layer, and how it comes about."""


def _per_axis(row: LayerRow, given: Shape, made: Shape, derive: Derive) -> list[Derivation]:
    """The derivations along each spatial axis, if each gives what came out; those that are the same are told once."""
    rank = spatial_rank(row)
    if not rank or min(len(given), len(made)) < rank + 1:
        return []
    found = []
    for axis, (size, expected) in enumerate(zip(given[-rank:], made[-rank:], strict=True)):
        derived = derive(size, axis)
        if derived is None or derived[0] != expected:
            return []
        found.append(derived[1])
    names = AXES[rank]
    if all(item == found[0] for item in found):
        return [_told(found[0], names)]
    return [_told(item, (name,)) for item, name in zip(found, names, strict=True)]


def _told(derivation: Derivation, axes: Sequence[str]) -> Derivation:
    """With the axes that it holds for in place of those that it speaks of."""
    one, several = (" and ".join(_LINES[axis][number] for axis in axes) for number in (0, 1))
    notes = tuple(
        note.replace("{lines}", several).replace("{line}", one).replace("{are}", "are" if len(axes) > 1 else "is")
        .replace("{they are}", "they are" if len(axes) > 1 else "it is")
        for note in derivation.notes
    )  # fmt: skip
    return replace(derivation, quantity=" and ".join(axes), notes=notes)


def spatial_rank(row: LayerRow) -> int:
    """How many spatial axes a layer slides over, by its class's name or its kernel; 0 for none."""
    for rank in AXES:
        if f"{rank}d" in row.type_name.lower():
            return rank
    kernel = row.hyperparameters.get("kernel_size")
    return len(kernel) if isinstance(kernel, tuple) and len(kernel) in AXES else 0


def _windows(row: LayerRow, given: Shape, made: Shape) -> list[Derivation]:
    """Of a convolution or pooling; not of what is told its output's size."""
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
            notes=tuple(_remarks(arithmetic)),
        )

    return _per_axis(row, given, made, derive)


def _remarks(arithmetic: SpatialArithmetic) -> list[str]:
    """What the rounding threw away, what gives the same, and how it would come out even; ``{line}`` is a row."""
    notes = []
    if arithmetic.unseen:
        notes.append(_thrown_away(arithmetic))
    if arithmetic.overhang:
        notes.append(f"the last window reaches {_counted(arithmetic.overhang, verb=False)} beyond the padded input")
    skipped = arithmetic.stride - arithmetic.span
    if skipped > 0:
        notes.append(f"between two windows {_counted(skipped)} skipped")
    smallest, largest = arithmetic.same_output
    if smallest != largest:
        notes.append(f"inputs of {smallest} … {largest} give the same")
    even = _even(arithmetic)
    if even is not None:
        notes.append(f"with padding {even.left} and {even.right} it comes out even: {even.textbook}")
    return notes


def _thrown_away(arithmetic: SpatialArithmetic) -> str:
    if arithmetic.rounds_up:
        return f"the last {_counted(arithmetic.unseen)} in no window: one there would begin behind the input"
    padded = "the padded input" if arithmetic.left or arithmetic.right else "the input"
    unseen, lost = arithmetic.unseen, arithmetic.unseen_input
    last = f"the last {{line}} of {padded} {{are}}" if unseen == 1 else f"the last {unseen} {{lines}} of {padded} are"
    if not lost:
        what = f"{'{they are}' if unseen == 1 else 'they are'} padding, so no pixel is lost"
    elif lost == unseen:
        what = f"{'{they are}' if unseen == 1 else 'they are'} never seen"
    else:
        what = f"{lost} of them {'is' if lost == 1 else 'are'} no padding, and never seen"
    return f"the floor throws away {format_decimal(arithmetic.quotient % 1)} of a step: {last} in no window; {what}"


def _counted(number: int, *, verb: bool = True) -> str:
    lines, are = ("{lines}", "are") if number > 1 else ("{line}", "{are}")
    return f"{number} {lines} {are}" if verb else f"{number} {lines}"


def _even(arithmetic: SpatialArithmetic) -> SpatialArithmetic | None:
    """The same without the padding that is in no window, less of it on the side that comes first."""
    total = arithmetic.left + arithmetic.right - arithmetic.unseen
    if not arithmetic.unseen or arithmetic.rounds_up or total < 0:
        return None
    return replace(arithmetic, left=total // 2, right=total - total // 2)


def _transposed(row: LayerRow, given: Shape, made: Shape) -> list[Derivation]:
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

    return _per_axis(row, given, made, derive)


def _adaptive(row: LayerRow, given: Shape, made: Shape) -> list[Derivation]:
    if "output_size" not in row.hyperparameters or "Adaptive" not in row.type_name:
        return []

    def derive(size: int, axis: int) -> tuple[int, Derivation] | None:
        wanted = row.hyperparameters["output_size"]
        asked = wanted[axis] if isinstance(wanted, tuple) else wanted
        output = size if asked is None else asked
        if not isinstance(output, int) or output < 1:
            return None
        widths = {ceil((index + 1) * size / output) - floor(index * size / output) for index in range(output)}
        window = " or ".join(map(str, sorted(widths)))
        reach = f"from floor(i·{size}/{output}) to ceil((i + 1)·{size}/{output})"
        text = f"{output} as asked: window i reaches {reach}, over {window}"
        short = f"{output} as asked" + (f", windows of {window}" if size != output else "")
        return output, Derivation(
            quantity="",
            rule="window i from floor(i·W/N) to ceil((i + 1)·W/N)",
            arithmetic=text,
            value=output,
            short=short,
            notes=("any size gives the same",),
        )

    return _per_axis(row, given, made, derive)


def _scaled(row: LayerRow, given: Shape, made: Shape) -> list[Derivation]:
    factor = row.hyperparameters.get("scale_factor")
    if not isinstance(factor, (int, float)) or len(given) != len(made) or len(given) not in (3, 4, 5):
        return []
    if any(floor(size * factor) != output for size, output in zip(given[2:], made[2:], strict=True)):
        return []
    names = AXES[len(given) - 2]
    lines = [
        Derivation(
            quantity=name,
            rule="N = floor(W·factor)",
            arithmetic=f"floor({size}·{factor:g}) = {output}",
            value=output,
            short=f"{size}·{factor:g} = {output}",
        )
        for name, size, output in zip(names, given[2:], made[2:], strict=True)
    ]
    same = all(item.arithmetic == lines[0].arithmetic for item in lines)
    return [_told(lines[0], names)] if same else lines


def _linear(row: LayerRow, given: Shape, made: Shape) -> list[Derivation]:
    features, units = row.hyperparameters.get("in_features"), row.hyperparameters.get("out_features")
    if not (isinstance(features, int) and isinstance(units, int)) or given[-1:] != (features,) or made[-1:] != (units,):
        return []
    text = f"{units} units, each with a weight for all {features:,} features"
    each = f" at each of {format_product(given[:-1])} places" if prod(given[:-1]) > 1 else ""
    return [Derivation(quantity="size", rule="", arithmetic=text + each, value=units, short=f"{features} → {units}")]


def _embedding(row: LayerRow, given: Shape, made: Shape) -> list[Derivation]:
    width = row.hyperparameters.get("embedding_dim")
    if "num_embeddings" not in row.hyperparameters or made != (*given, width):
        return []
    text = f"a vector of {width} for each of {format_product(given)} ids"
    return [Derivation(quantity="size", rule="", arithmetic=text, value=None, short=f"{width} for each id")]


def _flattened(row: LayerRow, given: Shape, made: Shape) -> list[Derivation]:
    if "start_dim" not in row.hyperparameters or len(made) >= len(given):
        return []
    start = row.hyperparameters["start_dim"]
    end = row.hyperparameters.get("end_dim", -1)
    if not isinstance(start, int) or not isinstance(end, int):
        return []
    joined = given[start : len(given) + end + 1 if end < 0 else end + 1]
    if prod(joined) not in made:
        return []
    return [
        Derivation(
            quantity="size",
            rule="",
            arithmetic=format_product(joined),
            value=prod(joined),
            short=format_product(joined),
        )
    ]
