"""The head of a report's page: title, totals and notes, which need no script."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from netscope.render import numbers
from netscope.render.diff_sentences import describe_diff
from netscope.render.document import Document
from netscope.render.summary_footer import describe_coverage
from netscope.schema import NOT_TRACED, ArchitectureReport, DiffReport, ModelDiff, Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTotal:
    """A total of an architecture, or the difference of two.

    Attributes:
        label: name of the total.
        value: the rounded value.
        exact: the value with all digits; empty if ``value`` has them.
        note: an explanation.
        tone: ``"more"`` or ``"less"`` for a difference.
    """

    label: str
    value: str
    exact: str = ""
    note: str = ""
    tone: str = ""


def report_heading(report: ArchitectureReport | DiffReport, document: Document) -> dict[str, Any]:
    """Returns the values that ``report.html`` shows in the page's head, given the document of the page's table."""
    if isinstance(report, DiffReport):
        return _diff_heading(report)
    summary = report.summary
    return {
        "after": summary.architecture,
        "alias": summary.architecture.resolution,
        "answer": "",
        "lines": document.heading[1:],
        "totals": list(_totals(summary)),
        "notes": [_convention(summary), *(text for label, text in document.facts if label == "Note")],
    }


def _convention(summary: Summary) -> str:
    if summary.traced_on == NOT_TRACED:
        return "FLOPs are unknown: a weights file does not define a forward pass"
    return f"FLOPs: {summary.flop_convention}"


def _totals(summary: Summary) -> Iterator[PageTotal]:
    totals = summary.totals
    frozen = f"{numbers.count(totals.frozen_params)} of them frozen" if totals.frozen_params else ""
    trainable = "" if not totals.params or summary.traced_on == NOT_TRACED else "all trainable"
    yield _count("parameters", totals.params, frozen or trainable)
    if totals.active_params is not None:
        share = numbers.share(totals.active_params, totals.params)
        yield _count("active parameters", totals.active_params, f"{share} of all parameters are active per token")
    if summary.traced_on != NOT_TRACED:
        bound = "≥ " if summary.is_lower_bound else ""
        yield _count("FLOPs", totals.flops, describe_coverage(summary), bound, "flops")
        if totals.macs:
            yield _count("MACs", totals.macs, "half of the FLOPs", bound, "flops")
        if totals.backward_flops:
            yield _count("backward FLOPs", totals.backward_flops, "of one backward pass", bound, "flops")
    dtypes = f"in {', '.join(totals.param_dtypes)}" if totals.param_dtypes else ""
    yield _size("weights", totals.param_bytes, dtypes)
    if summary.peak_memory is not None:
        peak = summary.peak_memory
        reached = f"; peak reached in {peak.path}" if peak.path else ""
        yield _size("peak memory", peak.bytes, f"including {numbers.size(peak.activations)} of activations{reached}")
    elif totals.activation_bytes is not None:
        saved = f"{numbers.size(totals.activation_bytes)} activations saved for backward"
        yield _size("memory of a training step", totals.memory_bytes, saved)
    if totals.buffers:
        yield _count("buffers", totals.buffers, numbers.size(totals.buffer_bytes))


def _count(label: str, value: int, note: str, bound: str = "", unit: str = "count") -> PageTotal:
    """Returns a total in the unit that fits; with its exact value if that has more digits."""
    short, exact = numbers.scaled(value, unit), numbers.count(value)
    return PageTotal(label=label, value=bound + short, exact=bound + exact if short != str(value) else "", note=note)


def _size(label: str, value: int, note: str) -> PageTotal:
    return PageTotal(label=label, value=numbers.size(value), exact=f"{numbers.count(value)} bytes", note=note)


def _diff_heading(report: DiffReport) -> dict[str, Any]:
    diff, sides = report.diff, (report.before, report.after)
    inputs = dict.fromkeys(numbers.inputs(side.inputs) for side in (diff.before, diff.after) if side.inputs)
    devices = dict.fromkeys(f"traced on {side.traced_on}" for side in (diff.before, diff.after))
    answer = describe_diff(diff)
    return {
        "before": diff.before.architecture,
        "after": diff.after.architecture,
        "answer": f"{answer[:1].upper()}{answer[1:]}.",
        "lines": ["  ·  ".join(filter(None, (" → ".join(inputs), " → ".join(devices))))],
        "totals": list(_differences(diff)),
        "notes": [
            *(f"FLOPs: {convention}" for convention in dict.fromkeys(side.summary.flop_convention for side in sides)),
            *diff.notes,
            *(f"{side.summary.architecture.title}: {note}" for side in sides for note in _side_notes(side.summary)),
        ],
    }


def _side_notes(summary: Summary) -> Iterator[str]:
    if summary.is_lower_bound:
        yield f"FLOPs are a lower bound: no formula for {numbers.calls(summary.uncounted_ops)}"
    if summary.unread_note:
        yield f"FLOPs are {summary.unread_note}"
    yield from summary.notes


def _differences(diff: ModelDiff) -> Iterator[PageTotal]:
    before, after = diff.before.totals, diff.after.totals
    bound = "≥ " if diff.is_lower_bound else ""
    pairs = (
        ("parameters", before.params, after.params, "count", ""),
        ("FLOPs", before.flops, after.flops, "flops", bound),
        ("MACs", before.macs, after.macs, "flops", bound),
        ("weights", before.param_bytes, after.param_bytes, "bytes", ""),
    )
    for label, was, now, unit, mark in pairs:
        if was == now:
            if now:
                yield PageTotal(label=label, value=f"{mark}{numbers.scaled(now, unit)}", exact="as before")
        else:
            change = " ".join(filter(None, (numbers.signed(now - was), numbers.change(now - was, was))))
            yield PageTotal(
                label=label,
                value=f"{mark}{numbers.scaled(was, unit)} → {numbers.scaled(now, unit)}",
                exact=f"{numbers.count(was)} → {numbers.count(now)}",
                note=change,
                tone="more" if now > was else "less",
            )
