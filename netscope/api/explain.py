"""``explain``: the arithmetic behind the numbers of an architecture, or of one of its modules."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from netscope import analysis, sources
from netscope.api.arguments import check_arguments
from netscope.api.resolve_and_trace import (
    Sizes,
    check_device,
    check_has_forward,
    check_has_module,
    is_saved,
    make_trace_request,
    parse_sizes,
    resolve_to_trace,
    trace_with_fallback,
)
from netscope.api.result_cache import Query, compute_key, lookup, store_result
from netscope.api.summary import SourcedSummary, get_summary
from netscope.errors import InputError, UsageError
from netscope.runtime.wording import show_argument
from netscope.schema import Explanation, LayerExplanation, ShapeMismatch, Summary
from netscope.schema.inputs import parse_inputs
from netscope.schema.summary import NOT_TRACED

if TYPE_CHECKING:
    from torch import nn

    from netscope.sources import ResolvedArchitecture


@check_arguments()
def explain(
    model: "Summary | nn.Module | str",
    layer: str | None = None,
    inputs: Any = None,
    *,
    what_if: "Sequence[str] | Mapping[str, Any]" = (),
    batch_size: int | None = None,
    seq_len: int | None = None,
    device: str = "auto",
) -> Explanation:
    """Returns the arithmetic behind each shape, count and receptive field, in the architecture's own numbers.

    Args:
        model: a module, which is left unchanged; the name of an architecture; a summary, or the file of a saved one.
        layer: path of a module; None for the entire architecture.
        inputs: inputs, as for ``summarize``.
        what_if: changes to trace with, ``"input=1x3x227x227"``, ``"features.0.padding=0"``; or a dict of such names and
            values. The changed module is built again, and the model is traced again.
        batch_size: batch size, as for ``summarize``.
        seq_len: sequence length, as for ``summarize``.
        device: device, as for ``summarize``.

    Returns:
        The explanation; ``print`` shows it. If a layer cannot take its input, with or without changes, ``mismatch``
        has the reason, and the layers before it are explained.

    Raises:
        UnknownLayerError: the module does not exist.
        NetscopeError: any error of ``summarize``.
    """
    if not isinstance(layer, str | None):
        raise UsageError(
            f"layer must be a module's path, 'features.0', not a {type(layer).__name__}; write inputs=… for inputs"
        )
    changes = parse_changes(what_if)
    if isinstance(model, Summary) or is_saved(model):
        if changes:
            raise UsageError("a saved summary cannot be run with changes; pass the architecture instead")
        options = {"batch_size": batch_size, "seq_len": seq_len, "device": device}
        return _explain_run(_Run(summary=get_summary(model, inputs, options)), layer)
    check_device(device)
    sizes = parse_sizes(inputs, batch_size, seq_len)
    if not changes and isinstance(model, str):
        return _explain_run(_run_cached(model, sizes, device), layer)
    with resolve_to_trace(model) as resolved:
        run = _run(resolved, sizes, device, ())
        if not changes:
            return _explain_run(run, layer)
        changed_inputs = next((change.value for change in changes if change.name == "input"), None)
        if changed_inputs is not None:
            sizes = parse_sizes(changed_inputs, batch_size, None)
        after = _run(resolved, sizes, run.summary.traced_on, changes)
    return _explain_run(after, layer, before=run.summary if run.mismatch is None else None, changes=changes)


SHAPE_ERRORS = ("RuntimeError", "ValueError", "IndexError", "AssertionError")
"""The exceptions that torch and models raise for mismatched shapes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIfChange:
    """A change of a hyperparameter or of the inputs.

    Attributes:
        path: path of the module; empty for the inputs.
        name: name of its hyperparameter, or ``"input"``.
        value: new value.
        text: the change as the user typed it.
    """

    path: str
    name: str
    value: Any
    text: str


def parse_changes(what_if: "Sequence[str] | Mapping[str, Any]") -> tuple[WhatIfChange, ...]:
    """Returns the changes in ``what_if``.

    Raises:
        UsageError: a change is malformed.
        InputError: an input is malformed.
    """
    if isinstance(what_if, str):
        what_if = [what_if]
    if not isinstance(what_if, Mapping | Sequence) or not all(isinstance(key, str) for key in what_if):
        raise UsageError(f"what_if must be a list of strings like 'features.0.padding=0', or a dict, not {what_if!r}")
    if isinstance(what_if, Mapping):
        given = [(_check_key(key, key), value, f"{key}={_format_value(value)}") for key, value in what_if.items()]
    else:
        given = [(*_parse_change(text), text) for text in what_if]
    changes = [
        WhatIfChange(path=key.rpartition(".")[0], name=key.rpartition(".")[2], value=value, text=text)
        for key, value, text in given
        if key != "input"
    ]
    inputs = [(value, text) for key, value, text in given if key == "input"]
    if inputs:
        is_text = all(isinstance(value, str) for value, _ in inputs)
        value = parse_inputs([value for value, _ in inputs]) if is_text else inputs[0][0]
        changes.append(WhatIfChange(path="", name="input", value=value, text=", ".join(text for _, text in inputs)))
    return tuple(changes)


def _parse_change(text: str) -> tuple[str, Any]:
    key, _, value = text.partition("=")
    key = _check_key(key.strip() if value.strip() else "", text)
    return key, value.strip() if key == "input" else sources.parse_value(value.strip(), text)


def _check_key(key: str, text: str) -> str:
    """Returns ``key`` if it is ``input`` or a module's path and a hyperparameter; raises ``UsageError`` otherwise."""
    if key != "input" and not all(key.rpartition(".")):
        raise UsageError(
            f"invalid change {text!r}; expected input=SHAPE or MODULE.HYPERPARAMETER=VALUE, e.g. "
            f"{show_argument('--what-if', 'input=1x3x227x227')} or {show_argument('--what-if', 'features.0.padding=0')}"
        )
    return key


def _format_value(value: Any) -> str:
    """Returns a value as text; for a tensor, its shape."""
    return "×".join(map(str, value.shape)) if hasattr(value, "shape") else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """The summary of all layers, or of the layers that ran before a mismatch."""

    summary: Summary
    mismatch: ShapeMismatch | None = None


def _run_cached(model: str, sizes: Sizes, device: str) -> _Run:
    """Returns the run of an architecture without changes, from the cached summary if there is one."""
    options = {"batch_size": sizes.batch_size, "seq_len": sizes.seq_len, "device": device}
    query = Query(kind="summary", spec=model, inputs=sizes.inputs, options=options)
    key = compute_key(query)
    found = lookup(key, SourcedSummary)
    if found is not None and found.summary.traced_on != NOT_TRACED:
        return _Run(summary=found.summary)
    with resolve_to_trace(model) as resolved:
        run = _run(resolved, sizes, device, ())
    if run.mismatch is None:
        store_result(
            query, key, SourcedSummary(summary=run.summary, origin=resolved.origin, published=resolved.published)
        )
    return run


def _run(resolved: "ResolvedArchitecture", sizes: Sizes, device: str, changes: Sequence[WhatIfChange]) -> _Run:
    from netscope import __version__, tracing
    from netscope.flops import count_flops

    check_has_forward(resolved)
    requested = {
        show_argument("--what-if"): any(change.path for change in changes),
        show_argument("--device", device): device in ("cpu", "cuda"),
    }
    check_has_module(resolved, *(option for option, is_requested in requested.items() if is_requested))
    request = replace(make_trace_request(resolved, sizes), alter=_replace_arguments(changes))
    mismatch = None
    with tracing.preserve_process_state():  # so that the same random numbers are drawn with and without the changes
        try:
            recorded = trace_with_fallback(resolved, request, device)
        except (InputError, tracing.ForwardError) as error:
            failure = error.__cause__ if isinstance(error, InputError) else error
            if not isinstance(failure, tracing.ForwardError):
                raise
            # A model that fails unchanged on its own inputs, or not over a shape, is broken.
            is_about_shapes = failure.failure.message.startswith(SHAPE_ERRORS)
            if failure is error and not (is_about_shapes and (changes or not sizes.is_default)):
                raise
            recorded = failure.partial
            reason = str(error).partition("\n")[0]
            mismatch = ShapeMismatch(path=failure.failure.path, type_name=failure.failure.type_name, reason=reason)
    recorded = replace(recorded, versions={"netscope": __version__, **recorded.versions, **resolved.versions})
    summary = analysis.summarize_trace(recorded, count_flops(recorded), resolved.architecture)
    if mismatch is not None:
        mismatch = replace(mismatch, remedy=analysis.find_remedy(summary[mismatch.path]))
    return _Run(summary=summary, mismatch=mismatch)


def _replace_arguments(changes: Sequence[WhatIfChange]) -> "Callable[[nn.Module, str], None] | None":
    """Returns a function that makes the changes to a model's layers; None if there are none."""
    from netscope import tracing

    layers = [change for change in changes if change.path]
    if not layers:
        return None

    def alter(model: "nn.Module", device: str) -> None:
        for change in layers:
            tracing.replace_hyperparameter(model, device, change.path, change.name, change.value)

    return alter


def _explain_run(
    run: _Run, layer: str | None, *, before: Summary | None = None, changes: Sequence[WhatIfChange] = ()
) -> Explanation:
    summary = run.summary
    rows = {row.path: row for row in summary}
    top = summary[layer or ""]
    shapes = {row.path: row.output_shapes for row in before.rows} if before is not None else {}
    shown = [row for row in summary if layer is None or row is top or row.path.startswith(f"{layer}.")]
    chain = analysis.build_chain(summary)
    return Explanation(
        architecture=summary.architecture,
        inputs=summary.inputs,
        path=layer,
        layers=tuple(
            LayerExplanation(
                row=row,
                derivations=analysis.explain_layer(row, rows),
                output_before=None if (was := shapes.get(row.path)) == row.output_shapes else was,
            )
            for row in shown
        ),
        chain=chain,
        flattened=analysis.derive_flattened_size(summary),
        totals=summary.totals,
        changes=tuple(change.text for change in changes),
        totals_before=before.totals if before is not None else None,
        mismatch=run.mismatch,
        notes=summary.notes,
        has_fields=any(row.receptive_field for row in summary.rows),
    )
