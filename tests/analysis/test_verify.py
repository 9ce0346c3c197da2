"""Our counts beside everyone else's: each difference has its cause."""

import pytest
from torch import nn

import netscope
from netscope.api import verify as use_case
from netscope.schema import Cause, ToolCount, Verification

pytestmark = pytest.mark.filterwarnings("ignore")  # the other counters', which are run in this process

MODELS = ("alexnet", "resnet18", "vit_b_16", "swin_t", "googlenet", "mc3_18")


@pytest.fixture(scope="module", params=MODELS)
def verification(request):
    return netscope.verify(request.param)


def test_no_one_contradicts_us_without_a_cause(verification):
    assert verification.contradicted_by == ()


def test_torchs_own_counter_agrees(verification):
    torchs = next(tool for tool in verification.tools if tool.tool == "FlopCounterMode")
    assert torchs.macs == verification.macs
    assert torchs.causes == ()


def test_the_published_figures_agree(verification):
    published = next(tool for tool in verification.tools if tool.tool == "published")
    assert published.params == verification.params
    assert published.unexplained("macs", verification.macs) in (0, None)


def test_causes_add_up_to_the_difference(verification):
    for tool in verification.tools:
        if tool.macs is not None and tool.rounded_to == 1:
            assert sum(cause.difference for cause in tool.causes if cause.quantity == "macs") == (
                tool.macs - verification.macs
            )


def test_what_torchinfo_misses_in_a_transformer_is_said():
    torchinfo = next(tool for tool in netscope.verify("vit_b_16").tools if tool.tool == "torchinfo")
    assert torchinfo.macs < 0.02 * 17_563_828_224
    reasons = {cause.reason.split(",")[0] for cause in torchinfo.causes}
    assert "counts only leaf layers" in reasons


def test_tied_weights_that_a_tool_counts_twice_are_a_cause():
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    model[1].weight = model[0].weight
    torchinfo = next(tool for tool in netscope.verify(model, (1, 4)).tools if tool.tool == "torchinfo")
    assert torchinfo.params == 32
    assert [cause.reason for cause in torchinfo.causes] == ["counts tied weights once per name"]


def test_a_bilinear_layer_is_more_than_torchs_counter_knows():
    class Bilinear(nn.Module):
        def __init__(self):
            super().__init__()
            self.bilinear = nn.Bilinear(4, 4, 2)

        def forward(self, x):
            return self.bilinear(x, x)

    verification = netscope.verify(Bilinear(), (3, 4))
    torchs = verification.tools[0]
    assert torchs.causes == (
        Cause(quantity="macs", difference=-verification.macs, reason="has no formula for aten._trilinear"),
    )


OWN_LAYERS = {
    "recurrent": (lambda: nn.LSTM(8, 4, 2, batch_first=True, bidirectional=True), (2, 5, 8)),
    "transposed": (lambda: nn.ConvTranspose2d(8, 16, 4, stride=2, padding=1), (2, 8, 16, 16)),
    "grouped": (lambda: nn.Conv2d(8, 8, 3, groups=4), (2, 8, 16, 16)),
    "an encoder": (lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2), (2, 5, 8)),
    "embedding": (lambda: nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 10)), "2x5:int64"),
}


@pytest.mark.parametrize("case", OWN_LAYERS)
def test_every_kind_of_layer_is_explained(case):
    model, inputs = OWN_LAYERS[case]
    verification = netscope.verify(model(), inputs)
    assert verification.contradicted_by == ()
    assert all(tool.failure is None for tool in verification.tools)


def test_a_tool_that_fails_is_told_so_and_is_no_contradiction():
    class KeywordOnly(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, *, x):
            return self.fc(x)

    verification = netscope.verify(KeywordOnly(), {"x": (1, 4)})
    fvcore = next(tool for tool in verification.tools if tool.tool == "fvcore")
    assert "only positional inputs" in fvcore.failure
    assert verification.contradicted_by == ()


def verification_with(tool):
    summary = netscope.summarize("lenet5")
    return Verification(
        architecture=summary.architecture,
        inputs=summary.inputs,
        params=100,
        macs=1_000_000_400,
        uncounted_ops=(),
        tools=(tool,),
    )


def tool_count(**figures):
    return ToolCount(
        **{"tool": "p", "version": "1", "params": None, "macs": None, "rounded_to": 1, "causes": (), "failure": None}
        | figures
    )


CONTRADICTIONS = {
    "equal": ({"params": 100, "macs": 1_000_000_400}, False),
    "equal as far as it is rounded": ({"macs": 1_000_000_000, "rounded_to": 1_000_000}, False),
    "differs beyond the rounding": ({"macs": 1_001_000_000, "rounded_to": 1_000_000}, True),
    "differs by one": ({"params": 101}, True),
    "explained": ({"params": 101, "causes": (Cause(quantity="params", difference=1, reason=""),)}, False),
    "explained in part": ({"params": 102, "causes": (Cause(quantity="params", difference=1, reason=""),)}, True),
    "explained in the other quantity": (
        {"params": 101, "causes": (Cause(quantity="macs", difference=1, reason=""),)},
        True,
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_contradiction_is_a_difference_that_is_left_over(case):
    figures, contradicts = CONTRADICTIONS[case]
    assert bool(verification_with(tool_count(**figures)).contradicted_by) == contradicts


def test_a_wrong_count_of_ours_would_be_contradicted(monkeypatch):
    count_flops = use_case.count_flops
    monkeypatch.setattr(use_case, "count_flops", lambda trace: [2 * (cost or 0) for cost in count_flops(trace)])
    assert set(netscope.verify("lenet5").contradicted_by) == {"FlopCounterMode", "fvcore", "torchinfo"}
