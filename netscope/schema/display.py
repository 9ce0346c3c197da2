"""The text and HTML forms of results: what ``print`` and notebooks show."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from netscope.schema.codec import JsonResult

Form = Literal["text", "html", "markdown"]


class Shown:
    """An object whose ``str`` and ``repr`` are a table, which folds in a notebook."""

    __slots__ = ()

    def _render(self, form: Form) -> str:
        raise NotImplementedError

    def __str__(self) -> str:
        return self._render("text")

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Returns the HTML that a notebook shows."""
        return self._render("html")

    def _repr_markdown_(self) -> str:
        return self._render("markdown")


class Displayed(Shown, JsonResult):
    """A result whose ``str`` and ``repr`` are its table, which folds in a notebook."""

    __slots__ = ()

    def _render(self, form: Form) -> str:
        return str(_import_render().display(self, form))


@dataclass(frozen=True, slots=True, repr=False)
class DisplayedView(Shown):
    """A result of which ``print`` and notebooks show the part that ``view`` selects.

    Attributes:
        result: the result.
        view: view of the type of result, from ``netscope.render``.
    """

    result: Displayed
    view: Any

    def _render(self, form: Form) -> str:
        return str(_import_render().display(self.result, form, self.view))


def view_summary(summary: Displayed, **options: Any) -> DisplayedView:
    """Returns the summary with the view that these options of ``render.View`` make.

    Raises:
        UsageError: an option has an unknown value.
    """
    render = _import_render()
    view = render.View(**options)
    render.check_view(view)
    return DisplayedView(summary, view)


def _import_render() -> Any:
    """Returns the package ``render``.

    It is above ``schema``, whose modules therefore must not import it. Only this call looks it up, by name and when a
    result is shown: a renderer registered at import would be a global, and cost every ``import netscope``.
    """
    return import_module("netscope.render")
