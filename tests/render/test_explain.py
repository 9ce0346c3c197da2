"""Explanations as tables and lines."""

import re
from dataclasses import replace

import pytest

from netscope.analysis.explain import explain_layer
from netscope.render import Canvas, render
from netscope.schema import (
    Architecture,
    ChainStage,
    Derivation,
    Explanation,
    InputSpec,
    LayerExplanation,
    LayerTensor,
    ReceptiveField,
    ShapeMismatch,
)

from .conftest import layer, summary_of

FIELD = ReceptiveField(size=11, stride=4.0, start=-2, unit=27, first=106, last=116)
WHOLE = ReceptiveField(size=355, stride=None, start=-82, unit=0, first=0, last=223, same=True)


def weights(*shape):
    usual = {"dtype": "float32", "is_buffer": False, "trainable": True, "persistent": True, "shared_with": None}
    return tuple(
        LayerTensor(name=name, shape=sizes, **usual) for name, sizes in (("weight", shape), ("bias", shape[:1]))
    )


def convolution():
    return layer(
        "features.0",
        "Conv2d",
        1,
        hyperparameters={
            "in_channels": 3, "out_channels": 96, "kernel_size": (11, 11), "stride": (4, 4), "padding": (2, 2),
            "dilation": (1, 1), "groups": 1, "bias": True,
        },
        input_shapes=((1, 3, 224, 224),),
        output_shapes=((1, 96, 55, 55),),
        own_params=34_944,
        params=34_944,
        own_flops=210_830_400,
        flops=210_830_400,
        tensors=weights(96, 3, 11, 11),
        reads_from=("<x>",),
        receptive_field=(FIELD, FIELD),
    )  # fmt: skip


def rows():
    return [
        layer("", "Net", 0, input_shapes=((1, 3, 224, 224),), params=34_944, flops=210_830_400),
        convolution(),
        layer(
            "<b>|`fc`",
            "Linear",
            1,
            hyperparameters={"in_features": 9, "out_features": 4},
            input_shapes=((1, 9),),
            output_shapes=((1, 4),),
            own_params=40,
            params=40,
            own_flops=72,
            flops=72,
            tensors=weights(4, 9),
            receptive_field=(WHOLE, WHOLE),
        ),
        layer("rest", "Dropout", 1, calls=0, input_shapes=(), output_shapes=(), notes=("never called",)),
    ]


@pytest.fixture
def explanation():
    summary = summary_of(rows())
    by_path = {row.path: row for row in summary.rows}
    return Explanation(
        architecture=Architecture(spec="net", source="python", name="net", options={}, description=""),
        inputs=(InputSpec(name="x", shape=(1, 3, 224, 224), dtype="float32"),),
        path=None,
        layers=tuple(LayerExplanation(row=row, derivations=explain_layer(row, by_path)) for row in summary.rows),
        chain=(
            ChainStage(paths=("<x>",), types=("input",), shape=(1, 3, 224, 224)),
            ChainStage(paths=("features.0",), types=("Conv2d",), shape=(1, 96, 55, 55)),
            ChainStage(paths=("<b>|`fc`",), types=("Linear",), shape=(1, 4)),
        ),
        flattened=Derivation(quantity="first fully connected layer", rule="C·H·W", arithmetic="9 features", value=9),
        totals=summary.totals,
    )


@pytest.mark.parametrize("width", [80, 160])
def test_the_table_of_all_layers(explanation, width, golden):
    golden(f"explain-{width}.txt", render(explanation, canvas=Canvas(width=width)))


@pytest.mark.parametrize(("format_name", "suffix"), [("csv", "csv"), ("markdown", "md")])
def test_the_other_formats(explanation, format_name, suffix, golden):
    golden(f"explain.{suffix}", render(explanation, format_name))


@pytest.mark.parametrize("width", [80, 160])
def test_the_lines_of_one_layer(explanation, width, golden):
    one = replace(explanation, path="features.0", layers=explanation.layers[1:2])
    golden(f"explain-layer-{width}.txt", render(one, canvas=Canvas(width=width)))


def test_a_layer_that_does_not_fit_is_told_with_what_would(explanation, golden):
    changed = replace(
        explanation,
        changes=("features.0.padding=0",),
        totals_before=explanation.totals,
        mismatch=ShapeMismatch(
            path="<b>|`fc`", type_name="Linear", reason="expects 9, got 8", remedy="fc.in_features=8"
        ),
        layers=(
            explanation.layers[0],
            replace(explanation.layers[1], output_before=((1, 96, 56, 56),)),
            *explanation.layers[2:],
        ),
    )
    golden("explain-mismatch.txt", render(changed, canvas=Canvas(width=160)))


def test_a_layer_that_never_ran_says_so(explanation):
    text = render(replace(explanation, path="rest", layers=explanation.layers[3:]))
    assert re.search(r"Shapes\s+never called", text)


def test_a_field_that_is_not_known_is_said_not_to_be(explanation):
    row = replace(convolution(), receptive_field=())
    layers = (LayerExplanation(row=row, derivations=()),)
    text = render(replace(explanation, path=row.path, layers=layers, has_fields=True))
    assert "unknown: an op before it mixes positions" in text
