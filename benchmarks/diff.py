"""How long it takes to align two deep architectures, beyond summarising them.

    python benchmarks/diff.py

Each pair has about 2,000 layers on either side; medians of five.
"""

import random
from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter

import torch
from torch import nn

import netscope
from netscope import Summary, analysis

LAYERS = 2000
ROUNDS = 5


def plain(layers: int, width: int | None = None, seed: int = 0) -> Summary:
    """Convolutions of kernel 3 and of one width, or of random kernels and widths; an activation behind each."""
    chosen = random.Random(seed)
    modules: list[nn.Module] = []
    channels = 3
    for _ in range(layers // 2):
        filters = width or chosen.choice(range(4, 44, 4))
        kernel = 3 if width else chosen.choice((1, 3))
        modules += [nn.Conv2d(channels, filters, kernel, padding="same"), nn.ReLU()]
        channels = filters
    return netscope.summarize(nn.Sequential(*modules), (1, 3, 8, 8))


def transformer(blocks: int, width: int) -> Summary:
    """Blocks of ten layers each."""
    layer = nn.TransformerEncoderLayer(width, 4, 2 * width, batch_first=True)
    return netscope.summarize(nn.TransformerEncoder(layer, blocks, enable_nested_tensor=False), (1, 5, width))


def pairs() -> Iterator[tuple[str, Summary, Summary]]:
    """What is compared."""
    yield "the same", plain(LAYERS, 16), plain(LAYERS, 16)
    yield "every width another", plain(LAYERS, 16), plain(LAYERS, 24)
    yield "a tenth more layers", plain(LAYERS, 16), plain(LAYERS * 11 // 10, 16)
    yield "random and random", plain(LAYERS, seed=1), plain(LAYERS, seed=2)
    yield "wider transformer with more blocks", transformer(200, 32), transformer(210, 48)


def seconds(function: Callable[[], object]) -> float:
    """How long it takes."""
    start = perf_counter()
    function()
    return perf_counter() - start


def main() -> None:
    """Prints the table."""
    with torch.device("meta"):
        for what, before, after in pairs():
            taken = median(seconds(lambda: analysis.diff_summaries(before, after)) for _ in range(ROUNDS))  # noqa: B023 - now
            print(f"{what:36} {len(before.rows):5} and {len(after.rows):5} rows  {taken:5.2f} s")


if __name__ == "__main__":
    main()
