"""The text and HTML forms of results: what ``print`` and notebooks show."""

from importlib import import_module
from typing import Any, Literal

from netscope.schema.codec import JsonResult

Form = Literal["text", "html", "markdown"]


class Displayed(JsonResult):
    """A result whose ``str`` and ``repr`` are its table, which folds in a notebook."""

    __slots__ = ()

    def __str__(self) -> str:
        return _display(self, "text")

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Returns the HTML that a notebook shows."""
        return _display(self, "html")

    def _repr_markdown_(self) -> str:
        return _display(self, "markdown")


def _display(result: object, form: Form) -> str:
    """Returns the rendered result.

    ``render`` is above ``schema``, whose modules therefore must not import it. Only this call looks it up, by name and
    when a result is shown: a renderer registered at import would be a global, and cost every ``import netscope``.
    """
    render: Any = import_module("netscope.render")
    return render.display(result, form)  # type: ignore[no-any-return]
