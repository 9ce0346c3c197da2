"""The document of a ``Verification``."""

from collections.abc import Iterator

from netscope.render import numbers
from netscope.render.document import Column, Document, DocumentRequest, NameCell, Row, document_of
from netscope.schema import ToolCount, Verification

_UNITS = {"params": "params", "macs": "MACs"}


@document_of.register
def verification_document(verification: Verification, _request: DocumentRequest) -> Document:
    """Returns the document: our counts, a row for each tool, and below the table the cause of each difference."""
    ours = Row(
        cells=(
            NameCell(path="netscope", label="netscope"),
            "",
            verification.params,
            None,
            verification.macs,
            None,
            "lower bound" if verification.is_lower_bound else "",
        ),
        style="strong",
    )
    return Document(
        result=verification,
        heading=(
            f"{verification.architecture.name}  ·  {verification.architecture.source}",
            f"input {numbers.inputs(verification.inputs)}  ·  1 MAC = 2 FLOPs",
        ),
        columns=(
            Column(key="tool", title="Counted by", kind="name"),
            Column(key="version", title="Version", kind="text", rank=1),
            Column(key="params", title="Params", kind="count"),
            Column(key="params-difference", title="− ours", kind="text", rank=1),
            Column(key="macs", title="MACs", kind="macs"),
            Column(key="macs-difference", title="− ours", kind="text", rank=1),
            Column(key="verdict", title="Verdict", kind="text"),
        ),
        rows=(ours, *(_row(tool, verification) for tool in verification.tools)),
        facts=tuple(_facts(verification)),
    )


def _row(tool: ToolCount, verification: Verification) -> Row:
    return Row(
        cells=(
            NameCell(path=tool.tool, label=tool.tool),
            tool.version,
            tool.params,
            None if tool.params is None else numbers.signed(tool.params - verification.params),
            tool.macs,
            None if tool.macs is None else numbers.signed(tool.macs - verification.macs),
            _verdict(tool, verification),
        )
    )


def _verdict(tool: ToolCount, verification: Verification) -> str:
    if tool.failure:
        return "failed"
    if tool.tool in verification.contradicted_by:
        return "CONTRADICTS"
    if tool.causes:
        return "differs, explained"
    if verification.is_lower_bound:
        return "agrees on the counted ops"
    return "agrees when rounded" if tool.rounded_to > 1 and tool.macs != verification.macs else "agrees"


def _facts(verification: Verification) -> Iterator[tuple[str, str]]:
    if verification.is_lower_bound:
        yield "netscope", f"lower bound (≥): no formula for {numbers.calls(verification.uncounted_ops)}"
    for tool in verification.tools:
        if tool.failure:
            yield tool.tool, tool.failure
        for cause in tool.causes:
            yield tool.tool, f"{numbers.signed(cause.difference)} {_UNITS[cause.quantity]}: {cause.reason}"
        for quantity, ours in (("params", verification.params), ("macs", verification.macs)):
            left = tool.unexplained(quantity, ours)  # type: ignore[arg-type]  # the two literals
            if left:
                yield tool.tool, f"{numbers.signed(left)} {_UNITS[quantity]} unexplained"
