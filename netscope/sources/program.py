"""Reads the file of an exported program, a zip archive of JSON, without running any of it.

torch's own reader evaluates expressions and guards, unpickles objects and opens libraries that the archive contains.
This reader only decodes JSON into typed records, and of the weights it reads only the metadata.
"""

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from netscope.errors import SavedResultError
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
"""Major version of torch's serialization schema: torch 2.6 writes 8.2, torch 2.14 writes 8.20."""

TIES_UNKNOWN = "the file does not record which weights are tied; tied parameters may be counted twice"
VALUES_UNKNOWN = "sizes that depend on values are not in the file and count as 0"
UNRECORDED_MODULES = (
    "a module without ops in the file is shown as never called, even if it returned its input unchanged"
)

MAX_DEPTH, MAX_MODULES, MAX_INPUTS = 100, 20_000, 1_000
"""Limits on the nesting and number of modules and on the inputs, above those of any real program."""

_GRAPH_FILE = re.compile(r"(?:[^/]+/)?(?:models/[^/]+\.json|serialized_exported_program\.json)")
_WEIGHTS_CONFIG_FILE = re.compile(r"(?:[^/]+/)?data/(?:weights|constants)/[^/]*_config\.json")


def read_program(path: Path) -> SavedProgram:
    """Returns the program in the file.

    Raises:
        SavedResultError: the schema version is unsupported, or the file is inconsistent.
        ValueError: the archive is not one that torch writes.
        zipfile.BadZipFile: the file is not a zip archive, or damaged.
        msgspec.MsgspecError: the JSON does not follow the schema.
    """
    with open_archive(path) as archive:
        graphs = [name for name in archive.namelist() if _GRAPH_FILE.fullmatch(name)]
        if len(graphs) != 1:
            raise SavedResultError(f"it contains {len(graphs) or 'no'} programs instead of one")
        content = read_member(archive, graphs[0])
        version = msgspec.json.decode(content, type=VersionedProgram).schema_version.major
        if version != SCHEMA_MAJOR:
            raise SavedResultError(f"unsupported torch schema version {version}; netscope reads version {SCHEMA_MAJOR}")
        program = msgspec.json.decode(content, type=ExportedProgram)
        payloads = dict(_read_payloads(archive))
    return _convert_program(program, payloads)


def _read_payloads(archive: zipfile.ZipFile) -> Iterator[tuple[str, Payload]]:
    """Yields name and payload of each tensor of the state dict; tied tensors have the same weights file."""
    for name in archive.namelist():
        if _WEIGHTS_CONFIG_FILE.fullmatch(name):
            yield from msgspec.json.decode(read_member(archive, name), type=Payloads).config.items()


def _convert_program(program: ExportedProgram, payloads: Mapping[str, Payload]) -> SavedProgram:
    module, graph = program.graph_module, program.graph_module.graph
    for subgraph in _iterate_graphs(graph):
        for meta in subgraph.tensor_values.values():
            _check_sizes(meta)
    tensors = _collect_tensors(module, payloads)
    paths = dict.fromkeys(call.fqn for call in module.module_call_graph)
    names = (*paths, *(item.name for item in tensors))
    if len(names) > MAX_MODULES or any(name.count(".") > MAX_DEPTH for name in names):
        raise SavedResultError(f"it has more than {MAX_MODULES:,} modules, or more than {MAX_DEPTH} nested ones")
    is_open = any(size.as_expr and size.as_expr.hint is None for size in _iterate_sizes(graph))
    stacks = {node.metadata.nn_module_stack for subgraph in _iterate_graphs(graph) for node in subgraph.nodes}
    called = {part for stack in stacks for part in re.split("[,;]", stack)}
    leaves = paths.keys() - {path.rpartition(".")[0] for path in paths}
    notes = {
        TIES_UNKNOWN: not payloads and bool(tensors),
        VALUES_UNKNOWN: is_open,
        UNRECORDED_MODULES: bool(leaves - called),
    }
    inputs = [spec.user_input.arg for spec in module.signature.input_specs if spec.user_input]
    if len(inputs) > MAX_INPUTS:
        raise SavedResultError(f"it has more than {MAX_INPUTS:,} inputs")
    return SavedProgram(
        modules=tuple(paths),
        tensors=tensors,
        inputs=tuple(name for argument in inputs for name in _input_names(argument)),
        graph=graph,
        ranges=program.range_constraints,
        notes=tuple(note for note, applies in notes.items() if applies),
    )


def _collect_tensors(module: GraphModule, payloads: Mapping[str, Payload]) -> tuple[ProgramTensor, ...]:
    """Returns all parameters, buffers and constants of the program, including those that no op reads."""
    specs: dict[str, tuple[str, str, bool]] = {}
    for spec in module.signature.input_specs:
        if spec.parameter:
            specs[spec.parameter.parameter_name] = ("parameter", spec.parameter.arg.name, True)
        elif spec.buffer:
            specs[spec.buffer.buffer_name] = ("buffer", spec.buffer.arg.name, spec.buffer.persistent)
        elif spec.tensor_constant:
            specs[spec.tensor_constant.tensor_constant_name] = ("constant", spec.tensor_constant.arg.name, False)
    found = []
    for name in dict.fromkeys((*specs, *payloads)):
        payload = payloads.get(name)
        default = "parameter" if payload and payload.is_param else "buffer"
        kind, placeholder, persistent = specs.get(name, (default, None, True))
        meta = (payload and payload.tensor_meta) or module.graph.tensor_values.get(placeholder or "")
        if meta is None:  # an object other than a tensor
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
    """Yields the graph's names for an input; none for a constant, which the graph contains."""
    yield from argument.names()
    for size in (argument.as_sym_int, argument.as_sym_float, argument.as_sym_bool):
        if size is not None and size.as_name is not None:
            yield size.as_name


def _iterate_graphs(graph: Graph) -> Iterator[Graph]:
    """Yields the graph and all graphs nested in it."""
    yield graph
    for node in graph.nodes:
        for argument in node.inputs:
            if argument.arg.as_graph is not None:
                yield from _iterate_graphs(argument.arg.as_graph.graph)


def _iterate_sizes(graph: Graph) -> Iterator[Size]:
    for subgraph in _iterate_graphs(graph):
        yield from subgraph.sym_int_values.values()
        for meta in subgraph.tensor_values.values():
            yield from meta.sizes


def _check_sizes(meta: TensorMeta) -> None:
    """Checks that a tensor can have the recorded sizes.

    Raises:
        SavedResultError: a size is negative or unknown, or there are too many elements.
    """
    elements = 1
    for size in meta.sizes:
        hint: Any = size.as_int
        if size.as_expr is not None:
            hint = size.as_expr.hint.as_int if size.as_expr.hint else 0
        if hint is None or hint < 0:
            raise SavedResultError(f"it has a tensor with the invalid size {hint}")
        elements *= max(1, hint)
        if elements > MAX_ELEMENTS:
            raise SavedResultError("it has a tensor with more elements than a tensor can have")
    if len(meta.strides) != len(meta.sizes):
        raise SavedResultError("it has a tensor with a different number of strides than sizes")
