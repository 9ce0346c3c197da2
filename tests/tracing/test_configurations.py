"""Configuration objects among the constructor's arguments are recorded by their settings, once."""

from argparse import Namespace
from dataclasses import dataclass

import pytest
from torch import nn

import netscope


@dataclass
class Config:
    width: int = 4
    scale: float = 0.5
    name: str | None = None
    rope: dict | None = None


class PlainConfig:
    def __init__(self, width, scale, rope):
        self.width, self.scale, self.rope, self._seen = width, scale, rope, object()

    def __repr__(self):
        return "PlainConfig {\n  width: many\n}"


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.fc = nn.Linear(config.width, config.width)

    def forward(self, x):
        return self.fc(x) * self.config.scale


class Net(nn.Module):
    def __init__(self, config, inner=None):
        super().__init__()
        self.config = config
        self.block = Block(inner or config)

    def forward(self, x):
        return self.block(x)


def hyperparameters_of(model):
    rows = {row.path: row for row in netscope.summarize(model, (1, 4)).rows}
    return rows[""].hyperparameters, rows["block"].hyperparameters


ROPE = {"theta": 8.0}


@pytest.mark.parametrize(
    "config", [Config(rope=ROPE), Namespace(width=4, scale=0.5, rope=ROPE), PlainConfig(width=4, scale=0.5, rope=ROPE)]
)
def test_the_first_module_has_the_settings_and_the_others_have_none(config):
    settings = {"config.width": 4, "config.scale": 0.5, "config.rope.theta": 8.0}
    assert hyperparameters_of(Net(config)) == (settings, {})


def test_a_module_with_another_configuration_has_its_settings():
    outer, inner = hyperparameters_of(Net(Config(), Config(scale=2.0)))
    assert (outer["config.scale"], inner["config.scale"]) == (0.5, 2.0)


def test_the_text_of_an_object_with_anything_else_in_it_is_on_one_line():
    config = PlainConfig(width=4, scale=0.5, rope=object())
    assert hyperparameters_of(Net(config))[0] == {"config": "PlainConfig { width: many }"}


def test_a_changed_setting_is_a_change_even_if_no_layer_shows_it():
    before, after = (netscope.summarize(Net(Config(scale=scale)), (1, 4)) for scale in (0.5, 2.0))
    text = str(netscope.diff(before, after))
    assert "scale 0.5 → 2" in " ".join(text.split())


def test_the_settings_are_not_in_the_table_of_layers():
    assert "width" not in str(netscope.summarize(Net(Config()), (1, 4)))


class Named(nn.Module):
    def __init__(self, names):
        super().__init__()
        self.names = names

    def forward(self, x):
        return x


class Broken:
    def to_dict(self):
        raise RuntimeError("not now")

    def __repr__(self):
        return "Broken()"


def test_a_configuration_may_be_a_mapping_and_one_that_cannot_be_read_is_recorded_as_text():
    nested = {}
    nested["self"] = nested
    for names, expected in (
        ({"cat": 0}, {"names.cat": 0}),
        ({1: 2}, {"names.1": 2}),
        ({(1, 2): 3}, {"names": "{(1, 2): 3}"}),
        (Broken(), {"names": "Broken()"}),
    ):
        (root,) = netscope.summarize(Named(names), (1, 4)).rows
        assert root.hyperparameters == expected
    (root,) = netscope.summarize(Named(nested), (1, 4)).rows
    assert all(isinstance(value, str) for value in root.hyperparameters.values())


@pytest.mark.parametrize("option", ["initializer_range", "rms_norm_eps", "tie_word_embeddings"])
def test_an_option_of_a_transformers_configuration_is_seen_wherever_it_stands(option):
    transformers = pytest.importorskip("transformers")
    tiny = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1, "vocab_size": 9}
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**tiny))
    root, *_ = netscope.summarize(model, ["input_ids=1x3:int64"]).rows
    assert root.hyperparameters[f"config.{option}"] == getattr(model.config, option)
