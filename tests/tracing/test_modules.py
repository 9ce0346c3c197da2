"""Hyperparameters as they are read from modules."""

from dataclasses import dataclass, field

import pytest
from torch import nn

import netscope


@dataclass
class Options:
    width: int
    act: str = "relu"
    norm: dict = field(default_factory=lambda: {"eps": 1e-5})
    secret: object = object()


class Configured(nn.Module):
    def __init__(self, config, names):
        super().__init__()
        self.config, self.names = config, names
        self.inner = Inner(config)

    def forward(self, x):
        return self.inner(x)


class Inner(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config

    def forward(self, x):
        return x + 1


def test_a_configuration_is_recorded_by_its_options_for_the_first_module_that_has_it():
    root, inner = netscope.summarize(Configured(Options(width=8), {"cat": 0}), (1, 4)).rows
    assert inner.hyperparameters == {}
    assert root.hyperparameters.pop("config.secret").startswith("<object object")
    assert root.hyperparameters == {
        "config.width": 8, "config.act": "relu", "config.norm.eps": 1e-5, "names.cat": 0,
    }  # fmt: skip


class Broken:
    def to_dict(self):
        raise RuntimeError("not now")

    def __repr__(self):
        return "Broken()"


def test_a_configuration_that_cannot_be_read_is_recorded_as_text():
    nested = {}
    nested["self"] = nested
    root, _ = netscope.summarize(Configured(Broken(), nested), (1, 4)).rows
    assert root.hyperparameters["config"] == "Broken()"
    assert all(isinstance(value, str) for value in root.hyperparameters.values())


@pytest.mark.parametrize("option", ["initializer_range", "rms_norm_eps", "tie_word_embeddings"])
def test_an_option_of_a_transformers_configuration_is_seen_wherever_it_stands(option):
    transformers = pytest.importorskip("transformers")
    tiny = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1, "vocab_size": 9}
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**tiny))
    root, *_ = netscope.summarize(model, ["input_ids=1x3:int64"]).rows
    assert root.hyperparameters[f"config.{option}"] == getattr(model.config, option)
