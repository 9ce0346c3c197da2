"""The document of a ``Listing``."""

from netscope.render import numbers
from netscope.render.document import Column, Document, DocumentRequest, NameCell, Row, document_of
from netscope.schema import Listing


@document_of.register
def listing_document(listing: Listing, request: DocumentRequest) -> Document:
    """Returns a document with one row per architecture; without any, one sentence in place of the table."""
    entries = listing.architectures
    columns = [
        Column(key="name", title="Architecture", kind="name"),
        Column(key="source", title="Source", kind="text", rank=1),
        Column(key="params", title="Params", kind="count"),
        Column(key="description", title="Description", kind="text", rank=2, wraps=True),
    ]
    if not (request.exact or any(entry.description for entry in entries)):
        columns.pop()
    rows = []
    for entry in entries:
        cells = (NameCell(path=entry.name, label=entry.name), entry.source, entry.params, entry.description)
        rows.append(Row(cells=cells[: len(columns)]))
    closest = [note for note in listing.notes if note.startswith("did you mean")]
    facts = [("Note", note) for note in listing.notes if note not in closest]
    if any(entry.params is None for entry in entries):
        facts.insert(0, ("Params", f"{numbers.NOTHING}: not published; run netscope summary NAME to count them"))
    return Document(
        result=listing,
        heading=("; ".join((_format_heading(listing), *closest)),),
        columns=tuple(columns) if entries or request.exact else (),
        rows=tuple(rows),
        facts=tuple(facts),
    )


def _format_heading(listing: Listing) -> str:
    count = len(listing.architectures)
    found = numbers.count_nouns(count, "architecture") if count else "no architecture"
    where = f" in {' and '.join(listing.sources)}" if listing.sources else ""
    verb = "matches" if count <= 1 else "match"
    return f"{found}{where}" + ("" if listing.pattern == "*" else f" {verb} {listing.pattern!r}")
