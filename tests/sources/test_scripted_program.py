"""TorchScript that does more than compute is refused before it is loaded."""

import re
import zipfile

import pytest
import torch
from torch import nn

import netscope
from netscope.errors import SavedResultError

pytestmark = pytest.mark.filterwarnings("ignore")  # TorchScript is deprecated

FORWARD = re.compile(r"(  def forward\(.*?-> Tensor:\n)", re.DOTALL)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scripted(path, change):
    """``Linear`` and ``ReLU`` as TorchScript, with ``change`` applied to its code."""
    whole = path.with_name("whole.pt")
    torch.jit.save(torch.jit.script(nn.Sequential(nn.Linear(4, 3), nn.ReLU())), whole)
    with zipfile.ZipFile(whole) as before, zipfile.ZipFile(path, "w") as after:
        for item in before.infolist():
            content = before.read(item)
            after.writestr(item.filename, change(content.decode()) if item.filename.endswith(".py") else content)


def first(statement):
    """A change that puts a statement before the others of each ``forward``."""
    return lambda code: FORWARD.sub(lambda found: f"{found[1]}    {statement}\n", code)


def loading(*statements):
    """A change that has a class do something while it is loaded."""
    body = "".join(f"    {statement}\n" for statement in statements)
    text = f"  def __setstate__(self, state: Tensor) -> NoneType:\n{body}    return None\n"
    return lambda code: code.replace("  def forward(", f"{text}  def forward(", 1)


MORE_THAN_COMPUTING = {
    "a function": (first('_x = torch.from_file("pwned", True, 10)'), "it uses aten.from_file"),
    "an alias": (first("_f = torch.save"), "it uses aten.save"),
    "a method of anything": (first('_x = "pwned".from_file(True, 10)'), "it uses from_file"),
    "a method by name": (first('_x = getattr("pwned", "from_file")(True, 10)'), "it uses from_file"),
    "another library's op": (first('_x = ops.image.write_file("pwned", input)'), "it uses image.write_file"),
    "in a nested block": (first('if True:\n      torch.save(3, "pwned")'), "it uses aten.save"),
    "a function of Python": (first("_x = ^print()(input)"), "cannot be parsed"),
    "a loop while it is loaded": (loading("while True:", "  pass"), "__setstate__ of Sequential does more"),
    "memory while it is loaded": (loading("self.w = torch.zeros([100])"), "__setstate__ of Sequential does more"),
    "all of torch by another name": (
        first('_t = ops\n    _x = _t.image.write_file("pwned", input)'),
        "it uses ops by another",
    ),
    "getattr by another name": (
        first('_g = getattr\n    _x = _g("pwned", "from_file")(True, 10)'),
        "it uses getattr by",
    ),
    "what a nested getattr gives": (
        first('_x = getattr(getattr(ops, "image"), "write_file")'),
        "it uses ops by another",
    ),
    "a print": (first('print("pwned")'), "it uses prim.Print"),
    "growing text while it is loaded": (loading('self.t = "a" + "b"'), "__setstate__ of Sequential does more"),
    "another encoding": (lambda code: f"# coding: utf-7\n{first('torch.save(3, str())')(code)}", "it uses aten.save"),
}


@pytest.mark.parametrize("case", MORE_THAN_COMPUTING)
def test_a_program_that_does_more_than_compute_is_refused_with_the_name(folder, case):
    change, sentence = MORE_THAN_COMPUTING[case]
    scripted(folder / "hostile.pt", change)
    with pytest.raises(SavedResultError, match=rf"hostile.pt cannot be read as a scripted program: .*{sentence}"):
        netscope.summarize("hostile.pt", (2, 4))
    assert not (folder / "pwned").exists()


def test_a_program_that_computes_runs(folder):
    scripted(folder / "net.pt", lambda code: code)
    assert netscope.summarize("net.pt", (2, 4)).totals.macs == 24


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(4, 3)

    def forward(self, x):
        return self.rnn(x)[0]


@pytest.mark.parametrize(("make", "shape"), [(lambda: nn.Sequential(nn.Linear(4, 3)), (2, 4)), (Recurrent, (2, 1, 4))])
def test_a_quantised_program_may_pack_its_weights_while_it_is_loaded(folder, make, shape):
    model = torch.ao.quantization.quantize_dynamic(make().eval(), {nn.Linear, nn.LSTM})
    torch.jit.save(torch.jit.script(model), folder / "int8.pt")
    macs = netscope.summarize("int8.pt", shape).totals.macs
    assert macs == netscope.summarize(make(), shape).totals.macs


class Ungraded(nn.Module):
    def forward(self, x):
        with torch.no_grad():
            return x + 1


def test_a_program_may_leave_gradients_out(folder):
    torch.jit.save(torch.jit.script(Ungraded()), folder / "net.pt")
    assert netscope.summarize("net.pt", (2, 4)).rows[0].output_shapes == ((2, 4),)


def test_a_layer_is_not_run_while_it_is_loaded(folder):
    scripted(folder / "net.pt", loading("self.x = (self.sub).forward(state)"))
    with pytest.raises(SavedResultError, match="__setstate__ of Sequential does more"):
        netscope.summarize("net.pt", (2, 4))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["googlenet", "mobilenet_v3_small", "raft_small", "swin_t", "r3d_18"])
def test_torchvisions_models_are_not_refused(folder, name):
    from torchvision import models

    from netscope.sources.scripted_program import check_scripted_program

    torch.jit.save(torch.jit.script(models.get_model(name, weights=None).eval()), folder / "net.pt")
    check_scripted_program(folder / "net.pt")


def test_a_bomb_among_the_code_is_refused(folder):
    scripted(folder / "net.pt", lambda code: code)
    with zipfile.ZipFile(folder / "net.pt", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("whole/code/zeros.py", bytes(2**27))
    with pytest.raises(SavedResultError, match="is compressed, unlike in torch's archives"):
        netscope.summarize("net.pt", (2, 4))


@pytest.mark.parametrize("name", ["whole/CODE/__torch__/more.PY", "whole/code/more.txt"])
def test_code_under_any_name_that_torch_would_find_is_read(folder, name):
    scripted(folder / "net.pt", lambda code: code)
    with zipfile.ZipFile(folder / "net.pt", "a") as archive:
        archive.writestr(name, 'def more():\n  torch.save(3, "pwned")\n')
    with pytest.raises(SavedResultError, match=r"it uses aten\.save"):
        netscope.summarize("net.pt", (2, 4))


def test_two_members_that_torch_takes_for_one_are_refused(folder):
    scripted(folder / "net.pt", lambda code: code)
    with zipfile.ZipFile(folder / "net.pt", "a") as archive:
        archive.writestr(archive.namelist()[0].upper(), "")
    with pytest.raises(SavedResultError, match="duplicate name"):
        netscope.summarize("net.pt", (2, 4))
