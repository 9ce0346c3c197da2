"""Holds the peak of an inference pass against what the CPU's allocator really held at once.

    python benchmarks/memory.py --output docs/explanation/memory-table.md

Ours comes from the dataflow on meta; the other from the allocator's events in one real forward pass, which hold what
kernels take for themselves as well. Neither has the weights or the input in it.
"""

import argparse
import gc
import platform
import warnings
from importlib.metadata import version
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

import netscope

ARCHITECTURES = (
    "alexnet", "vgg11", "squeezenet1_0", "resnet50", "densenet121", "inception_v3", "mobilenet_v2", "efficientnet_b0",
    "regnet_y_400mf", "convnext_tiny", "vit_b_16", "swin_t", "maxvit_t",
)  # fmt: skip
BATCH = 4


def allocated_at_most(model: nn.Module, inputs: Tensor) -> int:
    """Bytes that the CPU's allocator held at once during one forward pass."""
    with torch.no_grad():
        model(inputs)
        gc.collect()
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
            result = model(inputs)
    del result
    events = [event for event in recorded.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


def main() -> None:
    """Writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path)
    output = parser.parse_args().output
    warnings.simplefilter("ignore")
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, torchvision {version('torchvision')}"
    lines = [
        f"Activations at the peak, batch {BATCH}. {versions}, on the CPU.",
        "",
        "| architecture | netscope | allocator | ratio |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name in ARCHITECTURES:
        summary = netscope.summarize(f"torchvision/{name}", batch_size=BATCH)
        model = torchvision.models.get_model(name, weights=None).eval()
        real = allocated_at_most(model, torch.randn(summary.inputs[0].shape))
        ours = summary.peak_memory.activations if summary.peak_memory else 0
        lines.append(f"| `{name}` | {ours / 2**20:,.2f} MiB | {real / 2**20:,.2f} MiB | {ours / real:.2f} |")
    table = "\n".join(lines) + "\n"
    if output is None:
        print(table)
    else:
        output.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
