"""Every torchvision model against the figures that torchvision publishes."""

import pytest

import netscope

models = pytest.importorskip("torchvision.models")

# The published figures of these are for another variant than the one that torchvision builds by default.
VARIANTS = {"vit_h_14": "@image_size=518"}

PROPOSALS = "the number of proposals follows from weights, and the published figure is for trained ones"
MACS_DIFFER = {
    "fasterrcnn_mobilenet_v3_large_320_fpn": PROPOSALS,
    "fasterrcnn_mobilenet_v3_large_fpn": PROPOSALS,
    "fasterrcnn_resnet50_fpn": PROPOSALS,
    "keypointrcnn_resnet50_fpn": PROPOSALS,
    "maskrcnn_resnet50_fpn": PROPOSALS,
}

# One of each kind for the default run; the sweep below takes all.
SPREAD = (
    "alexnet",
    "convnext_tiny",
    "googlenet",
    "inception_v3",
    "lraspp_mobilenet_v3_large",
    "mvit_v2_s",
    "quantized_mobilenet_v2",
    "r2plus1d_18",
    "raft_small",
    "regnet_y_400mf",
    "ssdlite320_mobilenet_v3_large",
    "swin_t",
    "vit_b_16",
)


def published(name):
    return models.get_model_weights(name).DEFAULT.meta


def assert_as_published(name):
    summary = netscope.summarize(f"torchvision/{name}{VARIANTS.get(name, '')}")
    meta = published(name)
    assert summary.totals.params == meta["num_params"]
    assert not summary.uncounted_ops
    thousandths = round(meta["_ops"] * 1000)
    if name in MACS_DIFFER:
        assert round(summary.totals.macs / 1e6) != thousandths, "no longer an exception"
    else:
        assert round(summary.totals.macs / 1e6) == thousandths
    assert summary.totals.params == sum(row.own.params for row in summary.rows)
    assert summary.totals.flops == sum(row.own.flops for row in summary.rows)


@pytest.mark.parametrize("name", SPREAD)
def test_parameters_and_macs_equal_the_published(name):
    assert_as_published(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(models.list_models()) - set(SPREAD)))
def test_parameters_and_macs_of_all_others_equal_the_published(name):
    assert_as_published(name)


def test_every_exception_is_a_model():
    assert set(MACS_DIFFER) | set(VARIANTS) | set(SPREAD) <= set(models.list_models())


def test_a_default_input_follows_the_size_that_the_model_was_built_for():
    assert netscope.summarize("vit_b_16@image_size=384").inputs[0].shape == (1, 3, 384, 384)


def test_options_of_the_default_weights_are_shown_and_can_be_overridden():
    assert netscope.summarize("googlenet").architecture.options == {"aux_logits": False}
    with_auxiliary = netscope.summarize("googlenet@aux_logits=True")
    assert with_auxiliary.totals.params > published("googlenet")["num_params"]
    assert "aux1" in with_auxiliary.uncalled_modules


def test_a_regnet_whose_constructor_reads_values_is_still_traced_on_meta():
    assert netscope.summarize("regnet_y_400mf").traced_on == "meta"


def test_a_detector_that_looks_at_data_is_traced_on_the_cpu_and_says_why():
    summary = netscope.summarize("ssdlite320_mobilenet_v3_large")
    assert summary.traced_on == "cpu"
    assert "because the model cannot run on meta" in summary.notes[0]
    assert "nonzero" in summary.notes[0]
    assert summary.inputs[0].name == "images[0]"


def test_a_detector_counts_the_same_each_time():
    first, second = (netscope.summarize("fasterrcnn_mobilenet_v3_large_320_fpn") for _ in range(2))
    assert first == second
