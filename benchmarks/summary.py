"""Measures whole processes: ``netscope summary`` against the floor below it and the peers beside it.

    python benchmarks/summary.py --rounds 5 --output docs/explanation/performance-table.md

The floor imports torch and torchvision, builds the architecture under meta and runs it on meta once, with nothing
attached. Every round runs each contestant once, in an order of its own, so that what else the machine does falls on all
alike; figures are medians over the rounds, and ratios are medians of the ratios within a round.
"""

import argparse
import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

ARCHITECTURES = ("alexnet", "resnet152", "densenet201", "vit_h_14", "swin_v2_b")
INPUT_SIZES = {"swin_v2_b": 256}

_BUILD = """
import warnings; warnings.simplefilter("ignore")
import torch, torchvision
with torch.device({device!r}):
    model = torchvision.models.get_model({name!r}, weights=None).eval()
    x = torch.zeros(1, 3, {size}, {size})
"""
CONTESTANTS = {
    "floor": _BUILD + "with torch.no_grad(): model(x)",
    "netscope": "from netscope.__main__ import main; import sys; "
    "sys.argv = ['netscope', 'summary', 'torchvision/{name}']; main()",
    "torchinfo": _BUILD + "import torchinfo; print(torchinfo.summary(model, input_data=x, verbose=0, device='cpu'))",
    "fvcore": _BUILD
    + "import logging; logging.disable(logging.WARNING)\n"
    + "from fvcore.nn import FlopCountAnalysis, flop_count_table; print(flop_count_table(FlopCountAnalysis(model, x)))",
}
ON_META = ("floor", "netscope")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One process: its wall-clock time, and the most memory that it held."""

    wall_s: float
    peak_memory_bytes: int


def run(contestant: str, name: str) -> Run:
    """Runs one contestant on one architecture in a fresh process.

    Raises:
        SystemExit: the process failed.
    """
    device = "meta" if contestant in ON_META else "cpu"
    code = CONTESTANTS[contestant].format(name=name, device=device, size=INPUT_SIZES.get(name, 224))
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{contestant} on {name} failed:\n{errors.decode()}")
    return Run(wall_s=wall_s, peak_memory_bytes=usage.ru_maxrss * 1024)


def measure(names: Sequence[str], rounds: int) -> dict[tuple[str, str], list[Run]]:
    """``rounds`` runs of each contestant on each architecture, by architecture and contestant."""
    runs: dict[tuple[str, str], list[Run]] = {}
    for number in range(rounds):
        contests = [(name, contestant) for name in names for contestant in CONTESTANTS]
        random.Random(number).shuffle(contests)
        for name, contestant in contests:
            runs.setdefault((name, contestant), []).append(run(contestant, name))
            print(f"round {number + 1}: {contestant} on {name}", file=sys.stderr)
    return runs


def table(names: Sequence[str], runs: Mapping[tuple[str, str], Sequence[Run]]) -> str:
    """The medians as Markdown, with ratios to the floor of the same round."""
    lines = [
        "| architecture | floor | netscope | | torchinfo | | fvcore | |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for title, figure, unit in (("time", "wall_s", 1.0), ("peak memory", "peak_memory_bytes", 2.0**20)):
        suffix = "s" if unit == 1 else "MiB"
        for name in names:
            floor = [getattr(item, figure) for item in runs[name, "floor"]]
            cells = [f"`{name}`, {title}", f"{median(floor) / unit:,.2f} {suffix}"]
            for contestant in ("netscope", "torchinfo", "fvcore"):
                figures = [getattr(item, figure) for item in runs[name, contestant]]
                ratio = median(theirs / ours for theirs, ours in zip(figures, floor, strict=True))
                cells += [f"{median(figures) / unit:,.2f} {suffix}", f"× {ratio:.2f}"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measures, and prints or writes the table with its circumstances."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    parser.add_argument("names", nargs="*", default=ARCHITECTURES)
    options = parser.parse_args()
    runs = measure(options.names, options.rounds)
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "torchinfo", "fvcore"))
    circumstances = (
        f"Whole processes, medians of {options.rounds} rounds, each ratio to the floor of the same round. "
        f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, {packages}."
    )
    text = f"{circumstances}\n\n{table(options.names, runs)}\n"
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
