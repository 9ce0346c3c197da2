"""The formats: how a result becomes text. A format is a file with one function, and a line in ``FORMATS``."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any

from netscope.errors import UsageError
from netscope.render.document import Canvas, DocumentRequest, ResultView, document_of, feature_of
from netscope.schema.display import Form


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format, whose module is imported when it is first used.

    Attributes:
        renderer: module of this package and name of the function; it takes a document and a canvas.
        suffixes: suffixes of the files that are written in the format.
        exact: whether programs read the format, which must then contain every row and exact numbers.
        folding: whether parts of the text can be folded.
    """

    renderer: str
    suffixes: tuple[str, ...] = ()
    exact: bool = False
    folding: bool = False

    def render(self, *arguments: Any) -> str:
        """Returns the text that the renderer makes of its arguments."""
        module, _, name = self.renderer.partition(":")
        text: str = getattr(import_module(f"netscope.render.{module}"), name)(*arguments)
        return text


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "table": Format(renderer="terminal:render_terminal", suffixes=("", ".txt")),
        "json": Format(renderer="as_json:render_json", suffixes=(".json",), exact=True),
        "csv": Format(renderer="comma_separated:render_csv", suffixes=(".csv",), exact=True),
        "markdown": Format(renderer="markdown:render_markdown", suffixes=(".md", ".markdown"), folding=True),
        "html": Format(renderer="html:render_page", suffixes=(".html", ".htm"), folding=True),
    }
)
"""The formats of every result, by name."""

CHECK_FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "markdown": Format(renderer="comment:render_comment"),
        "junit": Format(renderer="continuous_integration:render_junit", suffixes=(".xml",)),
        "github": Format(renderer="continuous_integration:render_github"),
        "gitlab": Format(renderer="continuous_integration:render_gitlab"),
    }
)
"""The formats of a ``CheckReport`` alone, whose renderers take the report itself."""

_DISPLAY_FORMATS: Mapping[Form, Format] = MappingProxyType(
    {
        "text": FORMATS["table"],
        "html": Format(renderer="html:render_html", folding=True),
    }
)


def render(
    result: Any, format_name: str = "table", *, view: ResultView | None = None, canvas: Canvas | None = None
) -> str:
    """Returns ``result`` as text in one of ``FORMATS``.

    Args:
        result: any result type of ``netscope.schema`` that has a renderer: its module ``netscope.schema.NAME`` has a
            counterpart ``netscope.render.NAME``.
        format_name: a key of ``FORMATS``, or of ``CHECK_FORMATS`` for a ``CheckReport``.
        view: the part of the result to show; by default its usual view.
        canvas: width and color of a table; by default unlimited and without color.

    Raises:
        UsageError: the format or the type of result is unknown, or the view does not fit the result.
    """
    if format_name in CHECK_FORMATS and feature_of(result) == "check":
        return CHECK_FORMATS[format_name].render(result)
    check_format(format_name)
    return _render_document(result, FORMATS[format_name], view, canvas or Canvas())


def check_format(format_name: str, more: Collection[str] = ()) -> None:
    """Checks that a format exists.

    Args:
        format_name: the requested format.
        more: names of formats in addition to ``FORMATS``.

    Raises:
        UsageError: the format is unknown.
    """
    names = dict.fromkeys((*FORMATS, *more))
    if format_name not in names:
        raise UsageError(f"unknown format {format_name!r}; available formats: {', '.join(names)}")


def _render_document(result: Any, format_: Format, view: ResultView | None, canvas: Canvas) -> str:
    if view is not None and not isinstance(result, view.shows):
        raise UsageError(f"a {type(view).__name__} cannot show a {type(result).__name__}")
    document = document_of(result, DocumentRequest(view=view, exact=format_.exact, folding=format_.folding))
    return format_.render(document, canvas)


def display(result: Any, form: Form, view: ResultView | None = None) -> str:
    """Returns the text that ``print`` or a notebook shows of a result, or of the part that ``view`` selects."""
    if form == "markdown":
        return render(result, form, view=view).rstrip("\n")
    return _render_document(result, _DISPLAY_FORMATS[form], view, Canvas()).rstrip("\n")
