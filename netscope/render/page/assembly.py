"""One HTML file from its parts: nothing in it is fetched, and nothing in it runs but what is ours."""

import json
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from netscope.render.page.header import text

_CREDITS = """<p>It is drawn with dagre (MIT) and d3 (ISC, BSD-3-Clause).</p>
<details><summary>Licences of dagre and d3</summary><pre>{licences}</pre></details>"""


def assembled(
    *,
    title: str,
    heading: str,
    fallback: str,
    payload: dict[str, Any],
    scripts: Sequence[str],
    uses_libraries: bool = True,
) -> str:
    """The page.

    Args:
        title: of the window.
        heading: HTML of its head.
        fallback: HTML of what is shown where no script runs.
        payload: what the scripts draw from.
        scripts: names of the scripts, in the order in which they are defined.
        uses_libraries: whether they need the vendored ones.
    """
    style = part("page.css")
    library = part("vendor/libraries.min.js") if uses_libraries else ""
    licences = escape(part("vendor/LICENSES.txt")) if uses_libraries else ""
    script = "".join(('"use strict";\n(() => {\n', *(part(f"{name}.js") for name in scripts), "})();\n"))
    return Template(part("page.html")).substitute(
        policy=_policy((style,), (library, script)),
        title=text(title),
        style=style,
        heading=heading,
        fallback=fallback,
        credits=_CREDITS.format(licences=licences) if uses_libraries else "",
        payload=embedded(payload),
        library=library,
        script=script,
    )


def part(name: str) -> str:
    """One of the files that the page is made of."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def embedded(payload: dict[str, Any]) -> str:
    """JSON that no HTML parser sees more in than text, whatever names it holds."""
    found = json.dumps(payload, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    for character in "<>&":
        found = found.replace(character, f"\\u{ord(character):04x}")
    return found


def _policy(styles: Sequence[str], scripts: Sequence[str]) -> str:
    """What the browser lets the page do: run and look as these say, and fetch nothing."""
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
