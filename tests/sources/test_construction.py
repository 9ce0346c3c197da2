"""Building on meta: quicker than torch alone, and the same."""

import pytest
import torch
from torch import nn

from netscope.errors import BuildError
from netscope.sources.construction import build


def _drawn(draw):
    def factory():
        layer = nn.Linear(4, 3)
        draw(layer.weight)
        return layer

    return factory


def test_normal_numbers_are_not_drawn_on_meta():
    drawn = []
    normal_ = torch.ops.aten.normal_.default
    with _Ops(drawn):
        layer = build(_drawn(nn.init.kaiming_normal_), "it", "meta")
        build(_drawn(nn.init.normal_), "it", "meta")
    assert layer.weight.is_meta
    assert normal_ not in drawn


class _Ops(torch.utils._python_dispatch.TorchDispatchMode):
    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen.append(func)
        return func(*args, **(kwargs or {}))


def test_normal_numbers_are_drawn_off_meta():
    def factory():
        return nn.init.normal_(torch.zeros(50, device="cpu")).std().item() > 0 and nn.Linear(2, 2)

    assert isinstance(build(factory, "it", "meta"), nn.Linear)
    torch.manual_seed(0)
    assert build(_drawn(nn.init.normal_), "it", "cpu").weight.std() > 0


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda weight: nn.init.normal_(weight, std=-1.0), "std"),
        (lambda weight: weight.normal_(), "in-place"),
        (lambda weight: nn.init.kaiming_normal_(weight[0]), "Fan in"),
        (lambda weight: weight.detach().normal_(0, 1, 2), "normal_"),
    ],
    ids=["negative", "gradient", "vector", "arguments"],
)
def test_what_torch_refuses_to_draw_is_refused(draw, message):
    with pytest.raises(BuildError, match=message):
        build(_drawn(draw), "it", "meta")


def test_what_was_drawn_is_the_tensor_itself():
    def factory():
        layer = nn.Linear(4, 3)
        assert nn.init.normal_(layer.weight) is layer.weight
        assert layer.weight.data.normal_(0, 1).is_meta
        return layer

    assert build(factory, "it", "meta").weight.is_meta
