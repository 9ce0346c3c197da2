"""Which formats there are. A format is one function of one signature, and one line here."""

from collections.abc import Callable, Collection
from typing import Any

from netscope.display import Form
from netscope.errors import UsageError
from netscope.render.bench import bench_document, self_test_document
from netscope.render.cached import cache_document
from netscope.render.check import check_document
from netscope.render.comma_separated import render_csv
from netscope.render.comparing import CompareView, comparison_document
from netscope.render.continuous_integration import render_github, render_gitlab, render_junit
from netscope.render.diff import DiffView, diff_document
from netscope.render.document import Canvas, Document
from netscope.render.explanation import explanation_document
from netscope.render.html import render_html, render_page
from netscope.render.listing import listing_document
from netscope.render.markdown import render_markdown
from netscope.render.summary import View, summary_document
from netscope.render.terminal import render_terminal
from netscope.render.verification import verification_document
from netscope.schema import (
    BenchReport,
    BenchResult,
    CacheContents,
    CheckReport,
    ComparisonTable,
    Explanation,
    Listing,
    ModelDiff,
    SelfTest,
    Summary,
    Verification,
)

Renderer = Callable[[Document, Canvas], str]
AnyView = View | DiffView | CompareView


def _render_json(document: Document, _canvas: Canvas) -> str:
    """The result itself, whole whatever the table shows of it."""
    text: str = document.result.to_json()
    return text + "\n"


FORMATS: dict[str, Renderer] = {
    "table": render_terminal,
    "json": _render_json,
    "csv": render_csv,
    "markdown": render_markdown,
    "html": render_page,
}

CHECK_FORMATS: dict[str, Callable[[CheckReport], str]] = {
    "junit": render_junit,
    "github": render_github,
    "gitlab": render_gitlab,
}
"""Those that only checks have."""

_EXACT = ("csv", "json")
"""The formats that programs read."""

_FOLDING = ("markdown", "html")
"""Those in which a part can be closed."""


def render(
    result: Any, format_name: str = "table", *, view: AnyView | None = None, canvas: Canvas | None = None
) -> str:
    """``result`` in one of ``FORMATS``.

    Args:
        result: a ``Summary``, ``ModelDiff``, ``CheckReport``, ``BenchReport``, ``BenchResult`` (as a report of that
            one), ``SelfTest``, ``Listing``, ``ComparisonTable``, ``Explanation``,
            ``CacheContents`` or ``Verification``.
        format_name: a key of ``FORMATS``, or of ``CHECK_FORMATS`` for a ``CheckReport``.
        view: which part of a summary or of a diff is shown, or how a comparison is.
        canvas: what a table is drawn on; by default as wide as it gets, without colour.

    Raises:
        UsageError: unknown format, or a view that does not fit.
    """
    if isinstance(result, CheckReport) and format_name in CHECK_FORMATS:
        return CHECK_FORMATS[format_name](result)
    check_format(format_name)
    document = _document(result, view, format_name)
    return FORMATS[format_name](document, canvas or Canvas())


def check_format(format_name: str, more: Collection[str] = ()) -> None:
    """Checks that there is such a format.

    Args:
        format_name: what was asked for.
        more: formats that there are beside ``FORMATS``.

    Raises:
        UsageError: there is none.
    """
    names = (*FORMATS, *more)
    if format_name not in names:
        raise UsageError(f"there is no format {format_name!r}; the formats are {', '.join(names)}")


def _document(result: Any, view: AnyView | None, format_name: str) -> Document:  # noqa: C901, PLR0911 - a table
    exact = format_name in _EXACT
    if isinstance(result, Summary):
        return summary_document(result, view if isinstance(view, View) else View(), exact=exact)
    if isinstance(result, ModelDiff):
        shown = view if isinstance(view, DiffView) else DiffView()
        return diff_document(result, shown, exact=exact, folding=format_name in _FOLDING)
    if isinstance(result, CheckReport):
        return check_document(result, exact=exact, folding=format_name in _FOLDING)
    if isinstance(result, ComparisonTable):
        return comparison_document(result, view if isinstance(view, CompareView) else CompareView(), exact=exact)
    if isinstance(result, Explanation):
        return explanation_document(result, exact=exact)
    if isinstance(result, CacheContents):
        return cache_document(result)
    if isinstance(result, Listing):
        return listing_document(result)
    if isinstance(result, Verification):
        return verification_document(result)
    if isinstance(result, BenchResult):
        return bench_document(BenchReport(results=(result,)), exact=exact)
    if isinstance(result, BenchReport):
        return bench_document(result, exact=exact)
    if isinstance(result, SelfTest):
        return self_test_document(result)
    raise UsageError(f"netscope cannot show a {type(result).__name__}")


_FORMS: dict[Form, tuple[str, Renderer]] = {
    "text": ("table", render_terminal),
    "html": ("html", render_html),
    "markdown": ("markdown", render_markdown),
}


def display(result: Any, form: Form) -> str:
    """What ``print`` shows of a result, or a notebook: a fragment of its page."""
    format_name, renderer = _FORMS[form]
    return renderer(_document(result, None, format_name), Canvas()).rstrip("\n")
