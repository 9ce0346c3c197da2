"""Measures how fast netscope is, beside the floor below it and the peers around it, all interleaved in one run.

    python benchmarks/performance.py            # measures, and writes the page's table and its figures
    python benchmarks/performance.py --check    # measures, and shows what got slower than the committed figures

Each round measures every contest once, in an order of its own, so that what else the machine does falls on all alike.
Figures are medians over the rounds; a ratio is the median of the ratios to the floor of the same round.
"""

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

from netscope.runtime.machine import cores, memory_bytes

PAGES = Path(__file__).parent.parent / "docs" / "explanation"
FIGURES = PAGES / "performance.json"
TABLE = PAGES / "performance-table.md"
IN_PROCESS = Path(__file__).with_name("in_process.py")

ABOUT_MACHINE = ("cpu", "cores", "memory", "system")

WORSE = 1.10
"""A ratio that is so many times the committed one has got worse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one contestant took.

    Attributes:
        wall_s: by the clock.
        peak_memory_bytes: the most that its process held; None where others measured in the same process.
    """

    wall_s: float
    peak_memory_bytes: int | None = None


Round = Mapping[str, Measurement]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """Contestants that do the same thing.

    Attributes:
        section: of the table.
        subject: what they do.
        floor: the contestant that the others are held against.
        limit: what netscope's ratio to it shall be at most; None for none.
        measure: gives what each took, in one round.
    """

    section: str
    subject: str
    floor: str
    limit: float | None
    measure: Callable[[int], Round]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table.

    Attributes:
        section: as in ``Contest``.
        subject: likewise.
        contestant: whose it is.
        wall_s: median over the rounds.
        ratio: to the floor.
        peak_memory_bytes: median over the rounds.
        limit: as in ``Contest``, of netscope.
    """

    section: str
    subject: str
    contestant: str
    wall_s: float
    ratio: float
    peak_memory_bytes: int | None
    limit: float | None


def process(*command: str, codes: tuple[int, ...] = (0,), **variables: str) -> Measurement:
    """Runs a process.

    Args:
        command: of the process.
        codes: exit codes that are an answer: 1 is the answer no, 2 that there is no such name.
        variables: of its environment, besides ours.

    Raises:
        SystemExit: it failed.
    """
    start = time.perf_counter()
    running = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, **variables}
    )
    errors = running.stderr.read() if running.stderr else b""
    _, status, usage = os.wait4(running.pid, 0)
    wall_s = time.perf_counter() - start
    running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode not in codes:
        raise SystemExit(f"{command} failed:\n{errors.decode()}")
    return Measurement(wall_s=wall_s, peak_memory_bytes=usage.ru_maxrss * 1024)


def python(code: str) -> Measurement:
    """Runs code in a process of its own."""
    return process(sys.executable, "-c", code)


def netscope(*arguments: str, cache: str | None = None) -> Measurement:
    """Runs a command of netscope's, with answers that were given before if there is a folder for them."""
    script = str(Path(sys.executable).with_name("netscope"))
    if cache is None:
        return process(script, *arguments, "--no-cache", codes=(0, 1, 2))
    return process(script, *arguments, codes=(0, 1, 2), NETSCOPE_CACHE_DIR=cache)


def in_process(*arguments: str) -> dict[str, float]:
    """What ``in_process.py`` measured, in seconds, or bytes, by name."""
    finished = subprocess.run(
        [sys.executable, str(IN_PROCESS), *arguments], capture_output=True, text=True, check=False
    )
    if finished.returncode:
        raise SystemExit(f"{arguments} failed:\n{finished.stderr}")
    measured: dict[str, float] = json.loads(finished.stdout.splitlines()[-1])
    return measured


# The contests


def answered_before(folder: str) -> Iterator[Contest]:
    """Questions that were asked before, against the least that a command does."""
    commands = (
        ("summary", "alexnet"),
        ("summary", "resnet152"),
        ("diff", "alexnet-paper", "alexnet-tv"),
        ("explain", "alexnet"),
        ("compare", "alexnet", "resnet50", "vit_b_16"),
        ("check", "resnet50", "--max-params", "26M"),
        ("report", "alexnet", "-o", str(Path(folder, "alexnet.html"))),
        ("list", "resnet*"),
        ("summary", "--help"),
        ("summary", "resnt50"),
    )
    for command in commands:
        netscope(*command, cache=folder)

        def measure(_round: int, command: tuple[str, ...] = command) -> Round:
            script = str(Path(sys.executable).with_name("netscope"))
            return {
                "netscope --version": process(script, "--version"),
                "netscope": netscope(*command, cache=folder),
            }

        shown = " ".join(command[:-2] if "-o" in command else command)
        yield Contest(
            section="Warm",
            subject=f"`{shown}`",
            floor="netscope --version",
            limit=8.0 if "resnt50" in command else 3.0,  # half a second, where a version takes 0.06 s
            measure=measure,
        )


def asked_first() -> Iterator[Contest]:
    """Questions that are asked for the first time, against importing what they need."""
    for names, package, limit in (
        (("alexnet", "googlenet-d2l"), "torch", 1.15),
        (("resnt50",), "torch", 1.0),
        (("resnet50", "vit_b_16"), "torchvision.models", 1.1),
    ):
        for name in names:

            def measure(_round: int, name: str = name, package: str = package) -> Round:
                return {f"import {package}": python(f"import {package}"), "netscope": netscope("summary", name)}

            yield Contest(
                section="Cold",
                subject=f"`summary {name}`",
                floor=f"import {package}",
                limit=limit,
                measure=measure,
            )


def summarised() -> Iterator[Contest]:
    """Summaries in a process that has imported everything, against building the model and running it once."""
    for name in ("resnet152", "densenet201", "vit_h_14", "swin_v2_b", "llama"):

        def measure(_round: int, name: str = name) -> Round:
            measured = in_process("summary", name)
            return {key: Measurement(wall_s=measured[key]) for key in ("build and forward", "netscope")}

        subject = "Llama with 32 layers" if name == "llama" else f"`{name}`"
        yield Contest(section="In process", subject=subject, floor="build and forward", limit=1.25, measure=measure)


def grown() -> Iterator[Contest]:
    """Ten thousand layers, against ten times a thousand."""

    def measure(_round: int) -> Round:
        measured = in_process("scale")
        return {
            "ten times 1,000 layers": Measurement(
                wall_s=10 * measured["1000"], peak_memory_bytes=round(10 * measured["1000 bytes"])
            ),
            "netscope": Measurement(wall_s=measured["10000"], peak_memory_bytes=round(measured["10000 bytes"])),
        }

    yield Contest(
        section="In process",
        subject="10,000 layers",
        floor="ten times 1,000 layers",
        limit=1.1,
        measure=measure,
    )


def many() -> Iterator[Contest]:
    """All of torchvision's classification models, against one import and all of them once, shared by the cores."""

    def measure(_round: int) -> Round:
        measured = in_process("many")
        floor_s = measured["import"] + measured["build and forward"] / cores()
        names = [name for name in measured if name not in ("import", "build and forward")]
        return {
            "one import, and all once over the cores": Measurement(wall_s=floor_s),
            "netscope": netscope("compare", *names),
        }

    yield Contest(
        section="Many",
        subject="`compare` of the 80 classification models",
        floor="one import, and all once over the cores",
        limit=1.5,
        measure=measure,
    )


_BUILD = """
import warnings; warnings.simplefilter("ignore")
import torch, torchvision.models
with torch.device({device!r}):
    model = torchvision.models.get_model({name!r}, weights=None).eval()
    x = torch.zeros(1, 3, 224, 224)
"""
PEERS = {
    "FlopCounterMode": _BUILD
    + "from torch.utils.flop_counter import FlopCounterMode\nwith FlopCounterMode(), torch.no_grad(): model(x)",
    "torchinfo": _BUILD + "import torchinfo; print(torchinfo.summary(model, input_data=x, verbose=0, device='cpu'))",
    "fvcore": _BUILD
    + "import logging; logging.disable(logging.WARNING)\n"
    + "from fvcore.nn import FlopCountAnalysis, flop_count_table; print(flop_count_table(FlopCountAnalysis(model, x)))",
}
"""All but the first need the weights in memory."""


def beside_peers() -> Iterator[Contest]:
    """Whole processes: netscope and its peers, against importing, building and running once on meta."""
    for name in ("alexnet", "vit_h_14"):

        def measure(_round: int, name: str = name) -> Round:
            floor = _BUILD.format(name=name, device="meta") + "with torch.no_grad(): model(x)"
            tools = {
                tool: python(code.format(name=name, device="meta" if tool == "FlopCounterMode" else "cpu"))
                for tool, code in PEERS.items()
            }
            return {"floor": python(floor), "netscope": netscope("summary", f"torchvision/{name}"), **tools}

        yield Contest(section="Peers", subject=f"`{name}`", floor="floor", limit=None, measure=measure)


def throughput() -> Iterator[Contest]:
    """What a batch takes on the CPU by ``netscope bench``, against timm's way: a mean over a loop after a warm-up."""

    def measure(_round: int) -> Round:
        measured = in_process("throughput")
        return {key: Measurement(wall_s=measured[key]) for key in ("timm's loop", "netscope")}

    yield Contest(
        section="Throughput",
        subject="a batch of 8 through `resnet18`",
        floor="timm's loop",
        limit=None,
        measure=measure,
    )


def contests(folder: str) -> list[Contest]:
    """All of them; ``folder`` is for what was asked before."""
    return [
        *answered_before(folder),
        *asked_first(),
        *summarised(),
        *grown(),
        *many(),
        *beside_peers(),
        *throughput(),
    ]


# The figures


def measured(entered: Sequence[Contest], rounds: int) -> list[Figure]:
    """The figures over that many rounds."""
    taken: dict[int, list[Round]] = {number: [] for number in range(len(entered))}
    for turn in range(rounds):
        order = list(taken)
        random.Random(turn).shuffle(order)
        for number in order:
            taken[number].append(entered[number].measure(turn))
            print(f"round {turn + 1} of {rounds}: {entered[number].subject}", file=sys.stderr)
    return [figure for number, contest in enumerate(entered) for figure in figures_of(contest, taken[number])]


def figures_of(contest: Contest, rounds: Sequence[Round]) -> Iterator[Figure]:
    """One figure for each contestant."""
    for contestant in rounds[0]:
        walls = [taken[contestant].wall_s for taken in rounds]
        floors = [taken[contest.floor].wall_s for taken in rounds]
        peaks = [taken[contestant].peak_memory_bytes for taken in rounds]
        known = [peak for peak in peaks if peak is not None]
        yield Figure(
            section=contest.section,
            subject=contest.subject,
            contestant=contestant,
            wall_s=median(walls),
            ratio=median(wall / floor for wall, floor in zip(walls, floors, strict=True)),
            peak_memory_bytes=round(median(known)) if known else None,
            limit=contest.limit if contestant == "netscope" else None,
        )


def machine() -> dict[str, str]:
    """What it was measured on, and with."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    packages = ("netscope", "torch", "torchvision", "torchinfo", "fvcore", "timm", "transformers")
    return {
        "system": f"{platform.system()} {platform.release()}",
        "cpu": model,
        "cores": f"{cores()} cores",
        "memory": f"{(memory_bytes() or 0) / 2**30:.0f} GiB",
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def table(figures: Sequence[Figure], rounds: int, where: Mapping[str, str]) -> str:
    """The figures as Markdown."""
    shown = ", ".join(f"{name} {text}" for name, text in where.items() if name not in ABOUT_MACHINE)
    medians = f"Medians of {rounds} rounds, each ratio to the floor of the same round."
    lines = [f"{medians} {', '.join(where[name] for name in ABOUT_MACHINE)}; {shown}.", ""]
    for section in dict.fromkeys(figure.section for figure in figures):
        lines += [
            f"### {section}",
            "",
            "| | | time | ratio | aim | peak memory |",
            "| --- | --- | ---: | ---: | ---: | ---: |",
        ]
        lines += [_line(figure) for figure in figures if figure.section == section]
        lines.append("")
    return "\n".join(lines)


def _line(figure: Figure) -> str:
    aim = "" if figure.limit is None else f"≤ {figure.limit:g}"
    peak = "" if figure.peak_memory_bytes is None else f"{figure.peak_memory_bytes / 2**20:,.0f} MiB"
    who = f"**{figure.contestant}**" if figure.contestant == "netscope" else figure.contestant
    return f"| {figure.subject} | {who} | {figure.wall_s:,.3f} s | × {figure.ratio:.2f} | {aim} | {peak} |"


def slower(figures: Sequence[Figure], before: Sequence[Mapping[str, object]]) -> list[str]:
    """A line for each of netscope's ratios that got worse by more than a tenth."""
    ratios = {(item["section"], item["subject"], item["contestant"]): float(str(item["ratio"])) for item in before}
    found = []
    for figure in figures:
        was = ratios.get((figure.section, figure.subject, figure.contestant))
        if figure.contestant == "netscope" and was is not None and figure.ratio > was * WORSE:
            found.append(f"{figure.section}, {figure.subject}: × {was:.2f} → × {figure.ratio:.2f}")
    return found


def main() -> int:
    """Measures; writes what came out, or compares it with what was written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--check", action="store_true", help="compares with the committed figures, and writes nothing")
    parser.add_argument("sections", nargs="*", help="those whose names begin like this; by default all")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("there has to be a round")
    before = json.loads(FIGURES.read_text(encoding="utf-8"))["figures"] if options.check or options.sections else []
    with tempfile.TemporaryDirectory() as folder:
        entered = [
            contest
            for contest in contests(folder)
            if not options.sections or contest.section.lower().startswith(tuple(map(str.lower, options.sections)))
        ]
        figures = measured(entered, options.rounds)
    text = table(figures, options.rounds, machine())
    if options.check or options.sections:
        print(text)
        found = slower(figures, before)
        print("\n".join(found) if found else f"no ratio is over {WORSE:g} times the committed one")
        return int(bool(found))
    content = {"machine": machine(), "rounds": options.rounds, "figures": [asdict(figure) for figure in figures]}
    FIGURES.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    TABLE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
