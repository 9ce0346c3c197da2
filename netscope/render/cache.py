"""The document of ``CacheContents``."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from netscope.render import numbers
from netscope.render.document import Column, Document, DocumentRequest, NameCell, Row, document_of
from netscope.schema import CacheContents


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheView:
    """The part of the cache that is shown: its number of results, size and folder, and each result if wanted."""

    shows: ClassVar[type] = CacheContents
    lists_results: bool = True


@document_of.register
def cache_document(contents: CacheContents, request: DocumentRequest) -> Document:
    """Returns a document with one line about the cache and, if the view or the format wants them, a row per result."""
    view = request.view or CacheView()
    heading = (
        f"{numbers.count_nouns(len(contents.results), 'result')}, {numbers.size(contents.bytes)} of at most "
        f"{numbers.size(contents.limit_bytes)}, in {Path(contents.path).parent}"
    )
    if contents.removed is not None:
        heading = f"removed {numbers.count_nouns(contents.removed, 'result')}; {heading}"
    if not (request.exact or (view.lists_results and contents.results)):
        return Document(result=contents, heading=(heading,), columns=(), rows=(), facts=())
    return Document(
        result=contents,
        heading=(heading,),
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
        facts=(),
    )
