"""A program that ``torch.export.save`` wrote, as the plain data that its file is.

The types are those parts of torch's serialization schema (``torch/_export/serde/schema.py``, major version 8) from
which an architecture can be counted, under torch's names for them. A value of several possible kinds is an object with
one key, ``{"as_int": 4}``; whatever is not listed here is ignored when it is read.
"""

from dataclasses import dataclass, field

import msgspec


class _Record(msgspec.Struct, kw_only=True):
    """Plain data, read as what the annotations say."""


class Hint(_Record):
    """What a symbol was when the program was exported."""

    as_int: int | None = None
    as_bool: bool | None = None
    as_float: float | None = None


class Expression(_Record):
    """A size that was left open, ``Mul(Integer(4), Symbol('s0', …))``, and what it was in the export.

    Nothing of it is evaluated. Without a hint it depends on values.
    """

    expr_str: str
    hint: Hint | None = None


class Size(_Record):
    """A number that is known, or an expression."""

    as_int: int | None = None
    as_bool: bool | None = None
    as_float: float | str | None = None
    as_expr: Expression | None = None


class TensorMeta(_Record):
    """A tensor's sizes, strides and dtype, the last as a ``ScalarType`` of torch's schema."""

    dtype: int
    sizes: tuple[Size, ...]
    strides: tuple[Size, ...]
    storage_offset: Size = msgspec.field(default_factory=lambda: Size(as_int=0))
    requires_grad: bool = False


class Name(_Record):
    """A value by its name in the graph."""

    name: str


class NameOrNumber(_Record):
    """A size among others: by its name in the graph, or itself."""

    as_name: str | None = None
    as_int: int | None = None
    as_float: float | str | None = None
    as_bool: bool | None = None


class OptionalTensor(_Record):
    """A tensor among others, some of which are None."""

    as_tensor: Name | None = None


class Complex(_Record):
    """A complex number."""

    real: float
    imag: float


class NamedGraph(_Record):
    """The body of a higher-order operator."""

    name: str
    graph: "Graph"


class Device(_Record):
    """Where a tensor was."""

    type: str


class Argument(_Record):
    """An op's argument, or what it returns; none of these for a kind that netscope does not read."""

    as_none: bool | None = None
    as_tensor: Name | None = None
    as_tensors: tuple[Name, ...] | None = None
    as_optional_tensor: OptionalTensor | None = None
    as_optional_tensors: tuple[OptionalTensor, ...] | None = None
    as_int: int | None = None
    as_ints: tuple[int, ...] | None = None
    as_float: float | str | None = None
    as_floats: tuple[float | str, ...] | None = None
    as_bool: bool | None = None
    as_bools: tuple[bool, ...] | None = None
    as_string: str | None = None
    as_strings: tuple[str, ...] | None = None
    as_complex: Complex | None = None
    as_sym_int: NameOrNumber | None = None
    as_sym_ints: tuple[NameOrNumber, ...] | None = None
    as_sym_float: NameOrNumber | None = None
    as_sym_floats: tuple[NameOrNumber, ...] | None = None
    as_sym_bool: NameOrNumber | None = None
    as_sym_bools: tuple[NameOrNumber, ...] | None = None
    as_scalar_type: int | None = None
    as_memory_format: int | None = None
    as_layout: int | None = None
    as_device: Device | None = None
    as_graph: NamedGraph | None = None

    def names(self) -> tuple[str, ...]:
        """The tensors in it, by their names in the graph."""
        optional = (self.as_optional_tensor, *(self.as_optional_tensors or ()))
        found = (self.as_tensor, *(self.as_tensors or ()), *(item.as_tensor for item in optional if item))
        return tuple(item.name for item in found if item is not None)


class NamedArgument(_Record):
    """An argument under the name that the op's schema gives it; empty for a higher-order operator."""

    name: str
    arg: Argument


class NodeMetadata(_Record):
    """Which module calls were running: ``key,path,class`` of each, joined by semicolons, the outermost first."""

    nn_module_stack: str = ""


class GraphNode(_Record):
    """One op: ``torch.ops.aten.linear.default``, what it was given and what it returned."""

    target: str
    inputs: tuple[NamedArgument, ...]
    outputs: tuple[Argument, ...]
    metadata: NodeMetadata = msgspec.field(default_factory=NodeMetadata)


class Graph(_Record):
    """Ops in the order in which they run."""

    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    nodes: tuple[GraphNode, ...]
    tensor_values: dict[str, TensorMeta]
    sym_int_values: dict[str, Size] = {}
    sym_bool_values: dict[str, Size] = {}
    sym_float_values: dict[str, Size] = {}
    is_single_tensor_return: bool = False


class Range(_Record):
    """What an open size may be."""

    min_val: int | None = None
    max_val: int | None = None


class UserInput(_Record):
    """What a caller gives."""

    arg: Argument


class ParameterInput(_Record):
    """A parameter that ops read under a name in the graph."""

    arg: Name
    parameter_name: str


class BufferInput(_Record):
    """A buffer, likewise."""

    arg: Name
    buffer_name: str
    persistent: bool = True


class ConstantInput(_Record):
    """A tensor that no module registered, likewise."""

    arg: Name
    tensor_constant_name: str


class GraphInput(_Record):
    """One of these; none of them for what is no tensor."""

    user_input: UserInput | None = None
    parameter: ParameterInput | None = None
    buffer: BufferInput | None = None
    tensor_constant: ConstantInput | None = None


class Signature(_Record):
    """What the inputs of the graph are."""

    input_specs: tuple[GraphInput, ...]


class ModuleCallEntry(_Record):
    """A module, by its path."""

    fqn: str


class GraphModule(_Record):
    """The graph with what its names stand for."""

    graph: Graph
    signature: Signature
    module_call_graph: tuple[ModuleCallEntry, ...]


class Version(_Record):
    """Of torch's schema."""

    major: int


class VersionedProgram(_Record):
    """As much of a program as every version has."""

    schema_version: Version


class ExportedProgram(_Record):
    """The whole of a program's JSON."""

    graph_module: GraphModule
    range_constraints: dict[str, Range] = {}


class Payload(_Record):
    """A tensor of the archive: the file that its values are in, and its description."""

    path_name: str
    is_param: bool
    tensor_meta: TensorMeta | None = None


class Payloads(_Record):
    """The tensors of the archive, by name."""

    config: dict[str, Payload]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramTensor:
    """A parameter, buffer or constant of a saved program.

    Attributes:
        name: dotted, as in the state dict.
        meta: its sizes and dtype.
        storage: what tensors that are one have in common.
        kind: ``"parameter"``, ``"buffer"``, or ``"constant"`` for a tensor that no module registered.
        persistent: whether the state dict has it.
        placeholder: its name in the graph; None if no op reads it.
    """

    name: str
    meta: TensorMeta
    storage: str
    kind: str
    persistent: bool
    placeholder: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedProgram:
    """What the file of an exported program says.

    Attributes:
        modules: the paths of the module tree, a module before its children.
        tensors: parameters, buffers and constants, in the order of the state dict.
        inputs: names in the graph of what a caller gives, in order: tensors and sizes.
        graph: the ops.
        ranges: by symbol, what an open size may be.
        notes: what a reader of the figures should know of the file.
    """

    modules: tuple[str, ...]
    tensors: tuple[ProgramTensor, ...]
    inputs: tuple[str, ...]
    graph: Graph
    ranges: dict[str, Range] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
