"""The footer below a summary: parameters, FLOPs, memory, how to read the rows, and notes."""

import re
from collections.abc import Iterator

from netscope.render import numbers
from netscope.schema import NEVER_CALLED, NOT_TRACED, OUTPUT_SHAPES_VARY, Summary


def format_footer(summary: Summary) -> Iterator[tuple[str, str]]:
    """Yields label and text of each line below the table."""
    yield from _format_parameters(summary)
    if summary.traced_on == NOT_TRACED:
        yield "FLOPs", "unknown: a weights file does not define a forward pass"
    else:
        yield from _format_cost(summary)
    for note, paths in _group_notes(summary):
        yield "Note", f"{paths}: {note}"
    for note in summary.notes:
        yield "Note", note


def _format_parameters(summary: Summary) -> Iterator[tuple[str, str]]:
    totals = summary.totals
    if not totals.params or summary.traced_on == NOT_TRACED:
        trainable = ""
    elif not totals.frozen_params:
        trainable = "all trainable"
    else:
        trainable = f"{numbers.count(totals.trainable_params)} trainable, {numbers.count(totals.frozen_params)} frozen"
    dtypes = f" in {', '.join(totals.param_dtypes)}" if totals.param_dtypes else ""
    weight = f"{numbers.size(totals.param_bytes)}{dtypes}"
    yield "Parameters", "   ".join((numbers.count(totals.params), " · ".join(filter(None, (trainable, weight)))))
    if totals.active_params is not None:
        share = numbers.share(totals.active_params, totals.params)
        yield "Active", f"{numbers.count(totals.active_params)}   {share} of all parameters are active per token"
    if totals.buffers:
        yield "Buffers", f"{numbers.count(totals.buffers)}   {numbers.size(totals.buffer_bytes)}"


def _format_cost(summary: Summary) -> Iterator[tuple[str, str]]:
    """Yields the lines about a pass that ran: FLOPs, those of a training step, and memory."""
    totals = summary.totals
    bound = "≥ " if summary.is_lower_bound else ""
    flops = f"{bound}{numbers.count(totals.flops)} = 2 × {numbers.count(totals.macs)} MACs"
    counted_ops = summary.flop_convention.partition("; ")[2]
    yield "FLOPs", f"{flops}   counts {counted_ops}; {describe_coverage(summary)}"
    if totals.backward_flops is not None and totals.step_flops is not None:
        passes = f"forward {numbers.count(totals.flops)}, backward {numbers.count(totals.backward_flops)}"
        yield "Step", f"{bound}{numbers.count(totals.step_flops)} FLOPs: {passes}"
    yield "Memory", _format_memory(summary)


def _format_memory(summary: Summary) -> str:
    use, peak = summary.totals, summary.peak_memory
    if peak is not None:
        where = f"; peak reached in {peak.path}" if peak.path else ""
        return f"{numbers.size(peak.bytes)} peak, including {numbers.size(peak.activations)} of activations{where}"
    parts = {
        "weights": use.param_bytes,
        "buffers": use.buffer_bytes,
        "gradients": use.gradient_bytes,
        f"{summary.optimizer} state": use.optimizer_bytes,
        "activations saved for backward": use.activation_bytes,
    }
    listed = ", ".join(f"{numbers.size(value)} {name}" for name, value in parts.items() if value)
    return f"{numbers.size(use.memory_bytes)}: {listed}"


def describe_coverage(summary: Summary) -> str:
    """Returns whether the FLOPs cover every op and every parameter, otherwise which ones they leave out."""
    bound = f"lower bound (≥): no formula for {numbers.calls(summary.uncounted_ops)}" if summary.is_lower_bound else ""
    if unread_note := "; ".join(filter(None, (bound, summary.unread_note))):
        return unread_note
    # A summary saved by an older netscope does not record which parameters were read.
    return "every op has a formula" if summary.totals.unread_params is None else "every op accounted for"


def _group_notes(summary: Summary) -> Iterator[tuple[str, str]]:
    """Yields each note once, with the path of its module, or with a pattern of paths and their number.

    Paths are grouped if they differ in numbers only. Modules below one that never ran are left out.
    """
    idle = {row.path for row in summary.rows if NEVER_CALLED in row.notes}
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in summary.rows:
        for note in row.notes:
            if note == OUTPUT_SHAPES_VARY or (note == NEVER_CALLED and row.path.rpartition(".")[0] in idle):
                continue
            key = (mask_numbers(note), mask_numbers(row.path))
            groups.setdefault(key, []).append((note, row.path or row.type_name))
    for (note, path), members in groups.items():
        if len(members) == 1:
            yield members[0]
        else:
            yield note, f"{path} ({len(members)} modules)"


def mask_numbers(text: str) -> str:
    """Returns the text with each number in a path replaced: ``layers.*.attn`` for ``layers.3.attn``."""
    return re.sub(r"(?<![^\W_])\d+(?![^\W_])", "*", text)
