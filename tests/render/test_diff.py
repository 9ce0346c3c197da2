"""Diffs of two architectures: golden files for each format and view, and properties of every format."""

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from rich.cells import cell_len

from netscope import analysis
from netscope.errors import UsageError
from netscope.render import Canvas, DiffView, render
from netscope.render.diff import diff_document
from netscope.render.diff_attributes import describe_attributes
from netscope.render.diff_sentences import describe_diff
from netscope.schema import AttributeChange, InputSpec, ModelDiff, OpCount

from .conftest import layer, linear, summary_of, with_figures

SUFFIX = {"table": "txt", "json": "json", "csv": "csv", "markdown": "md"}
HOSTILE = "<script>alert(1)</script>|`x`[bold red]\x1b[31m"


def dense(path, inputs, outputs, **figures):
    """Returns a fully connected layer with bias; each product is two FLOPs."""
    params, flops = (inputs + 1) * outputs, 2 * inputs * outputs
    own = {
        "hyperparameters": {"in_features": inputs, "out_features": outputs, "bias": True},
        "input_shapes": ((1, inputs),),
        "output_shapes": ((1, outputs),),
        **dict.fromkeys(("own_params", "own_trainable_params"), params),
        "own_flops": flops,
    }
    return layer(path, "Linear", path.count(".") + 1, **(own | figures))


def plain(path, type_name, **figures):
    return layer(path, type_name, path.count(".") + 1 if path else 0, **figures)


def network(*rows, **options):
    """Returns a summary of these rows below a root, each with the sums of everything below it."""

    def sums(row):
        inside = [other for other in rows if other.path == row.path or other.path.startswith(f"{row.path}.")]
        inside = rows if row.path == "" else inside
        return {
            name: sum(getattr(other.own, name) for other in inside) for name in ("params", "trainable_params", "flops")
        }

    return summary_of([with_figures(row, **sums(row)) for row in (plain("", "Net"), *rows)], **options)


def block(path, width, type_name="Block"):
    return [plain(path, type_name), dense(f"{path}.fc", 4, width)]


DROPOUT = {"hyperparameters": {"p": 0.5}}


@pytest.fixture
def before():
    return network(
        dense("stem", 4, 4),
        plain("act", "ReLU"),
        plain("body", "Sequential"),
        *(row for number in range(4) for row in block(f"body.{number}", 4)),
        plain("drop", "Dropout", **DROPOUT),
        dense("neck", 4, 7),
        dense("top", 7, 9),
        dense("classes", 9, 5),
        name="first",
    )


@pytest.fixture
def after():
    return network(
        dense("neck", 4, 7),
        dense("stem", 4, 4),
        plain("act", "ReLU"),
        plain("body", "Sequential"),
        *(row for number in range(4) for row in block(f"body.{number}", 6)),
        *(row for number in range(4, 7) for row in block(f"body.{number}", 30, "Gate")),
        dense("head", 7, 9),
        dense("classes", 9, 3),
        name="second",
    )


@pytest.fixture
def diff(before, after):
    return analysis.diff_summaries(before, after)


@pytest.mark.parametrize("format_name", SUFFIX)
def test_a_diff(golden, diff, format_name):
    golden(f"diff.{SUFFIX[format_name]}", render(diff, format_name, canvas=Canvas(width=100)))


VIEWS = {
    "only-changed": DiffView(only_changed=True),
    "by-delta": DiffView(sort="delta"),
    "by-params": DiffView(sort="params"),
    "by-flops": DiffView(sort="flops", only_changed=True),
    "depth": DiffView(depth=1),
    "expanded": DiffView(expand=True),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_of_a_diff(golden, diff, name):
    golden(f"diff-{name}.txt", render(diff, view=VIEWS[name], canvas=Canvas(width=100)))


@pytest.mark.parametrize("width", [80, 160])
def test_a_width(golden, diff, width):
    text = render(diff, canvas=Canvas(width=width))
    assert max(cell_len(line) for line in text.splitlines()) <= width
    golden(f"diff-{width}.txt", text)


@pytest.mark.parametrize("format_name", ["table", "markdown"])
def test_names_are_neither_markup_nor_control_characters(before, format_name):
    rows = [replace(row, path=HOSTILE) if row.path == "drop" else row for row in before.rows[1:]]
    hostile = network(*rows, name=HOSTILE)
    for result in (
        analysis.diff_summaries(before, hostile),
        analysis.diff_summaries(hostile, network(*before.rows[1:6])),
    ):
        text = render(result, format_name, canvas=Canvas(width=100) if format_name == "table" else None)
        assert r"\x1b[31m" in text
        assert not any(ord(character) < 32 and character != "\n" for character in text)
        if format_name == "markdown":
            outside_code = re.sub(r"(`+) .*? \1(?!`)", "", text)
            assert "<script" not in outside_code.replace(r"\<", "")
        else:
            assert "[bold red]" in text


def test_a_former_name_is_not_markup_in_markdown(before, after):
    rows = [replace(row, path=HOSTILE) if row.path == "top" else row for row in before.rows[1:]]
    text = render(analysis.diff_summaries(network(*rows), after), "markdown")
    assert "<script" not in text.replace(r"\<", "")


def test_markdown_tables_keep_their_columns_with_any_name(before):
    rows = [replace(row, path=HOSTILE) if row.path == "drop" else row for row in before.rows[1:]]
    lines = render(analysis.diff_summaries(before, network(*rows)), "markdown").splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1


def test_markdown_folds_unchanged_layers(diff):
    shown, folded = render(diff, "markdown").split("<details>")
    assert "`stem`" not in shown
    assert "`stem`" in folded
    assert "`classes`" in shown
    assert "<details>" not in render(diff, "markdown", view=DiffView(only_changed=True))


def test_json_contains_the_entire_diff_with_every_view(diff):
    text = render(diff, "json", view=DiffView(depth=0, only_changed=True))
    assert ModelDiff.from_json(text) == diff
    assert json.loads(text)["kind"] == "ModelDiff"


def test_csv_has_every_row_of_both_and_exact_integers(diff, before, after):
    rows = list(csv.DictReader(io.StringIO(render(diff, "csv"))))
    assert {row["before"] for row in rows if row["before"]} == {row.path for row in before.rows if row.path}
    assert {row["after"] for row in rows if row["after"]} == {row.path for row in after.rows if row.path}
    assert sum(int(row["own_params_delta"]) for row in rows) == after.totals.params - before.totals.params
    assert sum(int(row["own_flops_delta"]) for row in rows) == after.totals.flops - before.totals.flops


def deltas(document):
    keys = [column.key for column in document.columns]
    return [(row.cells[keys.index("params-delta")], row.cells[keys.index("flops-delta")]) for row in document.rows]


@pytest.mark.parametrize("depth", [0, 1, 2, None])
@pytest.mark.parametrize("sort", ["delta", "params", "flops"])
def test_a_sorted_list_adds_up_however_deep(diff, sort, depth):
    rows = deltas(diff_document(diff, DiffView(sort=sort, depth=depth)))
    assert tuple(map(sum, zip(*rows, strict=True))) == (diff.delta.params, diff.delta.flops)


def test_a_sorted_list_begins_with_the_largest(diff):
    rows = deltas(diff_document(diff, DiffView(sort="delta")))
    sizes = [max(abs(params) / 727, abs(flops) / 1180) for params, flops in rows]
    assert sizes == sorted(sizes, reverse=True)


def test_subtotals_add_up_if_a_module_was_added_around_unchanged_layers(before):
    wrapped = network(
        *before.rows[1:-2], plain("new", "Wrapper"), dense("new.top", 7, 9), dense("new.more", 9, 9), before.rows[-1]
    )
    result = analysis.diff_summaries(before, wrapped)
    document = diff_document(result, DiffView(expand=True))
    shown = dict(zip((row.cells[1].path for row in document.rows), deltas(document), strict=True))
    assert shown["new.top"] == (0, 0)
    assert shown["new"] == shown["new.more"] == (90, 162)


def test_a_change_deep_inside_an_added_module_is_shown(before):
    rows = [*before.rows[1:-2], plain("new", "Wrapper"), plain("new.in", "Inner"), dense("new.in.top", 7, 8)]
    text = render(analysis.diff_summaries(before, network(*rows, before.rows[-1])))
    assert "out 9 → 8" in text


@pytest.mark.parametrize("depth", [0, 1])
def test_a_node_with_hidden_changes_is_not_called_equal(before, depth):
    rows = [
        replace(row, hyperparameters=row.hyperparameters | {"dilation": 2}) if row.path == "body.0.fc" else row
        for row in before.rows[1:]
    ]
    document = diff_document(analysis.diff_summaries(before, network(*rows)), DiffView(depth=depth))
    cells = {row.cells[1].label: (row.cells[0], row.cells[2]) for row in document.rows}
    assert cells["body" if depth else "Net"] == ("", "")


def test_layers_that_only_follow_from_a_change_elsewhere_are_folded_with_their_totals(before):
    doubled = [
        replace(with_figures(row, own_flops=2 * row.own.flops), output_shapes=((2, *row.output_shapes[0][1:]),))
        for row in before.rows[1:]
    ]
    result = analysis.diff_summaries(before, network(*doubled))
    rows = {row.cells[1].label: row for row in diff_document(result, DiffView()).rows}
    assert rows["body"].cells[2] == "(same layers)"
    assert not any(label.startswith("0") for label in rows)
    assert not result.is_same


# The sentence


def other_input(summary):
    return replace(summary, inputs=(InputSpec(name="x", shape=(2, 4), dtype="float32"),))


def test_of_the_same_the_sentence_says_so(before):
    assert describe_diff(analysis.diff_summaries(before, before)) == "the same, layer by layer"
    assert (
        describe_diff(analysis.diff_summaries(before, before, ["dropout"]))
        == "the same, layer by layer, ignoring dropout"
    )


def test_of_renamed_modules_the_sentence_counts_them(before):
    rows = [replace(row, path=f"was_{row.path}") if "." not in row.path else row for row in before.rows[-2:]]
    result = analysis.diff_summaries(before, network(*before.rows[1:-2], *rows))
    assert describe_diff(result) == "the same layers; 2 modules renamed"


def test_of_other_inputs_alone_the_sentence_says_so(before):
    doubled = other_input(network(*(with_figures(row, own_flops=2 * row.own.flops) for row in before.rows[1:])))
    assert describe_diff(analysis.diff_summaries(before, doubled)) == (
        "the same 8 weighted layers with different inputs; same params; +432 FLOPs (+100.00%)"
    )


def test_the_sentence_tells_whether_there_are_as_many_weighted_layers(before, diff):
    assert describe_diff(diff).startswith("8 → 11 weighted layers; 5 layers changed, 3 added, 1 removed, 1 moved; ")
    wider = network(*before.rows[1:-1], dense("classes", 9, 6))
    assert describe_diff(analysis.diff_summaries(before, wider)) == (
        "the same 8 weighted layers; 1 layer changed; +10 params (+3.89%); +18 FLOPs (+4.17%); classes: 5 → 6 units"
    )


def test_the_sentence_names_what_makes_a_difference_first(before, diff):
    assert describe_diff(diff).endswith(
        "body.0.fc and 3 more: 4 → 6 units, classes: 5 → 3 units, 3 Gates added to body, …"
    )
    rows = [
        replace(row, hyperparameters={"p": 0.1}) if row.type_name == "Dropout" else row for row in before.rows[1:-1]
    ]
    text = describe_diff(analysis.diff_summaries(before, network(*rows, dense("classes", 9, 6))))
    assert text.endswith("; classes: 5 → 6 units, drop: p 0.5 → 0.1")


def test_types_that_end_in_a_number_get_no_plural(before):
    rows = [*before.rows[1:], *(plain(f"filter{number}", "Conv2d", own_params=8) for number in range(2))]
    assert describe_diff(analysis.diff_summaries(before, network(*rows))).endswith("; 2 Conv2d added to the root")


def test_a_lower_bound_is_said_to_be_one(before):
    uncounted = (OpCount(op="aten._fft_r2c", calls=1, flops=None),)
    result = analysis.diff_summaries(before, network(*before.rows[1:-1], dense("classes", 9, 6), uncounted=uncounted))
    assert "+18 FLOPs counted (+4.17%)" in describe_diff(result)
    assert "lower bounds: no formula for some op" in render(result)


# One row's words


ATTRIBUTES = {
    "a width": ((("out_channels", 96, 64),), "out 96 → 64"),
    "a size": ((("kernel_size", (11, 11), (3, 3)),), "kernel 11×11 → 3×3"),
    "a type": ((("type", "ReLU6", "ReLU"), ("max_val", 6.0, None)), "ReLU6 → ReLU"),
    "a type and what both have": ((("type", "A", "B"), ("eps", 1e-5, 1e-3)), "A → B, eps 1e-05 → 0.001"),
    "no bias any more": ((("bias", (4,), None),), "bias 4 → none"),
    "a float": ((("p", 0.5, 1 / 3),), "p 0.5 → 0.333333"),
    "ops": ((("ops", ("add",), ("mul ×2",)),), "−add +mul ×2"),
    "a fingerprint": ((("computation", "a-b", "a-c"),), "arguments of its ops differ"),
    "wiring": ((("reads_from", ("c", "b"), ("c", "a")),), "reads from b → a"),
    "wiring from nowhere": ((("reads_from", (), ("", "a")),), "reads from nothing → the root, a"),
    "much wiring": (
        (("reads_from", ("a",), tuple("bcdef")),),
        "reads from a → b, c, d and 2 more",
    ),
    "a long text": ((("names", "a", "b" * 61),), "names differs"),
    "a text of several lines": ((("note", "a", "b\nc"),), "note differs"),
    "bytes": ((("own param_bytes", 512, 2048),), "own param_bytes 512 B → 2.00 KiB"),
    "others of the same names": ((("reads_from", ("a",), ("a",)),), "reads from a → a"),
}


@pytest.mark.parametrize("case", ATTRIBUTES)
def test_what_differs_is_told_in_the_words_of_the_field(case):
    items, text = ATTRIBUTES[case]
    assert describe_attributes(AttributeChange(name=n, before=b, after=a) for n, b, a in items) == text


@pytest.mark.parametrize("width", [80, 120, 160])
def test_no_line_is_wider_than_the_terminal(diff, width):
    assert max(cell_len(line) for line in render(diff, canvas=Canvas(width=width)).splitlines()) <= width


def test_color_changes_nothing_else(diff):
    colored = render(diff, canvas=Canvas(width=100, color=True))
    assert "\x1b[32m" in colored
    assert "\x1b[31m" in colored
    plain_text = [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", colored).splitlines()]
    assert plain_text == render(diff, canvas=Canvas(width=100)).splitlines()


WRONG = {
    "order": (DiffView(sort="size"), "unknown sort order 'size'; sort orders: order, delta, params, flops"),
    "depth": (DiffView(depth=-1), "depth must be 0 or more, got -1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_invalid_view_is_refused(diff, case):
    view, message = WRONG[case]
    with pytest.raises(UsageError, match=message):
        render(diff, view=view)


def test_a_removed_container_counts_nothing_for_its_remaining_layers():
    body = layer("body", "Sequential", 1, params=20, flops=32)
    nested = summary_of([layer("", "Net", 0), body, linear("body.fc", 2), linear("head", 1)])
    flat = summary_of([layer("", "Net", 0), linear("fc", 1), linear("head", 1)])
    (row,) = [line for line in render(analysis.diff_summaries(nested, flat)).splitlines() if line.startswith("-")]
    assert "Sequential, contents remain" in row
    assert not re.search(r"\b20\b", row)
