"""The types of an exported program, as ``torch.export.save`` writes it.

They mirror the parts of torch's serialization schema (``torch/_export/serde/schema.py``, major version 8) that are
needed to count an architecture, under torch's names. A union is an object with one key, ``{"as_int": 4}``. Fields that
are not declared here are ignored.
"""

from dataclasses import dataclass, field

import msgspec


class _Record(msgspec.Struct, kw_only=True):
    """The base class of the types, which msgspec decodes and checks by their annotations."""


class Hint(_Record):
    """The value of a symbolic expression during the export."""

    as_int: int | None = None
    as_bool: bool | None = None
    as_float: float | None = None


class Expression(_Record):
    """A symbolic size, ``Mul(Integer(4), Symbol('s0', …))``, and its value during the export.

    The expression is never evaluated. A size without a hint depends on values of tensors.
    """

    expr_str: str
    hint: Hint | None = None


class Size(_Record):
    """A known number or a symbolic expression."""

    as_int: int | None = None
    as_bool: bool | None = None
    as_float: float | str | None = None
    as_expr: Expression | None = None


class TensorMeta(_Record):
    """The sizes, strides and dtype of a tensor; the dtype is a ``ScalarType`` of torch's schema."""

    dtype: int
    sizes: tuple[Size, ...]
    strides: tuple[Size, ...]
    storage_offset: Size = msgspec.field(default_factory=lambda: Size(as_int=0))
    requires_grad: bool = False


class Name(_Record):
    """The name of a value in the graph."""

    name: str


class NameOrNumber(_Record):
    """A number, or its name in the graph."""

    as_name: str | None = None
    as_int: int | None = None
    as_float: float | str | None = None
    as_bool: bool | None = None


class OptionalTensor(_Record):
    """A tensor's name, or None in a list of optional tensors."""

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
    """The device of a tensor."""

    type: str


class Argument(_Record):
    """An argument or a return value of an op; all fields are None for a kind that netscope does not read."""

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
        """Returns the names of the tensors in the argument."""
        optional = (self.as_optional_tensor, *(self.as_optional_tensors or ()))
        found = (self.as_tensor, *(self.as_tensors or ()), *(item.as_tensor for item in optional if item))
        return tuple(item.name for item in found if item is not None)


class NamedArgument(_Record):
    """An argument and its name in the op's schema; the name is empty for a higher-order operator."""

    name: str
    arg: Argument


class NodeMetadata(_Record):
    """The stack of module calls of a node: ``key,path,class`` of each, joined by semicolons, the outermost first."""

    nn_module_stack: str = ""


class GraphNode(_Record):
    """A call of an op, ``torch.ops.aten.linear.default``, with its arguments and return values."""

    target: str
    inputs: tuple[NamedArgument, ...]
    outputs: tuple[Argument, ...]
    metadata: NodeMetadata = msgspec.field(default_factory=NodeMetadata)


class Graph(_Record):
    """The ops of a program, in the order of execution."""

    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    nodes: tuple[GraphNode, ...]
    tensor_values: dict[str, TensorMeta]
    sym_int_values: dict[str, Size] = {}
    sym_bool_values: dict[str, Size] = {}
    sym_float_values: dict[str, Size] = {}
    is_single_tensor_return: bool = False


class Range(_Record):
    """The range of a symbolic size."""

    min_val: int | None = None
    max_val: int | None = None


class UserInput(_Record):
    """An input that the caller passes."""

    arg: Argument


class ParameterInput(_Record):
    """A parameter and its name in the graph."""

    arg: Name
    parameter_name: str


class BufferInput(_Record):
    """A buffer and its name in the graph."""

    arg: Name
    buffer_name: str
    persistent: bool = True


class ConstantInput(_Record):
    """A tensor that no module registered, and its name in the graph."""

    arg: Name
    tensor_constant_name: str


class GraphInput(_Record):
    """An input of the graph; all fields are None if it is not a tensor."""

    user_input: UserInput | None = None
    parameter: ParameterInput | None = None
    buffer: BufferInput | None = None
    tensor_constant: ConstantInput | None = None


class Signature(_Record):
    """The inputs of the graph, in order."""

    input_specs: tuple[GraphInput, ...]


class ModuleCallEntry(_Record):
    """The path of a module."""

    fqn: str


class GraphModule(_Record):
    """The graph, its inputs and the paths of the modules."""

    graph: Graph
    signature: Signature
    module_call_graph: tuple[ModuleCallEntry, ...]


class Version(_Record):
    """The version of torch's schema."""

    major: int


class VersionedProgram(_Record):
    """The part of a program that is the same in every schema version."""

    schema_version: Version


class ExportedProgram(_Record):
    """The JSON of a program."""

    graph_module: GraphModule
    range_constraints: dict[str, Range] = {}


class Payload(_Record):
    """A tensor in the archive: the file of its values, and its metadata."""

    path_name: str
    is_param: bool
    tensor_meta: TensorMeta | None = None


class Payloads(_Record):
    """The tensors in the archive, by name."""

    config: dict[str, Payload]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramTensor:
    """A parameter, buffer or constant of a saved program.

    Attributes:
        name: dotted name, as in the state dict.
        meta: sizes, strides and dtype.
        storage: identifier that tied tensors share.
        kind: ``"parameter"``, ``"buffer"``, or ``"constant"`` for a tensor that no module registered.
        persistent: whether the state dict contains it.
        placeholder: name in the graph; None if no op reads it.
    """

    name: str
    meta: TensorMeta
    storage: str
    kind: str
    persistent: bool
    placeholder: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedProgram:
    """The content of the file of an exported program.

    Attributes:
        modules: paths of the module tree, a module before its children.
        tensors: parameters, buffers and constants, in the order of the state dict.
        inputs: names in the graph of the inputs that a caller passes, in order: tensors and sizes.
        graph: ops of the program.
        ranges: range of each symbolic size, by its symbol.
        notes: limitations of the file that affect the counts.
    """

    modules: tuple[str, ...]
    tensors: tuple[ProgramTensor, ...]
    inputs: tuple[str, ...]
    graph: Graph
    ranges: dict[str, Range] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
