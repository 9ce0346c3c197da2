"""The notable hyperparameters of a layer in short notation: ``3→96``, ``11×11``, ``s4``, ``p2``.

Layers are recognized by their hyperparameters, not their class, so subclasses are written like their parents.
"""

from collections.abc import Callable, Mapping

from netscope.schema import PlainValue

Values = Mapping[str, PlainValue]

MAX_WORD_LENGTH = 16
MAX_GENERIC = 3

NUMBERING = ("_idx", "_index", "_id")
"""Endings of hyperparameters that number a layer among its siblings, as its path does."""


def notable_hyperparameters(type_name: str, values: Values) -> tuple[str, ...]:
    """Returns the notable hyperparameters, the most important first, without those that have their default value."""
    values = {**values, **_repeat_per_axis(type_name, values)}
    for keys, describe in _DESCRIPTIONS:
        if keys <= values.keys():
            return tuple(part for part in describe(values) if part)
    return tuple(_generic(values))[:MAX_GENERIC]


def _repeat_per_axis(type_name: str, values: Values) -> Values:
    """Returns a pooling's sizes per axis: it may have one integer for all axes, whose number only its name tells."""
    axes = next((axes for axes in (1, 2, 3) if type_name.endswith(f"{axes}d")), 1)
    return {
        key: (value,) * axes
        for key in ("kernel_size", "output_size")
        if isinstance(value := values.get(key), int) and not isinstance(value, bool)
    }


def _convolution(values: Values) -> tuple[str, ...]:
    return (
        f"{values['in_channels']}→{values['out_channels']}",
        _join_sizes(values["kernel_size"]),
        _unless("s", values.get("stride"), 1),
        _unless("p", values.get("padding"), 0),
        _unless("d", values.get("dilation"), 1),
        _groups(values),
        _no_bias(values),
    )


def _groups(values: Values) -> str:
    groups = values.get("groups", 1)
    if groups == 1:
        return ""
    return "depthwise" if groups == values["in_channels"] else f"g{groups}"


def _pooling(values: Values) -> tuple[str, ...]:
    stride = values.get("stride")
    return (
        _join_sizes(values["kernel_size"]),
        _unless("s", values["kernel_size"] if stride is None else stride, 1),
        _unless("p", values.get("padding"), 0),
        _unless("d", values.get("dilation"), 1),
        "ceil" if values.get("ceil_mode") else "",
    )


def _linear(values: Values) -> tuple[str, ...]:
    return (f"{values['in_features']}→{values['out_features']}", _no_bias(values))


def _bilinear(values: Values) -> tuple[str, ...]:
    return (f"{values['in1_features']}, {values['in2_features']}→{values['out_features']}", _no_bias(values))


def _recurrent(values: Values) -> tuple[str, ...]:
    layers = values.get("num_layers", 1)
    return (
        f"{values['input_size']}→{values['hidden_size']}",
        f"{layers} layers" if layers != 1 else "",
        "bidirectional" if values.get("bidirectional") else "",
        f"proj {values['proj_size']}" if values.get("proj_size") else "",
        _no_bias(values),
    )


def _attention(values: Values) -> tuple[str, ...]:
    return (f"{values['embed_dim']}", f"{values['num_heads']} heads")


def _group_norm(values: Values) -> tuple[str, ...]:
    return (f"{values['num_channels']}", f"{values['num_groups']} groups")


def _upsample(values: Values) -> tuple[str, ...]:
    factor = values.get("scale_factor")
    target = f"×{factor:g}" if isinstance(factor, (int, float)) else _join_sizes(values.get("size"))
    return (target, str(values["mode"]))


def _no_bias(values: Values) -> str:
    return "no bias" if values.get("bias") is False else ""


_DESCRIPTIONS: tuple[tuple[set[str], Callable[[Values], tuple[str, ...]]], ...] = (
    ({"in_channels", "out_channels", "kernel_size"}, _convolution),
    ({"in_features", "out_features"}, _linear),
    ({"in1_features", "in2_features", "out_features"}, _bilinear),
    ({"input_size", "hidden_size"}, _recurrent),
    ({"embed_dim", "num_heads"}, _attention),
    ({"num_embeddings", "embedding_dim"}, lambda values: (f"{values['num_embeddings']}×{values['embedding_dim']}",)),
    ({"num_channels", "num_groups"}, _group_norm),
    ({"num_features"}, lambda values: (f"{values['num_features']}",)),
    ({"normalized_shape"}, lambda values: (_join_sizes(values["normalized_shape"]),)),
    ({"kernel_size"}, _pooling),
    ({"mode", "scale_factor"}, _upsample),
    ({"output_size"}, lambda values: (_join_sizes(values["output_size"]),)),
    (
        {"p", "inplace"},
        lambda values: (f"p={values['p']:g}" if isinstance(values["p"], float) else f"p={values['p']}",),
    ),
    ({"inplace"}, lambda _: ()),
    ({"start_dim", "end_dim"}, lambda _: ()),
)


def _generic(values: Values) -> list[str]:
    """Returns an unknown layer's hyperparameters as name=value: integers above one, tuples of integers, and words."""
    shown = []
    for name, value in values.items():
        if isinstance(value, (bool, float)) or value is None or value in (0, 1, "", "none"):
            continue
        # The settings of a configuration object are too many for a row.
        if name.endswith(NUMBERING) or "." in name:
            continue
        if isinstance(value, str) and len(value) > MAX_WORD_LENGTH:
            continue
        if isinstance(value, tuple) and not all(isinstance(item, int) for item in value):
            continue
        shown.append(f"{name}={value}")
    return shown


def _join_sizes(value: PlainValue) -> str:
    """Returns ``(11, 11)`` as ``11×11``; None, for an axis that keeps its size, as ``·``."""
    if isinstance(value, tuple):
        return "×".join("·" if item is None else str(item) for item in value)
    return str(value)


def _unless(mark: str, value: PlainValue, default: int) -> str:
    """Returns ``s4`` for a stride of four, ``s2×1`` if the axes differ, and an empty text for the default value."""
    if isinstance(value, str):
        return f"{mark} {value}"
    sizes = set(value) if isinstance(value, tuple) else {value}
    if sizes <= {default, None}:
        return ""
    return f"{mark}{sizes.pop()}" if len(sizes) == 1 else f"{mark}{_join_sizes(value)}"
