"""The ops without FLOPs: each is an op of torch, none has a formula, and unknown ops stay uncounted."""

import pytest
import torch

from netscope.flops import FORMULAS
from netscope.flops.zero_flop_ops import REASONS, get_zero_flop_reason


@pytest.fixture(scope="module")
def registered_ops():
    pytest.importorskip("torchvision")
    # TorchScript's own ops are not the dispatcher's.
    names = [*torch._C._dispatch_get_all_op_names(), torch.ops.prim.device.default.name()]
    return {name.split(".")[0].replace("::", ".") for name in names}


def test_every_listed_op_of_torchvision_and_aten_is_registered(registered_ops):
    # What newer versions of torch have added is not in the oldest that we support.
    added_since_2_6 = {name for name in REASONS if name not in registered_ops}
    newest = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2]) >= (2, 15)
    assert not added_since_2_6 if newest else len(added_since_2_6) < 20


def test_no_op_has_both_a_formula_and_a_reason_for_zero_flops():
    assert not [name for name in FORMULAS if get_zero_flop_reason(name)]


def test_every_form_of_a_listed_op_is_known():
    assert get_zero_flop_reason("aten.add") == "elementwise"
    assert get_zero_flop_reason("aten.add_") == "elementwise"
    assert get_zero_flop_reason("aten._foreach_add_") == "elementwise"
    assert get_zero_flop_reason("aten.permute_copy") == "moves, views or selects elements"
    assert get_zero_flop_reason("aten.max_pool2d_with_indices_backward") == "pools or interpolates"


UNKNOWN = ("aten._fft_r2c", "aten.linalg_eig", "aten._linalg_svd", "aten._cdist_forward", "mylib.matmul", "aten.mm_")


@pytest.mark.parametrize("op", UNKNOWN)
def test_an_op_that_is_not_listed_has_no_reason_for_zero_flops(op):
    assert get_zero_flop_reason(op) == ""
