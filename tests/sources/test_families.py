"""The origins of architecture families."""

import re

import pytest

from netscope import sources
from netscope.schema import Architecture
from netscope.sources.families import FAMILIES, find_family_origin
from netscope.zoo.catalog import BUILT_INS

models = pytest.importorskip("torchvision.models")


def test_every_torchvision_model_has_a_family():
    assert [name for name in models.list_models() if find_family_origin(name) is None] == []


# From the papers' first versions: VGG 1409.1556, GoogLeNet 1409.4842, ResNet 1512.03385, DenseNet 1608.06993, …
@pytest.mark.parametrize(
    ("name", "year", "idea"),
    [
        ("vgg16_bn", 2014, "3×3"),
        ("googlenet", 2014, "parallel branches"),
        ("quantized_googlenet", 2014, "parallel branches"),
        ("inception_v3", 2015, "branches"),
        ("inception_resnet_v2", 2016, "skip connections"),
        ("resnet50", 2015, "skip connections"),
        ("alexnet", 2014, "one column"),
        ("resnet50d", 2018, "deeper stem"),
        ("wide_resnet50_2", 2016, "wider"),
        ("resnext50_32x4d", 2016, "grouped"),
        ("seresnext101_32x4d", 2017, "squeeze-and-excitation"),
        ("resnest50d", 2020, "split"),
        ("densenet121", 2016, "feature reuse"),
        ("mobilenet_v2", 2018, "inverted residuals"),
        ("mobilenetv2_100", 2018, "inverted residuals"),
        ("tf_mobilenetv3_large_100", 2019, "searched"),
        ("efficientnet_b0", 2019, "scaled"),
        ("efficientnet_v2_s", 2021, "fused"),
        ("tf_efficientnetv2_s", 2021, "fused"),
        ("vit_b_16", 2020, "patches"),
        ("vit_base_patch16_224", 2020, "patches"),
        ("deit_tiny_patch16_224", 2020, "distillation"),
        ("deit3_base_patch16_224", 2022, "recipe"),
        ("swin_t", 2021, "shifted windows"),
        ("swin_v2_t", 2021, "cosine"),
        ("swinv2_tiny_window8_256", 2021, "cosine"),
        ("swin3d_t", 2021, "over time"),
        ("convnext_tiny", 2022, "modernized"),
        ("convnextv2_tiny", 2023, "normalization"),
        ("maskrcnn_resnet50_fpn", 2017, "masks"),
        ("fcn_resnet50", 2014, "pixel"),
        ("raft_small", 2020, "flow"),
    ],
)
def test_known_origins(name, year, idea):
    origin = find_family_origin(name)
    assert origin.year == year
    assert origin.paper.endswith(str(year))
    assert idea in origin.idea


@pytest.mark.parametrize(
    "name", ["nosuchnet", "myresnet50", "vit_base_patch16_rope_224", "resnet51q", "resnet50t", "resnet50s", "test_vit"]
)
def test_a_name_whose_origin_is_not_sure_has_none(name):
    assert find_family_origin(name) is None


NOT_IN_THE_OLDEST = {"beit3_", "fasternet_", "shvit_", "starnet_", "swiftformer_"}
"""Families of which timm 1.0.15 has no architecture."""


def test_no_family_is_hidden_behind_an_earlier_one_and_each_has_a_name():
    timm = pytest.importorskip("timm")
    names = [re.sub("^(quantized|tf)_", "", name) for name in (*models.list_models(), *timm.list_models())]
    first = {next((p for p, *_ in FAMILIES if re.match(p, name)), None) for name in names}
    named = {pattern for pattern, *_ in FAMILIES if any(re.match(pattern, name) for name in names)}
    assert named <= first
    assert {pattern for pattern, *_ in FAMILIES} - named <= NOT_IN_THE_OLDEST


def test_an_idea_is_a_few_words():
    assert max(len(idea.split()) for *_, idea in FAMILIES) <= 8


def of(source, name):
    return sources.find_origin(Architecture(spec=name, source=source, name=name, options={}, description=""))


def test_a_saved_architecture_is_known_by_source_and_name(no_torch):
    assert of("torchvision", "vgg11") == find_family_origin("vgg11")
    assert of("timm", "convnext_tiny.in12k").year == 2022
    assert of("built-in", "lenet5").year == BUILT_INS["lenet5"].year == 1998
    assert of("python", "vgg11") is of("built-in", "gone") is None
    no_torch("from netscope.sources import find_origin; from netscope.sources.families import find_family_origin")
