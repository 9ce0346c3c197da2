"""``diff`` and ``weights_map``: two architectures, live or saved, in any mix."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from netscope.api.resolve_and_trace import is_saved
from netscope.api.saved_results import read_saved
from netscope.api.summary import summarize
from netscope.errors import UsageError, did_you_mean
from netscope.schema import Ignorable, Summary

if TYPE_CHECKING:
    from torch import nn

    from netscope.schema import ModelDiff, WeightsMap

IGNORABLE: tuple[str, ...] = get_args(Ignorable)


def diff(
    before: "Summary | nn.Module | str",
    after: "Summary | nn.Module | str",
    inputs: Any = None,
    *,
    inputs_before: Any = None,
    inputs_after: Any = None,
    ignore: Collection[str] = (),
    **options: Any,
) -> "ModelDiff":
    """What differs between two architectures, layer by layer.

    Args:
        before: a summary, the file of a saved one (``"a.json"``), a module, or an architecture's name.
        after: likewise.
        inputs: what both are run on, as for ``summarize``; by default each one's own.
        inputs_before: what the first is run on instead.
        inputs_after: what the second is run on instead.
        ignore: ``"names"`` under which the same module stands, ``"dropout"`` layers, ``"bias"`` parameters. What is
            ignored is left out of the figures as well.
        options: the others of ``summarize``, for both.

    Returns:
        The diff; ``print`` shows it.

    Raises:
        NetscopeError: one of its kinds; those of ``summarize``.
        SavedResultError: the file holds no summary.
        UsageError: inputs or options were given for a saved summary, or there is nothing of that name to ignore.
    """
    from netscope import analysis

    ignored = ignore.split(",") if isinstance(ignore, str) else ignore
    for name in ignored:
        if name not in IGNORABLE:
            raise UsageError(
                f"there is no {name!r} to ignore{did_you_mean(name, IGNORABLE)}; there are {', '.join(IGNORABLE)}"
            )
    sides = summaries_of(before, after, inputs, inputs_before=inputs_before, inputs_after=inputs_after, **options)
    return analysis.diff_summaries(*sides, cast("Collection[Ignorable]", tuple(ignored)))


def weights_map(
    before: "Summary | nn.Module | str", after: "Summary | nn.Module | str", inputs: Any = None, **options: Any
) -> "WeightsMap":
    """Which tensors of ``before``'s state dict load into which of ``after``'s: what porting a checkpoint needs.

    Arguments and errors are those of ``diff``.
    """
    from netscope import analysis

    return analysis.map_weights(*summaries_of(before, after, inputs, **options))


def summaries_of(
    before: "Summary | nn.Module | str",
    after: "Summary | nn.Module | str",
    inputs: Any = None,
    *,
    inputs_before: Any = None,
    inputs_after: Any = None,
    **options: Any,
) -> tuple[Summary, Summary]:
    """The summaries of both sides of a diff, whose arguments and errors these are.

    What is asked for twice is traced once, so that it equals itself whatever random values do to it.
    """
    asked = inputs if inputs_before is None else inputs_before
    if isinstance(after, str) and before == after and inputs_before is None and inputs_after is None:
        first = summary_of(before, asked, options)
        return first, first
    return summary_of(before, asked, options), summary_of(
        after, inputs if inputs_after is None else inputs_after, options
    )


def summary_of(
    subject: "Summary | nn.Module | str", inputs: Any = None, options: dict[str, Any] | None = None
) -> Summary:
    """The summary of what was given: itself, read from its file, or made.

    Raises:
        NetscopeError: as ``diff``.
    """
    if isinstance(subject, Summary):
        return subject
    if not is_saved(subject):
        return summarize(subject, inputs, **(options or {}))
    given = [name for name, value in (options or {}).items() if value not in (None, "auto", "eval")]
    if inputs is not None or given:
        raise UsageError(f"{subject} is a saved summary, which cannot be run on other inputs or otherwise")
    return read_saved(Summary, Path(cast("str", subject)))
