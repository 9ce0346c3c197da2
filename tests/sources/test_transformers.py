"""transformers' architectures from their configurations, without weights and without the network."""

import json
import socket
import sys

import pytest

import netscope
from netscope import sources
from netscope.errors import InputError, MissingExtraError, NetscopeError, UnknownNameError, UsageError

pytest.importorskip("transformers", reason="the extra transformers is not installed")


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    def refuse(*_):
        raise AssertionError("netscope reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


LLAMA_3 = "num_key_value_heads=8,vocab_size=128256"
PUBLISHED = {
    "hf/gpt2": 124_439_808,
    "hf/bert": 109_482_240,
    f"hf/llama@intermediate_size=14336,{LLAMA_3}": 8_030_261_248,
    f"hf/llama@num_hidden_layers=80,hidden_size=8192,intermediate_size=28672,num_attention_heads=64,{LLAMA_3}": (
        70_553_706_496
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_the_published_ones(name):
    summary = netscope.summarize(name)
    assert summary.totals.params == PUBLISHED[name]
    assert summary.traced_on == "meta"


@pytest.mark.slow
def test_a_model_that_no_memory_holds_is_summarised_all_the_same():
    sizes = "num_hidden_layers=126,hidden_size=16384,intermediate_size=53248,num_attention_heads=128"
    summary = netscope.summarize(f"hf/llama@{sizes},{LLAMA_3}")
    assert summary.totals.params == 405_853_388_800


SMALL = "num_hidden_layers=2,hidden_size=64,intermediate_size=96,num_attention_heads=4,vocab_size=100"
EXPERTS = "num_experts_per_tok=2,num_key_value_heads=2"
SMALL_ONES = {
    "hf/gpt2@n_layer=2": {"input_ids": (1, 128)},
    "hf/bert@num_hidden_layers=2": {"input_ids": (1, 128)},
    "hf/t5@num_layers=2": {"input_ids": (1, 128), "decoder_input_ids": (1, 128)},
    "hf/whisper@encoder_layers=1,decoder_layers=1": {"input_features": (1, 80, 3000), "decoder_input_ids": (1, 128)},
    "hf/clip": {"input_ids": (1, 77), "pixel_values": (1, 3, 224, 224)},
    "hf/vit@num_hidden_layers=2,image_size=64": {"pixel_values": (1, 3, 64, 64)},
    f"hf/mixtral@num_local_experts=4,{EXPERTS},{SMALL}": {"input_ids": (1, 128)},
    f"hf/qwen3_moe@num_experts=4,moe_intermediate_size=32,{EXPERTS},{SMALL}": {"input_ids": (1, 128)},
    "hf/deepseek_v3@num_hidden_layers=4": {"input_ids": (1, 128)},
    "hf/mamba@num_hidden_layers=1": {"input_ids": (1, 128)},
    "hf/detr@encoder_layers=1,decoder_layers=1": {"pixel_values": (1, 3, 224, 224)},
    "hf/sam": {"pixel_values": (1, 3, 1024, 1024)},
    "hf/wav2vec2@num_hidden_layers=1": {"input_values": (1, 16_000)},
    "hf/xlnet@n_layer=1": {"input_ids": (1, 128)},
    "hf/videomae@num_hidden_layers=1": {"pixel_values": (1, 16, 3, 224, 224)},
}


@pytest.mark.parametrize("name", SMALL_ONES)
def test_inputs_come_from_the_signature_and_the_configuration(name):
    summary = netscope.summarize(name)
    assert {item.name: item.shape for item in summary.inputs} == SMALL_ONES[name]
    assert not summary.is_lower_bound
    assert summary.totals.params == sum(row.own.params for row in summary.rows)


@pytest.mark.parametrize("name", ["hf/gpt2@n_layer=1,n_embd=48", "hf/t5@num_layers=1", f"hf/mixtral@{EXPERTS},{SMALL}"])
def test_the_cpu_counts_what_meta_counts(name):
    on_meta, on_cpu = (netscope.summarize(name, device=device, seq_len=12) for device in ("meta", "cpu"))
    assert on_cpu.totals.macs == on_meta.totals.macs > 0
    assert on_cpu.totals.params == on_meta.totals.params


def test_lengths_and_batch_are_the_askers():
    summary = netscope.summarize("hf/gpt2@n_layer=1", seq_len=7, batch_size=3)
    assert summary.rows[0].output_shapes[0] == (3, 7, 50_257)


HEADS = {
    "hf/gpt2@n_layer=1": "GPT2LMHeadModel",
    "hf/bert@num_hidden_layers=1": "BertModel",
    "hf/bert@num_hidden_layers=1,head=masked-lm": "BertForMaskedLM",
    "hf/gpt2@n_layer=1,head=base": "GPT2Model",
    "hf/gpt2@n_layer=1,head=GPT2ForTokenClassification": "GPT2ForTokenClassification",
    "hf/bart@encoder_layers=1,decoder_layers=1": "BartForConditionalGeneration",
}


@pytest.mark.parametrize("name", HEADS)
def test_the_head_is_the_usual_one_or_the_askers(name):
    assert netscope.summarize(name).rows[0].type_name == HEADS[name]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    config = {"model_type": "gpt2", "n_layer": 1, "n_embd": 24, "n_head": 2, "architectures": ["GPT2Model"]}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text(json.dumps(config))
    (tmp_path / "other.json").write_text(json.dumps({**config, "n_layer": 2}))
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "remote.json").write_text(json.dumps({"model_type": "mine", "auto_map": {"AutoModel": "mine.Model"}}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("path", "blocks"), [("mine", 1), ("./mine", 1), ("mine/config.json", 1), ("other.json", 2)])
def test_a_saved_configuration_is_built(path, blocks):
    summary = netscope.summarize(f"hf/{path}@vocab_size=50")
    assert summary.rows[0].type_name == "GPT2Model"
    assert sum(row.type_name == "GPT2Block" for row in summary.rows) == blocks


WRONG = {
    "hf/gtp2": (UnknownNameError, "did you mean gpt2"),
    "hf/meta-llama/Llama-3.1-8B": (UnknownNameError, "netscope never downloads"),
    "hf/gpt2@n_layers=2": (UsageError, "unknown option 'n_layers' for GPT2Config; did you mean n_layer"),
    "hf/gpt2@head=object-detection": (UsageError, "available heads: causal-lm, .*base"),
    "hf/gpt2@head=1": (UsageError, "available heads: causal-lm"),
    "hf/gpt2@head=GPT2Config": (UsageError, "unknown model class 'GPT2Config'"),
    "hf/broken.json": (UsageError, "broken.json is not a valid configuration"),
    "hf/remote.json": (UsageError, "never runs code that a configuration refers to"),
}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", WRONG)
def test_an_impossible_configuration_is_reported(name):
    error, message = WRONG[name]
    with pytest.raises(error, match=message):
        netscope.summarize(name)


LENGTHS = {
    ("hf/gpt2", 1025): (InputError, "GPT2LMHeadModel has positions for at most 1024 tokens"),
    ("hf/vit", 8): (UsageError, "does not take tokens"),
    ("lenet5", 8): (UsageError, "has no default token inputs"),
    ("hf/gpt2", 0): (UsageError, "at least 1"),
}


@pytest.mark.parametrize(("name", "length"), LENGTHS)
def test_a_length_that_does_not_fit_is_refused(name, length):
    error, message = LENGTHS[name, length]
    with pytest.raises(error, match=message):
        netscope.summarize(name, seq_len=length)


def test_a_missing_transformers_is_reported_as_the_package_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match="transformers is not installed; run pip install transformers"):
        sources.resolve("hf/gpt2")


def test_transformers_keeps_its_verbosity():
    import transformers

    before = transformers.logging.get_verbosity()
    netscope.summarize("hf/gpt2@n_layer=1")
    assert transformers.logging.get_verbosity() == before


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("oneformer", "needs an input for pixel_values, task_inputs"),
        ("voxtral_realtime_text", "Could not find VoxtralRealtimeTextModel"),
    ],
)
def test_a_type_without_a_model_is_reported(name, sentence):
    if name not in pytest.importorskip("transformers").CONFIG_MAPPING:
        pytest.skip(f"this transformers has no {name}")
    with pytest.raises(NetscopeError, match=sentence):
        netscope.summarize(f"hf/{name}")
