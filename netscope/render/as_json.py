"""``Document`` → JSON."""

from netscope.render.document import Canvas, Document


def render_json(document: Document, _canvas: Canvas) -> str:
    """The result itself, whole whatever the table shows of it."""
    text: str = document.result.to_json()
    return text + "\n"
