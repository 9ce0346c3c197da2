"""Exported programs are read as data: hostile and damaged files give one error, and no code in them is run."""

import json
import re
import zipfile

import pytest
import torch
from torch import nn

import netscope
from netscope.errors import InputError, NetscopeError, SavedResultError, TracingError, UsageError

EXPORTED_TENSOR = {
    "dtype": 7,
    "sizes": [{"as_int": 5}, {"as_int": 3}],
    "requires_grad": False,
    "device": {"type": "cpu", "index": None},
    "strides": [{"as_int": 3}, {"as_int": 1}],
    "storage_offset": {"as_int": 0},
    "layout": 7,
}


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """``Linear(4, 3)`` on five rows, exported for 2 to 64."""
    path = tmp_path_factory.mktemp("exported") / "dynamic.pt2"
    rows = torch.export.Dim("n", min=2, max=64)
    model = nn.Sequential(nn.Linear(4, 3)).eval()
    torch.export.save(torch.export.export(model, (torch.randn(5, 4),), dynamic_shapes=({0: rows},)), path)
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rewritten(source, target, change=lambda _name, content: content, *, more=(), compression=zipfile.ZIP_STORED):
    """The archive ``source`` with ``change`` applied to the name and content of each member, and some more."""
    with zipfile.ZipFile(source) as before, zipfile.ZipFile(target, "w", compression) as after:
        members = [(item.filename, change(item.filename, before.read(item))) for item in before.infolist()]
        for name, content in (*members, *more):
            if content is not None:
                after.writestr(name, content)
    return str(target)


def is_graph(name):
    return name.endswith((".json",)) and not name.endswith("_config.json")


def edited(edit):
    """A change of the graph's JSON."""

    def change(name, content):
        if not is_graph(name):
            return content
        parsed = json.loads(content)
        edit(parsed)
        return json.dumps(parsed)

    return change


def replaced(before, after):
    return lambda name, content: content.replace(before, after) if is_graph(name) else content


def expression(text):
    """A change of each expression in the file."""
    written = f'"expr_str": {json.dumps(text)}'.encode()
    return lambda _name, content: re.sub(rb'"expr_str": "(?:[^"\\]|\\.)*"', lambda _: written, content)


def with_op(target, inputs, *outputs):
    """A change that adds an op to the end of the graph; what it returns looks like what the last one returned."""

    def edit(parsed):
        graph = parsed["graph_module"]["graph"]
        node = {
            "target": target,
            "inputs": [{"name": name, "arg": value, "kind": 1} for name, value in inputs.items()],
            "outputs": [{"as_tensor": {"name": name}} for name in outputs],
            "metadata": {},
        }
        graph["nodes"].append(node)
        graph["tensor_values"] |= dict.fromkeys(outputs, EXPORTED_TENSOR)

    return edited(edit)


def with_guards(parsed):
    parsed["guards_code"] = ["__import__('pathlib').Path('pwned').touch()"]
    parsed["graph_module"]["module_call_graph"].append({"fqn": "unknown", "signature": None})


LINEAR = {"as_tensor": {"name": "linear"}}

HARMLESS = {
    "an expression that calls": expression("(open)('pwned','w')"),
    "an expression that hides its call": expression(
        "(eval)('_'+'_import_'+'_'+'(\"pathlib\").'+'Path'+'(\"pwned\").touch()')"
    ),
    "a power of powers": expression("9**9**9"),
    "an exponent": expression("1e999999"),
    "guards beside an unknown module": edited(with_guards),
    "a function of Python": with_op("os.system", {"command": {"as_string": "touch pwned"}}, "result"),
    "a power that takes forever": with_op("_operator.pow", {"a": {"as_int": 9}, "b": {"as_int": 10**9}}),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_code_in_a_file_is_not_run(folder, program, case):
    path = rewritten(program, folder / "hostile.pt2", HARMLESS[case])
    assert netscope.summarize(path).totals.macs == 5 * 12
    assert not (folder / "pwned").exists()


def test_libraries_in_the_archive_are_not_opened(folder, program):
    library = ("dynamic/data/aotinductor/model/model.so", b"\x7fELF")
    assert netscope.summarize(rewritten(program, folder / "hostile.pt2", more=[library])).totals.macs == 5 * 12


WRITES = {
    "filename": {"as_string": "pwned"},
    "shared": {"as_bool": True},
    "size": {"as_int": 10},
}

UNCALLED = {
    "aten.from_file": with_op("torch.ops.aten.from_file.default", WRITES, "result"),
    "aten.save": with_op("torch.ops.aten.save.default", {"item": LINEAR, "filename": {"as_string": "pwned"}}, "result"),
    "image.write_file": with_op("torch.ops.image.write_file.default", {"filename": {"as_string": "pwned"}}, "result"),
    "mine.own": with_op("torch.ops.mine.own.default", {"x": LINEAR}, "result"),
    "__class__.mro": with_op("torch.ops.__class__.mro.default", {"x": LINEAR}, "result"),
    "os.system": with_op("os.system", {"command": {"as_string": "touch pwned"}}, "result"),
}


@pytest.mark.parametrize("op", UNCALLED)
def test_an_op_that_is_not_known_to_compute_is_named_and_not_called(folder, program, op):
    summary = netscope.summarize(rewritten(program, folder / "hostile.pt2", UNCALLED[op]))
    assert [item.op for item in summary.uncounted_ops] == [f"{op} (not run)"]
    assert summary.totals.macs == 5 * 12
    assert not (folder / "pwned").exists()


HUGE = 2**40

ENDLESS = {
    "unbind.int": {"dim": 0},
    "split.Tensor": {"split_size": 1},
    "chunk.default": {"chunks": 2**39},
    "tensor_split.sections": {"sections": 2**39},
    "diff.default": {"n": 2**39},
}


@pytest.mark.parametrize("op", ENDLESS)
def test_an_op_that_would_make_more_tensors_than_the_file_names_is_not_called(folder, program, op):
    def edit(name, content):
        content = with_op("torch.ops.aten.new_empty.default", {"self": LINEAR, "size": {"as_ints": [HUGE]}}, "huge")(
            name, content
        )
        given = {"self": {"as_tensor": {"name": "huge"}}} | {key: {"as_int": n} for key, n in ENDLESS[op].items()}
        return with_op(f"torch.ops.aten.{op}", given, "pieces")(name, content)

    assert netscope.summarize(rewritten(program, folder / "endless.pt2", edit)).totals.macs == 5 * 12


UNCHECKED = {
    "an op that trusts its caller": with_op(
        "torch.ops.aten._foreach_copy.default",
        {"self": {"as_tensors": []}, "src": {"as_tensors": [{"name": "linear"}]}, "non_blocking": {"as_bool": True}},
        "result",
    ),
    "an op of TorchScript's lists": with_op(
        "torch.ops.aten.mul.right_", {"n": {"as_int": HUGE}, "l": {"as_ints": [1]}}, "result"
    ),
    "a packed sequence": with_op(
        "torch.ops.aten.lstm.data",
        {"data": LINEAR, "batch_sizes": LINEAR, "hx": {"as_tensors": []}, "params": {"as_tensors": []}},
        "result",
    ),
}


@pytest.mark.parametrize("case", UNCHECKED)
def test_an_op_that_does_not_check_its_arguments_is_not_called(folder, program, case):
    assert netscope.summarize(rewritten(program, folder / "unchecked.pt2", UNCHECKED[case])).totals.macs == 5 * 12


def newer_schema(parsed):
    parsed["schema_version"]["major"] = 9


def without_graph(name, content):
    return None if is_graph(name) else content


def of_zeros(name, content):
    return bytes(2**27) if is_graph(name) else content


def nested(opening, closing):
    return lambda name, content: opening * 100_000 + closing * 100_000 if is_graph(name) else content


REFUSED = {
    "an older or newer schema": (edited(newer_schema), "torch schema version 9; netscope reads version 8"),
    "no graph": (without_graph, "it contains no programs"),
    "nested arrays": (nested(b"[", b"]"), "Expected `object`, got `array`"),
    "nested objects": (nested(b'{"graph_module":', b"}"), "maximum recursion depth"),
    "long digits": (replaced(b'"as_int": 4', b'"as_int": ' + b"9" * 5000), "out of range"),
    "no number": (replaced(b'"as_int": 4', b'"as_int": NaN'), "JSON is malformed"),
    "a negative size": (replaced(b'"as_int": 4', b'"as_int": -4'), "the invalid size -4"),
    "an impossible size": (replaced(b'"as_int": 4', f'"as_int": {2**60}'.encode()), "more elements than a tensor"),
    "another type": (replaced(b'"target": "torch.ops.aten.linear.default"', b'"target": 7'), "Expected `str`"),
    "gigabytes of zeros": (of_zeros, "has more than 64 MiB"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_no_export_writes_is_one_sentence(folder, program, case):
    change, sentence = REFUSED[case]
    path = rewritten(program, folder / "refused.pt2", change)
    with pytest.raises(
        SavedResultError, match=f"refused.pt2 cannot be read as an exported program: .*{re.escape(sentence)}"
    ):
        netscope.summarize(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_that_two_readers_would_take_for_different_things_is_refused(folder, program):
    graph = next(name for name in zipfile.ZipFile(program).namelist() if is_graph(name))
    for more, sentence in (
        ((graph, b"{}"), "duplicate name"),
        (("../pwned", b""), "unsafe or duplicate name"),
        (("/pwned", b""), "unsafe or duplicate name"),
    ):
        with pytest.raises(SavedResultError, match=sentence):
            netscope.summarize(rewritten(program, folder / "odd.pt2", more=[more]))
    with pytest.raises(SavedResultError, match="is compressed, unlike in torch's archives"):
        netscope.summarize(rewritten(program, folder / "small.pt2", compression=zipfile.ZIP_DEFLATED))


def test_a_damaged_archive_is_one_sentence(folder, program):
    content = bytearray(program.read_bytes())
    (folder / "half.pt2").write_bytes(content[: len(content) // 2])
    at = content.index(b"torch.ops.aten.linear")
    content[at : at + 5] = b"TORCH"
    (folder / "bits.pt2").write_bytes(content)
    for name, sentence in (("half.pt2", "not an archive that torch wrote, or damaged"), ("bits.pt2", "Bad CRC-32")):
        with pytest.raises(SavedResultError, match=f"{name} cannot be read as an exported program: .*{sentence}"):
            netscope.summarize(name)


def test_an_archive_with_more_members_than_any_program_is_refused_unread(program, monkeypatch):
    monkeypatch.setattr("netscope.runtime.archives.MAX_DIRECTORY_BYTES", 100)
    with pytest.raises(SavedResultError, match="its directory of members has more than"):
        netscope.summarize(str(program))


def test_an_archive_in_which_two_readers_find_two_directories_is_refused(folder, program):
    """One directory lies where its offset says, the other right before the end, where Python looks."""
    content = program.read_bytes()
    rewritten(program, folder / "two.pt2", more=[("dynamic/pwned", b"")])
    other = (folder / "two.pt2").read_bytes()
    (folder / "both.pt2").write_bytes(content + other)
    with pytest.raises(SavedResultError, match="its directory is not at the position where torch writes it"):
        netscope.summarize("both.pt2")
    (folder / "comment.pt2").write_bytes(other[:-2] + (4).to_bytes(2, "little") + b"more")
    with pytest.raises(SavedResultError, match="not an archive that torch wrote"):
        netscope.summarize("comment.pt2")


def test_a_graph_that_contradicts_itself_is_one_sentence(folder, program):
    def without_nodes(parsed):
        parsed["graph_module"]["graph"]["nodes"] = []

    def from_nowhere(parsed):
        parsed["graph_module"]["graph"]["nodes"][0]["inputs"][0]["arg"] = {"as_tensor": {"name": "nowhere"}}

    with pytest.raises(TracingError, match="the saved program does not define linear"):
        netscope.summarize(rewritten(program, folder / "empty.pt2", edited(without_nodes)))
    summary = netscope.summarize(rewritten(program, folder / "nowhere.pt2", edited(from_nowhere)))
    assert [item.op for item in summary.uncounted_ops] == ["aten.linear (not run)"]


def test_fields_that_are_not_known_are_ignored(folder, program):
    def edit(parsed):
        parsed["new"] = parsed["graph_module"]["graph"]["new"] = {"of": ["a", "later", "torch"]}

    assert netscope.summarize(rewritten(program, folder / "later.pt2", edited(edit))).totals.macs == 5 * 12


def test_another_batch_size_needs_an_export_that_is_dynamic_in_it(folder, program):
    assert netscope.summarize(str(program), batch_size=9).totals.macs == 9 * 12
    with pytest.raises(InputError, match="size 0 of input must be between 2 and 64, as exported, got 65"):
        netscope.summarize(str(program), batch_size=65)
    with pytest.raises(InputError, match="size 1 of input must be 4, the only exported size, got 5"):
        netscope.summarize(str(program), (9, 5))
    computed = rewritten(program, folder / "computed.pt2", with_size_of_its_own)
    assert netscope.summarize(computed).totals.macs == 5 * 12
    with pytest.raises(InputError, match=r"computes a size from the inputs .*; use inputs of the exported sizes"):
        netscope.summarize(computed, batch_size=9)


def with_size_of_its_own(name, content):
    """An op whose size is the batch's plus one."""
    if not is_graph(name):
        return content
    parsed = json.loads(content)
    graph = parsed["graph_module"]["graph"]
    symbol = graph["tensor_values"]["linear"]["sizes"][0]["as_expr"]["expr_str"]
    graph["sym_int_values"]["more"] = {"as_expr": {"expr_str": f"Add({symbol}, Integer(1))", "hint": {"as_int": 6}}}
    sizes = {"as_sym_ints": [{"as_name": "more"}, {"as_int": 3}]}
    return with_op("torch.ops.aten.new_empty.default", {"self": LINEAR, "size": sizes}, "larger")(
        name, json.dumps(parsed)
    )


NEEDS_A_MODULE = {
    'mode="train"': {"mode": "train"},
    'dtype="float16"': {"dtype": "float16"},
    'device="cpu"': {"device": "cpu"},
}


@pytest.mark.parametrize("option", NEEDS_A_MODULE)
def test_options_that_need_the_module_are_refused_by_name(program, option):
    with pytest.raises(UsageError, match=f"{option} needs the module; .* is a saved program, which is read"):
        netscope.summarize(str(program), **NEEDS_A_MODULE[option])


def test_bench_and_what_if_need_the_module(program):
    with pytest.raises(NetscopeError, match="bench needs the module"):
        netscope.bench(str(program))
    with pytest.raises(UsageError, match="what_if needs the module"):
        netscope.explain(str(program), what_if={"0.bias": False})
