"""A comparison of many architectures: its columns at each width, and the order of its rows."""

import json
from dataclasses import replace

import pytest

from netscope import errors
from netscope.render import Canvas, CompareView, check_compare_view, render
from netscope.schema import Architecture, ComparedArchitecture, ComparisonTable, Figures, InputSpec, Totals


def architecture(spec, source="built-in", name=None, **options):
    return Architecture(spec=spec, source=source, name=name or spec, options=options, description="")


def row(spec, resolved=None, size=224, **fields):
    usual = {
        "inputs": (InputSpec(name="x", shape=(1, 3, size, size), dtype="float32"),),
        "activations": ("ReLU",),
        "pooling": ("max", "average"),
    }
    return ComparedArchitecture(spec=spec, architecture=resolved or architecture(spec), **(usual | fields))


def totals(params, flops, param_bytes):
    figures = Figures(params=params, trainable_params=params, unread_params=0, flops=flops, param_bytes=param_bytes)
    return Totals.of(figures, param_dtypes=("float32",))


LENET = row(
    "lenet5",
    size=28,
    year=1998,
    paper="LeCun et al. 1998",
    idea="two convolutions and three fully connected layers",
    weighted_layers=5,
    activations=("Sigmoid",),
    pooling=("average",),
    totals=totals(61_706, 833_040, 246_824),
    peak_activation_bytes=37_632,
)
RESNET = row(
    "resnet50",
    architecture("resnet50", "torchvision"),
    year=2015,
    paper="He et al. 2015",
    idea="skip connections",
    weighted_layers=54,
    totals=totals(25_557_032, 8_178_368_512, 102_228_128),
    peak_activation_bytes=10_438_656,
    top1=80.858,
    top1_weights="IMAGENET1K_V2",
)
ODD = row(
    "timm/odd",
    architecture("timm/odd", "timm", "odd"),
    weighted_layers=7,
    totals=totals(7, 0, 28),
    is_lower_bound=True,
    notes=("traced on the CPU",),
)
UNKNOWN = ComparedArchitecture(
    spec="nosuchthing",
    error="unknown architecture 'nosuchthing'; run `netscope list` to see all names",
    exit_code=2,
)
CRASHED = ComparedArchitecture(spec="my.py:Net\x1b[31m", error="its process was killed by SIGSEGV", exit_code=3)


@pytest.fixture
def table():
    return ComparisonTable(rows=(LENET, UNKNOWN, RESNET, CRASHED, ODD), notes=("the source x cannot be read",))


@pytest.mark.parametrize(("format_name", "suffix"), [("json", "json"), ("csv", "csv"), ("markdown", "md")])
def test_golden_formats(table, golden, format_name, suffix):
    golden(f"compare.{suffix}", render(table, format_name))


@pytest.mark.parametrize("width", [80, 100, 160])
def test_golden_widths(table, golden, width):
    golden(f"compare-{width}.txt", render(table, canvas=Canvas(width=width)))


@pytest.mark.parametrize("width", [70, 80, 100, 120, 160, 250])
def test_every_line_fits_and_names_params_and_flops_remain(table, width):
    text = render(table, canvas=Canvas(width=width))
    assert max(map(len, text.splitlines())) <= width
    assert "25,557,032" in text
    assert "8.178 G" in text
    assert "resnet50" in text


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_a_failure_leaves_the_table_as_it_is_and_its_reason_is_below(width):
    short = replace(CRASHED, spec="bad")

    def draw(*rows):
        lines = render(ComparisonTable(rows=rows), canvas=Canvas(width=width)).split("\n\n")
        return lines[1].splitlines(), " ".join(lines[2].split())

    (without, _), (table, below) = draw(LENET, RESNET), draw(LENET, short, RESNET)
    assert [line for line in table if not line.startswith("bad ")] == without
    assert len(table) == len(without) + 1
    assert "Failed bad: its process was killed by SIGSEGV" in below


def test_cost_and_accuracy_are_before_the_rest_and_remain_longest(table):
    titles = render(table, canvas=Canvas(width=1000)).splitlines()[2].split()
    assert [title for title in titles if title in ("Params", "FLOPs", "Top-1", "Activations", "Pooling", "Idea")] == [
        "Params", "FLOPs", "Top-1", "Activations", "Pooling", "Idea",
    ]  # fmt: skip
    assert render(table, canvas=Canvas(width=47)).splitlines()[2].split() == [
        "Architecture", "Params", "FLOPs", "Top-1",
    ]  # fmt: skip


def order(table, **view):
    text = render(table, "csv", view=CompareView(**view))
    return [line.partition(",")[0].partition("\\")[0] for line in text.splitlines()[1:]]


@pytest.mark.parametrize(
    ("view", "names"),
    [
        ({}, ["lenet5", "nosuchthing", "resnet50", "my.py:Net", "timm/odd"]),
        ({"reverse": True}, ["timm/odd", "my.py:Net", "resnet50", "nosuchthing", "lenet5"]),
        ({"sort": "params"}, ["resnet50", "lenet5", "timm/odd", "nosuchthing", "my.py:Net"]),
        ({"sort": "params", "reverse": True}, ["timm/odd", "lenet5", "resnet50", "nosuchthing", "my.py:Net"]),
        ({"sort": "flops"}, ["resnet50", "lenet5", "timm/odd", "nosuchthing", "my.py:Net"]),
        ({"sort": "input"}, ["resnet50", "timm/odd", "lenet5", "nosuchthing", "my.py:Net"]),
        ({"sort": "top1"}, ["resnet50", "lenet5", "nosuchthing", "my.py:Net", "timm/odd"]),
        ({"sort": "idea"}, ["resnet50", "lenet5", "nosuchthing", "my.py:Net", "timm/odd"]),
        ({"sort": "architecture"}, ["lenet5", "my.py:Net", "nosuchthing", "resnet50", "timm/odd"]),
        ({"sort": "architecture", "reverse": True}, ["timm/odd", "resnet50", "nosuchthing", "my.py:Net", "lenet5"]),
    ],
    ids=str,
)
def test_numbers_are_sorted_from_the_largest_words_from_a_to_z_and_missing_values_last(table, view, names):
    assert order(table, **view) == names


def test_no_column_depends_on_the_device():
    with pytest.raises(errors.UsageError, match="unknown column 'memory'"):
        check_compare_view(CompareView(columns=("memory",)))


def test_columns_can_be_chosen_and_macs_replace_flops(table):
    text = render(table, "csv", view=CompareView(columns=("paper", "flops"), macs=True))
    assert text.splitlines()[:2] == ["architecture,paper,macs,error", "lenet5,LeCun et al. 1998,416520,"]
    shown = render(table, view=CompareView(columns=("flops",), macs=True))
    assert "MACs" in shown
    assert "416.520 K" in shown
    assert "833.040 K" not in shown


def test_the_footer_names_the_flop_convention_and_the_weights_of_the_accuracy(table):
    text = render(table)
    assert "1 MAC = 2 FLOPs" in text
    assert "80.86%" in text
    assert "IMAGENET1K_V2" in text
    without = render(table, view=CompareView(columns=("year",)))
    assert "1 MAC" not in without
    assert "IMAGENET1K_V2" not in without


def test_a_lower_bound_is_marked(table):
    assert "≥ 0" in render(table)
    assert "no formula" in render(table)


def test_a_column_without_values_is_left_out():
    text = render(ComparisonTable(rows=(ODD,)))
    assert not {"Year", "Idea", "Top-1"} & set(text.split())
    assert "failed" not in text


def test_a_note_on_many_architectures_is_shown_once():
    many = tuple(row(f"net{number}", totals=totals(number, 0, 0), notes=("traced on the CPU",)) for number in range(6))
    text = render(ComparisonTable(rows=many))
    assert text.count("traced on the CPU") == 1
    assert "net0, net1, net2 and 3 more: traced on the CPU" in text


@pytest.mark.parametrize(
    ("given", "title"),
    [
        (row("alexnet", architecture("alexnet", name="alexnet-paper")), "alexnet-paper"),
        (row("timm/vgg11", architecture("timm/vgg11", "timm", "vgg11")), "timm/vgg11"),
        (row("vgg11@num_classes=3", architecture("x", "torchvision", "vgg11", num_classes=3)), "vgg11@num_classes=3"),
        (row("./my.py:Net", architecture("./my.py:Net", "python", "./my.py:Net")), "./my.py:Net"),
        (row("a/b.json", architecture("vgg11", "torchvision", "vgg11")), "vgg11 (a/b.json)"),
        (row("a/b.pt", architecture("a/b.pt", "file", "a/b.pt")), "a/b.pt"),
    ],
)
def test_an_architecture_has_its_resolved_name(given, title):
    assert order(ComparisonTable(rows=(given,)), columns=("params",)) == [title]


def test_json_contains_the_entire_result_with_every_view(table):
    result = json.loads(render(table, "json", view=CompareView(columns=("year",), sort="params")))
    assert [item["spec"] for item in result["rows"]] == [item.spec for item in table.rows]
    assert ComparisonTable.from_json(table.to_json()) == table


@pytest.mark.parametrize(
    ("view", "message"),
    [
        ({"columns": ("parms",)}, "unknown column 'parms'; did you mean params"),
        ({"columns": ("",)}, "columns is empty"),
        ({"sort": "yeer"}, "unknown sort order 'yeer'; did you mean year"),
    ],
)
def test_an_unknown_column_is_refused_with_a_suggestion(table, view, message):
    with pytest.raises(errors.UsageError, match=message):
        render(table, view=CompareView(**view))


def test_the_exit_code_is_the_largest_of_all_rows(table):
    assert table.exit_code == 3
    assert ComparisonTable(rows=(LENET, UNKNOWN)).exit_code == 2
    assert ComparisonTable(rows=(LENET,)).exit_code == 0
