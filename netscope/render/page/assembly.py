"""One HTML file from its parts: it loads nothing, and only the scripts of this package run in it."""

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from markupsafe import Markup, escape

from netscope.render.colors import css_properties
from netscope.render.document import Document
from netscope.render.numbers import script_formats
from netscope.render.page.plain import plain_table
from netscope.render.templating import asset, render_template


def assemble(
    template: str,
    *,
    document: Document,
    payload: dict[str, Any],
    scripts: Sequence[str],
    uses_libraries: bool = True,
    **values: Any,
) -> str:
    """Returns the page.

    Args:
        template: name of the template, ``page.html`` or one that extends it.
        document: the table that is shown if scripts are disabled.
        payload: the data for the scripts.
        scripts: names of the scripts, in the order of their definitions.
        uses_libraries: whether they need the vendored libraries.
        values: title, notes and whatever else the template needs.
    """
    style = Markup(":root{%s}\n") % css_properties() + asset("page/page.css")
    library = asset("page/vendor/libraries.min.js") if uses_libraries else Markup()
    script = Markup('"use strict";\n(() => {\n%s})();\n') % Markup().join(asset(f"page/{name}.js") for name in scripts)
    return render_template(
        template,
        policy=_policy((style,), (library, script)),
        style=style,
        table=plain_table(document),
        payload={"numbers": script_formats(), **payload},
        library=library,
        script=script,
        licenses=escape(str(asset("page/vendor/LICENSES.txt"))) if uses_libraries else "",
        **values,
    )


def _policy(styles: Sequence[str], scripts: Sequence[str]) -> str:
    """Returns the content security policy: these styles and scripts may be used, and nothing may be loaded."""
    rules = {
        "default-src": "'none'",
        "style-src": " ".join(map(_hash, styles)),
        "script-src": " ".join(map(_hash, scripts)),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _hash(source: str) -> str:
    return f"'sha256-{b64encode(sha256(source.encode()).digest()).decode()}'"
