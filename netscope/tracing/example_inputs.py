"""Examples of inputs for a model whose inputs are unknown, from the layers that may take them."""

from collections.abc import Iterator
from itertools import islice, product

from torch import nn
from torch.nn.modules.conv import _ConvNd

MAX_EXAMPLES = 16

_LAYERS = 4
"""The layers, in order of registration, that are considered to take an input."""

_SIZES = {
    1: ("128",),
    2: ("224x224", "32x32", "28x28", "64x64", "96x96", "128x128", "256x256"),
    3: ("16x112x112", "16x32x32", "32x32x32"),
}
"""Usual sizes of signals, pictures and videos, by the number of dimensions."""

FALLBACK = "1x3x224x224"


def suggest_inputs(model: nn.Module, count: int) -> Iterator[tuple[str, ...]]:
    """Yields examples of ``count`` inputs that the first layers of the model would take, at most ``MAX_EXAMPLES``."""
    found = dict.fromkeys(filter(None, map(_suggest_for_layer, model.modules())))
    layers = list(islice(found, _LAYERS)) or [(FALLBACK,)]
    choices = [text for layer in layers for text in layer] if count == 1 else [layer[0] for layer in layers]
    yield from islice(product(choices, repeat=count), MAX_EXAMPLES)


def _suggest_for_layer(layer: nn.Module) -> tuple[str, ...]:
    """Returns the inputs that a layer takes, with batch size 1; empty if it does not tell."""
    if isinstance(layer, (nn.Embedding, nn.EmbeddingBag)):
        return ("1x16:int64",)
    if isinstance(layer, nn.Linear) and layer.in_features:
        return (f"1x{layer.in_features}",)
    if isinstance(layer, _ConvNd):
        channels = layer.in_channels or 3
        return tuple(f"1x{channels}x{size}" for size in _SIZES[len(layer.kernel_size)])
    if isinstance(layer, nn.RNNBase):
        return (f"1x16x{layer.input_size}" if layer.batch_first else f"16x1x{layer.input_size}",)
    if isinstance(layer, nn.MultiheadAttention):
        return (f"1x16x{layer.embed_dim}" if layer.batch_first else f"16x1x{layer.embed_dim}",)
    return ()
