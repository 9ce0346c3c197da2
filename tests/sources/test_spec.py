"""The grammar of an architecture and its options."""

import warnings

import pytest

from netscope.errors import UsageError
from netscope.sources.spec import parse_spec

SPECS = {
    "alexnet": ("alexnet", {}),
    "timm/resnet50": ("timm/resnet50", {}),
    "a.b:c@width=64": ("a.b:c", {"width": 64}),
    "./my.py:Net@widths=(1, 2),name='a b'": ("./my.py:Net", {"widths": (1, 2), "name": "a b"}),
    "x@a=[1,2],b={'c': 3}": ("x", {"a": [1, 2], "b": {"c": 3}}),
    "x@act=gelu,lr=1e-3": ("x", {"act": "gelu", "lr": 1e-3}),
    "x@a=True,b=none,c=FALSE": ("x", {"a": True, "b": None, "c": False}),
    "x@path=a/b-c.d": ("x", {"path": "a/b-c.d"}),
    r"x@a='it''s\n\x41\u00e9\0',b=r'\d',c=b'\377'": ("x", {"a": "its\nAé\0", "b": r"\d", "c": b"\xff"}),
    "x@a=0x1F,b=1_000,c=.5,d=-5.,e=1+2j,f=(),g={1}": (
        "x",
        {"a": 31, "b": 1000, "c": 0.5, "d": -5.0, "e": 1 + 2j, "f": (), "g": {1}},
    ),
    "x@a=0012,b=2024-01-01,c=1.5.2": ("x", {"a": "0012", "b": "2024-01-01", "c": "1.5.2"}),
    "dir@v2/my.py:Net": ("dir@v2/my.py:Net", {}),
    "dir@v2/my.py:Net@a=-1": ("dir@v2/my.py:Net", {"a": -1}),
}


@pytest.mark.parametrize("text", SPECS)
def test_options_are_python_literals_or_bare_words(text):
    spec = parse_spec(text)
    assert (spec.target, spec.options) == SPECS[text]


MALFORMED = {
    "": "is empty",
    "@a=1": "is empty",
    "x@": "expected NAME@key=value",
    "x@foo": "expected NAME@key=value",
    "x@a=1,a=2": "sets 'a' twice",
    "x@a=(1": "neither a Python literal nor a bare word",
    "x@a={[]:1}": "neither a Python literal nor a bare word",
    "x@a=" + "9" * 5_000: "'9{40}'… has more than 3,500 characters",
    "x@a=" + "[" * 3_000: "neither a Python literal nor a bare word",
    "x" * 256: "more than 255 bytes",
    "./" + "\udc80" * 86 + ".py:Net": "more than 255 bytes",
    "x@a=": "neither a Python literal nor a bare word",
}


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_architecture_is_refused(text):
    with pytest.raises(UsageError, match=MALFORMED[text]):
        parse_spec(text)


WARNED_OF = (
    "1is 2", "1or 2", "0x1for x in y", r"'\d'", r"[1, '\d']", r"b'\u0041'", r"'\400'", r"'\X41'", "()()", "[1](2)",
    "f'{1is 2}'",
)  # fmt: skip


@pytest.mark.parametrize("value", WARNED_OF)
def test_literals_that_cause_python_warnings_are_not_evaluated(value):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with pytest.raises(UsageError, match="neither a Python literal nor a bare word"):
            parse_spec(f"x@a={value}")
    assert not told


@pytest.mark.parametrize("value", ["'" * 3_400, r"'\\" * 1_100, "1_" * 1_700 + "!", "1" * 3_400 + "!"])
def test_a_hostile_value_is_read_without_going_back(value):
    with pytest.raises(UsageError, match="neither a Python literal nor a bare word"):
        parse_spec(f"x@a={value}")
