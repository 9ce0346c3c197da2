"""Python objects in files and modules, as users write them."""

import sys
from textwrap import dedent

import pytest

import netscope
from netscope.errors import BuildError, InputError, UnknownNameError, UsageError

NET = """
    from torch import nn

    class Net(nn.Module):
        "A small net."

        def __init__(self, width=4, bias=True):
            super().__init__()
            self.fc = nn.Linear(3, width, bias=bias)

        def forward(self, x):
            return self.fc(x)

    def make(width=8):
        return Net(width)

    instance = Net(16)
    number = 3

    def raises():
        raise ValueError("no such depth")

    def gives_nothing():
        return None

    def needs(depth):
        return Net(depth)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a file in it, which is the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.py").write_text(dedent(NET))
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("./my.py:Net", 16),
        ("my.py:Net", 16),
        ("my.py:Net@width=5", 20),
        ("my.py:Net@width=5,bias=false", 15),
        ("my.py:make", 32),
        ("my.py:make@width=2", 8),
        ("my.py:instance", 64),
    ],
)
def test_a_class_a_function_or_an_instance_in_a_file(name, params):
    summary = netscope.summarize(name, (2, 3))
    assert summary.totals.params == params
    assert summary.architecture.source == "python"


@pytest.mark.usefixtures("folder")
def test_the_docstring_of_a_class_is_its_description():
    assert netscope.summarize("my.py:Net", (2, 3)).architecture.description == "A small net."


@pytest.mark.parametrize("name", ["torch.nn:Linear@in_features=3,out_features=4", "torch:nn.Identity"])
def test_a_factory_in_an_installed_module(name):
    assert netscope.summarize(name, (2, 3)).rows[0].calls == 1


def test_a_module_in_the_current_folder(folder):
    (folder / "package_of_mine").mkdir()
    (folder / "package_of_mine" / "__init__.py").touch()
    (folder / "package_of_mine" / "net.py").write_text(dedent(NET))
    path = sys.path.copy()
    assert netscope.summarize("package_of_mine.net:Net", (2, 3)).totals.params == 16
    assert sys.path == path


def test_a_file_in_a_package_may_import_relatively_and_a_file_alone_its_neighbours(folder):
    package = folder / "pack"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "layers.py").write_text("from torch import nn\nLayer = nn.Linear\n")
    (package / "net.py").write_text("from .layers import Layer\ndef make():\n    return Layer(3, 2)\n")
    (folder / "neighbour_layers.py").write_text("from torch import nn\nLayer = nn.Linear\n")
    (folder / "alone.py").write_text("from neighbour_layers import Layer\ndef make():\n    return Layer(3, 2)\n")
    assert netscope.summarize("pack/net.py:make", (1, 3)).totals.params == 8
    assert netscope.summarize("alone.py:make", (1, 3)).totals.params == 8


def test_a_file_alone_may_import_its_neighbours_relatively(folder):
    (folder / "parts.py").write_text("from torch import nn\nfrom .sizes import WIDTH\nLayer = nn.Linear\n")
    (folder / "sizes.py").write_text("WIDTH = 3\n")
    (folder / "whole.py").write_text(
        "from .parts import Layer\nfrom . import sizes\ndef make():\n    return Layer(sizes.WIDTH, 2)\n"
    )
    assert netscope.summarize("whole.py:make", (1, 3)).totals.params == 8


REAL_LIFE = """
    from dataclasses import dataclass
    import torch
    from torch import nn

    @dataclass
    class Output:
        logits: torch.Tensor
        hidden: dict

    class Net(nn.Module):
        def __init__(self, vocabulary, *, width=4):
            super().__init__()
            self.table, self.fc = nn.Embedding(vocabulary, width), nn.Linear(width, 2)

        def forward(self, ids, *, mask, scale=None):
            x = self.table(ids) * mask.unsqueeze(-1)
            return Output(self.fc(x), {"all": [x, (ids,)]})
"""


def test_several_inputs_by_keyword_that_are_not_floats_and_nested_outputs(folder):
    (folder / "real.py").write_text(dedent(REAL_LIFE))
    inputs = {"ids": "3x7:int64", "mask": "3x7:bool"}
    summary = netscope.summarize("real.py:Net@vocabulary=10,width=6", inputs)
    assert summary.totals.macs == 3 * 7 * 6 * 2
    assert summary.rows[0].output_shapes == ((3, 7, 2), (3, 7, 6), (3, 7))


def test_a_file_that_has_changed_is_read_again(folder):
    assert netscope.summarize("my.py:Net", (2, 3)).totals.params == 16
    (folder / "my.py").write_text(dedent(NET).replace("width=4", "width=40"))
    assert netscope.summarize("my.py:Net", (2, 3)).totals.params == 160


def test_two_files_of_one_name_are_two_files(folder):
    (folder / "other").mkdir()
    (folder / "other" / "my.py").write_text(dedent(NET).replace("width=4", "width=40"))
    assert netscope.summarize("my.py:Net", (2, 3)).totals.params == 16
    assert netscope.summarize("other/my.py:Net", (2, 3)).totals.params == 160


WRONG = {
    "nofile.py:Net": (UnknownNameError, "Python file 'nofile.py' not found"),
    "my.py:Nett": (UnknownNameError, "my.py does not define 'Nett'; did you mean Net"),
    "my.py@width=4": (UsageError, "my.py@width=4: instance is already an instance of nn.Module and takes no @ options"),
    "my.py:number": (BuildError, "number must be an nn.Module, a class or a function, not int"),
    "my.py:raises": (BuildError, "failed to build my.py:raises: ValueError: no such depth"),
    "my.py:gives_nothing": (BuildError, "must return a torch.nn.Module, not a NoneType"),
    "my.py:needs": (UsageError, "missing a required argument: 'depth'; available options .*: depth"),
    "my.py:Net@depth=3": (UsageError, "unexpected keyword argument 'depth'; available options .*: width, bias"),
    "my.py:instance@width=3": (UsageError, "takes no @ options"),
    "no_such_package:Net": (UnknownNameError, "Python module 'no_such_package' not found"),
    "torch.nothing:Net": (UnknownNameError, r"Python module 'torch\.nothing' not found"),
    "bad_syntax.py:Net": (BuildError, r"bad_syntax\.py, line 1"),
    "bad_import.py:Net": (BuildError, r"importing bad_import\.py raised ModuleNotFoundError"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_python_object_is_reported(folder, name):
    (folder / "bad_syntax.py").write_text("def (:\n")
    (folder / "bad_import.py").write_text("import no_such_package\n")
    kind, message = WRONG[name]
    with pytest.raises(kind, match=message):
        netscope.summarize(name, (2, 3))


@pytest.mark.usefixtures("folder")
def test_without_an_input_the_parameters_of_forward_are_reported():
    with pytest.raises(InputError, match=r"my.py:Net needs an input for x; .* \(its forward takes: x\)"):
        netscope.summarize("my.py:Net")


def test_a_module_can_define_its_example_input(folder):
    (folder / "lightning.py").write_text(
        "import torch\n"
        + dedent(NET).replace("super().__init__()", "super().__init__(); self.example_input_array = torch.zeros(7, 3)")
    )
    assert netscope.summarize("lightning.py:Net").inputs[0].shape == (7, 3)


def test_two_projects_may_have_modules_of_the_same_name(tmp_path):
    for width, folder in ((2, "a"), (3, "b")):
        package = tmp_path / folder / "net"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("", encoding="utf-8")
        (package / "width.py").write_text(f"WIDTH = {width}", encoding="utf-8")
        source = "from torch import nn\nfrom net.width import WIDTH\ndef net(): return nn.Linear(WIDTH, WIDTH)\n"
        (package / "models.py").write_text(source, encoding="utf-8")
        (tmp_path / folder / "helper.py").write_text(f"WIDTH = {width}", encoding="utf-8")
        lone = source.replace("net.width", "helper")
        (tmp_path / folder / "lone.py").write_text(lone, encoding="utf-8")
    for name in ("net/models.py", "lone.py"):
        first, second = (
            netscope.summarize(f"{tmp_path}/{folder}/{name}:net", (1, width)) for folder, width in (("a", 2), ("b", 3))
        )
        assert (first.totals.params, second.totals.params) == (6, 12)
