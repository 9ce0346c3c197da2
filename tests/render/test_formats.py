"""Golden files for each format, and properties of every format."""

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from rich.cells import cell_len

from netscope.errors import UsageError
from netscope.render import Canvas, CompareView, DiffView, View, render
from netscope.render.document import AtLeast, DocumentRequest
from netscope.render.summary import summary_document
from netscope.schema import Figures, TensorSpec, Totals
from tests.render.conftest import with_figures

SUFFIX = {"table": "txt", "json": "json", "csv": "csv", "markdown": "md", "html": "html"}


@pytest.mark.parametrize("format_name", SUFFIX)
def test_a_summary(golden, toy, format_name):
    golden(f"summary.{SUFFIX[format_name]}", render(toy, format_name, canvas=Canvas(width=100)))


@pytest.mark.parametrize("format_name", SUFFIX)
def test_a_listing(golden, listing, format_name):
    golden(f"listing.{SUFFIX[format_name]}", render(listing, format_name, canvas=Canvas(width=100)))


VIEWS = {
    "expanded": View(expand=True),
    "depth": View(depth=1),
    "root": View(depth=0),
    "columns": View(columns=("input", "trainable", "calls", "own-flops")),
    "sorted": View(sort="params"),
    "macs": View(macs=True),
    "ops": View(ops=True),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_of_a_summary(golden, toy, name):
    golden(f"view-{name}.txt", render(toy, view=VIEWS[name], canvas=Canvas(width=100)))


FORWARD = ("params", "trainable_params", "unread_params", "flops")


@pytest.fixture
def step(toy):
    """The toy, trained with Adam; all values differ, so that a mix-up of columns is noticed."""

    def trained(item, own):
        sizes = {
            "param_bytes": 4 * own, "gradient_bytes": 4 * own, "optimizer_bytes": 8 * own, "activation_bytes": own + 1
        }  # fmt: skip
        sizes["backward_flops"] = 3 * own
        return with_figures(item, **sizes, **{f"own_{name}": size for name, size in sizes.items()})

    rows = tuple(trained(row, row.own.params) for row in toy.rows[1:])
    own = trained(toy.rows[0], 0)
    sums = Figures.sum(row.own for row in (own, *rows))
    root = replace(own, total=replace(sums, **{name: getattr(own.total, name) for name in FORWARD}))
    totals = Totals.of(replace(root.total, buffer_bytes=72), buffers=9, param_dtypes=("float32",))
    return replace(toy, rows=(root, *rows), totals=totals, mode="train", optimizer="adam", peak_memory=None)


def test_macs_replace_all_flops_of_a_step(step):
    columns = ("flops", "flops-share", "own-backward-flops", "step", "own-step", "params")
    flops, macs = (
        summary_document(step, DocumentRequest(view=View(columns=columns, macs=macs))) for macs in (False, True)
    )
    assert [column.key for column in macs.columns] == [
        "layer", "macs", "macs-share", "own-backward-macs", "step-macs", "own-step-macs", "params"
    ]  # fmt: skip
    assert macs.rows[0].cells[4].value == flops.rows[0].cells[4].value // 2


def test_a_bound_is_shown_of_what_is_known_only(toy):
    timed = replace(toy, rows=tuple(replace(row, total=replace(row.total, time_s=2.0)) for row in toy.rows))
    view = View(columns=("flops", "flop-rate", "backward-flops"))
    _, *cells = summary_document(timed, DocumentRequest(view=view)).rows[0].cells
    assert cells == [AtLeast(value=192), AtLeast(value=96), None]


def test_a_sorted_list_of_a_step_adds_up_to_the_total(step):
    columns = ("params", "backward-flops", "activations")
    rows = summary_document(step, DocumentRequest(view=View(sort="params", columns=columns))).rows
    sums = [
        sum(cell.value if isinstance(cell, AtLeast) else cell for cell in cells)
        for cells in zip(*(r.cells[1:] for r in rows), strict=True)
    ]
    assert sums == [step.totals.params, step.totals.backward_flops, step.totals.activation_bytes]


@pytest.mark.parametrize("format_name", ["table", "csv"])
def test_a_training_step(golden, step, format_name):
    golden(f"step.{SUFFIX[format_name]}", render(step, format_name))


@pytest.mark.parametrize("width", [40, 60, 80, 100, 160])
def test_names_and_counts_are_never_cut(toy, width):
    text = render(toy, canvas=Canvas(width=width))
    assert "block_0 … 3 ×4" in text
    assert "[bold red]na|me`[/] ×2" in text
    assert "层" in text
    for count in ("140", "80", "192", "128", "64"):
        assert re.search(rf"(?<!\d){count}(?!\d)", text)


@pytest.mark.parametrize("width", [80, 100, 160])
def test_no_line_is_wider_than_the_terminal(toy, width):
    assert max(cell_len(line) for line in render(toy, canvas=Canvas(width=width)).splitlines()) <= width


def test_bars_go_before_shares_before_hyperparameters_before_shapes(toy):
    def shows(width):
        text = render(toy, canvas=Canvas(width=width))
        return ("Output" in text.partition("Hidden")[0], "█" in text, "%" in text, "4→4" in text)

    seen = [shows(width) for width in range(150, 40, -1)]
    assert seen[0] == (True, True, True, True)
    with_shapes = [item[1:] for item in seen if item[0]]
    assert with_shapes == sorted(with_shapes, reverse=True)
    assert {(False, True, True), (False, False, True), (False, False, False)} <= set(with_shapes)
    assert [item[0] for item in seen] == sorted((item[0] for item in seen), reverse=True)


def test_piped_output_has_no_color_and_no_truncation(toy):
    text = render(toy)
    assert "\x1b" not in text
    assert "…" not in text.replace("block_0 … 3", "").replace("a … b", "")


def test_a_notebook_changes_nothing_in_the_text(toy, monkeypatch):
    expected = render(toy)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert render(toy) == expected


def test_color_changes_nothing_else(toy):
    colored = render(toy, canvas=Canvas(width=100, color=True))
    assert "\x1b[" in colored
    plain = [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", colored).splitlines()]
    assert plain == render(toy, canvas=Canvas(width=100)).splitlines()


def test_numbers_are_right_aligned(toy):
    lines = render(toy, canvas=Canvas(width=100)).splitlines()
    header = next(line for line in lines if line.startswith("Layer"))
    end = header.index("Params") + len("Params")
    table = lines[lines.index(header) + 1 : lines.index("", lines.index(header))]
    assert all(line[end - 1] in "0123456789·" for line in table if "层" not in line)


def test_json_contains_the_entire_result_with_every_view(toy):
    assert json.loads(render(toy, "json", view=View(depth=0)))["totals"]["params"] == 140


def test_csv_has_every_module_and_exact_integers(toy):
    rows = list(csv.DictReader(io.StringIO(render(toy, "csv"))))
    assert len(rows) == len(toy.rows)
    assert sum(int(row["own-params"]) for row in rows) == toy.totals.params
    assert sum(int(row["own-flops"]) for row in rows) == toy.totals.flops
    assert rows[0]["output"] == "1x4"
    assert "[bold red]na|me`[/]" in {row["layer"] for row in rows}


def test_markdown_tables_keep_their_columns_with_any_name(toy):
    table = [line for line in render(toy, "markdown").splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1


def test_a_sorted_list_adds_up_to_the_total(toy):
    rows = list(csv.DictReader(io.StringIO(render(toy, "csv", view=View(sort="flops", columns=("params", "flops"))))))
    assert sum(int(row["flops"]) for row in rows) == toy.totals.flops
    assert sum(int(row["params"]) for row in rows) == toy.totals.params
    assert [int(row["flops"]) for row in rows] == sorted((int(row["flops"]) for row in rows), reverse=True)


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_sorted_list_with_a_depth_adds_up_to_the_total(toy, depth):
    rows = summary_document(
        toy, DocumentRequest(view=View(sort="params", depth=depth, columns=("params", "flops")))
    ).rows
    flops = sum(cell.value if isinstance(cell, AtLeast) else cell for cell in (row.cells[2] for row in rows))
    assert sum(row.cells[1] for row in rows) == toy.totals.params
    assert flops == toy.totals.flops


def named(toy, path):
    """Returns the toy with its first module renamed."""
    return replace(toy, rows=(toy.rows[0], replace(toy.rows[1], path=path), *toy.rows[2:]))


@pytest.mark.parametrize("format_name", ["table", "csv", "markdown", "html"])
def test_control_characters_in_names_are_shown_as_escapes(toy, format_name):
    text = render(named(toy, "a\x1b[31m\nb\x07"), format_name)
    assert r"a\x1b[31m\nb\x07" in text
    assert not any(ord(character) < 32 and character != "\n" for character in text)


INVISIBLE = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\ufeff\u200b\u2060\U000e0041"


@pytest.mark.parametrize("format_name", ["table", "csv", "markdown", "html"])
def test_invisible_and_bidirectional_characters_are_escaped(toy, format_name):
    text = render(named(toy, f"a{INVISIBLE}b"), format_name)
    assert "a" + INVISIBLE.encode("unicode_escape").decode() + "b" in text
    assert not set(INVISIBLE) & set(text)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝", "＋", "－", "＠"])
def test_csv_cells_are_not_formulas_in_a_spreadsheet(toy, start):
    rows = list(csv.reader(io.StringIO(render(named(toy, f"{start}cmd|' /C calc'!A0"), "csv"))))
    assert rows[2][0] == f"'{start}cmd|' /C calc'!A0"


def test_a_negative_number_is_unchanged_in_csv(toy):
    rows = (with_figures(toy.rows[0], own_flops=-5), *toy.rows[1:])
    assert next(csv.DictReader(io.StringIO(render(replace(toy, rows=rows), "csv"))))["own-flops"] == "-5"


@pytest.mark.parametrize("width", [60, 80, 100])
def test_text_is_wrapped_between_words(listing, width):
    description = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    long = replace(listing, architectures=(replace(listing.architectures[0], description=description),))
    text = render(long, canvas=Canvas(width=width))
    assert max(map(len, text.splitlines())) <= width
    assert all(word in text.split() for word in description.split())


def test_shares_of_the_top_level_add_up(toy):
    top = [row for row in toy.rows if row.depth == 1]
    assert sum(row.total.params for row in top) == toy.totals.params


WRONG = {
    "format": ({"format_name": "yaml"}, "unknown format 'yaml'; available formats: table, json, csv, markdown, html"),
    "column": ({"view": View(columns=("parms",))}, "unknown column 'parms'; did you mean params"),
    "order": (
        {"view": View(sort="size")},
        (
            "unknown sort order 'size'; sort orders: order, params, trainable, unread, flops, macs, backward-flops, "
            "backward-macs, step, step-macs, weights, gradients, optimizer-state, activations, memory, time, "
            "flop-rate, name"
        ),
    ),
    "depth": ({"view": View(depth=-1)}, "depth must be 0 or more, got -1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_invalid_view_is_refused(toy, case):
    options, message = WRONG[case]
    with pytest.raises(UsageError, match=message):
        render(toy, **options)


@pytest.mark.parametrize("view", [DiffView(), CompareView()])
def test_a_view_of_another_kind_of_result_is_refused(toy, view):
    with pytest.raises(UsageError, match=f"a {type(view).__name__} cannot show a Summary"):
        render(toy, view=view)


@pytest.mark.parametrize("thing", [3, "text", TensorSpec(shape=(1,), dtype="float32")])
def test_a_thing_without_a_renderer_is_refused(thing):
    with pytest.raises(UsageError, match=f"netscope cannot show a {type(thing).__name__}"):
        render(thing)


def test_rendering_needs_no_torch(no_torch):
    no_torch("import netscope.render")


def test_a_result_is_shown_without_the_renderers_of_others(no_torch):
    no_torch(
        "import sys; from netscope.schema import Listing; from netscope.render import render\n"
        "assert 'no architecture' in render(Listing(pattern='x', architectures=(), notes=()))\n"
        "loaded = {name for name in sys.modules if name.startswith('netscope.render.')}\n"
        "assert not loaded & {f'netscope.render.{name}' for name in ('summary', 'diff', 'bench', 'html')}, loaded\n"
        "assert 'jinja2' not in sys.modules"
    )


@pytest.mark.parametrize("width", [80, 100, 160])
def test_no_colored_line_is_wider_than_the_terminal(toy, width):
    text = render(toy, canvas=Canvas(width=width, color=True))
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert plain != text
    assert max(cell_len(line) for line in plain.splitlines()) <= width


@pytest.mark.parametrize("format_name", SUFFIX)
@pytest.mark.parametrize("depth", [None, 1000])
def test_modules_are_shown_however_deep_they_are(toy, format_name, depth):
    paths = [".".join(["0"] * below) for below in range(600)]
    rows = [replace(toy.rows[0], path=path, depth=below) for below, path in enumerate([*paths, f"{paths[-1]}.last"])]
    assert "last" in render(replace(toy, rows=tuple(rows)), format_name, view=View(depth=depth))
