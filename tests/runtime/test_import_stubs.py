"""Stubs return what the real functions return, and only known importers get them."""

import sys

import pytest
import torch
from torch.fx.experimental import symbolic_shapes

from netscope.runtime import import_stubs

SYMBOLS = "torch.fx.experimental.symbolic_shapes"
ASKER = {"__name__": "torch._refs"}


@pytest.fixture
def stub():
    return import_stubs._STUBS[SYMBOLS]


@pytest.fixture
def symbol():
    """A size that is not known: for which the stubs have no result."""
    environment = symbolic_shapes.ShapeEnv()
    return environment.create_unbacked_symint()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        *((name, (value,)) for name in import_stubs._PLAIN_RESULTS if name not in ("is_nested_int", "sym_eq")
          for value in (True, False)),
        *((name, values) for name in ("sym_and", "sym_or")
          for values in ((True, False), (False, False), (True, True, False))),
        ("expect_true", (True, 1)),
        ("is_nested_int", (3,)),
        ("is_nested_int", (True,)),
        ("is_nested_int", (2.5,)),
        *(("sym_eq", pair) for pair in ((1, 1), (1, 2), ((1, 2), (1, 2)), ([1], [2]), ((), ()), ((1,), (1, 2)))),
        ("sym_eq", (((1, 2), (3,)), ((1, 2), (3,)))),
        ("sym_eq", (torch.Size([2, 3]), torch.Size([2, 3]))),
        ("guarding_hint_or_throw", (3,)),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:guard_size_oblivious will be removed:FutureWarning")
def test_a_stub_answers_as_the_real_one(stub, name, arguments):
    if not hasattr(symbolic_shapes, name):
        pytest.skip("this torch has no such function")
    answer = getattr(stub, name)(*arguments)
    real = getattr(symbolic_shapes, name)(*arguments)
    assert (answer, type(answer)) == (real, type(real))


@pytest.mark.skipif(not hasattr(symbolic_shapes, "guard_or_false"), reason="this torch has no such function")
def test_a_condition_on_a_symbol_is_for_the_real_one(stub, symbol):
    assert stub.guard_or_false(symbol == 3) is False
    assert stub.guard_or_true(symbol == 3) is True
    assert str(stub.sym_and(symbol == 3, True)) == str(symbolic_shapes.sym_and(symbol == 3, True))
    assert str(stub.sym_eq((symbol, 2), (3, 2))) == str(symbolic_shapes.sym_eq((symbol, 2), (3, 2)))


def test_what_is_no_condition_is_refused_as_ever(stub):
    with pytest.raises(AssertionError):
        stub.expect_true(1)


def test_what_else_is_wanted_is_the_real_one(stub):
    assert stub.ShapeEnv is symbolic_shapes.ShapeEnv


def test_only_those_that_ask_get_a_stub_and_only_until_the_real_one_is_there(stub, monkeypatch):
    wanted = (None, ("guard_or_false",), 0)
    assert import_stubs.import_with_stubs(SYMBOLS, ASKER, *wanted) is symbolic_shapes
    assert import_stubs.import_with_stubs(SYMBOLS, {"__name__": "somewhere"}, *wanted) is symbolic_shapes
    monkeypatch.delitem(sys.modules, SYMBOLS)
    assert import_stubs.import_with_stubs(SYMBOLS, ASKER, *wanted) is stub
    monkeypatch.setattr(import_stubs, "_import", lambda name, *_: name)
    assert import_stubs.import_with_stubs(SYMBOLS, ASKER, None, None, 0) == SYMBOLS
    monkeypatch.delitem(sys.modules, "torch.fx.experimental._config")
    assert import_stubs.import_with_stubs(SYMBOLS, ASKER, *wanted) == SYMBOLS
    assert import_stubs.import_with_stubs("json", None) == "json"


def test_without_sympy_nothing_is_an_expression():
    assert not isinstance(3, import_stubs._STUBS["sympy"].Basic)
