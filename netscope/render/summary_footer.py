"""The footer below a summary: parameters, FLOPs, memory, how to read the rows, and notes."""

import re
from collections.abc import Iterator

from netscope.render import numbers
from netscope.render.tree import TreeNode
from netscope.schema import NEVER_RAN, NOT_TRACED, OUTPUTS_DIFFER, Summary


def format_footer(summary: Summary, shown: list[TreeNode]) -> Iterator[tuple[str, str]]:
    """Yields label and text of each line below the table, given the displayed nodes."""
    yield from _facts_of_parameters(summary)
    if summary.traced_on == NOT_TRACED:
        yield "FLOPs", "unknown: weights alone do not say what is done with them"
    else:
        yield from _facts_of_the_run(summary)
    if any(node.copies > 1 for node in shown):
        yield "Folded", "a … b ×n sums n identical siblings, what is below it is one of them; --expand opens them"
    if any(node.row.calls > 1 for node in shown):
        differ = any(OUTPUTS_DIFFER in node.row.notes for node in shown)
        yield (
            "Repeated",
            "name ×n ran n times" + ("; where its output shapes differ the first is shown" if differ else ""),
        )
    for note, paths in _grouped_notes(summary):
        yield "Note", f"{paths}: {note}"
    for note in summary.notes:
        yield "Note", note


def _facts_of_parameters(summary: Summary) -> Iterator[tuple[str, str]]:
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
        yield "Active", f"{numbers.count(totals.active_params)}   {share} of the parameters: what one token meets"
    if totals.buffers:
        yield "Buffers", f"{numbers.count(totals.buffers)}   {numbers.size(totals.buffer_bytes)}"


def _facts_of_the_run(summary: Summary) -> Iterator[tuple[str, str]]:
    totals = summary.totals
    bound = "≥ " if summary.is_lower_bound else ""
    yield (
        "FLOPs",
        f"{bound}{numbers.count(totals.flops)} = 2 × {numbers.count(totals.macs)} MACs   {_accounted(summary)}",
    )
    if summary.optimizer:
        passes = f"forward {numbers.count(totals.flops)}, backward {numbers.count(totals.backward_flops)}"
        yield "Step", f"{bound}{numbers.count(totals.step_flops)} FLOPs: {passes}"
    yield "Memory", _memory(summary)


def _memory(summary: Summary) -> str:
    use, peak = summary.totals, summary.peak_memory
    if peak is not None:
        where = f", most in {peak.path}" if peak.path else ""
        return f"{numbers.size(peak.bytes)} at the peak, {numbers.size(peak.activations)} of it activations{where}"
    parts = {
        "weights": use.param_bytes,
        "buffers": use.buffer_bytes,
        "gradients": use.gradient_bytes,
        f"{summary.optimizer} state": use.optimizer_bytes,
        "activations kept for backward": use.activation_bytes,
    }
    listed = ", ".join(f"{numbers.size(value)} {name}" for name, value in parts.items() if value)
    return f"{numbers.size(use.memory_bytes)}: {listed}"


def _accounted(summary: Summary) -> str:
    convention = summary.flop_convention.partition("; ")[2]
    return f"{convention}; {describe_coverage(summary)}"


def describe_coverage(summary: Summary) -> str:
    """Whether the FLOPs are of all that was to be run, and of what not."""
    bound = f"a lower bound: there is no formula for {numbers.calls(summary.uncounted_ops)}"
    told = "; ".join(filter(None, (bound if summary.is_lower_bound else "", summary.left_out)))
    # Of a summary that an older netscope saved it is not known what was read.
    return told or ("every op has a formula" if summary.totals.unread_params is None else "every op accounted for")


def _grouped_notes(summary: Summary) -> Iterator[tuple[str, str]]:
    """Each note once, with the paths that it holds for, numbers in which are told as ``*`` where there are several.

    What is below a module that never ran goes without saying.
    """
    idle = {row.path for row in summary.rows if NEVER_RAN in row.notes}
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in summary.rows:
        for note in row.notes:
            if note == OUTPUTS_DIFFER or (note == NEVER_RAN and row.path.rpartition(".")[0] in idle):
                continue
            key = (mask_numbers(note), mask_numbers(row.path))
            groups.setdefault(key, []).append((note, row.path or row.type_name))
    for (note, path), members in groups.items():
        if len(members) == 1:
            yield members[0]
        else:
            yield note, f"{path} ({len(members)} modules)"


def mask_numbers(text: str) -> str:
    """``layers.3.attn`` as ``layers.*.attn``."""
    return re.sub(r"(?<![^\W_])\d+(?![^\W_])", "*", text)
