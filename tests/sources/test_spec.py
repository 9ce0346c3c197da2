"""The grammar of an architecture and its options."""

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
    "x@": "not key=value",
    "x@foo": "not key=value",
    "x@a=1,a=2": "gives 'a' twice",
    "x@a=(1": "neither a Python literal nor a bare word",
    "x@a=": "neither a Python literal nor a bare word",
}


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_architecture_is_refused(text):
    with pytest.raises(UsageError, match=MALFORMED[text]):
        parse_spec(text)
