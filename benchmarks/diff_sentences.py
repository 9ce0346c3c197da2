"""Writes the table of 44 diffs in one sentence each, beside what an expert would say of them.

    python benchmarks/diff_sentences.py

The table is in ``docs/explanation/alignment.md``. The expert's phrases were written before the sentences were seen, and
a reviewer judged each sentence. The script measures the sentences only: after a change, judge those that changed.
"""

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import netscope
from netscope.render.diff_sentences import describe_diff
from netscope.render.document import printable

PAGE = Path(__file__).parent.parent / "docs" / "explanation" / "alignment.md"
MODELS = "benchmarks/edited_models.py"
_TABLE = re.compile(r"(?<=<!-- benchmarks/diff_sentences.py -->\n).*(?=<!-- end -->)", re.DOTALL)


class Pair(NamedTuple):
    """Two architectures, what an expert would say about their difference, and how well the sentence says it.

    Attributes:
        before: first architecture.
        after: second architecture.
        expert: what an expert would say.
        judgement: whether the sentence says the most important of it, some of it, or something wrong.
        inputs: input shape of both; None for the default.
    """

    before: str
    after: str
    expert: str
    judgement: Literal["good", "acceptable", "bad"]
    inputs: tuple[int, ...] | None = None

    @property
    def is_quick(self) -> bool:
        """Whether the architectures are built in or in ``edited_models.py``, and so need no other package."""
        return all(name.startswith(("alexnet", MODELS)) for name in (self.before, self.after))


def write_sentence(pair: Pair) -> str:
    """Returns the sentence about a pair."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.ao.quantization is deprecated
        return describe_diff(netscope.diff(pair.before, pair.after, pair.inputs))


def write_row(pair: Pair) -> str:
    """Returns the line of the table about a pair."""
    names = (f"`{name.removeprefix(f'{MODELS}:')}`" for name in (pair.before, pair.after))
    cells = (" → ".join(names), pair.expert, printable(write_sentence(pair)), pair.judgement)
    return f"| {' | '.join(cell.replace('|', '&#124;').replace('*', '&#42;') for cell in cells)} |"


def write_table() -> Iterator[str]:
    """Yields the lines of the table and the numbers of judgements."""
    counts = Counter(pair.judgement for pair in PAIRS)
    judgements = ", ".join(f"{counts[word]} {word}" for word in ("good", "acceptable", "bad"))
    yield f"{len(PAIRS)} pairs: {judgements}."
    yield ""
    yield "| pair | an expert says | netscope | judged |"
    yield "| --- | --- | --- | --- |"
    yield from map(write_row, PAIRS)


PAIRS = (
    Pair(
        "alexnet-paper", "alexnet-tv", "fewer filters in convolutions 1, 2 and 4: 96 → 64, 256 → 192, 384 → 256", "good"
    ),
    Pair(
        "alexnet-tv",
        "alexnet-half",
        "narrower: half of the paper's filters, and half of its units (4096 → 2048)",
        "acceptable",
    ),
    Pair(
        "alexnet-paper", "alexnet-grouped", "2 groups in convolutions 2, 4 and 5; local response normalization", "good"
    ),
    Pair("vgg11", "vgg11_bn", "batch normalization after each of the 8 convolutions", "good"),
    Pair("vgg16", "vgg19", "one more convolution in each of the last three stages", "good"),
    Pair("resnet18", "resnet34", "deeper: blocks 2, 2, 2, 2 → 3, 4, 6, 3", "good"),
    Pair("resnet50", "resnet101", "deeper: 17 more bottlenecks in layer3", "good"),
    Pair("resnet101", "resnet50", "shallower: 17 fewer bottlenecks in layer3", "good"),
    Pair("resnet50", "wide_resnet50_2", "the inner convolutions of each bottleneck twice as wide: 64 → 128, …", "good"),
    Pair("resnet50", "resnext50_32x4d", "32 groups in the 3×3 convolutions, which are twice as wide", "good"),
    Pair("resnet50", "timm/resnet50", "the same architecture under other names", "good"),
    Pair(
        "resnet50",
        "timm/resnet50d",
        "three 3×3 convolutions instead of the 7×7 stem; average pooling in shortcuts",
        "acceptable",
    ),
    Pair(
        "densenet121", "densenet169", "deeper: 8 more dense layers in block 3, 16 in block 4; wider classifier", "good"
    ),
    Pair(
        "efficientnet_b0",
        "efficientnet_b1",
        "deeper: one or two more MBConv blocks per stage, 7 in all; 240 pixels",
        "good",
    ),
    Pair("mobilenet_v2", "mobilenet_v3_large", "squeeze-and-excitation, hard-swish, some 5×5 kernels", "good"),
    Pair(
        "mobilenet_v3_small",
        "mobilenet_v3_large",
        "4 more blocks, wider; squeeze-and-excitation and hard-swish elsewhere",
        "acceptable",
    ),
    Pair("convnext_tiny", "convnext_small", "deeper: 18 more blocks in stage 3", "good"),
    Pair("convnext_tiny", "timm/convnext_tiny", "the same architecture under other names", "good"),
    Pair(
        "swin_t", "swin_v2_t", "cosine attention, continuous position bias (an MLP), norms after, window 7 → 8", "good"
    ),
    Pair("regnet_x_400mf", "regnet_y_400mf", "squeeze-and-excitation in each block; other widths and depths", "good"),
    Pair(
        "googlenet",
        "inception_v3",
        "factorized convolutions (1×7, 7×1), more and wider inception blocks, 299 pixels",
        "acceptable",
    ),
    Pair("vit_b_16", "vit_l_16", "12 → 16 heads, width 768 → 1024, 12 → 24 blocks", "good"),
    Pair("vit_b_16", "timm/vit_base_patch16_224", "the same architecture; attention written out in modules", "good"),
    Pair("hf/bert", "hf/roberta", "another vocabulary: 30522 → 50265; 514 positions, one token type", "good"),
    Pair(
        "hf/llama",
        "hf/mistral",
        "grouped-query attention, 32 → 8 key and value heads; MLP 11008 → 14336; a sliding window",
        "good",
    ),
    Pair("hf/llama", "hf/qwen2", "biases in q, k and v; vocabulary 32000 → 151936; MLP 11008 → 22016", "good"),
    Pair(
        "hf/mistral", "hf/qwen2", "8 → 32 key and value heads; biases in q, k and v; vocabulary 32000 → 151936", "good"
    ),
    Pair(
        "hf/gpt2",
        "hf/gpt_neo",
        "local attention in every other layer; width 768 → 2048, 12 → 24 layers; Linear for Conv1D",
        "acceptable",
    ),
    Pair("hf/llama@num_hidden_layers=4", "hf/llama@num_hidden_layers=5", "one more decoder layer", "good"),
    Pair("resnet18", "resnet18@num_classes=10", "10 classes instead of 1000", "good"),
    Pair("vgg16", "vgg16@dropout=0.1", "dropout 0.5 → 0.1", "good"),
    Pair(
        "resnet50",
        "resnet50@replace_stride_with_dilation=(False,True,True)",
        "dilation instead of stride in layers 3 and 4",
        "good",
    ),
    Pair("timm/seresnet50", "timm/resnet50", "without squeeze-and-excitation", "good"),
    Pair("timm/resnet50", "timm/resnet50_gn", "group normalization instead of batch normalization", "good"),
    Pair("timm/resnet50", "timm/resnet50@act_layer=silu", "SiLU instead of ReLU", "good"),
    Pair("timm/vit_small_patch16_224", "timm/vit_small_patch16_224@qk_norm=True", "normalization of q and k", "good"),
    Pair("hf/gpt2", "hf/gpt2@n_head=16", "12 → 16 heads", "good"),
    Pair(
        "torchvision/quantized_resnet18",
        "torchvision/quantized_resnet18@quantize=True",
        "int8; norms fused",
        "acceptable",
    ),
    Pair(
        f"{MODELS}:perceptron", f"{MODELS}:perceptron@dtype=int8", "the same 3 layers, as int8", "good", inputs=(1, 64)
    ),
    Pair(
        f"{MODELS}:perceptron",
        f"{MODELS}:perceptron@dtype=bfloat16",
        "the same 3 layers, as bfloat16",
        "good",
        inputs=(1, 64),
    ),
    Pair(
        f"{MODELS}:ConvNet", f"{MODELS}:ConvNet@kernel=5", "kernel 3×3 → 5×5 in the stem", "good", inputs=(1, 3, 32, 32)
    ),
    Pair(
        f"{MODELS}:ConvNet",
        f"{MODELS}:ConvNet@activation=sigmoid",
        "sigmoid instead of ReLU",
        "good",
        inputs=(1, 3, 32, 32),
    ),
    Pair(
        f"{MODELS}:ConvNet",
        f"{MODELS}:ConvNet@residual=False",
        "without the residual connection",
        "good",
        inputs=(1, 3, 32, 32),
    ),
    Pair(f"{MODELS}:Attention", f"{MODELS}:Attention@causal=True", "causal attention", "good", inputs=(1, 16, 64)),
)


def main() -> None:
    """Writes the table into the page."""
    table = "\n" + "\n".join(write_table()) + "\n\n"
    PAGE.write_text(_TABLE.sub(lambda _: table, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
