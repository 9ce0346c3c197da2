"""An answer is kept only if what is installed defines it, or a configuration whose contents are part of its key."""

import importlib.metadata
import json
import os
from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest
from torch import nn

import netscope
from netscope import cache, sources
from netscope.api import result_cache
from netscope.api.list import load_catalog
from netscope.api.result_cache import Query, ResultCache, get_or_compute
from netscope.api.summary import SourcedSummary
from netscope.schema import Architecture
from netscope.schema.inputs import as_forward_inputs, parse_inputs
from netscope.sources import Catalog, registry


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return ResultCache(store=cache.Store(tmp_path, 1), fingerprint=b"")


@pytest.fixture
def cached_names(tmp_path, monkeypatch):
    """A process that keeps answers; gives the names of those that it has."""
    monkeypatch.setenv("NETSCOPE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "list_local_modules", lambda: ())  # those of the tests
    monkeypatch.chdir(tmp_path)
    with result_cache.use_cache():
        yield lambda: [answer.name for answer in cache.Store(tmp_path / "cache", 1).list_results()]


def about(spec, **how):
    return Query(kind="summary", spec=spec, **how)


OWN = ("./my.py:Net", "my.py", "my:Net", "package.my:Net@width=2", "timm:create_model", "a.pt", "b.pth", "c.pt2")


@pytest.mark.parametrize("spec", [*OWN, "d.safetensors", "e.bin", "f.ckpt", "alexnet@num_classes"])
def test_own_code_and_files_have_no_key(results, spec):
    assert results.key(about(spec)) is None
    assert results.key(about(spec, inputs=parse_inputs(["1x3"]))) is None


def test_every_part_of_a_query_is_part_of_the_key(results):
    queries = [
        about("alexnet"),
        Query(kind="report", spec="alexnet"),
        about("alexnet@dropout=0.1"),
        *(
            about("alexnet", options=options)
            for options in (
                {"optimizer": "adam"}, {"batch_size": 2}, {"seq_len": 2}, {"device": "cpu"}, {"dtype": "float16"},
                {"mode": "train"},
            )
        ),
        *(
            about("alexnet", inputs=parse_inputs([text]))
            for text in ("1x3x224x224", "x=1x3x224x224", "1x3x224x224:int64", "2x3x224x224")
        ),
    ]  # fmt: skip
    assert len({results.key(query) for query in queries} - {None}) == len(queries)
    usual = {"device": "auto", "mode": "eval", "batch_size": None}
    assert results.key(about("alexnet", options=usual)) == results.key(about("alexnet"))


@pytest.mark.parametrize("name", ["__version__", "SCHEMA_VERSION"])
def test_the_versions_of_netscope_and_its_schema_are_part_of_the_key(monkeypatch, results, name):
    before = results.key(about("alexnet"))
    monkeypatch.setattr(result_cache, name, "99")
    assert results.key(about("alexnet")) != before


def test_what_other_sizes_or_a_gpu_give_has_no_key(results):
    assert results.key(about("alexnet", options={"device": "cuda"})) is None
    assert results.key(about("alexnet", inputs=parse_inputs(["1x3"]).map_leaves(lambda _: 1.0))) is None


@pytest.fixture
def config(tmp_path):
    """Writes a configuration."""

    def write(**parts):
        path = tmp_path / "net" / "config.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"model_type": "gpt2", **parts}), encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("spec", ["hf/net", "hf/./net/config.json"])
def test_the_contents_of_a_configuration_are_part_of_the_key(results, config, spec):
    missing = results.key(about(spec))
    path = config(n_layer=2)
    before = results.key(about(spec))
    os.utime(path, (1, 1))
    assert results.key(about(spec)) == before
    config(n_layer=3)
    assert len({missing, before, results.key(about(spec))}) == 3


@pytest.mark.parametrize("key", ["auto_map", "configuration_files", "backbone"])
def test_a_configuration_that_leads_elsewhere_has_no_key(results, config, key):
    config(**{key: "other"})
    assert results.key(about("hf/net")) is None


@pytest.mark.parametrize("options", ["backbone=resnet", "architecture='local-dir:net'", "config_file=./a", "f='o/n'"])
def test_an_option_that_leads_elsewhere_has_no_key(results, options):
    assert results.key(about("hf/gpt2@n_layer=2")) is not None
    assert results.key(about(f"hf/gpt2@{options}")) is None


def test_a_configuration_that_was_downloaded_is_not_cacheable(monkeypatch, tmp_path, config):
    monkeypatch.setattr(registry, "is_model_type", lambda name: name == "gpt2")
    config()
    assert sources.is_cacheable("hf", "gpt2", tmp_path)
    assert sources.is_cacheable("hf", "net", tmp_path)
    assert not sources.is_cacheable("hf", "openai-community/gpt2", tmp_path)


def test_an_answer_on_a_configuration_that_changed_meanwhile_is_not_kept(cached_names, config):
    summary = netscope.summarize(nn.Linear(4, 2), (1, 4))
    architecture = Architecture(spec="hf/net", source="hf", name="net", options={}, description="")
    answer = SourcedSummary(summary=replace(summary, architecture=architecture))

    def changing():
        config(n_layer=3)
        return answer

    config(n_layer=2)
    get_or_compute(about("hf/net"), SourcedSummary, changing)
    assert cached_names() == []
    get_or_compute(about("hf/net"), SourcedSummary, changing)
    assert cached_names() == ["hf/net"]


def test_what_was_kept_is_given_again(cached_names, monkeypatch):
    first = netscope.summarize("lenet5")
    assert set(cached_names()) == {"lenet5", "torchvision", "timm", "hf"}
    monkeypatch.setattr(sources, "resolve", None)
    assert netscope.summarize("lenet5") == first


def test_nothing_is_kept_where_own_code_ran(cached_names, monkeypatch):
    monkeypatch.setattr(cache, "list_local_modules", lambda: ("my",))
    netscope.summarize("lenet5")
    assert cached_names() == []


@pytest.mark.parametrize("is_cacheable", [True, False, None])
def test_a_third_party_source_says_whether_answers_about_it_may_be_kept(cached_names, monkeypatch, is_cacheable):
    class Toys:
        name = "toys"

        def names(self):
            return ("tiny",)

        def listing(self):
            return ()

        def resolve(self, text, name, options):
            return sources.ResolvedArchitecture(
                architecture=Architecture(spec=text, source="toys", name=name, options=options, description=""),
                factory=lambda: nn.Linear(4, 2),
                default_inputs=lambda _: as_forward_inputs((1, 4)),
            )

    if is_cacheable is not None:
        Toys.is_cacheable = is_cacheable
    entry = EntryPoint(name="toys", value="toys:Toys", group=registry.ENTRY_POINTS)
    monkeypatch.setattr(EntryPoint, "load", lambda _self: Toys)
    # torch's own packages look for theirs when they are first imported, which may be here.
    real = importlib.metadata.entry_points
    monkeypatch.setattr(
        "importlib.metadata.entry_points",
        lambda **asked: [entry] if asked == {"group": "netscope.sources"} else real(**asked),
    )
    netscope.summarize("toys/tiny")
    load_catalog("toys")
    assert set(cached_names()) == ({"toys/tiny", "toys"} if is_cacheable else set())


def test_an_answer_that_json_would_change_is_not_kept(cached_names):
    get_or_compute(
        Query(kind="names", spec="torchvision"), Catalog, lambda: Catalog(entries=(), names=["a list, no tuple"])
    )
    assert cached_names() == []
