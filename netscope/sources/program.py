"""The file of an exported program → ``SavedProgram``: an archive of JSON, read as such.

torch's own reader evaluates expressions and guards, unpickles objects and opens libraries that the archive brings.
Here there is nothing that could: JSON is decoded into typed records, and of the weights only the description is read.
"""

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from netscope.errors import BuildError
from netscope.runtime.archives import open_archive, read_member
from netscope.schema.inputs import MAX_ELEMENTS
from netscope.schema.program import (
    Argument,
    ExportedProgram,
    Graph,
    GraphModule,
    Payload,
    Payloads,
    ProgramTensor,
    SavedProgram,
    Size,
    TensorMeta,
    VersionedProgram,
)

SCHEMA_MAJOR = 8
"""Of torch's serialization schema: torch 2.6 writes 8.2, torch 2.14 writes 8.20."""

TIES_UNKNOWN = "the file does not say which weights are tied: parameters may be counted twice"
VALUES_UNKNOWN = "sizes that depend on values are not in the file, and count as 0"
HANDED_ON = "a module that has no op in the file is shown as never run, even if it passed its input on"

DEEPEST, MOST_MODULES, MOST_INPUTS = 100, 20_000, 1_000
"""Of modules in modules, of modules, and of what a program is given: more than any has."""

_GRAPHS = re.compile(r"(?:[^/]+/)?(?:models/[^/]+\.json|serialized_exported_program\.json)")
_WEIGHTS = re.compile(r"(?:[^/]+/)?data/(?:weights|constants)/[^/]*_config\.json")


def read_program(path: Path) -> SavedProgram:
    """Returns what the file says.

    Raises:
        BuildError: it is of a schema that netscope does not read, contradicts itself, or is no archive of torch's.
        zipfile.BadZipFile: it is no archive, or damaged.
        msgspec.MsgspecError: a part of it is no JSON of that schema.
    """
    with open_archive(path) as archive:
        graphs = [name for name in archive.namelist() if _GRAPHS.fullmatch(name)]
        if len(graphs) != 1:
            raise BuildError(
                f"it holds {len(graphs) or 'no'} programs, and not one" if graphs else "it holds no program"
            )
        content = read_member(archive, graphs[0])
        version = msgspec.json.decode(content, type=VersionedProgram).schema_version.major
        if version != SCHEMA_MAJOR:
            raise BuildError(f"it is written by version {version} of torch's schema, and netscope reads {SCHEMA_MAJOR}")
        program = msgspec.json.decode(content, type=ExportedProgram)
        payloads = dict(_payloads(archive))
    return _program(program, payloads)


def _payloads(archive: zipfile.ZipFile) -> Iterator[tuple[str, Payload]]:
    """By the names of the state dict, which are tied where they name the same file of weights."""
    for name in archive.namelist():
        if _WEIGHTS.fullmatch(name):
            yield from msgspec.json.decode(read_member(archive, name), type=Payloads).config.items()


def _program(program: ExportedProgram, payloads: Mapping[str, Payload]) -> SavedProgram:
    module, graph = program.graph_module, program.graph_module.graph
    for where in _graphs_in(graph):
        for meta in where.tensor_values.values():
            _check_sizes(meta)
    tensors = _tensors(module, payloads)
    paths = dict.fromkeys(call.fqn for call in module.module_call_graph)
    names = (*paths, *(item.name for item in tensors))
    if len(names) > MOST_MODULES or any(name.count(".") > DEEPEST for name in names):
        raise BuildError("it has more modules than any program, or deeper ones")
    is_open = any(size.as_expr and size.as_expr.hint is None for size in _sizes(graph))
    stacks = {node.metadata.nn_module_stack for where in _graphs_in(graph) for node in where.nodes}
    ran = {part for stack in stacks for part in re.split("[,;]", stack)}
    leaves = paths.keys() - {path.rpartition(".")[0] for path in paths}
    notes = {
        TIES_UNKNOWN: not payloads and bool(tensors),
        VALUES_UNKNOWN: is_open,
        HANDED_ON: bool(leaves - ran),
    }
    inputs = [spec.user_input.arg for spec in module.signature.input_specs if spec.user_input]
    if len(inputs) > MOST_INPUTS:
        raise BuildError("it has more inputs than any program")
    return SavedProgram(
        modules=tuple(paths),
        tensors=tensors,
        inputs=tuple(name for argument in inputs for name in _input_names(argument)),
        graph=graph,
        ranges=program.range_constraints,
        notes=tuple(note for note, holds in notes.items() if holds),
    )


def _tensors(module: GraphModule, payloads: Mapping[str, Payload]) -> tuple[ProgramTensor, ...]:
    """All tensors that the program holds, whether or not an op reads them."""
    signed: dict[str, tuple[str, str, bool]] = {}
    for spec in module.signature.input_specs:
        if spec.parameter:
            signed[spec.parameter.parameter_name] = ("parameter", spec.parameter.arg.name, True)
        elif spec.buffer:
            signed[spec.buffer.buffer_name] = ("buffer", spec.buffer.arg.name, spec.buffer.persistent)
        elif spec.tensor_constant:
            signed[spec.tensor_constant.tensor_constant_name] = ("constant", spec.tensor_constant.arg.name, False)
    found = []
    for name in dict.fromkeys((*signed, *payloads)):
        payload = payloads.get(name)
        default = "parameter" if payload and payload.is_param else "buffer"
        kind, placeholder, persistent = signed.get(name, (default, None, True))
        meta = (payload and payload.tensor_meta) or module.graph.tensor_values.get(placeholder or "")
        if meta is None:  # an object that is no tensor
            continue
        _check_sizes(meta)
        storage = f"{kind == 'constant'}:{payload.path_name}" if payload else name
        found.append(
            ProgramTensor(
                name=name, meta=meta, storage=storage, kind=kind, persistent=persistent, placeholder=placeholder
            )
        )
    return tuple(found)


def _input_names(argument: Argument) -> Iterator[str]:
    """The name of what a caller gives; none of a constant, which is in the graph."""
    yield from argument.names()
    for size in (argument.as_sym_int, argument.as_sym_float, argument.as_sym_bool):
        if size is not None and size.as_name is not None:
            yield size.as_name


def _graphs_in(graph: Graph) -> Iterator[Graph]:
    """The graph and those inside of it."""
    yield graph
    for node in graph.nodes:
        for argument in node.inputs:
            if argument.arg.as_graph is not None:
                yield from _graphs_in(argument.arg.as_graph.graph)


def _sizes(graph: Graph) -> Iterator[Size]:
    for where in _graphs_in(graph):
        yield from where.sym_int_values.values()
        for meta in where.tensor_values.values():
            yield from meta.sizes


def _check_sizes(meta: TensorMeta) -> None:
    """Checks that a tensor could have these sizes.

    Raises:
        BuildError: it could not.
    """
    elements = 1
    for size in meta.sizes:
        hint: Any = size.as_int
        if size.as_expr is not None:
            hint = size.as_expr.hint.as_int if size.as_expr.hint else 0
        if hint is None or hint < 0:
            raise BuildError(f"it has a tensor with a size of {hint}")
        elements *= max(1, hint)
        if elements > MAX_ELEMENTS:
            raise BuildError("it has a tensor with more elements than a tensor can have")
    if len(meta.strides) != len(meta.sizes):
        raise BuildError("it has a tensor with more strides than sizes, or fewer")
