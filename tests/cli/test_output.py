"""Where answers go: files whole or not at all, formats by suffix, any encoding."""

import json
import os
import re
import subprocess
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from netscope.api.workers.pool import JobProgress
from netscope.cli import output
from netscope.cli.app import run
from netscope.errors import OutputError
from netscope.schema import Listing, Summary

GOLDEN = Path(__file__).parents[1] / "golden"
LISTING = Listing(pattern="*", architectures=(), notes=())


def netscope(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "netscope", *arguments],
        capture_output=True,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("a.json", "{"),
        ("a.csv", "layer,"),
        ("a.md", "**"),
        ("a.html", "<!doctype html>"),
        ("a.txt", "lenet5  ·"),
        ("a", "lenet5  ·"),
    ],
)
def test_the_suffix_says_the_format(tmp_path, name, start):
    assert run(["summary", "lenet5", "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)


def test_a_named_format_goes_before_the_suffix(tmp_path):
    run(["summary", "lenet5", "-f", "json", "-o", str(tmp_path / "a.txt")])
    assert Summary.from_json((tmp_path / "a.txt").read_text(encoding="utf-8")).totals.params == 61_706


def test_a_file_that_cannot_be_written_whole_is_left_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_text("old")

    def fail(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match="No space left on device"):
        output.write_result(LISTING, "json", path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_text("old")

    def interrupt(_descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        output.write_result(LISTING, "json", path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_followed_and_permissions_are_kept(tmp_path):
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    output.write_result(LISTING, "json", link)
    assert link.is_symlink()
    assert json.loads(target.read_text())["kind"] == "Listing"
    assert target.stat().st_mode & 0o777 == 0o640


def test_a_device_is_written_to_directly():
    output.write_result(LISTING, "json", output.Path(os.devnull))


def test_a_pipe_gets_no_colour_and_columns_are_obeyed():
    wide = netscope("list", "built-in/*", COLUMNS="").stdout.decode()
    assert "\x1b" not in wide
    narrow = netscope("summary", "lenet5", COLUMNS="60").stdout.decode()
    assert max(len(line) for line in narrow.splitlines()) <= 60


def test_no_color_goes_before_force_color():
    assert b"\x1b" in netscope("summary", "lenet5", FORCE_COLOR="1", TERM="xterm").stdout
    assert b"\x1b" not in netscope("summary", "lenet5", FORCE_COLOR="1", NO_COLOR="1", TERM="xterm").stdout


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.txt")), ids=lambda path: path.stem)
def test_in_ascii_every_column_begins_where_it_does_with_line_drawing(path):
    text = path.read_text(encoding="utf-8")
    ascii_text = output.encode_for(text, TextIOWrapper(BytesIO(), encoding="ascii"))
    assert ascii_text.isascii()
    for line, drawn in zip(ascii_text.splitlines(), text.splitlines(), strict=True):
        if "\\u" not in line:  # a name that ASCII cannot write is longer
            starts = [found.end() for found in re.finditer(r"(?<=\S)  +(?=\S)", drawn)]
            assert all(line[start - 1] == " " != line[start] for start in starts), line


def test_ascii_shows_bounds_products_and_times():
    text = output.encode_for("≥ 0  2·3 · 4 µs ± 5%  … →", TextIOWrapper(BytesIO(), encoding="ascii"))
    assert text == ">=0  2*3 . 4 us +-5%  ~ >"


def test_an_encoding_without_line_drawing_gets_ascii():
    finished = netscope("summary", "lenet5", PYTHONIOENCODING="ascii")
    assert finished.returncode == 0
    assert "|- features" in finished.stdout.decode("ascii")


def test_a_minus_is_stdout():
    assert netscope("summary", "lenet5", "-o", "-", "-f", "csv").stdout.startswith(b"layer,")


def test_a_pipe_that_is_named_is_written_to():
    finished = netscope("summary", "lenet5", "-f", "json", "-o", "/dev/stdout")
    assert json.loads(finished.stdout)["kind"] == "Summary"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [("summary", "lenet5"), ("--help",)])
def test_a_full_disk_below_stdout_is_one_sentence(arguments):
    with Path("/dev/full").open("w") as full:
        finished = subprocess.run(
            [sys.executable, "-m", "netscope", *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert finished.returncode == 2
    assert finished.stderr == "netscope: cannot write to stdout: No space left on device\n"


@pytest.mark.skipif(sys.platform == "win32", reason="closes streams as a POSIX shell does")
def test_a_closed_stream_is_no_error():
    command = f"{sys.executable} -m netscope summary lenet5 >&-; {sys.executable} -m netscope summary nope 2>&-"
    finished = subprocess.run(["sh", "-c", command], capture_output=True, check=False)
    assert (finished.returncode, finished.stdout, finished.stderr) == (2, b"", b"")


NOISY = """
import os, subprocess, sys
from torch import nn

class Noisy(nn.Linear):
    def __init__(self):
        super().__init__(4, 2)
        print("from Python")
        print("around it", file=sys.__stdout__)
        os.write(1, b"below it")
        subprocess.run(["echo", "from elsewhere"])
"""


def test_what_a_model_prints_stays_out_of_the_data(tmp_path):
    (tmp_path / "noisy.py").write_text(NOISY)
    finished = netscope("summary", f"{tmp_path}/noisy.py:Noisy", "-i", "1x4", "-f", "json")
    assert json.loads(finished.stdout)["totals"]["params"] == 10
    for words in (b"from Python", b"around it", b"below it", b"from elsewhere"):
        assert words in finished.stderr


def test_an_encoding_without_our_signs_is_respected_on_stderr():
    finished = netscope("summary", "lenet5", "-i", "1x3x28x28", PYTHONIOENCODING="ascii")
    assert b"got 3 in 1x3x28x28" in finished.stderr


def test_a_reader_that_stops_early_is_no_error():
    command = f"{sys.executable} -m netscope summary lenet5 | head -1"
    finished = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, check=False)
    assert finished.stderr == b""
    assert finished.stdout.startswith(b"lenet5")


@pytest.mark.parametrize(
    ("done", "count", "running", "remaining_s", "text"),
    [
        (12, 80, ("resnet50", "vit_b_16"), 21.7, "12 of 80 done, about 20 s left: tracing resnet50, vit_b_16"),
        (0, 80, (), None, "0 of 80 done"),
        (1, 80, tuple("abcde"), None, "1 of 80 done: tracing a, b, c and 2 more"),
        (79, 80, ("a",), 0.2, "79 of 80 done, about 1 s left: tracing a"),
        (9, 80, ("a",), 7.4, "9 of 80 done, about 7 s left: tracing a"),
        (9, 80, ("a",), 590, "9 of 80 done, about 10 min left: tracing a"),
        (0, 1, ("a",), None, "tracing a"),
        (0, 1, (), None, "tracing"),
    ],
)
def test_progress_is_told_in_a_line(done, count, running, remaining_s, text):
    progress = JobProgress(done=done, count=count, running=running, remaining_s=remaining_s)
    assert output.format_progress(progress, "tracing") == text
