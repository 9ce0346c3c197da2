"""The page and the fragment: well-formed, harmless whatever the names, and a tree that folds."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from netscope.render import View, render
from netscope.render.document import Canvas, Column, Document, NameCell, Row
from netscope.render.html import render_html, render_page
from netscope.schema import ChangeKind, Figures, ModelDiff
from netscope.schema.diff import ComparedModel, LayerChange
from tests.benchmarks import result
from tests.render.conftest import with_figures

SCRIPT = "<script>alert(1)</script>"
VOID = ("meta", "br")


class Page(HTMLParser):
    """The elements with their depth of nesting, and the text of each; fails where a tag is not closed."""

    def __init__(self, html):
        super().__init__()
        self.open = []
        self.elements = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append({"tag": tag, "text": "", "inside": [e["tag"] for e in self.open], **dict(attributes)})
        if tag not in VOID:
            self.open.append(self.elements[-1])

    def handle_endtag(self, tag):
        assert self.open.pop()["tag"] == tag

    def handle_data(self, text):
        for element in self.open:
            element["text"] += text

    def of(self, tag):
        return [element for element in self.elements if element["tag"] == tag]

    def with_class(self, name):
        return [e for e in self.elements if f"netscope-{name}" in (e.get("class") or "").split()]


def diff_of(before, after):
    sides = [
        ComparedModel(
            architecture=side.architecture, inputs=side.inputs, totals=side.totals, weighted_layers=1,
            uncounted_ops=(), traced_on="meta", mode="eval", versions={},
        )
        for side in (before, after)
    ]  # fmt: skip
    kinds: list[ChangeKind] = ["same", *("changed" for _ in before.rows[1:])]
    changes = tuple(
        LayerChange(kind=kind, before=one, after=other)
        for kind, one, other in zip(kinds, before.rows, after.rows, strict=True)
    )
    return ModelDiff(before=sides[0], after=sides[1], changes=changes, delta=Figures())


def test_a_page_is_whole(toy):
    text = render(toy, "html")
    page = Page(text)
    assert text.startswith("<!doctype html>\n")
    assert [element.get("charset") for element in page.of("meta")] == ["utf-8", None]
    assert page.of("title")[0]["text"].startswith("toy  ·  python")
    assert all("head" in element["inside"] for element in page.of("style"))


def test_a_notebook_gets_a_fragment_with_the_same_body(toy):
    fragment = toy._repr_html_()
    assert not re.search(r"<(!doctype|html|head|body)", fragment)
    assert fragment[fragment.index('<div class="netscope">') :] in render(toy, "html")


def test_a_page_needs_nothing_else(toy):
    page = Page(render(toy, "html"))
    tags = {element["tag"] for element in page.elements}
    assert not tags & {"script", "link", "img", "iframe", "object"}
    assert not any(attribute.startswith("on") for element in page.elements for attribute in element)
    assert "url(" not in page.of("style")[0]["text"]
    assert "@import" not in page.of("style")[0]["text"]


def test_every_class_and_rule_is_scoped(toy):
    page = Page(toy._repr_html_())
    classes = {name for element in page.elements for name in (element.get("class") or "").split()}
    assert all(name == "netscope" or name.startswith("netscope-") for name in classes)
    rules = re.findall(r"^(?!@|--|[a-z-]+:)([^{}]+)\{", page.of("style")[0]["text"], flags=re.MULTILINE)
    assert all(".netscope" in selector for rule in rules for selector in re.split(r",(?![^(]*\))", rule))


def test_a_tree_folds_where_the_table_has_lines(toy):
    page = Page(render(toy, "html"))
    summaries = page.of("summary")
    assert [element["text"].split()[0] for element in summaries] == ["Toy", "each"]
    inner = next(element for element in page.with_class("name") if element["text"] == "fc")
    assert inner["inside"].count("details") == 2
    assert len(page.with_class("row")) == 1 + 8


def test_two_levels_are_open_at_first():
    names = [NameCell(path=str(depth), label=str(depth), guides="   " * depth) for depth in range(5)]
    document = Document(
        result=None,
        heading=("deep",),
        columns=(Column(key="layer", title="Layer", kind="name"),),
        rows=tuple(Row(cells=(name,)) for name in names),
        facts=(),
    )
    assert ["open" in element for element in Page(render_html(document, Canvas())).of("details")] == [
        True, True, False, False,
    ]  # fmt: skip


def test_figures_are_on_the_right_and_say_their_column_to_who_cannot_see_it(toy):
    row = next(e for e in Page(render(toy, "html")).with_class("right") if "140" in e["text"])
    assert row["text"] == "Params 140"


def test_a_share_is_a_bar_with_its_figure(toy):
    page = Page(render(toy, "html"))
    bars = [element["style"] for element in page.of("i")]
    assert "width:100.0%" in bars
    assert "57.1%" in {element["text"] for element in page.of("b")}


@pytest.mark.parametrize("view", [View(sort="params"), View(depth=0)])
def test_what_is_no_tree_is_a_table(toy, view):
    page = Page(render(toy, "html", view=view))
    assert not page.of("details")
    assert page.of("caption")[0]["text"].startswith("toy")
    assert {element["scope"] for element in page.of("th")} == {"col", "row"}
    columns = [element for element in page.of("th") if element["scope"] == "col"]
    cells = [element for element in page.elements if "tbody" in element["inside"] and element["tag"] in ("td", "th")]
    assert len(cells) == len(columns) * (len(page.of("tr")) - 1)


def test_names_are_no_markup(toy):
    odd = replace(toy.rows[1], path=SCRIPT, type_name=f'"{SCRIPT}', hyperparameters={"mode": SCRIPT})
    named = replace(
        toy,
        architecture=replace(toy.architecture, name=SCRIPT, description="<b>&amp;</b>"),
        rows=(toy.rows[0], odd, *toy.rows[2:]),
        notes=("<!-- & -->",),
    )
    for text in (render(named, "html"), named._repr_html_()):
        assert "<script" not in text.lower()
        assert "<!--" not in text
        page = Page(text)
        assert SCRIPT in page.with_class("title")[0]["text"]
        assert page.with_class("line")[0]["text"] == "<b>&amp;</b>"
        assert any(SCRIPT in element["text"] for element in page.with_class("name"))


def test_what_changed_has_its_style_and_its_mark(toy):
    after = replace(toy, rows=(toy.rows[0], *(with_figures(row, own_params=21, params=21) for row in toy.rows[1:])))
    page = Page(render(diff_of(toy, after), "html"))
    changed = page.with_class("changed")
    assert changed
    assert all(element["text"].startswith("~") for element in changed)


def test_what_is_folded_and_what_is_attached_is_there():
    column = Column(key="n", title="N", kind="count")
    inner = Document(result=None, heading=("inner",), columns=(column,), rows=(Row(cells=(1,)),), facts=(("a", "b"),))
    document = replace(inner, heading=("outer",), folded=inner, attached=(inner, inner), facts=(("a", "b"), ("", "c")))
    page = Page(render_page(document, Canvas()))
    assert page.with_class("folded")[0]["text"].startswith("inner")
    assert [element["aria-level"] for element in page.with_class("title")] == ["1", "2", "2"]
    assert [element["text"] for element in page.of("dt")] == ["a", "a", "a"]
    assert [element["text"] for element in page.of("dd")] == ["b", "c", "b", "b"]


def test_a_document_without_a_table_is_its_heading_and_facts():
    document = Document(result=None, heading=("none",), columns=(), rows=(), facts=(("a", "b"),))
    page = Page(render_html(document, Canvas()))
    assert not page.of("table")
    assert page.with_class("title")[0]["text"] == "none"


def test_every_result_shows_itself_in_a_notebook(toy, listing):
    one = result("alexnet-paper")
    for shown, text in ((toy, "toy"), (listing, "2 architectures"), (one, "alexnet-paper")):
        assert text in shown._repr_html_()
        assert text in shown._repr_markdown_()
        assert text in str(shown)
