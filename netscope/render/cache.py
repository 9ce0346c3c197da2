"""The document of ``CacheContents``."""

from netscope.render import numbers
from netscope.render.document import Column, Document, DocumentRequest, NameCell, Row, document_of
from netscope.schema import CacheContents


@document_of.register
def cache_document(contents: CacheContents, _request: DocumentRequest) -> Document:
    """Returns a document with one row per cached result."""
    count = len(contents.results)
    results = f"{count or 'no'} result{'' if count == 1 else 's'}"
    size = f"{numbers.size(contents.bytes)} of at most {numbers.size(contents.limit_bytes)}"
    facts = [("Cached", f"{results}, {size}"), ("File", contents.path)]
    if contents.removed is not None:
        facts.insert(0, ("Removed", f"{contents.removed or 'no'} result{'' if contents.removed == 1 else 's'}"))
    return Document(
        result=contents,
        heading=(f"Cache: {results}",),
        columns=(
            Column(key="name", title="Architecture", kind="name"),
            Column(key="kind", title="Kind", kind="text"),
            Column(key="bytes", title="Size", kind="bytes"),
            Column(key="last_used", title="Last used (UTC)", kind="text", rank=1),
            Column(key="created", title="Created (UTC)", kind="text", rank=2),
            Column(key="version", title="netscope", kind="text", rank=3),
        ),
        rows=tuple(
            Row(
                cells=(
                    NameCell(path=result.name, label=result.name),
                    result.kind,
                    result.bytes,
                    result.last_used,
                    result.created,
                    result.version,
                )
            )
            for result in contents.results
        ),
        facts=tuple(facts),
    )
