"""The commands: their one-line descriptions and examples."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType

IS_QUIET: ContextVar[bool] = ContextVar("is_quiet", default=False)
"""Whether progress and what architectures print are hidden."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command, whose module is ``cli.NAME``.

    Attributes:
        text: one-line description in the list of commands.
        examples: example arguments of ``netscope``.
        function: name of the function in the module; by default the command's name.
        parser: name of the class in the module that parses the arguments; by default ``UsageCommand``.
    """

    text: str
    examples: tuple[str, ...]
    function: str = ""
    parser: str = ""


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "summary": Command(
            text="Show every layer's output shape, parameters and FLOPs.",
            examples=(
                "summary alexnet --input 1x3x224x224",
                "summary hf/gpt2 --seq-len 1024 --train",
                "summary my.py:Net@width=64 --sort flops --top 10",
            ),
            parser="SummaryCommand",
        ),
        "diff": Command(
            text="Compare two architectures layer by layer.",
            examples=(
                "diff alexnet-paper alexnet-tv",
                "diff vit_b_16 timm/vit_base_patch16_224 --weights-map map.json",
                "diff before.json my.py:Net --only-changed",
            ),
        ),
        "compare": Command(
            text="Compare many architectures, one row each.",
            examples=(
                "compare lenet5 vgg16 resnet50",
                "compare 'timm/convnext_t*' --sort params",
                "compare hf/gpt2 hf/llama --seq-len 1024 -o table.md",
            ),
        ),
        "check": Command(
            text="Check architectures against budgets and a lock file (for CI).",
            examples=("check", "check --update", "check resnet50 --max-params 26M --max-flops 8.3G"),
        ),
        "bench": Command(
            text="Measure throughput, latency, memory and utilization.",
            examples=(
                "bench resnet50",
                "bench alexnet-paper alexnet-tv --batch-size 1,32 --mode train",
                "bench resnet50 --device cuda --dtype fp32,bf16 -o before.json",
            ),
            parser="BenchCommand",
        ),
        "explain": Command(
            text="Show the arithmetic behind shapes, counts and receptive fields.",
            examples=(
                "explain alexnet",
                "explain alexnet features.0",
                "explain alexnet features.0 --what-if features.0.padding=0",
            ),
        ),
        "list": Command(
            text="List the architectures that can be loaded by name.",
            examples=("list", "list 'resnet*'", "list 'timm/vit_*' --json"),
            function="list_architectures",
        ),
        "report": Command(
            text="Write a self-contained HTML report of one or two architectures.",
            examples=(
                "report alexnet -o alexnet.html",
                "report alexnet-paper alexnet-tv -o diff.html",
                "report my.py:Net --input 1x3x64x64 -o net.html",
            ),
        ),
        "verify": Command(
            text="Compare our counts with other tools and published values.",
            examples=("verify vit_b_16", "verify my.py:Net --input 1x10", "verify hf/gpt2 --seq-len 128"),
        ),
        "cache": Command(
            text="Show, prune or clear cached results.",
            examples=("cache", "cache prune --unused 7", "cache clear"),
        ),
    }
)
