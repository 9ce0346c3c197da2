"""A report as one picture: its panels below each other, as the bytes of a file."""

import warnings
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal, get_args

from netscope.errors import MissingExtraError
from netscope.render import numbers
from netscope.render.diff_sentences import format_total_change
from netscope.render.document import printable
from netscope.render.pictures.chain import chain_panel, diff_chain_panels
from netscope.render.pictures.changes import changes_panel
from netscope.render.pictures.drawing import INK, LEGEND_HEIGHT, SOFT, WIDTH, Panel, draw_legend, shortened, wrapped
from netscope.render.pictures.flow import flow_panel
from netscope.render.pictures.icicle import icicle_panels
from netscope.schema import ArchitectureReport, DiffReport, Summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PictureFormat = Literal["svg", "png", "pdf"]
PICTURE_FORMATS: tuple[PictureFormat, ...] = get_args(PictureFormat)

DPI = 200
MARGIN = 0.2
CAPTION = 0.24
"""Inches above a panel, for its title."""

GAP = 0.16
_FOOT, _FOOT_LINE = 6.5, 0.13
"""The font size of the footer, and the inches of each of its lines."""

_SETTINGS = {
    "font.family": "DejaVu Sans",  # part of matplotlib, so pictures look the same everywhere
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "netscope",
    "text.parse_math": False,
    "text.usetex": False,
    "path.simplify": False,
}
_UNDATED: dict[PictureFormat, dict[str, Any]] = {
    "svg": {"Date": None},
    "pdf": {"CreationDate": None, "ModDate": None},
    "png": {},
}


def picture_bytes(report: ArchitectureReport | DiffReport, format: PictureFormat) -> bytes:  # noqa: A002 - as savefig's
    """Returns the report as a picture. Equal reports give equal bytes, with the same version of matplotlib.

    Args:
        report: the report to draw: its chain of shapes, shares of parameters and FLOPs, and dataflow; for a diff, both
            chains and the changes.
        format: file format. SVG contains text as text; PDF embeds the font.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingExtraError("pictures need matplotlib: pip install matplotlib") from error
    written = BytesIO()
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        # Names may have characters that the font lacks. They become boxes; in SVG the viewer's fonts show them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = _figure(_title(report), list(_panels(report)), _foot(report))
        metadata = {**_UNDATED[format], "Title": _title(report)[0]}
        figure.savefig(written, format=format, dpi=DPI, facecolor="white", metadata=metadata)
    return written.getvalue()


def _title(report: ArchitectureReport | DiffReport) -> tuple[str, str]:
    """Returns the names and the totals."""
    if isinstance(report, DiffReport):
        before, after = report.diff.before, report.diff.after
        bound = " counted" if report.diff.is_lower_bound else ""
        names = f"{before.architecture.title} → {after.architecture.title}"
        params = format_total_change(before.totals.params, after.totals.params)
        flops = format_total_change(before.totals.flops, after.totals.flops)
        return printable(names), f"Parameters {params}  ·  FLOPs{bound} {flops}"
    summary = report.summary
    return printable(summary.architecture.title), "  ·  ".join(_totals(summary))


def _totals(summary: Summary) -> Iterator[str]:
    yield f"{numbers.count(summary.totals.params)} parameters"
    if summary.totals.flops:
        bound = "≥ " if summary.is_lower_bound else ""
        flops, macs = (_with_unit(*item) for item in ((summary.totals.flops, "FLOPs"), (summary.totals.macs, "MACs")))
        yield f"{bound}{flops} ({bound}{macs})"
    if summary.inputs:
        yield f"input {numbers.inputs(summary.inputs)}"


def _with_unit(value: int, unit: str) -> str:
    """Returns a value with its prefix before the unit: ``2.271 GFLOPs``, ``512 FLOPs``."""
    amount, _, prefix = numbers.scaled(value).partition(" ")
    return f"{amount} {prefix}{unit}"


def _foot(report: ArchitectureReport | DiffReport) -> list[str]:
    """Returns the lines that define the FLOPs and name missing ones; no lines if no FLOPs are shown."""
    sides = (report.before, report.after) if isinstance(report, DiffReport) else (report,)
    summaries = [side.summary for side in sides if side.summary.totals.flops]
    texts = [f"FLOPs: {convention}" for convention in dict.fromkeys(item.flop_convention for item in summaries)]
    for summary in summaries:
        if summary.is_lower_bound:
            name = f" of {summary.architecture.title}" if len(sides) > 1 else ""
            texts.append(f"FLOPs{name} are a lower bound: no formula for {numbers.calls(summary.uncounted_ops)}")
        if summary.unread_note:
            texts.append(f"FLOPs of {summary.architecture.title} are {summary.unread_note}")
    return [line for text in dict.fromkeys(texts) for line in wrapped(text, WIDTH, _FOOT)]


def _panels(report: ArchitectureReport | DiffReport) -> Iterator[Panel]:
    if isinstance(report, DiffReport):
        yield from diff_chain_panels(report)
        yield from changes_panel(report.diff)
        return
    yield from chain_panel(report)
    yield from icicle_panels(report.summary)
    yield from flow_panel(report)


def _figure(title: tuple[str, str], panels: list[Panel], below: list[str]) -> "Figure":
    from matplotlib.figure import Figure

    head = 0.56
    families = sorted({family for panel in panels for family in panel.families})
    legend = LEGEND_HEIGHT if families else 0.0
    height = (
        2 * MARGIN + head + legend + _FOOT_LINE * len(below) + sum(CAPTION + panel.height + GAP for panel in panels)
    )
    figure = Figure(figsize=(WIDTH + 2 * MARGIN, height), facecolor="white")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    # One unit is one inch, and y points down.
    axes.set_xlim(-MARGIN, WIDTH + MARGIN)
    axes.set_ylim(height - MARGIN, -MARGIN)
    axes.set_axis_off()
    axes.text(0, 0.02, shortened(title[0], WIDTH, 13), fontsize=13, fontweight="bold", color=INK, va="top")
    axes.text(0, 0.3, shortened(printable(title[1]), WIDTH, 8), fontsize=8, color=SOFT, va="top")
    top = head
    for panel in panels:
        axes.text(0, top + 0.02, panel.title, fontsize=8.5, fontweight="bold", color=INK, va="top")
        if panel.note:
            note = shortened(panel.note, WIDTH * 0.75, 6.5)
            axes.text(WIDTH, top + 0.04, note, fontsize=6.5, color=SOFT, va="top", ha="right")
        top += CAPTION
        panel.draw(axes, top)
        top += panel.height + GAP
    draw_legend(axes, top, families)
    for number, line in enumerate(below):
        y = top + legend + _FOOT_LINE * number + 0.03
        axes.text(0, y, line, fontsize=_FOOT, color=SOFT, va="top")
    return figure
