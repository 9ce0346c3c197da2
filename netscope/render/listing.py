"""``Listing`` → ``Document``."""

from netscope.render.document import Column, Document, NameCell, Row
from netscope.schema import Listing


def listing_document(listing: Listing) -> Document:
    """One row per architecture."""
    return Document(
        result=listing,
        heading=(f"{len(listing.architectures)} architectures fit {listing.pattern}",),
        columns=(
            Column(key="name", title="Architecture", kind="name"),
            Column(key="source", title="Source", kind="text"),
            Column(key="params", title="Params", kind="count"),
            Column(key="description", title="", kind="text"),
        ),
        rows=tuple(
            Row(cells=(NameCell(path=entry.name, label=entry.name), entry.source, entry.params, entry.description))
            for entry in listing.architectures
        ),
        facts=tuple(("Note", remark) for remark in listing.remarks),
    )
