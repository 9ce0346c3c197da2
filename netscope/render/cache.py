"""``CacheContents`` → ``Document``."""

from netscope.render import numbers
from netscope.render.document import Column, Document, DocumentRequest, NameCell, Row, document_of
from netscope.schema import CacheContents


@document_of.register
def cache_document(contents: CacheContents, _request: DocumentRequest) -> Document:
    """One row per answer."""
    count = len(contents.answers)
    answers = f"{count or 'no'} answer{'' if count == 1 else 's'}"
    size = f"{numbers.size(contents.bytes)} of at most {numbers.size(contents.limit_bytes)}"
    facts = [("Kept", f"{answers}, {size}"), ("In", contents.path)]
    if contents.removed is not None:
        facts.insert(0, ("Removed", f"{contents.removed or 'no'} answer{'' if contents.removed == 1 else 's'}"))
    return Document(
        result=contents,
        heading=(f"Cache: {answers}",),
        columns=(
            Column(key="name", title="Architecture", kind="name"),
            Column(key="kind", title="Answer", kind="text"),
            Column(key="bytes", title="Size", kind="bytes"),
            Column(key="used", title="Last used (UTC)", kind="text", rank=1),
            Column(key="made", title="Made (UTC)", kind="text", rank=2),
            Column(key="version", title="By netscope", kind="text", rank=3),
        ),
        rows=tuple(
            Row(
                cells=(
                    NameCell(path=answer.name, label=answer.name),
                    answer.kind,
                    answer.bytes,
                    answer.used,
                    answer.made,
                    answer.version,
                )
            )
            for answer in contents.answers
        ),
        facts=tuple(facts),
    )
