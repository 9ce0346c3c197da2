"""Which formats there are. A format is one function of one signature, and one line here."""

from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from netscope.errors import UsageError
from netscope.render.document import Canvas, Document
from netscope.schema.display import Form

if TYPE_CHECKING:
    from netscope.render.compare import CompareView
    from netscope.render.diff import DiffView
    from netscope.render.summary import View

    AnyView = View | DiffView | CompareView

FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "table": "terminal:render_terminal",
        "json": "as_json:render_json",
        "csv": "comma_separated:render_csv",
        "markdown": "markdown:render_markdown",
        "html": "html:render_page",
    }
)
"""By name: the module and the function, imported where it is asked for, of a document and a canvas."""

CHECK_FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "junit": "continuous_integration:render_junit",
        "github": "continuous_integration:render_github",
        "gitlab": "continuous_integration:render_gitlab",
    }
)
"""Those that only checks have; of a report."""

_EXACT = ("csv", "json")
"""The formats that programs read."""

_FOLDING = ("markdown", "html")
"""Those in which a part can be closed."""


def render(
    result: Any, format_name: str = "table", *, view: "AnyView | None" = None, canvas: Canvas | None = None
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
    if type(result).__name__ == "CheckReport" and format_name in CHECK_FORMATS:
        return _function(CHECK_FORMATS[format_name])(result)
    check_format(format_name)
    document = _document(result, view, format_name)
    return _function(FORMATS[format_name])(document, canvas or Canvas())


def _function(place: str) -> Callable[..., str]:
    module, _, name = place.partition(":")
    found: Callable[..., str] = getattr(import_module(f"netscope.render.{module}"), name)
    return found


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


def _document(result: Any, view: "AnyView | None", format_name: str) -> Document:  # noqa: C901, PLR0911 - a table
    """The document of a result, by its type's name: importing all types takes longer than drawing one."""
    exact, folding = format_name in _EXACT, format_name in _FOLDING
    match type(result).__name__:
        case "Summary":
            from netscope.render.summary import View, summary_document

            return summary_document(result, view if isinstance(view, View) else View(), exact=exact)
        case "ModelDiff":
            from netscope.render.diff import DiffView, diff_document

            shown = view if isinstance(view, DiffView) else DiffView()
            return diff_document(result, shown, exact=exact, folding=folding)
        case "CheckReport":
            from netscope.render.check import check_document

            return check_document(result, exact=exact, folding=folding)
        case "ComparisonTable":
            from netscope.render.compare import CompareView, comparison_document

            return comparison_document(result, view if isinstance(view, CompareView) else CompareView(), exact=exact)
        case "Explanation":
            from netscope.render.explain import explanation_document

            return explanation_document(result, exact=exact)
        case "CacheContents":
            from netscope.render.cache import cache_document

            return cache_document(result)
        case "Listing":
            from netscope.render.list import listing_document

            return listing_document(result)
        case "Verification":
            from netscope.render.verify import verification_document

            return verification_document(result)
        case "BenchResult" | "BenchReport":
            from netscope.render.bench import bench_document
            from netscope.schema import BenchReport

            report = result if isinstance(result, BenchReport) else BenchReport(results=(result,))
            return bench_document(report, exact=exact)
        case "SelfTest":
            from netscope.render.bench import self_test_document

            return self_test_document(result)
    raise UsageError(f"netscope cannot show a {type(result).__name__}")


_FORMS: Mapping[Form, tuple[str, str]] = MappingProxyType(
    {
        "text": ("table", FORMATS["table"]),
        "html": ("html", "html:render_html"),
        "markdown": ("markdown", FORMATS["markdown"]),
    }
)


def display(result: Any, form: Form) -> str:
    """What ``print`` shows of a result, or a notebook: a fragment of its page."""
    format_name, place = _FORMS[form]
    return _function(place)(_document(result, None, format_name), Canvas()).rstrip("\n")
