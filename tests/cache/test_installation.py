"""The fingerprint of installed packages, and of files that may shadow them."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from netscope.cache import fingerprint, list_local_modules


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("netscope.cache.installation.sys.version", "3.99"),
        ("netscope.cache.installation.sys.prefix", "/elsewhere"),
        ("netscope.cache.installation.os.cpu_count", lambda: 1000),
        ("netscope.cache.installation.OWN_FOLDER", Path(__file__).parent),
        ("netscope.cache.installation.NVIDIA_DRIVER", Path(__file__)),
    ],
)
def test_python_the_machine_and_our_own_code_are_part_of_it(monkeypatch, where, value):
    before = fingerprint()
    assert fingerprint() == before
    monkeypatch.setattr(where, value)
    assert fingerprint() != before


@pytest.mark.parametrize("name", ["TORCH_LOGS", "PYTORCH_JIT", "CUDA_VISIBLE_DEVICES", "HF_HOME", "LC_ALL", "SM_HOSTS"])
def test_variables_that_torch_and_its_like_look_at_are_part_of_it(monkeypatch, name):
    before = fingerprint()
    monkeypatch.setenv("MY_OWN", "1")
    assert fingerprint() == before
    monkeypatch.setenv(name, "2")
    assert fingerprint() != before


def test_a_package_that_is_installed_or_replaced_is_seen(monkeypatch, tmp_path):
    site = tmp_path / "site-packages"
    metadata = site / "torch-9.9.dist-info" / "METADATA"
    write(metadata, "Name: torch\nVersion: 9.9\n")
    monkeypatch.syspath_prepend(site)
    seen = [fingerprint()]
    write(metadata, "Name: torch\nVersion: 9.10\n")
    seen.append(fingerprint())
    metadata.parent.rename(site / "torch-9.10.dist-info")
    seen.append(fingerprint())
    (site / "mamba_ssm").mkdir()
    seen.append(fingerprint())
    assert len(set(seen)) == 4
    assert fingerprint() == seen[-1]


@pytest.mark.parametrize(
    "path", ["chunk.py", "chunk.cpython-311-x86_64-linux-gnu.so", "chunk/a.txt", "chunk/__init__.py", "a.dist-info/b"]
)
def test_a_file_that_may_shadow_an_installed_module_changes_the_fingerprint(monkeypatch, tmp_path, path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    before = fingerprint()
    write(tmp_path / "data.txt")
    write(tmp_path / "no-name" / "a.txt")
    write(tmp_path / "__pycache__" / "a.pyc")
    assert fingerprint() == before
    write(tmp_path / path)
    assert fingerprint() != before


@pytest.mark.parametrize("path", ["chunk.py", "chunk/__init__.py", "a.dist-info/METADATA"])
def test_a_change_of_a_shadowing_file_changes_the_fingerprint(monkeypatch, tmp_path, path):
    write(tmp_path / path)
    monkeypatch.syspath_prepend(tmp_path)
    before = fingerprint()
    write(tmp_path / path, "N = 1")
    assert fingerprint() != before


def test_an_archive_on_the_path_is_seen(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(tmp_path / "modules.zip")
    before = fingerprint()
    write(tmp_path / "modules.zip")
    assert fingerprint() != before


@pytest.mark.parametrize(
    ("parts", "is_loose"),
    [
        ({"__file__": str(Path(__file__))}, True),
        ({"__file__": None, "__path__": [str(Path(__file__).parent)]}, True),
        ({"__file__": pytest.__file__, "__path__": ["/elsewhere"]}, True),
        ({"__file__": pytest.__file__}, False),
        ({"__file__": fingerprint.__code__.co_filename}, False),
        ({"__file__": "_ops.py"}, False),
        ({}, False),
    ],
)
def test_modules_that_are_not_installed_are_local(monkeypatch, parts, is_loose):
    module = ModuleType("some_module")
    vars(module).update(parts)
    monkeypatch.setitem(sys.modules, "some_module", module)
    assert ("some_module" in list_local_modules()) == is_loose
