"""The names read from packages' source text, against what the packages say once imported."""

import pytest

from netscope.errors import MissingExtraError
from netscope.sources import registered_names


def test_torchvisions_names_and_parameter_counts_are_those_of_its_registry():
    from torchvision import models

    names = models.list_models()
    weights = {name: getattr(models.get_model_weights(name), "DEFAULT", None) for name in names}
    assert sorted(registered_names.read_registrations("torchvision")) == names
    assert registered_names.read_published_params("torchvision") == {
        name: default.meta["num_params"] for name, default in weights.items() if default
    }


def test_timms_names_are_those_of_its_registry():
    timm = pytest.importorskip("timm", reason="timm is not installed")
    assert set(registered_names.read_registrations("timm")) == set(timm.list_models())


def test_transformers_model_types_are_those_with_a_model():
    pytest.importorskip("transformers", reason="transformers is not installed")
    from transformers import CONFIG_MAPPING
    from transformers.models.auto import modeling_auto

    mappings = [
        value
        for name, value in vars(modeling_auto).items()
        if name.startswith("MODEL_") and name.endswith("MAPPING_NAMES")
    ]
    assert set(registered_names.read_model_types()) == {name for mapping in mappings for name in mapping}
    assert all(map(registered_names.may_be_model_type, CONFIG_MAPPING))
    assert not registered_names.may_be_model_type("lama")


def test_a_package_that_is_not_installed_is_named():
    with pytest.raises(MissingExtraError, match="nowhere is not installed; run pip install nowhere"):
        registered_names.read_registrations("nowhere")


def test_the_best_known_of_similar_names_comes_first():
    pytest.importorskip("timm", reason="timm is not installed")
    names = registered_names.read_registrations("timm")
    assert next(name for name in names if name.startswith("vit")) == "vit_base_patch16_224"
    assert next(name for name in names if name.startswith("resnet")) == "resnet50"
