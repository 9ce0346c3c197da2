"""The sentence about an entire diff, and the names of its sides."""

from collections.abc import Iterator

from netscope.render import numbers
from netscope.render.diff_census import (
    Side,
    count_identities,
    find_activations,
    find_attention,
    find_dtype,
    find_kinds,
    is_identity,
    split_sides,
)
from netscope.render.diff_findings import (
    find_blocks,
    find_changes,
    find_rest,
    find_settings,
    is_rewired_only,
    sort_findings,
)
from netscope.render.diff_notation import find_dropouts, is_other_notation
from netscope.render.diff_topics import Finding, Topic
from netscope.render.numbers import count_nouns
from netscope.schema import ModelDiff

MAX_LENGTH = 200
"""The length of a sentence beyond which less important findings are left out."""

MAX_NAMED = 4
"""The most findings that are named."""

_ALWAYS = 3
"""The findings that matter more than the numbers of changed, added and removed layers."""

_EXTRA = 40
"""How much longer a sentence may be so that it names a second finding."""


def name_sides(diff: ModelDiff) -> tuple[str, str]:
    """Returns the names of both sides: with their sources or as they were typed, if they would read the same."""
    before, after = diff.before.architecture, diff.after.architecture
    if before.name == after.name and before.source != after.source:
        return f"{before.source}/{before.title}", f"{after.source}/{after.title}"
    if before.title == after.title:
        return before.spec, after.spec
    return before.title, after.title


def describe_diff(diff: ModelDiff) -> str:
    """Returns a sentence about the entire diff: the most important changes are named, in the order of ``Topic``."""
    if diff.is_same:
        return "the same, layer by layer" + (f", ignoring {' and '.join(diff.ignored)}" if diff.ignored else "")
    changed = [change for change in diff.changes if change.kind != "same"]
    if not changed and not any(change.has_value_changes for change in diff.changes):
        return f"the same layers; {count_nouns(len(diff.renamed), 'module')} renamed"
    sides = split_sides(diff)
    if is_other_notation(diff, sides):
        findings = [*find_dropouts(sides), *_find_unused(diff, sides)]
        return "; ".join(("the same architecture under other names", *(finding.text for finding in findings)))
    dtype = find_dtype(sides)
    findings = _find(diff, sides, dtype)
    layers, *counts = _describe_layers(diff, dtype)
    totals = list(_describe_totals(diff))
    texts = [finding.text for finding in findings[:_ALWAYS]]
    if len("; ".join((layers, *counts, *totals, ", ".join(texts)))) > MAX_LENGTH:
        counts = []
    parts = (layers, *counts, *totals)
    return "; ".join((*parts, *_join_findings(findings, MAX_LENGTH - len("; ".join((*parts, ""))))))


def _find(diff: ModelDiff, sides: tuple[Side, Side], dtype: str) -> list[Finding]:
    """Returns the findings, the most important first."""
    kinds = dict(find_kinds(sides))
    activations = list(find_activations(sides))
    covered = {*kinds, *[Topic.DTYPE.name] * bool(dtype), *[Topic.ACTIVATION.name] * bool(activations)}
    findings = [*kinds.values(), *find_attention(sides), *activations]
    findings += [*find_changes(diff, covered), *find_blocks(diff, covered)]
    findings += find_settings(diff, {finding.topic for finding in findings})
    found = sort_findings(findings) or ([] if dtype else sort_findings(find_rest(diff)))
    return [*found, *_find_unused(diff, sides)]


def _join_findings(findings: list[Finding], room: int) -> Iterator[str]:
    """Yields as many findings as there is room for, at least one; ``…`` marks that others are left out."""
    named = [finding.text for finding in findings[:1]]
    for finding in findings[1:MAX_NAMED]:
        if len(", ".join((*named, finding.text))) > room + (_EXTRA if len(named) == 1 else 0):
            break
        named.append(finding.text)
    if named:
        is_cut = len(findings) > len(named) and not named[-1].endswith("…")
        yield ", ".join((*named, *["…"] * is_cut))


def _describe_layers(diff: ModelDiff, dtype: str) -> Iterator[str]:
    """Yields the number of layers with weights, and the numbers of changed, added, removed and moved layers."""
    counts = _count_by_kind(diff)
    weighted, others = diff.before.weighted_layers, diff.after.weighted_layers
    came_or_went = any(change.row.own.params and change.row.own.flops for change in diff.of_kind("added", "removed"))
    if weighted == others:
        text = f"{'' if came_or_went else 'the same '}{count_nouns(weighted, 'weighted layer')}"
    else:
        text = f"{weighted} → {count_nouns(others, 'weighted layer')}"
    if dtype:
        text += f", as {dtype}"
    elif not counts and diff.before.inputs != diff.after.inputs:
        text += " with different inputs"
    yield text
    if counts:
        yield ", ".join(counts)
    elif diff.renamed:
        yield f"{count_nouns(len(diff.renamed), 'module')} renamed"


def _count_by_kind(diff: ModelDiff) -> list[str]:
    """Returns ``40 layers changed``, ``2 added``, …

    Containers of added, removed or moved modules do not count, nor do placeholders and modules that are only rewired.
    """
    counts: list[str] = []
    for kind in ("changed", "added", "removed", "moved"):
        paths = {
            change.row.path
            for change in diff.of_kind(kind)
            if not is_identity(change.row) and not is_rewired_only(change)
        }
        containers = {path.rpartition(".")[0] for path in paths if path} if kind != "changed" else set()
        count = len(paths - containers)
        if count:
            counts.append(f"{count_nouns(count, 'layer')} {kind}" if not counts else f"{count} {kind}")
    return counts


def _describe_totals(diff: ModelDiff) -> Iterator[str]:
    """Yields the changes of the totals."""
    before, after, delta = diff.before.totals, diff.after.totals, diff.delta
    bound = " counted" if diff.is_lower_bound else ""
    has_flops = before.flops or after.flops
    if has_flops and not delta.params and not delta.flops:
        yield f"same params and FLOPs{bound}"
        return
    yield _format_change(delta.params, before.params, "params")
    if has_flops:
        yield _format_change(delta.flops, before.flops, f"FLOPs{bound}")


def _format_change(delta: int, before: int, unit: str) -> str:
    if not delta:
        return f"same {unit}"
    percent = numbers.change(delta, before)
    return f"{numbers.signed(delta)} {unit}" + (f" ({percent})" if percent else "")


def _find_unused(diff: ModelDiff, sides: tuple[Side, Side]) -> Iterator[Finding]:
    """Yields a clause about placeholders, and about rewired modules if these are most of what changed."""
    identities = count_identities(sides)
    if identities:
        more, verb = "more" if identities > 0 else "fewer", "compute" if abs(identities) > 1 else "computes"
        yield Finding(Topic.UNUSED, f"{count_nouns(abs(identities), 'Identity layer')} {more}, which {verb} nothing")
    rewired = sum(1 for change in diff.changes if is_rewired_only(change))
    if rewired > sum(1 for change in diff.changes if change.kind != "same") / 2 and not identities:
        yield Finding(Topic.UNUSED, f"{count_nouns(rewired, 'layer')} only rewired")


def format_total_change(before: int, after: int) -> str:
    """Returns a total's change as ``62,378,344 → 61,100,840   −1,277,504   −2.05%``."""
    if before == after:
        return f"{numbers.count(after)}, unchanged"
    change = " ".join(filter(None, (numbers.signed(after - before), numbers.change(after - before, before))))
    return f"{numbers.count(before)} → {numbers.count(after)}   {change}"
