"""A ``CheckReport`` as a comment on a pull request, in GitHub's Markdown: the verdict, a table, and the rest folded."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from html import escape as escape_html

from netscope.render import numbers
from netscope.render.check import describe_failure, format_outcome
from netscope.render.comment_rows import (
    ICONS,
    clip,
    format_header,
    format_removed_row,
    format_row,
    get_importance,
    is_unchanged,
    list_rule_changes,
)
from netscope.render.diff import DiffView, diff_document
from netscope.render.diff_sentences import describe_diff
from netscope.render.document import Document, NameCell
from netscope.render.markdown import escape, escape_in_html, format_code, format_table
from netscope.schema import SHORT_HASH, CheckReport, ModelCheck, ModelDiff

MAX_BYTES = 60_000
"""The most bytes of a comment; GitHub refuses one of more than 65,536 characters."""

MAX_MODELS = 100
"""The most rows of a table of models."""

MAX_ROWS = 60
"""The most rows of a model's diff."""

MAX_FAILURES = 10
"""The most failed rules of a model that are described."""

MAX_NAMES = 5
"""The most names in a sentence."""

_MAX_NAME = 80
"""The most characters of a name in a sentence."""

_RESERVE = 4_000
"""Bytes for the last sentence, which names what is left out."""

_PARTS = "%s"
"""Where the parts of a section are in what encloses them."""

_COLUMNS = ("kind", "layer", "change", "output", "params-delta", "flops-delta")
"""The columns of a diff that a reviewer needs; the totals are in the table above it."""


class _Room:
    """The bytes that are left for further parts of the comment."""

    def __init__(self, size: int) -> None:
        self.left = size

    def fit(self, parts: Sequence[str], frame: str = "") -> list[str]:
        """Returns the parts that fit, in order, without the others; ``frame`` is what encloses them."""
        kept: list[str] = []
        for part in parts:
            size = len(f"{part}\n{'' if kept else frame}".encode())
            if size <= self.left:
                kept.append(part)
                self.left -= size
        return kept


def render_comment(report: CheckReport) -> str:
    """Returns the comment: one line if all passed and nothing changed.

    It has at most ``MAX_BYTES``: rows of the table, failures, diffs, unchanged models and notes are included while they
    fit, those of the most important models first, and the last sentence names what is left out.
    """
    verdict = format_comment_verdict(report)
    shown = sorted((model for model in report.models if not is_unchanged(model)), key=get_importance)
    unchanged = [model for model in report.models if is_unchanged(model)]
    if not (shown or report.removed or report.notes):
        if report.base:
            return f"{verdict}\n"
        shown, unchanged = unchanged, []
    table = "\n".join((*format_header(report), _PARTS))
    title = f"{len(unchanged)} passed" + (", unchanged" if report.base else "")
    sections = {
        "models": ([*(format_row(model, report) for model in shown), *map(format_removed_row, report.removed)], table),
        "messages": ([*map(_item, report.notes), *(item for model in shown for item in _list_items(model))], _PARTS),
        "diffs": ([_fold_diff(model, model.diff) for model in shown if model.diff is not None], _PARTS),
        "unchanged models": ([format_row(model, report) for model in unchanged], _fold(title, table)),
        "notes": ([_item(note, model) for model in report.models for note in model.notes], _fold("Notes", _PARTS)),
    }
    room = _Room(MAX_BYTES - _RESERVE - len(verdict.encode()))
    blocks, left_out = [verdict], {}
    for name, (parts, frame) in sections.items():
        kept = room.fit(parts[:MAX_MODELS] if "models" in name else parts, frame)
        blocks += [frame.replace(_PARTS, "\n".join(kept))] if kept else []
        left_out[name] = len(parts) - len(kept)
    blocks += _describe_left_out(report, left_out)
    return "\n\n".join(blocks) + "\n"


def format_comment_verdict(report: CheckReport) -> str:
    """Returns the first line: how many checks passed, and how many models changed."""
    bad = [model.name for model in report.models if not model.passed]
    where = f" in {escape(clip(report.folder, _MAX_NAME))}" if report.folder else ""
    warned = sum(result.status == "warned" for result in report.results)
    warnings = numbers.count_nouns(warned, "warning") if warned else ""
    changes = _describe_changes(report) if report.base else ""
    names = f": {_join_names(bad)}" if bad else ""
    rest = "; ".join(filter(None, (warnings, changes)))
    return f"{ICONS[report.status]} **netscope{where}: {format_outcome(report)}**{names}." + (
        f" {rest[:1].upper()}{rest[1:]}." if rest else ""
    )


def _describe_changes(report: CheckReport) -> str:
    """Returns how many models changed since the base revision, whose hash GitHub links to the commit."""
    changed = sum(model.has_changed for model in report.models)
    counts = {
        f"model{'' if changed == 1 else 's'} changed": changed,
        "new": sum(model.is_new for model in report.models),
        "removed": len(report.removed),
        "not compared": sum(bool(model.base_error) and not model.is_new for model in report.models),
    }
    found = [f"{count} {word}" for word, count in counts.items() if count]
    since = report.base_commit[:SHORT_HASH] or escape(clip(report.base, _MAX_NAME))
    return f"{', '.join(found) or 'no model changed'} since {since}"


def _join_names(names: Sequence[str]) -> str:
    """Returns the first names as code, and the number of the others."""
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(format_code(clip(name, _MAX_NAME)) for name in names[:MAX_NAMES]) + more


def _item(text: str, model: ModelCheck | None = None, icon: str = "") -> str:
    """Returns an item of a list, with the name of the check that it is about."""
    name = f"{format_code(clip(model.name))}: " if model else ""
    return " ".join(filter(None, ("-", icon, f"{name}{escape(clip(text))}")))


def _list_items(model: ModelCheck) -> Iterator[str]:
    """Yields what a reviewer must know about a model: failures with their limit and what accepts them, and warnings."""
    if model.error:
        where = f" ({model.location})" if model.location.file else ""
        yield _item(f"{model.error}{where}", model, ICONS["error"])
    if model.base_error and not model.is_new:
        yield _item(f"not compared with the base: {model.base_error}", model)
    found = [result for result in model.results if result.status != "passed"]
    for result in found[:MAX_FAILURES]:
        yield f"{_item(describe_failure(result), model, ICONS[result.status])}  \n  {escape(clip(result.remedy))}"
    if len(found) > MAX_FAILURES:
        yield _item(f"{len(found) - MAX_FAILURES} more of its rules did not pass", model)
    changes = "; ".join(list_rule_changes(model))
    if changes:
        yield _item(f"rules changed: {changes}", model, ICONS["warned"])


def _fold(title: str, text: str) -> str:
    """Returns text folded below a title in HTML."""
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"


def _fold_diff(model: ModelCheck, diff: ModelDiff) -> str:
    """Returns the changed layers of a model, folded below a sentence."""
    since = "" if diff is model.base_diff else " since the lock file"
    title = f"<code>{escape_html(clip(model.name))}</code>{since}: {escape_in_html(clip(describe_diff(diff)))}"
    document = _narrow(diff_document(diff, DiffView(only_changed=True)))
    lines, more = format_table(document)[: MAX_ROWS + 2], len(document.rows) - MAX_ROWS
    facts = [
        *([f"- {numbers.count_nouns(more, 'more row')}"] if more > 0 else []),
        *(_item(line) for line in document.heading[1:] if diff.before.inputs != diff.after.inputs),
        *(_item(f"{label}: {text}") for label, text in document.facts if label not in ("Parameters", "FLOPs")),
    ]
    return _fold(title, "\n\n".join(filter(None, ("\n".join(lines), "\n".join(facts)))))


def _narrow(document: Document) -> Document:
    """Returns a diff with the columns for a reviewer, and without the unchanged modules around what changed."""
    positions = [position for position, column in enumerate(document.columns) if column.key in _COLUMNS]
    rows = (
        replace(row, cells=tuple(_clip_cell(row.cells[position]) for position in positions))
        for row in document.rows
        if any(row.cells[:1]) or any(isinstance(cell, NameCell) and (cell.mark or cell.former) for cell in row.cells)
    )
    return replace(document, columns=tuple(document.columns[position] for position in positions), rows=tuple(rows))


def _clip_cell(cell: object) -> object:
    if isinstance(cell, NameCell):
        return replace(
            cell, path=clip(cell.path), label=clip(cell.label), mark=clip(cell.mark), former=clip(cell.former)
        )
    return clip(cell) if isinstance(cell, str) else cell


def _describe_left_out(report: CheckReport, counts: dict[str, int]) -> Iterator[str]:
    """Yields what did not fit, and the command that shows it."""
    found = [f"{count} {name}" for name, count in counts.items() if count]
    if found:
        against = f" --against {report.base_commit[:SHORT_HASH] or report.base}" if report.base else ""
        command = format_code(clip(f"netscope check{against}"))
        yield f"Left out for length: {', '.join(found)}. {command} shows everything."
