"""What a narrow terminal leaves out and shortens, and the lines that explain marks."""

import pytest
from rich.cells import cell_len

from netscope.render import Canvas
from netscope.render.cells import shorten_type
from netscope.render.document import Column, Document, Mark, NameCell, Row, TypeCell
from netscope.render.layout import wrap
from netscope.render.terminal import render_terminal

COLUMNS = (
    Column(key="layer", title="Layer", kind="name"),
    Column(key="type", title="Type", kind="type"),
    Column(key="output", title="Output", kind="shape"),
    Column(key="params", title="Params", kind="count"),
    Column(key="share", title="", kind="share"),
    Column(key="bar", title="", kind="bar"),
    Column(key="flops", title="FLOPs", kind="flops"),
)
ROWS = (
    Row(cells=(
        NameCell(path="", label="Net"), TypeCell(name="Net"), ((1, 10), (1, 4)), 6_738_415_616, (1, 1), (1, 1), 10**12,
    )),
    Row(cells=(
        NameCell(path="attention", label="attention", guides="├─ "),
        TypeCell(name="MultiheadAttention", details=("768", "12 heads")), ((1, 10),), 4_096, (1, 2), (1, 2), None,
    )),
)  # fmt: skip
MARKS = (Mark(r" \+\d+$", "+n", "more"), Mark("^·$", "·", "none"), Mark("^≥", "≥", "at least"))
DOCUMENT = Document(result=None, heading=("net",), columns=COLUMNS, rows=ROWS, facts=(), marks=MARKS)


def test_a_table_gets_narrower_in_the_written_order():
    texts = [draw(width) for width in range(110, 30, -1)]

    def leaves(mark):
        assert mark in texts[0]
        return next(number for number, text in enumerate(texts) if mark not in text)

    def comes(mark):
        assert mark not in texts[0]
        return next(number for number, text in enumerate(texts) if mark in text)

    steps = [
        leaves("█"), comes("6.738 B"), leaves("%"), leaves("12 heads"), leaves("├─"), comes("6.74 B"),
        comes("…Attention"), leaves("1×10"),
    ]  # fmt: skip
    assert steps == sorted(steps)


def draw(width):
    return render_terminal(DOCUMENT, Canvas(width=width)).partition("Hidden")[0]


@pytest.mark.parametrize("width", range(40, 111, 7))
def test_no_line_is_wider_and_no_name_or_figure_is_cut(width):
    lines = render_terminal(DOCUMENT, Canvas(width=width)).splitlines()
    assert max(map(cell_len, lines)) <= width
    assert any("attention" in line for line in lines)
    assert any(figure in line for line in lines for figure in ("6,738,415,616", "6.738 B ", "6.74 B "))


def test_columns_that_leave_last_are_named():
    text = render_terminal(DOCUMENT, Canvas(width=35))
    assert "Output" in text.partition("Hidden")[2]
    assert "Hidden" not in render_terminal(DOCUMENT, Canvas(width=110))


def test_only_marks_that_are_in_the_table_are_explained():
    assert "Marks  · none\n       +n   more\n" in render_terminal(DOCUMENT, Canvas())
    assert "+n" not in render_terminal(DOCUMENT, Canvas(width=35)), "the column with the mark has left"


@pytest.mark.parametrize(
    ("name", "width", "text"),
    [
        ("MultiheadAttention", 18, "MultiheadAttention"),
        ("MultiheadAttention", 17, "…Attention"),
        ("LlamaRMSNorm", 11, "…RMSNorm"),
        ("LlamaRMSNorm", 6, "…Norm"),
        ("SiLUActivation", 13, "…Activation"),
        ("BatchNorm2d", 10, "…Norm2d"),
        ("LlamaMLP", 7, "…MLP"),
    ],
)
def test_a_type_keeps_its_last_words(name, width, text):
    assert shorten_type(TypeCell(name=name), width) == text


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("one two three", 7, ["one two", "three"]),
        ("takes 25.10 GiB of it", 12, ["takes", "25.10 GiB of", "it"]),
        ("config.num_key_value_heads 8", 20, ["config.", "num_key_value_heads", "8"]),
        ("a_very_long_name", 8, ["a_very_", "long_", "name"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
    ],
)
def test_text_is_broken_between_words_and_never_before_a_unit(text, width, lines):
    assert wrap(text, width) == lines
