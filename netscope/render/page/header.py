"""The head of the page: what it is about, and its totals, as HTML that needs no script."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape

from netscope.render import numbers
from netscope.render.diff_sentences import sentence
from netscope.render.document import printable
from netscope.render.summary import View, coverage, summary_document
from netscope.schema import NOT_TRACED, ArchitectureReport, DiffReport, ModelDiff, Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A total.

    Attributes:
        label: what it is.
        value: as it is read at a glance.
        exact: to the last digit; empty where ``value`` is exact.
        note: what else is to be known of it.
        tone: ``"more"`` or ``"less"`` for a difference.
    """

    label: str
    value: str
    exact: str = ""
    note: str = ""
    tone: str = ""


def text(value: str) -> str:
    """``value`` as HTML, harmless whatever it holds."""
    return escape(printable(value))


def heading(report: ArchitectureReport | DiffReport) -> str:
    """Title, what was run where, the totals, and the remarks."""
    if isinstance(report, DiffReport):
        return _of_two(report)
    summary = report.summary
    _, *lines = summary_document(summary, View()).heading
    architecture = summary.architecture
    resolved = f' <span class="faint">for {text(architecture.spec)}</span>' if _is_alias(summary) else ""
    return "\n".join(
        (
            f"<h1>{text(architecture.title)} <small>{text(architecture.source)}{resolved}</small></h1>",
            *(f'<p class="lead">{text(line)}</p>' for line in lines),
            figure_list(_figures(summary)),
            remark_list(_said_of(summary)),
        )
    )


def _is_alias(summary: Summary) -> bool:
    architecture = summary.architecture
    typed = architecture.spec.partition("@")[0].rpartition("/")[2]
    return bool(typed) and not architecture.name.endswith(typed) and architecture.spec != architecture.title


def figure_list(figures: Iterable[Figure], kind: str = "of-one") -> str:
    """The totals, large."""
    cells = []
    for figure in figures:
        exact = f'<span class="exact">{text(figure.exact)}</span>' if figure.exact else ""
        tone = f" {figure.tone}" if figure.tone else ""
        note = f'<span class="note{tone}">{text(figure.note)}</span>' if figure.note else ""
        title = f' title="{text(figure.exact)}"' if figure.exact else ""
        cells.append(
            f"<div><dt>{text(figure.label)}</dt><dd{title}><b>{text(figure.value)}</b>{exact}{note}</dd></div>"
        )
    return f'<dl class="figures {kind}">{"".join(cells)}</dl>'


def _figures(summary: Summary) -> Iterator[Figure]:
    totals = summary.totals
    frozen = f"{numbers.count(totals.frozen_params)} of them frozen" if totals.frozen_params else ""
    trainable = "" if not totals.params or summary.traced_on == NOT_TRACED else "all trainable"
    yield Figure(
        label="parameters", value=numbers.scaled(totals.params), exact=_exact(totals.params), note=frozen or trainable
    )
    if totals.active_params is not None:
        share = numbers.share(totals.active_params, totals.params)
        yield Figure(
            label="active parameters",
            value=numbers.scaled(totals.active_params),
            exact=_exact(totals.active_params),
            note=f"{share}: what one token meets",
        )
    if summary.traced_on != NOT_TRACED:
        yield from _figures_of_the_run(summary)
    yield Figure(
        label="weights",
        value=numbers.size(totals.param_bytes),
        exact=f"{numbers.count(totals.param_bytes)} bytes",
        note=f"in {', '.join(totals.param_dtypes)}" if totals.param_dtypes else "",
    )
    if summary.peak_memory is not None:
        peak = summary.peak_memory
        yield Figure(
            label="peak memory",
            value=numbers.size(peak.bytes),
            exact=f"{numbers.count(peak.bytes)} bytes",
            note=f"{numbers.size(peak.activations)} activations" + (f", most in {peak.path}" if peak.path else ""),
        )
    elif totals.activation_bytes or summary.optimizer:
        yield Figure(
            label="memory of a step",
            value=numbers.size(totals.memory_bytes),
            exact=f"{numbers.count(totals.memory_bytes)} bytes",
            note=f"{numbers.size(totals.activation_bytes)} activations kept for backward",
        )
    if totals.buffers:
        yield Figure(
            label="buffers",
            value=numbers.scaled(totals.buffers),
            exact=_exact(totals.buffers),
            note=numbers.size(totals.buffer_bytes),
        )


def _figures_of_the_run(summary: Summary) -> Iterator[Figure]:
    totals = summary.totals
    bound = "≥ " if summary.is_lower_bound else ""
    for label, value, note in (
        ("FLOPs", totals.flops, coverage(summary)),
        ("MACs", totals.macs, "multiply–adds, half of the FLOPs"),
        ("backward FLOPs", totals.backward_flops, "of one backward pass"),
    ):
        if value or label == "FLOPs":
            yield Figure(
                label=label,
                value=f"{bound}{numbers.scaled(value)}",
                exact=f"{bound}{_exact(value)}" if _exact(value) else "",
                note=note,
            )


def _exact(value: int) -> str:
    """With all digits; empty where these are in the rounded figure."""
    return numbers.count(value) if numbers.scaled(value) != str(value) else ""


def _said_of(summary: Summary) -> Iterator[str]:
    if summary.traced_on == NOT_TRACED:
        yield "FLOPs are unknown: weights alone do not say what is done with them"
    else:
        yield f"FLOPs by the convention {summary.flop_convention}"
    for label, said in summary_document(summary, View()).facts:
        if label == "Note":
            yield said


def remark_list(notes: Iterable[str]) -> str:
    """What else is to be said, a line each."""
    return f'<ul class="remarks">{"".join(f"<li>{text(note)}</li>" for note in notes)}</ul>'


def _of_two(report: DiffReport) -> str:
    diff = report.diff
    sides = [(side.architecture.title, side.architecture.source) for side in (diff.before, diff.after)]
    before, after = (f"{text(title)} <small>{text(source)}</small>" for title, source in sides)
    inputs = dict.fromkeys(numbers.inputs(side.inputs) for side in (diff.before, diff.after) if side.inputs)
    where = dict.fromkeys(f"traced on {side.traced_on}" for side in (diff.before, diff.after))
    notes = [
        *dict.fromkeys(side.summary.flop_convention for side in (report.before, report.after)),
        *diff.notes,
        *(
            f"{side.summary.architecture.title}: {line}"
            for side in (report.before, report.after)
            for line in _own(side)
        ),
    ]
    notes[0] = f"FLOPs by the convention {notes[0]}"
    return "\n".join(
        (
            f'<h1>{before} <span class="arrow">→</span> {after}</h1>',
            f'<p class="answer">{text(_capitalised(sentence(diff)))}.</p>',
            f'<p class="lead">{text("  ·  ".join(filter(None, (" → ".join(inputs), " → ".join(where)))))}</p>',
            figure_list(_differences(diff), "of-two"),
            remark_list(notes),
        )
    )


def _capitalised(words: str) -> str:
    return words[:1].upper() + words[1:]


def _own(side: ArchitectureReport) -> Iterator[str]:
    if side.summary.is_lower_bound:
        yield f"FLOPs are a lower bound, there is no formula for {numbers.calls(side.summary.uncounted_ops)}"
    if side.summary.unread_note:
        yield f"FLOPs are {side.summary.unread_note}"
    yield from side.summary.notes


def _differences(diff: ModelDiff) -> Iterator[Figure]:
    before, after = diff.before, diff.after
    bound = "≥ " if diff.is_lower_bound else ""
    pairs = (
        ("parameters", before.totals.params, after.totals.params, numbers.scaled, ""),
        ("FLOPs", before.totals.flops, after.totals.flops, numbers.scaled, bound),
        ("MACs", before.totals.macs, after.totals.macs, numbers.scaled, bound),
        ("weights", before.totals.param_bytes, after.totals.param_bytes, numbers.size, ""),
    )
    for label, was, now, shown, mark in pairs:
        if not was and not now:
            continue
        change = " ".join(filter(None, (numbers.signed(now - was), numbers.change(now - was, was))))
        yield Figure(
            label=label,
            value=f"{mark}{shown(now)}" if was == now else f"{mark}{shown(was)} → {shown(now)}",
            exact="as before" if was == now else f"{numbers.count(was)} → {numbers.count(now)}",
            note="" if was == now else change,
            tone="" if was == now else "more" if now > was else "less",
        )
