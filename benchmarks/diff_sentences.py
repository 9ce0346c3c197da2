"""Writes the table of 44 diffs in one sentence, beside what an expert would say.

    python benchmarks/diff_sentences.py

The expert's phrases were written before the sentences were seen. The judgement is a reviewer's; the sentence is measured.
"""

from typing import NamedTuple

MODELS = "benchmarks/edited_models.py"


class Pair(NamedTuple):
    """Two architectures, and what an expert would say about their difference."""

    before: str
    after: str
    expert: str


PAIRS = (
    Pair("alexnet-paper", "alexnet-tv", "fewer filters in convolutions 1, 2 and 4: 96 → 64, 256 → 192, 384 → 256"),
    Pair("alexnet-tv", "alexnet-half", "narrower: half of the paper's filters, and half of its units (4096 → 2048)"),
    Pair("alexnet-paper", "alexnet-grouped", "2 groups in convolutions 2, 4 and 5; local response normalization"),
    Pair("vgg11", "vgg11_bn", "batch normalization after each of the 8 convolutions"),
    Pair("vgg16", "vgg19", "one more convolution in each of the last three stages"),
    Pair("resnet18", "resnet34", "deeper: blocks 2, 2, 2, 2 → 3, 4, 6, 3"),
    Pair("resnet50", "resnet101", "deeper: 17 more bottlenecks in layer3"),
    Pair("resnet101", "resnet50", "shallower: 17 fewer bottlenecks in layer3"),
    Pair("resnet50", "wide_resnet50_2", "the inner convolutions of each bottleneck twice as wide: 64 → 128, …"),
    Pair("resnet50", "resnext50_32x4d", "32 groups in the 3×3 convolutions, which are twice as wide"),
    Pair("resnet50", "timm/resnet50", "the same architecture under other names"),
    Pair("resnet50", "timm/resnet50d", "three 3×3 convolutions instead of the 7×7 stem; average pooling in shortcuts"),
    Pair("densenet121", "densenet169", "deeper: 8 more dense layers in block 3, 16 in block 4; wider classifier"),
    Pair("efficientnet_b0", "efficientnet_b1", "deeper: one or two more MBConv blocks per stage, 7 in all; 240 pixels"),
    Pair("mobilenet_v2", "mobilenet_v3_large", "squeeze-and-excitation, hard-swish, some 5×5 kernels"),
    Pair(
        "mobilenet_v3_small",
        "mobilenet_v3_large",
        "4 more blocks, wider; squeeze-and-excitation and hard-swish elsewhere",
    ),
    Pair("convnext_tiny", "convnext_small", "deeper: 18 more blocks in stage 3"),
    Pair("convnext_tiny", "timm/convnext_tiny", "the same architecture under other names"),
    Pair("swin_t", "swin_v2_t", "cosine attention, continuous position bias (an MLP), norms after, window 7 → 8"),
    Pair("regnet_x_400mf", "regnet_y_400mf", "squeeze-and-excitation in each block; other widths and depths"),
    Pair(
        "googlenet", "inception_v3", "factorized convolutions (1×7, 7×1), more and wider inception blocks, 299 pixels"
    ),
    Pair("vit_b_16", "vit_l_16", "12 → 16 heads, width 768 → 1024, 12 → 24 blocks"),
    Pair("vit_b_16", "timm/vit_base_patch16_224", "the same architecture; attention written out in modules"),
    Pair("hf/bert", "hf/roberta", "another vocabulary: 30522 → 50265; 514 positions, one token type"),
    Pair(
        "hf/llama",
        "hf/mistral",
        "grouped-query attention, 32 → 8 key and value heads; MLP 11008 → 14336; a sliding window",
    ),
    Pair("hf/llama", "hf/qwen2", "biases in q, k and v; vocabulary 32000 → 151936; MLP 11008 → 22016"),
    Pair("hf/mistral", "hf/qwen2", "8 → 32 key and value heads; biases in q, k and v; vocabulary 32000 → 151936"),
    Pair(
        "hf/gpt2",
        "hf/gpt_neo",
        "local attention in every other layer; width 768 → 2048, 12 → 24 layers; Linear for Conv1D",
    ),
    Pair("hf/llama@num_hidden_layers=4", "hf/llama@num_hidden_layers=5", "one more decoder layer"),
    Pair("resnet18", "resnet18@num_classes=10", "10 classes instead of 1000"),
    Pair("vgg16", "vgg16@dropout=0.1", "dropout 0.5 → 0.1"),
    Pair(
        "resnet50",
        "resnet50@replace_stride_with_dilation=(False,True,True)",
        "dilation instead of stride in layers 3 and 4",
    ),
    Pair("timm/seresnet50", "timm/resnet50", "without squeeze-and-excitation"),
    Pair("timm/resnet50", "timm/resnet50_gn", "group normalization instead of batch normalization"),
    Pair("timm/resnet50", "timm/resnet50@act_layer=silu", "SiLU instead of ReLU"),
    Pair("timm/vit_small_patch16_224", "timm/vit_small_patch16_224@qk_norm=True", "normalization of q and k"),
    Pair("hf/gpt2", "hf/gpt2@n_head=16", "12 → 16 heads"),
    Pair("torchvision/quantized_resnet18", "torchvision/quantized_resnet18@quantize=True", "int8; norms fused"),
    Pair(f"{MODELS}:perceptron", f"{MODELS}:perceptron@dtype=int8", "the same 3 layers, as int8"),
    Pair(f"{MODELS}:perceptron", f"{MODELS}:perceptron@dtype=bfloat16", "the same 3 layers, as bfloat16"),
    Pair(f"{MODELS}:ConvNet", f"{MODELS}:ConvNet@kernel=5", "kernel 3×3 → 5×5 in the stem"),
    Pair(f"{MODELS}:ConvNet", f"{MODELS}:ConvNet@activation=sigmoid", "sigmoid instead of ReLU"),
    Pair(f"{MODELS}:ConvNet", f"{MODELS}:ConvNet@residual=False", "without the residual connection"),
    Pair(f"{MODELS}:Attention", f"{MODELS}:Attention@causal=True", "causal attention"),
)
