"""The cache as it is shown: a line, and the results on request."""

from dataclasses import replace

import pytest

from netscope.render import CacheView, Canvas, render
from netscope.schema import CacheContents, CachedResult

LENET = CachedResult(
    kind="summary",
    name="lenet5",
    version="1.0",
    created="2030-01-31 12:00",
    last_used="2030-02-01 12:00",
    bytes=2048,
)
ONE = CacheContents(path="/home/me/.cache/netscope/results-1.sqlite3", results=(LENET,), limit_bytes=2**20)


@pytest.mark.parametrize(
    ("contents", "line"),
    [
        (ONE, "1 result, 2.00 KiB of at most 1.00 MiB, in /home/me/.cache/netscope"),
        (replace(ONE, results=(LENET, LENET)), "2 results, 4.00 KiB of at most 1.00 MiB, in /home/me/.cache/netscope"),
        (
            replace(ONE, results=(), removed=1),
            "removed 1 result; 0 results, 0 B of at most 1.00 MiB, in /home/me/.cache/netscope",
        ),
    ],
)
def test_the_cache_is_one_line(contents, line):
    assert render(contents, view=CacheView(lists_results=False)).strip() == line
    assert render(contents).splitlines()[0] == line


def test_the_results_are_listed_on_request():
    table = render(ONE, canvas=Canvas(width=80))
    assert "lenet5        summary  2.00 KiB  2030-02-01 12:00  2030-01-31 12:00  1.0" in table
    assert "lenet5" not in render(ONE, view=CacheView(lists_results=False))


def test_formats_for_programs_have_every_result():
    for format_name in ("csv", "json"):
        assert "lenet5" in render(ONE, format_name, view=CacheView(lists_results=False))
