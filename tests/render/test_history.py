"""The history of checks as CSV."""

import csv
from io import StringIO

import pytest

from netscope.errors import UsageError
from netscope.render import format_history, read_history
from netscope.schema import CheckReport, Head, Location, ModelCheck

HEADER = "date,revision,check,model,params,trainable_params,flops,weight_bytes,memory,verdict\n"
FIRST = Head(revision="abc", date="2026-01-31T12:00:00Z")
SECOND = Head(revision="def", date="2026-02-01T12:00:00Z")


def check(name="net", params=20, **fields):
    metrics = {"params": params, "trainable_params": params, "flops": 32, "weight_bytes": 80, "memory": 128}
    location = Location(file="", line=None, key=name)
    return ModelCheck(
        name=name, model="models.py:Net", location=location, results=(), **({"metrics": metrics} | fields)
    )


def extend(text, head, *models):
    return format_history(read_history(text), CheckReport(models=models), head)


def test_a_new_history_has_a_header_and_a_row_for_each_check():
    assert extend("", FIRST, check(), check("other", 21)) == (
        HEADER
        + "2026-01-31T12:00:00Z,abc,net,models.py:Net,20,20,32,80,128,passed\n"
        + "2026-01-31T12:00:00Z,abc,other,models.py:Net,21,21,32,80,128,passed\n"
    )


def test_another_commit_is_appended_and_nothing_else_changes():
    before = extend("", FIRST, check(), check("other"))
    after = extend(before, SECOND, check(params=22))
    assert after.startswith(before)
    assert after.removeprefix(before) == "2026-02-01T12:00:00Z,def,net,models.py:Net,22,22,32,80,128,passed\n"


def test_the_same_commit_and_check_replaces_its_row():
    before = extend(extend("", FIRST, check("=net"), check("other")), SECOND, check("other"))
    assert extend(before, FIRST, check("=net"), check("other")) == before
    after = extend(before, FIRST, check("=net", 99))
    assert after == before.replace("abc,'=net,models.py:Net,20,20", "abc,'=net,models.py:Net,99,99")
    assert after != before


def test_what_is_not_known_exactly_is_empty():
    text = extend("", FIRST, check(is_lower_bound=True), check("crashed", metrics={}, error="boom", exit_code=3))
    assert [line.split(",", 4)[4] for line in text.splitlines()[1:]] == ["20,20,,80,128,passed", ",,,,,error"]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "a,b", 'a"b', "a\nb", "\u202e"])
def test_any_name_is_one_value_that_no_spreadsheet_computes(name):
    text = extend("", FIRST, check(name))
    (row,) = read_history(text)
    assert len(text.splitlines()) == 2
    assert row[2][0] not in "=+-@"
    assert extend(text, FIRST, check(name)) == text
    assert list(csv.reader(StringIO(text)))[1] == row


def test_a_file_from_a_spreadsheet_program_is_read():
    text = extend("", FIRST, check())
    assert extend(text.replace("\n", "\r\n"), FIRST, check()) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,value\na,1\n", "its header is 'name,value', not 'date,revision,check,"),
        ("\n", "its header is '', not"),
        (HEADER + "a,b\n", "row 2 has 2 values, its header 10"),
        (HEADER + '"a\n', "it is not CSV"),
    ],
)
def test_another_file_is_refused(text, message):
    with pytest.raises(UsageError, match=message):
        read_history(text)
