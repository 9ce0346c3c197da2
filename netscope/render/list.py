"""The document of a ``Listing``."""

from netscope.render.document import Column, Document, DocumentRequest, NameCell, Row, document_of
from netscope.schema import Listing


def _format_heading(listing: Listing) -> str:
    count = len(listing.architectures)
    return f"{count or 'no'} {'architecture matches' if count == 1 else 'architectures match'} {listing.pattern}"


@document_of.register
def listing_document(listing: Listing, _request: DocumentRequest) -> Document:
    """Returns a document with one row per architecture."""
    return Document(
        result=listing,
        heading=(_format_heading(listing),),
        columns=(
            Column(key="name", title="Architecture", kind="name"),
            Column(key="source", title="Source", kind="text"),
            Column(key="params", title="Params", kind="count"),
            Column(key="description", title="Description", kind="text"),
        ),
        rows=tuple(
            Row(cells=(NameCell(path=entry.name, label=entry.name), entry.source, entry.params, entry.description))
            for entry in listing.architectures
        ),
        facts=tuple(("Note", note) for note in listing.notes),
    )
