"""Which shapes have their channels first."""

import pytest

from netscope.render.channels import have_channels_first
from netscope.schema import ArchitectureReport, ChainStage

from .conftest import layer, summary_of


@pytest.mark.parametrize(
    ("type_name", "expected"), [("Conv1d", [True, True]), ("AvgPool1d", [True, True]), ("Linear", [False, False])]
)
def test_a_stage_is_read_as_its_layers_are_and_an_input_as_what_takes_it(type_name, expected):
    rows = [layer("", "Net", 0), layer("one", type_name, 1, input_shapes=((1, 2, 30),), output_shapes=((1, 4, 30),))]
    chain = (
        ChainStage(paths=("<x>",), types=("input",), shape=(1, 2, 30)),
        ChainStage(paths=("one",), types=(type_name,), shape=(1, 4, 30)),
    )
    assert have_channels_first(ArchitectureReport(summary=summary_of(rows), chain=chain, dataflow=())) == expected
