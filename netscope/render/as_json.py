"""``Document`` → JSON."""

from netscope.render.document import Canvas, Document


def render_json(document: Document, _canvas: Canvas) -> str:
    """Returns the entire result as JSON, whichever part of it the table shows."""
    text: str = document.result.to_json()
    return text + "\n"
