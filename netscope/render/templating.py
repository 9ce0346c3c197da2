"""HTML from the templates of this package. Jinja2 is imported with this module, so only where HTML is written."""

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from netscope.render.document import printable


def render_template(name: str, **values: Any) -> str:
    """Returns the HTML of a template, in which every text is escaped unless it is ``Markup``."""
    return _environment().get_template(name).render(values)


@cache
def asset(name: str) -> Markup:
    """Returns a style or script of this package, which is put into a page unchanged."""
    return Markup(files(__package__).joinpath(name).read_text(encoding="utf-8"))  # noqa: S704 - a file of ours


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("netscope.render"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_finalize,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment


def _finalize(value: Any) -> Any:
    """Names come from users' code, so control characters in text become escapes."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
