"""``netscope report`` as a command: files, suffixes, saved summaries and measurements."""

import pytest

import netscope
from netscope.cli.app import run
from netscope.schema import BenchReport
from tests.benchmarks import result

QUICK = "lenet5"


def test_a_report_is_one_file_and_where_it_is_goes_to_stderr(tmp_path, capsys):
    path = tmp_path / "lenet.html"
    assert run(["report", QUICK, "-o", str(path)]) == 0
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"{path}: " in captured.err
    assert "KiB" in captured.err


def test_two_architectures_are_shown_aligned(tmp_path):
    path = tmp_path / "diff.HTML"
    assert run(["report", QUICK, "lenet5@num_classes=3", "-o", str(path)]) == 0
    assert '<p class="answer">' in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-o", "x.bmp"], "unknown suffix '.bmp'; a report is a page (.html) or picture (.svg, .png, .pdf)"),
        (["-o", "-"], "name a file, e.g. -o report.html"),
        (["-o", "nowhere/x.html"], "-o nowhere/x.html: folder"),
        (["-o", "x.html", "--bench", "none.json"], "file 'none.json' not found"),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["report", QUICK, *arguments]) == 2
    assert told in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_page_is_not_written_over_by_a_failure(tmp_path):
    path = tmp_path / "kept.html"
    path.write_text("kept", encoding="utf-8")
    assert run(["report", "no-such-architecture", "-o", str(path)]) == 2
    assert path.read_text(encoding="utf-8") == "kept"


def test_measurements_of_it_are_shown(tmp_path):
    measured = result("lenet5", architecture=netscope.summarize(QUICK).architecture)
    saved = tmp_path / "bench.json"
    saved.write_text(BenchReport(results=(measured, result("other"))).to_json(), encoding="utf-8")
    path = tmp_path / "lenet.html"
    assert run(["report", QUICK, "-o", str(path), "--bench", str(saved)]) == 0
    assert "Samples/s" in path.read_text(encoding="utf-8")


def test_measurements_of_others_are_refused(tmp_path, capsys):
    saved = tmp_path / "bench.json"
    saved.write_text(BenchReport(results=(result("other"),)).to_json(), encoding="utf-8")
    assert run(["report", QUICK, "-o", str(tmp_path / "x.html"), "--bench", str(saved)]) == 2
    assert "has no result of lenet5; it contains other" in capsys.readouterr().err


def test_a_saved_summary_is_shown_without_torch(tmp_path, no_torch):
    saved, path = tmp_path / "s.json", tmp_path / "s.html"
    assert run(["summary", QUICK, "-o", str(saved)]) == 0
    no_torch(f"from netscope.cli.app import run\nassert run(['report', {str(saved)!r}, '-o', {str(path)!r}]) == 0")
    assert path.stat().st_size > 100_000


def test_a_saved_summary_is_run_on_no_other_inputs(tmp_path, capsys):
    saved = tmp_path / "s.json"
    assert run(["summary", QUICK, "-o", str(saved)]) == 0
    assert run(["report", str(saved), "-o", str(tmp_path / "s.html"), "-b", "4"]) == 2
    assert "inputs and options do not apply" in capsys.readouterr().err


def test_a_picture_is_written_by_its_suffix(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    path = tmp_path / "lenet.svg"
    assert run(["report", QUICK, "-o", str(path)]) == 0
    assert "<svg" in path.read_text(encoding="utf-8")


def test_python_has_the_report_itself():
    report = netscope.report(QUICK)
    assert isinstance(report, netscope.ArchitectureReport)
    assert report.chain[-1].shape == (1, 10)
    assert isinstance(netscope.report(QUICK, QUICK), netscope.DiffReport)
