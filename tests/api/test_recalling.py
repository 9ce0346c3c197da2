"""An answer is given again only while all that it rests on is as it was."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from netscope import cache
from netscope.api import recalling
from netscope.api.recalling import Query, Recall
from netscope.schema.inputs import parse_inputs

ASK = """
import importlib.util, json, sys
from pathlib import Path
from netscope.api.recalling import Query, recalling, remembered
from netscope.sources import Catalogue

made = []

def make():
    made.append(True)
    sys.path.insert(0, str(Path.cwd()))
    spec = importlib.util.spec_from_file_location("my", "my.py")
    module = sys.modules["my"] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        return Catalogue(entries=(), names=(str(module.width()),))
    finally:
        sys.path.pop(0)

with recalling(Path.cwd()):
    answer = remembered(Query(kind="summary", spec="./my.py:width", options=json.loads(sys.argv[1])), Catalogue, make)
print(json.dumps([answer.names[0], bool(made)]))
"""
"""Asks what ``width()`` in ``my.py`` gives, as commands ask what a model is, but without torch."""


class Project:
    """A folder with ``my.py``, and what is answered about it."""

    def __init__(self, folder, cache_folder):
        self.folder = folder
        self.environment = {**os.environ, "NETSCOPE_CACHE_DIR": str(cache_folder)}

    def write(self, **files):
        for name, text in files.items():
            place = name.replace("__", "/").replace("_py", ".py").replace("_txt", ".txt").replace("INIT", "__init__")
            path = self.folder / place
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_text(text, encoding="utf-8")

    def ask(self, options=None, folder=None, **variables):
        """The width, and whether it was worked out anew."""
        finished = subprocess.run(
            [sys.executable, "-c", ASK, json.dumps(options or {})],
            cwd=folder or self.folder,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        return tuple(json.loads(finished.stdout))


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    return Project(folder, tmp_path / "cache")


def test_the_same_is_answered_from_the_cache(project):
    project.write(my_py="def width(): return 1")
    assert project.ask() == ("1", True)
    assert project.ask() == ("1", False)


def test_what_has_nothing_to_do_with_it_may_change(project):
    project.write(my_py="import json, os\ndef width(): return 1", other_py="", data_txt="1")
    assert project.ask() == ("1", True)
    project.write(other_py="changed", data_txt="2", new_py="", new__folder_txt="")
    os.utime(project.folder / "my.py")
    assert project.ask(TERM="other", MY_OWN="1") == ("1", False)


CHANGES = {
    "the file": ("def width(): return 1", {}, {"my_py": "def width(): return 2"}),
    "a module that it imports": (
        "import helper\ndef width(): return helper.WIDTH",
        {"helper_py": "WIDTH = 1"},
        {"helper_py": "WIDTH = 2"},
    ),
    "a module that is imported when it is run": (
        "def width():\n    import helper\n    return helper.WIDTH",
        {"helper_py": "WIDTH = 1"},
        {"helper_py": "WIDTH = 2"},
    ),
    "a module of a package that it imports": (
        "from parts.inner import WIDTH\ndef width(): return WIDTH",
        {"parts__INIT_py": "", "parts__inner_py": "WIDTH = 1"},
        {"parts__inner_py": "WIDTH = 2"},
    ),
    "a package's own file": (
        "from parts import WIDTH\ndef width(): return WIDTH",
        {"parts__INIT_py": "WIDTH = 1"},
        {"parts__INIT_py": "WIDTH = 2"},
    ),
    "a module of a folder without its own file": (
        "from parts.inner import WIDTH\ndef width(): return WIDTH",
        {"parts__inner_py": "WIDTH = 1"},
        {"parts__inner_py": "WIDTH = 2"},
    ),
    "a module that is imported by its name": (
        "from importlib import import_module\ndef width(): return import_module('helper').WIDTH",
        {"helper_py": "WIDTH = 1"},
        {"helper_py": "WIDTH = 2"},
    ),
    "a file that it reads": (
        "def width(): return open('data.txt').read()",
        {"data_txt": "1"},
        {"data_txt": "2"},
    ),
    "a file that it reads by way of a library": (
        "import configparser\nC = configparser.ConfigParser()\nC.read('data.txt')\ndef width(): return C['a']['b']",
        {"data_txt": "[a]\nb = 1"},
        {"data_txt": "[a]\nb = 2"},
    ),
    "a file that it runs": (
        "from pathlib import Path\nexec(Path('data.txt').read_text())\ndef width(): return WIDTH",
        {"data_txt": "WIDTH = 1"},
        {"data_txt": "WIDTH = 2"},
    ),
    "a file that was not there": (
        "from pathlib import Path\ndef width(): return 2 if Path('data.txt').exists() else 1",
        {},
        {"data_txt": ""},
    ),
    "a file that could not be opened": (
        "def width():\n    try:\n        return open('data.txt').read()\n    except OSError:\n        return 1",
        {},
        {"data_txt": "2"},
    ),
    "what a folder holds": (
        "import os\ndef width(): return len(os.listdir('parts'))",
        {"parts__a_txt": ""},
        {"parts__b_txt": ""},
    ),
    "what a pattern finds": (
        "from pathlib import Path\ndef width(): return len(list(Path('parts').glob('*.txt')))",
        {"parts__a_txt": ""},
        {"parts__b_txt": ""},
    ),
    "a file that it reads in a thread": (
        (
            "from concurrent.futures import ThreadPoolExecutor\n"
            "def width(): return ThreadPoolExecutor(1).submit(lambda: open('data.txt').read()).result()"
        ),
        {"data_txt": "1"},
        {"data_txt": "2"},
    ),
    "how large a file is": (
        "import os\ndef width(): return os.path.getsize('data.txt')",
        {"data_txt": "a"},
        {"data_txt": "bc"},
    ),
    "whether it may read a file": (
        "import os\ndef width(): return 2 if os.access('data.txt', os.R_OK) else 1",
        {},
        {"data_txt": ""},
    ),
    "a module that it looks for": (
        "from importlib.util import find_spec\ndef width(): return 2 if find_spec('helper') else 1",
        {},
        {"helper_py": ""},
    ),
    "a module that it tries to import by its name": (
        (
            "from importlib import import_module\ndef width():\n    try:\n        return import_module('helper').WIDTH"
            "\n    except ImportError:\n        return 1"
        ),
        {},
        {"helper_py": "WIDTH = 2"},
    ),
    "a module that it could do without": (
        "try:\n    import helper\n    WIDTH = 2\nexcept ImportError:\n    WIDTH = 1\ndef width(): return WIDTH",
        {},
        {"helper_py": ""},
    ),
    "a module of a package that it could do without": (
        "try:\n    from parts import helper\n    WIDTH = 2\nexcept ImportError: WIDTH = 1\ndef width(): return WIDTH",
        {"parts__INIT_py": ""},
        {"parts__helper_py": ""},
    ),
    "a module that is found before another": (
        "import colorsys\ndef width(): return getattr(colorsys, 'WIDTH', 1)",
        {},
        {"colorsys_py": "WIDTH = 2"},
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_of_what_it_rests_on_is_seen(project, what):
    text, before, after = CHANGES[what]
    project.write(my_py=text, **before)
    assert project.ask() == ("1", True)
    assert project.ask() == ("1", False)
    project.write(**after)
    assert project.ask() == ("2", True)
    assert project.ask() == ("2", False)


@pytest.mark.parametrize(
    "text",
    [
        "import os\ndef width(): return os.environ.get('MY_OWN', '1')",
        "import os\nWIDTH = os.getenv('MY_OWN') or 1\ndef width(): return WIDTH",
        "from os import environ\ndef width(): return environ['MY_OWN'] if 'MY_OWN' in environ else 1",
    ],
)
def test_a_variable_that_it_reads_is_seen(project, text):
    project.write(my_py=text)
    assert project.ask() == ("1", True)
    assert project.ask() == ("1", False)
    assert project.ask(MY_OWN="2") == ("2", True)
    assert project.ask(MY_OWN="2") == ("2", False)
    assert project.ask(MY_OWN="3") == ("3", True)


@pytest.mark.parametrize(
    "text",
    [
        "import time\ndef width(): return int(time.time())",
        "from datetime import date\ndef width(): return date.today().year",
        "from uuid import uuid4\ndef width(): return uuid4()",
        "import os\ndef width(): return os.urandom(1)[0]",
        "from random import Random\ndef width(): return Random().random()",
        "import os\ndef width(): return len(dict(os.environ))",
        "import subprocess\ndef width(): return subprocess.check_output(['echo', '1'])",
        "import os\ndef width(): return os.system('true')",
        "import numpy\ndef width(): return numpy.random.rand()",
        "import helper\ndef width(): return helper.now()",
        "from numpy.random import randint\ndef width(): return randint(9)",
        "def width(): return hash('a')",
        "import sys\ndef width(): return sys.stdin.read()",
    ],
)
def test_what_cannot_be_pinned_down_is_not_kept(project, text):
    project.write(my_py=text, helper_py="from time import time as now")
    assert project.ask()[1]
    assert project.ask()[1]


def test_a_variable_that_it_sets_itself_changes_nothing(project):
    project.write(my_py="import os\nos.environ.setdefault('MY_OWN', '3')\ndef width(): return os.environ['MY_OWN']")
    assert project.ask() == ("3", True)
    assert project.ask() == ("3", False)
    assert project.ask(MY_OWN="4") == ("4", True)


def test_a_part_that_is_called_like_a_clock_is_none(project):
    project.write(my_py="class A:\n    def __init__(self): self.time = 1\ndef width(): return A().time")
    assert project.ask() == ("1", True)
    assert project.ask() == ("1", False)


def test_a_file_that_changes_while_it_is_read_is_not_kept(project):
    project.write(
        my_py="import pathlib\nfrom helper import WIDTH\npathlib.Path('helper.py').write_text('WIDTH = 2')\n"
        "def width(): return WIDTH",
        helper_py="WIDTH = 1",
    )
    assert project.ask() == ("1", True)
    assert project.ask() == ("2", True)


def test_a_link_that_leads_elsewhere_is_seen(project):
    project.write(v1__my_py="def width(): return 1", v2__my_py="def width(): return 2")
    (project.folder / "my.py").symlink_to("v1/my.py")
    assert project.ask() == ("1", True)
    assert project.ask() == ("1", False)
    (project.folder / "my.py").unlink()
    (project.folder / "my.py").symlink_to("v2/my.py")
    assert project.ask() == ("2", True)


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="names are text there")
def test_names_that_are_no_text_are_no_trouble(project):
    project.write(my_py="import os\ndef width(): return len(os.listdir('parts')) + len(os.environ.get('ODD', ''))")
    (project.folder / "parts").mkdir()
    Path(os.fsdecode(bytes(project.folder / "parts") + b"/caf\xe9")).touch()
    assert project.ask(ODD=os.fsdecode(b"\xff")) == ("2", True)


def test_the_question_is_part_of_the_key(project):
    project.write(my_py="def width(): return 1")
    project.ask()
    for options in ({"batch_size": 2}, {"seq_len": 2}, {"device": "cpu"}, {"dtype": "float16"}, {"mode": "train"}):
        assert project.ask(options) == ("1", True)
        assert project.ask(options) == ("1", False)
    assert project.ask({"device": "auto", "mode": "eval", "batch_size": None}) == ("1", False)
    assert project.ask({"device": "cuda"}) == ("1", True)
    assert project.ask({"device": "cuda"}) == ("1", True)


def test_the_same_path_in_another_folder_is_another_file(project):
    project.write(my_py="def width(): return 1", other__my_py="def width(): return 2")
    assert project.ask() == ("1", True)
    assert project.ask(folder=project.folder / "other") == ("2", True)
    assert project.ask() == ("1", False)


def test_a_package_that_is_installed_or_replaced_is_seen(project, tmp_path):
    project.write(my_py="def width(): return 1")
    site = tmp_path / "site-packages"
    metadata = site / "torch-9.9.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text("Name: torch\nVersion: 9.9\n", encoding="utf-8")
    assert project.ask(PYTHONPATH=str(site)) == ("1", True)
    assert project.ask(PYTHONPATH=str(site)) == ("1", False)
    metadata.write_text("Name: torch\nVersion: 9.10\n", encoding="utf-8")
    assert project.ask(PYTHONPATH=str(site)) == ("1", True)
    metadata.parent.rename(site / "torch-9.10.dist-info")
    assert project.ask(PYTHONPATH=str(site)) == ("1", True)
    (site / "mamba_ssm").mkdir()
    assert project.ask(PYTHONPATH=str(site)) == ("1", True)
    assert project.ask(PYTHONPATH=str(site)) == ("1", False)


@pytest.mark.parametrize("name", ["TORCH_LOGS", "PYTORCH_JIT", "CUDA_VISIBLE_DEVICES", "HF_HOME", "PYTHONHASHSEED"])
def test_the_variables_of_torch_and_its_like_are_part_of_the_key(project, name):
    project.write(my_py="def width(): return 1")
    project.ask(**{name: "1"})
    assert project.ask(**{name: "2"}) == ("1", True)
    assert project.ask(**{name: "2"}) == ("1", False)


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
def test_python_the_machine_and_our_own_code_are_part_of_the_fingerprint(monkeypatch, where, value):
    before = cache.fingerprint()
    assert cache.fingerprint() == before
    monkeypatch.setattr(where, value)
    assert cache.fingerprint() != before


def test_the_versions_of_netscope_and_its_schema_are_part_of_the_key(monkeypatch, tmp_path):
    recall = Recall(store=cache.Store(tmp_path, 1), folder=tmp_path, fingerprint=b"")
    query = Query(kind="summary", spec="alexnet")
    before = recall.key(query)
    monkeypatch.setattr(recalling, "__version__", "9.9")
    assert recall.key(query) != before
    monkeypatch.undo()
    monkeypatch.setattr(recalling, "SCHEMA_VERSION", 99)
    assert recall.key(query) != before


def test_every_part_of_a_query_is_part_of_the_key(tmp_path):
    recall = Recall(store=cache.Store(tmp_path, 1), folder=tmp_path, fingerprint=b"")
    queries = [
        Query(kind="summary", spec="alexnet"),
        Query(kind="report", spec="alexnet"),
        Query(kind="summary", spec="alexnet@dropout=0.1"),
        Query(kind="summary", spec="alexnet", options={"optimizer": "adam"}),
        *(
            Query(kind="summary", spec="alexnet", inputs=parse_inputs([text]))
            for text in ("1x3x224x224", "x=1x3x224x224", "1x3x224x224:int64", "2x3x224x224")
        ),
    ]
    assert len({recall.key(query) for query in queries}) == len(queries)


def test_inputs_that_are_more_than_shapes_are_not_kept(tmp_path):
    recall = Recall(store=cache.Store(tmp_path, 1), folder=tmp_path, fingerprint=b"")
    assert recall.key(Query(kind="summary", spec="alexnet", inputs=parse_inputs(["1x3"]).mapped(lambda _: 1.0))) is None


def test_an_answer_that_json_would_change_is_not_kept(project):
    script = ASK.replace("names=(str(module.width()),)", "names=[str(module.width())]")
    project.write(my_py="def width(): return 1")
    for _ in range(2):
        finished = subprocess.run(
            [sys.executable, "-c", script, "{}"],
            cwd=project.folder,
            env=project.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(finished.stdout) == ["1", True]
