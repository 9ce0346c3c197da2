"""Saved programs and weights; no code in a pickle is executed."""

import zipfile

import pytest
import torch
from torch import nn

import netscope
from netscope.errors import InputError, SavedResultError, UnknownNameError, UsageError

RESNET18 = 11_689_512


class Branched(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))

    def forward(self, x, scale):
        return self.head(self.conv(x)) * scale


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def exported(folder):
    program = torch.export.export(Branched().eval(), (torch.randn(2, 3, 16, 16), torch.randn(5)))
    torch.export.save(program, folder / "net.pt2")
    return "net.pt2"


def test_an_exported_program_counts_like_its_model(exported):
    model, saved = netscope.summarize(Branched(), [(2, 3, 16, 16), (5,)]), netscope.summarize(exported)
    assert saved.totals.macs == model.totals.macs == 2 * 8 * 14 * 14 * 27 + 2 * 8 * 5
    assert saved.totals.params == model.totals.params
    assert [item.shape for item in saved.inputs] == [(2, 3, 16, 16), (5,)]
    figures = {row.path: (row.total.params, row.total.flops) for row in saved.rows}
    assert figures == {row.path: (row.total.params, row.total.flops) for row in model.rows}


@pytest.mark.filterwarnings("ignore")  # TorchScript is deprecated
def test_a_scripted_program_runs(folder):
    torch.jit.save(torch.jit.script(nn.Sequential(nn.Linear(4, 3), nn.ReLU())), folder / "net.pt")
    summary = netscope.summarize("net.pt", (2, 4))
    assert (summary.totals.params, summary.totals.macs) == (15, 24)
    with pytest.raises(InputError, match="needs an input for input"):
        netscope.summarize("net.pt")


def weights():
    import torchvision

    return torchvision.models.resnet18().state_dict()


def safetensors(path):
    pytest.importorskip("safetensors.torch", reason="comes with the extras").save_file(weights(), path)


CONTAINERS = {
    "weights.pth": lambda path: torch.save(weights(), path),
    "weights.bin": lambda path: torch.save(weights(), path, _use_new_zipfile_serialization=False),
    "training.ckpt": lambda path: torch.save({"epoch": 3, "state_dict": weights(), "lr": [0.1]}, path),
    "weights.safetensors": safetensors,
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_weights_alone_have_sizes_and_no_flops(folder, name):
    import torchvision

    CONTAINERS[name](folder / name)
    summary = netscope.summarize(name)
    assert summary.totals.params == sum(row.own.params for row in summary.rows) == RESNET18
    buffers = torchvision.models.resnet18().buffers()
    assert summary.totals.buffers == sum(item.numel() for item in buffers)
    by_path = {row.path: row.total.params for row in summary.rows}
    assert by_path["layer1"] == 147_968
    assert summary.is_lower_bound
    assert summary.traced_on == "none"
    assert "FLOPs       unknown" in str(summary)
    assert "never called" not in str(summary)


def test_tied_weights_in_a_state_dict_are_counted_once(folder):
    model = nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 10, bias=False))
    model[1].weight = model[0].weight
    torch.save(model.state_dict(), folder / "tied.pth")
    assert netscope.summarize("tied.pth").totals.params == 40


ODD_NAMES = {
    "names that a module has itself": {"modules.0.weight": (2, 3), "forward.train": (4,)},
    "a tensor and a module of one name": {"a": (2,), "a.b": (3,)},
    "empty parts": {"x..y": (5,), "": (1,)},
}


@pytest.mark.parametrize("case", ODD_NAMES)
def test_any_names_will_do(folder, case):
    torch.save({name: torch.ones(shape) for name, shape in ODD_NAMES[case].items()}, folder / "odd.pth")
    total = sum(torch.ones(shape).numel() for shape in ODD_NAMES[case].values())
    assert netscope.summarize("odd.pth").totals.params == total


def test_mappings_in_mappings_are_modules_in_modules(folder):
    content = {"encoder": {"weight": torch.ones(3)}, "decoder": {"weight": torch.ones(4)}, "step": 7}
    content["again"] = content
    torch.save(content, folder / "nested.pth")
    summary = netscope.summarize("nested.pth")
    assert {row.path: row.total.params for row in summary.rows} == {"": 7, "encoder": 3, "decoder": 4}


def test_integers_are_weights_too(folder):
    torch.save({"fc.qweight": torch.ones(4, 4, dtype=torch.int32), "fc.scales": torch.ones(4)}, folder / "q.pth")
    assert netscope.summarize("q.pth").totals.params == 20


def test_weights_alone_have_nothing_to_verify_or_trace(folder):
    torch.save({"weight": torch.ones(2)}, folder / "a.pth")
    for use in (netscope.verify, netscope.trace):
        with pytest.raises(UsageError, match="is a weights file"):
            use("a.pth")


class Armed:
    """What a pickle can do to whoever opens it."""

    def __reduce__(self):
        return (open, ("executed", "w"))


HARMFUL = {
    "code.pth": lambda path: torch.save({"weight": torch.ones(2), "rest": Armed()}, path),
    "module.pt": lambda path: torch.save(nn.Linear(2, 2), path),
}


@pytest.mark.parametrize("name", HARMFUL)
def test_a_pickle_is_never_executed(folder, name):
    HARMFUL[name](folder / name)
    with pytest.raises(SavedResultError, match=r"contains more than tensors .*does not run code from a pickle"):
        netscope.summarize(name)
    assert not (folder / "executed").exists()


@pytest.mark.parametrize("suffix", ["pt2", "pth", "safetensors"])
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_file_is_named(folder, suffix, capfd):
    (folder / f"damaged.{suffix}").write_bytes(b"123")
    with pytest.raises(SavedResultError, match=f"damaged.{suffix} cannot be read as"):
        netscope.summarize(f"damaged.{suffix}")
    assert capfd.readouterr().err == ""


def test_options_and_inputs_that_a_file_does_not_take_are_refused(folder):
    torch.save({"weight": torch.ones(2)}, folder / "a.pth")
    torch.save([1, 2], folder / "list.pth")
    with pytest.raises(UnknownNameError, match=r"file 'b\.pth' not found"):
        netscope.summarize("b.pth")
    with pytest.raises(UsageError, match="takes no @ options"):
        netscope.summarize("a.pth@width=3")
    with pytest.raises(UsageError, match="is a weights file, which does not define"):
        netscope.summarize("a.pth", (1, 3))
    with pytest.raises(SavedResultError, match="contains no named tensors"):
        netscope.summarize("list.pth")


def test_an_archive_is_refused_where_torchs_reader_would_crash_or_never_end(folder):
    once = {"a": torch.ones(2)}
    for _ in range(40):
        once = {"x": once, "y": once}
    torch.save({"weight": torch.ones(2)}, folder / "deep.pth")
    nested = b"\x80\x02)" + b"\x85" * 2_000 + b"."
    with zipfile.ZipFile("deep.pth") as before:
        members = [(item.filename, before.read(item)) for item in before.infolist()]
    with zipfile.ZipFile("deep.pth", "w") as after:
        for name, content in members:
            after.writestr(name, nested if name.endswith("data.pkl") else content)
    (folder / "old.pth").write_bytes(nested)
    for name in ("deep.pth", "old.pth"):
        with pytest.raises(SavedResultError, match="nested too deeply"):
            netscope.summarize(name)
    torch.save(once, folder / "often.pth")
    assert netscope.summarize("often.pth").totals.params == 2
    torch.save({f"{'a.' * 200}weight": torch.ones(2)}, folder / "long.pth")
    with pytest.raises(SavedResultError, match="more than 100 nested modules"):
        netscope.summarize("long.pth")


def test_a_pickle_that_is_cut_off_is_refused_before_it_is_read(folder):
    torch.save({"weight": torch.ones(2)}, folder / "a.pth")
    with zipfile.ZipFile("a.pth") as before, zipfile.ZipFile("cut.pth", "w") as after:
        for item in before.infolist():
            content = before.read(item)
            after.writestr(item.filename, content[:-9] if item.filename.endswith("data.pkl") else content)
    with pytest.raises(SavedResultError, match="a pickle in it is damaged"):
        netscope.summarize("cut.pth")
