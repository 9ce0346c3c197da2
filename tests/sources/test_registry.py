"""The source of a name, and the error for an unknown name."""

import importlib.metadata
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

import netscope
from netscope import sources
from netscope.errors import BrokenInstallError, BuildError, MissingExtraError, UnknownNameError, UsageError
from netscope.schema import Architecture, ListedArchitecture
from netscope.sources import registered_names, registry
from netscope.sources.base import ResolvedArchitecture
from netscope.sources.torchvision import TorchvisionSource


def test_a_plain_name_is_looked_for_in_the_built_ins_first():
    assert sources.resolve("alexnet").architecture.source == "built-in"
    assert sources.resolve("torchvision/alexnet").architecture.source == "torchvision"
    assert sources.resolve("resnet18").architecture.source == "torchvision"


UNKNOWN = {
    "alexnet-papr": "unknown architecture 'alexnet-papr'; did you mean alexnet-paper",
    "resnt50": "did you mean resnet50",
    "vit": "unknown architecture 'vit'; did you mean vit_b_16, timm/vit_base_patch16_224 or hf/vit",
    "nn.Linear(3,4)": "a Python expression, .*; write torch.nn:Linear@in_features=3,out_features=4",
    "torchvision.models.resnet50(num_classes=10)": "write resnet50@num_classes=10",
    "Net()": "write my.py:Net$",
    "meta-llama/Llama-3.1-8B": "for a model of the Hugging Face Hub, use hf/meta-llama/Llama-3.1-8B",
    "./nowhere": "file or folder './nowhere' not found",
    "torchvision.models.resnet50": "for a Python object, use torchvision.models:resnet50",
    "qqqqqqq": r"unknown architecture 'qqqqqqq'; netscope\.list_architectures\(\) has all names",
    "tochvision/resnet18": "unknown source 'tochvision'; did you mean torchvision.*; available sources: built-in, ",
    "torchvision/resnet19": "unknown architecture 'resnet19' in source 'torchvision'; did you mean resnet1",
    "built-in/resnet18": "unknown architecture 'resnet18' in source 'built-in'",
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_name_suggests_the_closest(name):
    with pytest.raises(UnknownNameError, match=UNKNOWN[name]):
        sources.resolve(name)


def test_without_timm_and_transformers_their_names_may_be_meant(monkeypatch):
    for package in ("timm", "transformers"):
        monkeypatch.setitem(sys.modules, package, None)
    registered_names.read_registrations.cache_clear()
    registered_names.read_model_types.cache_clear()
    with pytest.raises(UnknownNameError, match="for names of timm and transformers, run pip install timm transformers"):
        sources.resolve("gpt2")


RESOLVED = {
    "ResNet50": ("torchvision", "resnet50", "ResNet50 → resnet50; also timm/resnet50"),
    "vit-b-16": ("torchvision", "vit_b_16", "vit-b-16 → vit_b_16"),
    "torchvision/VGG11": ("torchvision", "vgg11", "torchvision/VGG11 → vgg11"),
    "LeNet5@num_classes=3": ("built-in", "lenet5", "LeNet5 → lenet5"),
    "alexnet": ("built-in", "alexnet-paper", "alexnet → alexnet-paper; also torchvision/alexnet"),
    "gpt2": ("hf", "gpt2", "gpt2 → hf/gpt2"),
    "hf/GPT2": ("hf", "gpt2", "hf/GPT2 → hf/gpt2"),
    "resnet50.a1_in1k": ("timm", "resnet50.a1_in1k", "resnet50.a1_in1k → timm/resnet50.a1_in1k"),
    "timm/resnet50": ("timm", "resnet50", ""),
    "torchvision/resnet18": ("torchvision", "resnet18", ""),
}


@pytest.mark.parametrize("text", RESOLVED)
def test_a_name_resolves_by_case_hyphen_and_underscore_and_says_so(text):
    source, name, resolution = RESOLVED[text]
    if source in ("timm", "hf"):
        pytest.importorskip({"timm": "timm", "hf": "transformers"}[source], reason=f"{source} is not installed")
    architecture = sources.resolve(text).architecture
    assert (architecture.source, architecture.name, architecture.resolution) == (source, name, resolution)


def test_a_folder_and_a_file_that_are_no_architecture_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "README.md").write_text("text")
    expected = {
        "results": "'results' is a folder; name a class or function in a Python file, e.g. results/my.py:Net",
        "./model": "'./model' is a folder; for the transformers model in it, use hf/./model",
        "README.md": "cannot read an architecture from 'README.md'; expected FILE.py:NAME or a file with one of",
    }
    for text, message in expected.items():
        with pytest.raises(UnknownNameError, match=message):
            sources.resolve(text)


def test_an_unknown_name_imports_no_package(tmp_path):
    code = """
import sys, netscope
for name in ("resnt50", "timm/nope", "hf/nope", "a/b"):
    try:
        netscope.summarize(name)
    except netscope.NetscopeError:
        pass
print(sorted({"torch", "torchvision", "timm", "transformers"} & set(sys.modules)))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert ran.stdout == "[]\n"


OPTIONS = {
    "alexnet@classes=10": r"available options \(@key=value,key=value\): num_classes, dropout",
    "resnet18@foo_bar=1,weights=DEFAULT": "without weights",
    "alexnet@num_classes=10,num_classes=11": "twice",
}


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_that_the_architecture_does_not_have_is_refused(name):
    with pytest.raises(UsageError, match=OPTIONS[name]):
        netscope.summarize(name)


def test_options_reach_the_constructor():
    assert netscope.summarize("alexnet@num_classes=10").rows[-1].output_shapes == ((1, 10),)
    assert netscope.summarize("resnet18@num_classes=7").rows[-1].output_shapes == ((1, 7),)


class ThirdPartySource:
    """What a package registers as an entry point."""

    name = "toys"

    def names(self):
        return ("tiny", "alexnet-paper")

    def listing(self):
        return (ListedArchitecture(source="toys", name=name, params=None, description="") for name in self.names())

    def resolve(self, text, name, options):
        from torch import nn

        return ResolvedArchitecture(
            architecture=Architecture(spec=text, source="toys", name=name, options=options, description=""),
            factory=lambda: nn.Linear(4, 2),
            default_inputs=lambda _: netscope.schema.inputs.as_forward_inputs((1, 4)),
        )


@pytest.fixture
def third_party(monkeypatch):
    entry = EntryPoint(name="toys", value=f"{__name__}:ThirdPartySource", group=registry.ENTRY_POINTS)
    monkeypatch.setattr(EntryPoint, "load", lambda _self: ThirdPartySource)
    # torch's own packages look for theirs when they are first imported, which may be here.
    real = importlib.metadata.entry_points
    monkeypatch.setattr(
        "importlib.metadata.entry_points",
        lambda **asked: [entry] if asked == {"group": "netscope.sources"} else real(**asked),
    )


@pytest.mark.usefixtures("third_party")
def test_an_entry_point_adds_a_source():
    assert netscope.summarize("toys/tiny").totals.params == 10
    assert netscope.summarize("tiny").architecture.source == "toys"


@pytest.mark.usefixtures("third_party")
def test_a_name_that_an_earlier_source_has_is_listed_with_its_source():
    names = [entry.name for entry in netscope.list_architectures("toys/*").architectures]
    assert names == ["tiny", "toys/alexnet-paper"]


def test_a_source_that_cannot_be_loaded_is_named(monkeypatch):
    entry = EntryPoint(name="broken", value="nowhere:Source", group=registry.ENTRY_POINTS)
    # torch's own packages look for theirs when they are first imported, which may be here.
    real = importlib.metadata.entry_points
    monkeypatch.setattr(
        "importlib.metadata.entry_points",
        lambda **asked: [entry] if asked == {"group": "netscope.sources"} else real(**asked),
    )
    with pytest.raises(BuildError, match="failed to load the source 'broken': ModuleNotFoundError"):
        sources.resolve("broken/net")


@pytest.mark.parametrize("error", [BrokenInstallError("torchvision does not fit"), MissingExtraError("not installed")])
def test_the_built_ins_work_while_torchvision_does_not(monkeypatch, error):
    def fail(_self):
        raise error

    monkeypatch.setattr(TorchvisionSource, "names", fail)
    monkeypatch.setattr(TorchvisionSource, "listing", fail)
    assert netscope.summarize("lenet5").totals.params == 61_706
    with pytest.raises(type(error), match=f"'resnet50' is not a built-in architecture, and {error}"):
        sources.resolve("resnet50")
    listing = netscope.list_architectures("*")
    shown = {entry.source for entry in listing.architectures}
    assert "built-in" in shown
    assert "torchvision" not in shown
    assert str(error) in listing.notes


PATTERNS = {
    "lenet*": ["lenet5"],
    "built-in/vgg*": ["vgg11-d2l", "vgg11-d2l-small"],
    "LENET5": ["lenet5"],
    "nothing-like-it": [],
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_fits_the_name_or_the_source_and_the_name(pattern):
    assert [entry.name for entry in netscope.list_architectures(pattern).architectures] == PATTERNS[pattern]


def test_the_list_gives_published_parameter_counts():
    listed = {entry.name: entry.params for entry in netscope.list_architectures("*").architectures}
    assert listed["alexnet-paper"] == 62_378_344
    assert listed["resnet18"] == 11_689_512
    assert "torchvision/alexnet" in listed


def test_every_suffix_of_a_saved_file_has_its_reader():
    from netscope.sources import saved, spec

    assert set(saved.READERS) == spec.SAVED_SUFFIXES
