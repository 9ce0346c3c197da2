"""Modules built on meta equal those that torch builds, in less time."""

import pytest
import torch
from torch import nn

from netscope.errors import BuildError, DeviceError
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
def test_random_calls_that_torch_refuses_are_refused(draw, message):
    with pytest.raises(BuildError, match=message):
        build(_drawn(draw), "it", "meta")


def test_a_random_fill_returns_the_tensor_itself():
    def factory():
        layer = nn.Linear(4, 3)
        assert nn.init.normal_(layer.weight) is layer.weight
        assert layer.weight.data.normal_(0, 1).is_meta
        return layer

    assert build(factory, "it", "meta").weight.is_meta


class _Real(torch.utils._python_dispatch.TorchDispatchMode):
    """Adds up the bytes of tensors that are not on meta."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and not result.is_meta:
            self.bytes += result.nbytes
        return result


@pytest.mark.parametrize("kind", [TypeError, ValueError, AttributeError, SystemExit])
def test_an_error_of_the_constructor_is_reported_without_real_weights(kind):
    attempts = []

    def factory():
        attempts.append(nn.Linear(512, 512))
        raise kind("no such option")

    with _Real() as real, pytest.raises(BuildError, match="no such option"):
        build(factory, "it", "meta")
    assert (len(attempts), real.bytes) == (1, 0)


def _needs_values(size):
    def factory():
        layer = nn.Linear(size, size)
        layer.scale = layer.weight.abs().max().item()
        return layer

    return factory


def test_values_that_meta_lacks_are_made_where_there_is_room():
    assert build(_needs_values(4), "it", "meta").scale > 0


def test_an_error_that_came_from_meta_is_metas():
    def factory():
        layer = nn.Linear(4, 4)
        try:
            layer.weight.sum().item()
        except RuntimeError as error:
            raise ValueError("the weights are broken") from error
        return layer

    assert not build(factory, "it", "meta").weight.is_meta


@pytest.mark.parametrize("make", [lambda size: nn.Linear(size, size), lambda size: torch.randn(size, size)])
def test_values_are_not_made_beyond_the_memory_that_there_is(make, monkeypatch):
    monkeypatch.setattr("netscope.sources.construction.available_memory_bytes", lambda: 100_000)

    def factory():
        layer = nn.Linear(4, 4)
        layer.scale = layer.weight.sum().item()
        layer.more = make(512)
        return layer

    with _Real() as real, pytest.raises(DeviceError, match="it cannot be built on meta, and needs more than"):
        build(factory, "it", "meta")
    assert real.bytes < 100_000


def test_sizes_given_by_name_are_known_beforehand():
    def factory():
        made = torch.zeros(size=(2, 2), dtype=torch.float64, device=None) + torch.ones((2, 2), requires_grad=False)
        return made.sum().item() and nn.Linear(2, 2)

    assert isinstance(build(factory, "it", "meta"), nn.Linear)
