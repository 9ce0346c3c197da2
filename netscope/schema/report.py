"""What ``netscope report`` shows of an architecture, or of two beside each other."""

from dataclasses import dataclass

from netscope.schema.bench import BenchResult
from netscope.schema.diff import ModelDiff
from netscope.schema.summary import Summary
from netscope.schema.tensors import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainStage:
    """Successive modules along the way from input to output whose outputs have one shape.

    Attributes:
        paths: of the modules, in order of execution; a single ``"<x>"`` for the input ``x``.
        types: their classes' names.
        shape: of their first outputs.
    """

    paths: tuple[str, ...]
    types: tuple[str, ...]
    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class DataflowNode:
    """An op that computes something from the inputs, or one of the inputs. Views are seen through.

    Attributes:
        op: ``"aten.convolution"``; ``""`` for an input.
        path: of the module that ran it, ``""`` for the root; for an input its parameter's name.
        shape: of what it made.
        flops: None if there is no formula for it.
        reads: positions of the nodes whose results it reads, each once.
    """

    op: str
    path: str
    shape: Shape
    flops: int | None
    reads: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureReport:
    """One architecture with what is drawn of it.

    Attributes:
        summary: its layers.
        chain: the shapes from input to output.
        dataflow: its ops in order of execution; empty where only a saved summary was at hand.
        bench: what was measured of it.
    """

    summary: Summary
    chain: tuple[ChainStage, ...]
    dataflow: tuple[DataflowNode, ...]
    bench: tuple[BenchResult, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffReport:
    """Two architectures, aligned, with what is drawn of each.

    Attributes:
        diff: the alignment.
        before: the one side.
        after: the other.
    """

    diff: ModelDiff
    before: ArchitectureReport
    after: ArchitectureReport
