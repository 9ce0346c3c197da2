"""The grammar of inputs, and the inputs of a Python caller."""

import pytest

import netscope
from netscope.errors import InputError, UsageError
from netscope.schema import TensorSpec
from netscope.schema.inputs import (
    DTYPES,
    FLOATING_DTYPES,
    TensorRequest,
    abbreviate_dtype,
    as_forward_inputs,
    parse_dtype,
    parse_inputs,
)


def request(*shape, dtype=None):
    return TensorRequest(shape=shape, dtype=dtype)


GRAMMAR = {
    "1x3x224x224": ((request(1, 3, 224, 224),), {}),
    "1×3×224×224": ((request(1, 3, 224, 224),), {}),
    "1,3,224,224": ((request(1, 3, 224, 224),), {}),
    "8": ((request(8),), {}),
    "1, 3, 8, 8": ((request(1, 3, 8, 8),), {}),
    "(1, 3)": ((request(1, 3),), {}),
    "(8,)": ((request(8),), {}),
    "1 3 8 8": ((request(1, 3, 8, 8),), {}),
    "1*3": ((request(1, 3),), {}),
    "1x3:half": ((request(1, 3, dtype="float16"),), {}),
    "1x3:FP16": ((request(1, 3, dtype="float16"),), {}),
    "1x3:torch.bfloat16": ((request(1, 3, dtype="bfloat16"),), {}),
    "ids=1x3:long": ((), {"ids": request(1, 3, dtype="int64")}),
    "1x128:int64": ((request(1, 128, dtype="int64"),), {}),
    "input_ids=1x128:int64": ((), {"input_ids": request(1, 128, dtype="int64")}),
    "x=2x3": ((), {"x": request(2, 3)}),
}


@pytest.mark.parametrize("text", GRAMMAR)
def test_an_input_is_a_shape_with_an_optional_parameter_and_dtype(text):
    inputs = parse_inputs([text])
    assert (inputs.args, inputs.kwargs) == GRAMMAR[text]


MALFORMED = ("", "x", "1x", "x3", "1x-3", "1x3.5", "=1x3", "1x3:", "1x3:flt", "3d=1x3", "1x3:int64:int64")


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_input_is_refused_with_an_example_or_the_dtypes(text):
    with pytest.raises(InputError, match=r"e\.g\. inputs=\"1x3x224x224\"|available dtypes: float32"):
        parse_inputs([text])


def test_a_parameter_can_be_named_once():
    with pytest.raises(InputError, match="the parameter 'x' is given twice"):
        parse_inputs(["x=1", "x=2"])


PYTHON = {
    "a shape": ((1, 3), ((request(1, 3),), {})),
    "a list as a shape": ([1, 3], ((request(1, 3),), {})),
    "an integer": (224, ((request(224),), {})),
    "a string": ("1x3:int64", ((request(1, 3, dtype="int64"),), {})),
    "several shapes": (((1, 3), (2, 4)), ((request(1, 3), request(2, 4)), {})),
    "several strings": (["1x3", "y=2"], ((request(1, 3),), {"y": request(2)})),
    "a dict": ({"x": (1, 3), "flag": True}, ((), {"x": request(1, 3), "flag": True})),
    "a spec": (TensorSpec(shape=(2, 2), dtype="bool"), ((request(2, 2, dtype="bool"),), {})),
    "a nest": (([(3, 8, 8)],), (([request(3, 8, 8)],), {})),
}


@pytest.mark.parametrize("case", PYTHON)
def test_python_callers_may_give(case):
    given, (args, kwargs) = PYTHON[case]
    inputs = as_forward_inputs(given)
    assert (inputs.args, inputs.kwargs) == (args, kwargs)


def test_a_negative_size_is_refused():
    with pytest.raises(InputError, match="negative size"):
        as_forward_inputs((1, -3))


def test_the_batch_size_replaces_every_first_size():
    inputs = parse_inputs(["1x3x8x8", "mask=1x8:bool"]).with_batch_size(5)
    assert inputs.args == (request(5, 3, 8, 8),)
    assert inputs.kwargs == {"mask": request(5, 8, dtype="bool")}


def test_given_tensors_keep_their_batch_size():
    torch = pytest.importorskip("torch")
    with pytest.raises(InputError, match="cannot be applied to tensors"):
        as_forward_inputs(torch.zeros(1, 3)).with_batch_size(2)


@pytest.mark.parametrize("given", ["1x0x8x8", (1, 0, 8, 8), {"x": (1, 0, 8, 8)}, "x=1x0x8x8"])
def test_a_size_of_0_is_refused(given):
    with pytest.raises(InputError, match="the shape 1×0×8×8 has a size of 0; every size must be at least 1"):
        as_forward_inputs(given)


def test_a_dtype_has_the_names_that_torch_gives_it():
    torch = pytest.importorskip("torch")
    for name, others in DTYPES.items():
        for text in (name, *others):
            dtype = getattr(torch, text, None)
            # Names such as fp16 are not torch's.
            assert parse_dtype(text) == name
            if isinstance(dtype, torch.dtype):
                assert parse_dtype(dtype) == parse_dtype(str(dtype)) == name


def test_an_unknown_dtype_is_answered_with_the_closest():
    with pytest.raises(UsageError, match="unknown dtype 'hlaf'; did you mean half"):
        parse_dtype("hlaf")


def test_a_dtype_that_is_not_accepted_is_unknown():
    with pytest.raises(UsageError, match="unknown dtype 'long'; available dtypes: float32, float16"):
        parse_dtype("long", FLOATING_DTYPES)


SHORT = {"float32": "fp32", "half": "fp16", "torch.bfloat16": "bf16", "FP16": "fp16", "tf32": "tf32", "no": "no"}


@pytest.mark.parametrize("text", SHORT)
def test_a_dtype_is_abbreviated_as_bench_names_it(text):
    assert abbreviate_dtype(text) == SHORT[text]


def test_inputs_are_written_as_text_that_is_read_back():
    texts = ("1x3x8x8", "ids=1x16:int64")
    assert parse_inputs(texts).to_texts() == texts
    assert as_forward_inputs([[(3, 8, 8), (3, 8, 8)]]).to_texts() == ("2x3x8x8",)


def test_an_input_of_another_name_does_not_take_the_dtype_of_the_default_input():
    pytest.importorskip("transformers", reason="transformers is not installed")
    summary = netscope.summarize("hf/gpt2@n_layer=1", {"inputs_embeds": (1, 8, 768)})
    assert [(item.name, item.dtype) for item in summary.inputs] == [("inputs_embeds", "float32")]
    assert netscope.summarize("hf/gpt2@n_layer=1", (1, 8)).inputs[0].dtype == "int64"
