"""``explain``: how the figures of an architecture, or of one of its modules, come about."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from netscope import analysis, sources
from netscope.api.diff import summary_of
from netscope.api.resolve_and_trace import (
    Sizes,
    check_has_module,
    check_parameters_read,
    check_runs,
    is_saved,
    resolve,
    sizes_of,
    trace_request,
    trace_where_possible,
)
from netscope.api.result_cache import Query, compute_key, lookup, store_result
from netscope.api.summary import SummaryAnswer
from netscope.errors import InputError, UnknownNameError, UsageError, did_you_mean
from netscope.schema import Explanation, LayerExplanation, ShapeMismatch, Summary
from netscope.schema.inputs import parse_inputs
from netscope.schema.summary import NOT_TRACED

if TYPE_CHECKING:
    from torch import nn

    from netscope.sources import ResolvedArchitecture


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
    """How each shape, count and receptive field comes about, in the architecture's own numbers.

    Args:
        model: a module, which comes back as it was; an architecture's name; a summary, or the file of a saved one.
        layer: the path of a module; None for the whole.
        inputs: as for ``summarize``.
        what_if: what to change before: ``"input=1x3x227x227"``, ``"features.0.padding=0"``; or a dict of such names and
            values. The module is built anew, and everything is run again.
        batch_size: as for ``summarize``.
        seq_len: likewise.
        device: likewise.

    Returns:
        The explanation; ``print`` shows it. An input, or a change, that does not fit a layer is answered as well:
        ``mismatch`` says why, and the layers before it are explained.

    Raises:
        UnknownNameError: there is no such module.
        NetscopeError: one of its kinds; those of ``summarize``.
    """
    changes = changes_of(what_if)
    if isinstance(model, Summary) or is_saved(model):
        if changes:
            raise UsageError("a saved summary cannot be run with changes: name the architecture")
        options = {"batch_size": batch_size, "seq_len": seq_len, "device": device}
        return _explained(_Run(summary=summary_of(model, inputs, options)), layer)
    sizes = sizes_of(inputs, batch_size, seq_len)
    if not changes and isinstance(model, str):
        return _explained(_cached_run(model, sizes, device), layer)
    resolved = resolve(model)
    check_runs(resolved)
    run = _run(resolved, sizes, device, ())
    if not changes:
        return _explained(run, layer)
    changed_inputs = next((change.value for change in changes if change.name == "input"), None)
    if changed_inputs is not None:
        sizes = sizes_of(changed_inputs, batch_size, None)
    after = _run(resolved, sizes, run.summary.traced_on, changes)
    return _explained(after, layer, before=run.summary if run.mismatch is None else None, changes=changes)


SHAPE_ERRORS = ("RuntimeError", "ValueError", "IndexError", "AssertionError")
"""What torch and models raise where shapes do not fit each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that is changed before the pass.

    Attributes:
        path: of a module; empty for the inputs.
        name: of its hyperparameter, or ``"input"``.
        value: its new value.
        text: as typed.
    """

    path: str
    name: str
    value: Any
    text: str


def changes_of(what_if: "Sequence[str] | Mapping[str, Any]") -> tuple[Change, ...]:
    """What is to be changed.

    Raises:
        UsageError: one is malformed.
        InputError: an input is.
    """
    if isinstance(what_if, str):
        what_if = [what_if]
    if not isinstance(what_if, Mapping | Sequence) or not all(isinstance(key, str) for key in what_if):
        raise UsageError(f"what_if is a list of texts like 'features.0.padding=0', or a dict, not {what_if!r}")
    if isinstance(what_if, Mapping):
        given = [(_checked(key, key), value, f"{key}={_brief(value)}") for key, value in what_if.items()]
    else:
        given = [(*_parsed(text), text) for text in what_if]
    changes = [
        Change(path=key.rpartition(".")[0], name=key.rpartition(".")[2], value=value, text=text)
        for key, value, text in given
        if key != "input"
    ]
    inputs = [(value, text) for key, value, text in given if key == "input"]
    if inputs:
        is_text = all(isinstance(value, str) for value, _ in inputs)
        value = parse_inputs([value for value, _ in inputs]) if is_text else inputs[0][0]
        changes.append(Change(path="", name="input", value=value, text=", ".join(text for _, text in inputs)))
    return tuple(changes)


def _parsed(text: str) -> tuple[str, Any]:
    key, _, value = text.partition("=")
    key = _checked(key.strip() if value.strip() else "", text)
    return key, value.strip() if key == "input" else sources.parse_value(value.strip(), text)


def _checked(key: str, text: str) -> str:
    """What is changed, if it is something that can be."""
    if key != "input" and not all(key.rpartition(".")):
        raise UsageError(
            f"--what-if {text!r} changes nothing: write input=1x3x227x227, or a module's path with the hyperparameter, "
            f"like features.0.padding=0"
        )
    return key


def _brief(value: Any) -> str:
    """A value, or of a tensor its shape."""
    return "×".join(map(str, value.shape)) if hasattr(value, "shape") else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What came out: of all of it, or of what ran before a layer did not fit."""

    summary: Summary
    mismatch: ShapeMismatch | None = None


def _cached_run(model: str, sizes: Sizes, device: str) -> _Run:
    """Returns what came out, by the summary that was made before if there is one."""
    options = {"batch_size": sizes.batch_size, "seq_len": sizes.seq_len, "device": device}
    query = Query(kind="summary", spec=model, inputs=sizes.inputs, options=options)
    found = lookup(query, SummaryAnswer)
    if found is not None and found.summary.traced_on != NOT_TRACED:
        return _Run(summary=found.summary)
    key = compute_key(query)
    resolved = resolve(model)
    check_runs(resolved)
    run = _run(resolved, sizes, device, ())
    if run.mismatch is None:
        store_result(
            query, key, SummaryAnswer(summary=run.summary, origin=resolved.origin, published=resolved.published)
        )
    return run


def _run(resolved: "ResolvedArchitecture", sizes: Sizes, device: str, changes: Sequence[Change]) -> _Run:
    from netscope import __version__, tracing
    from netscope.flops import flops_per_op

    asked = {"--what-if": any(change.path for change in changes), f"--device {device}": device in ("cpu", "cuda")}
    check_has_module(resolved, *(option for option, is_asked in asked.items() if is_asked))
    subject = replace(trace_request(resolved, sizes), alter=_alteration(changes))
    mismatch = None
    with tracing.process_state_restored():
        try:
            recorded = trace_where_possible(subject, device, "eval", resolved.architecture.spec)
            check_parameters_read(recorded, subject, resolved.architecture.spec)
        except (InputError, tracing.ForwardError) as error:
            failure = error.__cause__ if isinstance(error, InputError) else error
            if not isinstance(failure, tracing.ForwardError):
                raise
            # What fails as it is, on its own inputs, or otherwise than over a shape, is broken.
            is_about_shapes = failure.failure.message.startswith(SHAPE_ERRORS)
            if failure is error and not (is_about_shapes and (changes or not sizes.are_usual)):
                raise
            recorded = failure.partial
            reason = str(error).partition("\n")[0]
            mismatch = ShapeMismatch(path=failure.failure.path, type_name=failure.failure.type_name, reason=reason)
    recorded = replace(recorded, versions={"netscope": __version__, **recorded.versions, **resolved.versions})
    summary = analysis.summarize_trace(recorded, flops_per_op(recorded), resolved.architecture)
    if mismatch is not None:
        row = next(row for row in summary.rows if row.path == mismatch.path)
        mismatch = replace(mismatch, remedy=analysis.remedy(row))
    return _Run(summary=summary, mismatch=mismatch)


def _alteration(changes: Sequence[Change]) -> "Callable[[nn.Module, str], None] | None":
    from netscope import tracing

    layers = [change for change in changes if change.path]
    if not layers:
        return None

    def alter(model: "nn.Module", device: str) -> None:
        for change in layers:
            tracing.replace_argument(model, device, change.path, change.name, change.value)

    return alter


def _explained(
    run: _Run, layer: str | None, *, before: Summary | None = None, changes: Sequence[Change] = ()
) -> Explanation:
    summary = run.summary
    rows = {row.path: row for row in summary.rows}
    if layer is not None and layer not in rows:
        raise UnknownNameError(
            f"{summary.architecture.title} has no module {layer!r}{did_you_mean(layer, filter(None, rows))}"
        )
    shapes = {row.path: row.output_shapes for row in before.rows} if before is not None else {}
    shown = [row for row in summary.rows if layer is None or row.path == layer or row.path.startswith(f"{layer}.")]
    chain = analysis.chain_of(summary)
    return Explanation(
        architecture=summary.architecture,
        inputs=summary.inputs,
        path=layer,
        layers=tuple(
            LayerExplanation(
                row=row,
                derivations=analysis.derivations(row, rows),
                output_before=None if (was := shapes.get(row.path)) == row.output_shapes else was,
            )
            for row in shown
        ),
        chain=chain,
        flattened=analysis.flattened_size(summary),
        totals=summary.totals,
        changes=tuple(change.text for change in changes),
        totals_before=before.totals if before is not None else None,
        mismatch=run.mismatch,
        notes=summary.notes,
        has_fields=any(row.receptive_field for row in summary.rows),
    )
