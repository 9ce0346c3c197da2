"""The functions ``diff`` and ``weights_map``, for architectures and saved summaries."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, cast, get_args

from typing_extensions import Unpack

from netscope.api.arguments import SummaryOptions, check_arguments
from netscope.api.summary import check_is_model, get_summary, summarize
from netscope.errors import UsageError, did_you_mean
from netscope.schema import Ignorable, Summary

if TYPE_CHECKING:
    from torch import nn

    from netscope.schema import ModelDiff, WeightsMap

IGNORABLE: tuple[str, ...] = get_args(Ignorable)


@check_arguments(summarize)
def diff(
    before: "Summary | nn.Module | str",
    after: "Summary | nn.Module | str",
    inputs: Any = None,
    *,
    inputs_before: Any = None,
    inputs_after: Any = None,
    ignore: Collection[str] = (),
    **options: Unpack[SummaryOptions],
) -> "ModelDiff":
    """Returns the difference between two architectures, layer by layer.

    Args:
        before: a summary, the file of a saved summary (``"a.json"``), a module, or the name of an architecture.
        after: the second architecture, in the same form.
        inputs: inputs of both, as for ``summarize``; by default the inputs that the source of each defines.
        inputs_before: inputs of the first architecture only.
        inputs_after: inputs of the second architecture only.
        ignore: aspects to exclude from the comparison and the figures: ``"names"`` of modules, ``"dropout"`` layers,
            ``"bias"`` parameters, the ``"wiring"`` (which layers a layer reads from), and ``"identity"`` layers, which
            compute nothing.
        options: other options of ``summarize``, for both.

    Returns:
        The diff; ``print`` shows it.

    Raises:
        NetscopeError: the errors of ``summarize``.
        SavedResultError: the file does not contain a summary.
        UsageError: inputs or options were given for a saved summary, or ``ignore`` is unknown.
    """
    from netscope import analysis

    ignored = ignore.split(",") if isinstance(ignore, str) else ignore
    for name in ignored:
        if name not in IGNORABLE:
            raise UsageError(
                f"unknown value {name!r} to ignore{did_you_mean(name, IGNORABLE)}; available: {', '.join(IGNORABLE)}"
            )
    sides = get_summaries(before, after, inputs, inputs_before=inputs_before, inputs_after=inputs_after, **options)
    return analysis.diff_summaries(*sides, cast("Collection[Ignorable]", tuple(ignored)))


@check_arguments(summarize)
def weights_map(
    before: "Summary | nn.Module | str",
    after: "Summary | nn.Module | str",
    inputs: Any = None,
    *,
    inputs_before: Any = None,
    inputs_after: Any = None,
    **options: Unpack[SummaryOptions],
) -> "WeightsMap":
    """Returns the map from the state dict of ``before`` to that of ``after``, for porting a checkpoint.

    Arguments and errors are those of ``diff``.
    """
    from netscope import analysis

    sides = get_summaries(before, after, inputs, inputs_before=inputs_before, inputs_after=inputs_after, **options)
    return analysis.map_weights(*sides)


def get_summaries(
    before: "Summary | nn.Module | str",
    after: "Summary | nn.Module | str",
    inputs: Any = None,
    *,
    inputs_before: Any = None,
    inputs_after: Any = None,
    **options: Any,
) -> tuple[Summary, Summary]:
    """Returns the summaries of both sides of a diff.

    Arguments and errors are those of ``diff``. Equal sides are traced only once, so that they are equal even if random
    values affect the trace.
    """
    check_is_model("before", before)
    check_is_model("after", after)
    first_inputs = inputs if inputs_before is None else inputs_before
    if isinstance(after, str) and before == after and inputs_before is None and inputs_after is None:
        first = get_summary(before, first_inputs, options)
        return first, first
    second_inputs = inputs if inputs_after is None else inputs_after
    return get_summary(before, first_inputs, options), get_summary(after, second_inputs, options)
