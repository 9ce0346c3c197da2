"""timm's architectures by prefix, with their default input and without the network."""

import socket
import sys

import pytest
import torch

import netscope
from netscope import sources
from netscope.errors import MissingExtraError, UnknownNameError, UsageError
from netscope.sources import registered_names


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    def refuse(*_):
        raise AssertionError("netscope reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


# The parameters are those that torchvision publishes for the same architectures.
FIGURES = {"resnet50": 25_557_032, "vit_base_patch16_224": 86_567_656, "densenet121": 7_978_856}


@pytest.mark.parametrize("name", FIGURES)
def test_parameters_are_the_published_ones(name):
    assert netscope.summarize(f"timm/{name}").totals.params == FIGURES[name]


def names_spread_over_timm():
    """Every sixth name, so that each family of architectures is there."""
    return pytest.importorskip("timm", reason="the extra timm is not installed").list_models()[::6]


@pytest.mark.slow
@pytest.mark.parametrize("name", names_spread_over_timm())
def test_every_op_is_counted_and_every_parameter_once(name):
    import timm

    summary = netscope.summarize(f"timm/{name}")
    with torch.device("meta"):
        model = timm.create_model(name)
    assert summary.traced_on == "meta"
    assert summary.uncounted_ops == ()
    assert summary.totals.params == sum({id(item): item.numel() for item in model.parameters()}.values())


INPUTS = {
    "timm/resnet18": (1, 3, 224, 224),
    "timm/tf_efficientnet_b4": (1, 3, 380, 380),
    "timm/resnet18@in_chans=1": (1, 1, 224, 224),
    "timm/vit_tiny_patch16_224@img_size=64": (1, 3, 64, 64),
    "timm/vit_tiny_patch16_224@img_size=(64,96)": (1, 3, 64, 96),
    "timm/convnext_tiny.in12k_ft_in1k_384": (1, 3, 384, 384),
}


@pytest.mark.parametrize("name", INPUTS)
def test_the_input_is_the_architectures_own(name):
    summary = netscope.summarize(name)
    assert [item.shape for item in summary.inputs] == [INPUTS[name]]
    assert summary.traced_on == "meta"


def test_a_tag_sets_the_number_of_classes():
    assert netscope.summarize("timm/convnext_tiny.in12k").rows[0].output_shapes == ((1, 11_821),)


WRONG = {
    "timm/resnet51": (UnknownNameError, "unknown architecture 'resnet51' in source 'timm'; did you mean resnet5"),
    "levit_conv_129s": (UnknownNameError, "did you mean timm/levit_conv_12"),
    "timm/resnet18.nope": (UnknownNameError, "unknown tag 'nope' for timm/resnet18; available tags: .*a1_in1k"),
    "timm/resnet18@pretrained=True": (UsageError, "without weights; remove pretrained"),
    "timm/resnet18@foo=1": (UsageError, "unexpected keyword argument 'foo'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_unknown_timm_name_tag_or_option_is_reported(name):
    error, message = WRONG[name]
    with pytest.raises(error, match=message):
        netscope.summarize(name)


def test_names_are_listed_with_their_source_before_them():
    names = [entry.name for entry in netscope.list_architectures("timm/resnet50").architectures]
    assert "timm/resnet50" in names
    assert all(name.startswith("timm/resnet50") for name in names)


def test_a_missing_timm_is_reported_as_the_package_to_install(monkeypatch):
    registered_names.read_registrations.cache_clear()
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingExtraError, match="timm is not installed; run pip install timm"):
        sources.resolve("timm/resnet50")
    assert any("pip install timm" in note for note in netscope.list_architectures("timm/*").notes)
