"""The document, which every format renders: a heading, a table of raw cells, and facts below it."""

import re
from dataclasses import dataclass
from functools import singledispatch
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

from netscope.errors import UsageError
from netscope.runtime.wording import show_argument

if TYPE_CHECKING:
    from netscope.schema import Metric

Kind = Literal[
    "name", "type", "text", "shape", "count", "macs", "flops", "bytes", "share", "bar",
    "delta", "delta-flops", "change", "figure", "rate", "seconds", "fraction", "margin", "percent", "raw",
]  # fmt: skip
RIGHT: tuple[Kind, ...] = (
    "count", "macs", "flops", "bytes", "share", "delta", "delta-flops", "change", "figure", "rate", "seconds",
    "fraction", "margin", "percent",
)  # fmt: skip
"""The kinds that are aligned on the right."""

INEXACT: tuple[Kind, ...] = ("share", "bar", "change")
"""The kinds that formats for programs omit, because programs can compute them from exact values."""

Style = Literal["plain", "strong", "faint", "added", "removed", "changed"]

EACH = "each"
"""The mark of the row that shows one of several modules which another row adds up."""

_CONTROLS = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\ufffe\uffff"
    r"\U000e0000-\U000e007f]"
)
"""Characters that are invisible or move others: controls, line ends, direction marks, and lone surrogates."""


def printable(text: str) -> str:
    """Returns ``text`` on one line, with control and invisible characters as escapes.

    Names come from users' code, and a module may have any name.
    """
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), text)


def continue_guides(guides: str) -> str:
    """Returns the lines of a tree for a row that belongs to the one above it, without another branch."""
    return guides.translate({ord("├"): "│", ord("└"): " ", ord("─"): " "})


@dataclass(frozen=True, slots=True, kw_only=True)
class NameCell:
    """A name in a tree.

    Attributes:
        path: the full path, for formats without a tree.
        label: the name in the tree: the last part of the path, or ``"0 … 11"`` for several modules.
        mark: text after the label, ``"×12"``.
        former: text after the mark that a narrow table leaves out, ``"(was conv1)"``.
        guides: the lines of the tree that lead to it, ``"│  ├─ "``.
    """

    path: str
    label: str
    mark: str = ""
    former: str = ""
    guides: str = ""

    @property
    def text(self) -> str:
        """The name with the lines that lead to it and its mark."""
        return self.guides + self.marked

    @property
    def marked(self) -> str:
        """The label, its mark and its former name."""
        return " ".join(filter(None, (self.label, self.mark, self.former)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeCell:
    """A type and its notable hyperparameters, the most important first; the last ones are omitted if room is short."""

    name: str
    details: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The type with all its hyperparameters."""
        return " ".join((self.name, ", ".join(self.details))).strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class AtLeast:
    """A lower bound of a value."""

    value: float


def mark_bound(metric: "Metric", value: Any, *, is_lower_bound: bool) -> Any:
    """Returns the value of a metric, marked if it counts ops and some op has no formula; None if it is unknown."""
    return AtLeast(value=value) if metric.counts_ops and is_lower_bound and value is not None else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column.

    Attributes:
        key: its name in ``--columns`` and CSV.
        title: its heading.
        kind: the kind of its raw values.
        rank: the order in which columns are omitted if room is short: the highest first, from the left; 0 stays.
        wraps: whether its text is wrapped before any column is omitted.
        is_named: whether a line below the table names it if it is omitted; not if other columns say the same.
    """

    key: str
    title: str
    kind: Kind
    rank: int = 0
    wraps: bool = False
    is_named: bool = True

    @property
    def heading(self) -> str:
        """The title, for formats that cannot leave the one of a share empty."""
        return self.title or ("%" if self.kind in ("share", "change") else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row with one raw value per column; None if there is no value."""

    cells: tuple[Any, ...]
    style: Style = "plain"


class Mark(NamedTuple):
    """A mark in cells, which is explained below a table that has it.

    Attributes:
        pattern: regular expression that finds the mark in the text of a cell.
        sign: the mark as the explanation shows it, ``"+n"``.
        meaning: the explanation.
    """

    pattern: str
    sign: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A result, ready for any format.

    Attributes:
        result: the result itself, which JSON shows unchanged.
        heading: lines above the table; the first is the title.
        columns: columns of the table.
        rows: rows of the table.
        facts: label and text of the lines below the table.
        marks: the marks that its cells may have.
        folded: a document that formats which can fold show closed, under its heading.
        attached: further documents, below this one.
    """

    result: Any
    heading: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    facts: tuple[tuple[str, str], ...]
    marks: tuple[Mark, ...] = ()
    folded: "Document | None" = None
    attached: "tuple[Document, ...]" = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """The terminal or file that a format is written for.

    Attributes:
        width: width in columns; None if it is unlimited, as in a pipe.
        color: whether escape sequences for color are allowed.
    """

    width: int | None = None
    color: bool = False


class ResultView(Protocol):
    """The part of a result that is shown, and in which order.

    Attributes:
        shows: the result type that the view is for.
    """

    shows: ClassVar[type]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRequest:
    """How a document is to be made from a result.

    Attributes:
        view: the view, which fits the result; None for the usual one.
        exact: whether programs read the format: every row is in it, with exact numbers.
        folding: whether the format can fold parts.
    """

    view: Any = None
    exact: bool = False
    folding: bool = False


@singledispatch
def document_of(result: object, request: DocumentRequest) -> Document:
    """Returns the document of a result.

    Each result type registers its function (``@document_of.register``) in the module of ``netscope.render`` that has
    the name of its module in ``netscope.schema``, so only this one is imported.

    Raises:
        UsageError: no document can be made of such a result, or the view is not possible.
    """
    feature, base = feature_of(result), document_of.dispatch(object)
    if feature and find_spec(f"netscope.render.{feature}"):
        import_module(f"netscope.render.{feature}")
    make = document_of.dispatch(type(result))
    if make is base:
        raise UsageError(f"netscope cannot show a {type(result).__name__}")
    return make(result, request)


def feature_of(result: object) -> str:
    """Returns the feature that a result belongs to, such as ``"diff"``; empty if it is not netscope's."""
    parts = type(result).__module__.split(".")
    return parts[2] if parts[:2] == ["netscope", "schema"] else ""


def check_top(top: int | None, *, is_sorted: bool, example: str = "params") -> None:
    """Checks the number of rows to show of a sorted list.

    Raises:
        UsageError: it is less than one, or the rows are not sorted.
    """
    if top is not None and top < 1:
        raise UsageError(f"{show_argument('--top')} must be 1 or more, got {top}")
    if top is not None and not is_sorted:
        raise UsageError(f"{show_argument('--top')} needs a sorted list; add e.g. {show_argument('--sort', example)}")


def describe_top(top: int | None, count: int) -> tuple[tuple[str, str], ...]:
    """Returns the line below a table that shows only the first of its rows; empty if it shows all."""
    return (("Shown", f"the first {top} of {count}"),) if top is not None and top < count else ()
