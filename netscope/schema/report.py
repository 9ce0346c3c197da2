"""The result of ``netscope report``: an architecture, or two, with chain of shapes and dataflow."""

from dataclasses import dataclass

from netscope.schema.bench import BenchResult
from netscope.schema.diff import ModelDiff
from netscope.schema.summary import Summary
from netscope.schema.tensors import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainStage:
    """Successive modules along the way from input to output whose outputs have one shape.

    Attributes:
        paths: paths of the modules, in order of execution; a single ``"<x>"`` for the input ``x``.
        types: names of their classes.
        shape: shape of their first outputs.
    """

    paths: tuple[str, ...]
    types: tuple[str, ...]
    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class DataflowNode:
    """An op that computes something from the inputs, or one of the inputs; views are skipped.

    Attributes:
        op: ``"aten.convolution"``; ``""`` for an input.
        path: path of the module that ran it, ``""`` for the root; for an input, the name of its parameter.
        shape: shape of its result.
        flops: FLOPs of the op; None if it has no formula.
        reads: positions of the nodes whose results it reads, without duplicates.
    """

    op: str
    path: str
    shape: Shape
    flops: int | None
    reads: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureReport:
    """One architecture with its chain of shapes, dataflow and measurements.

    Attributes:
        summary: summary of the architecture.
        chain: shapes from input to output.
        dataflow: ops in order of execution; empty for a saved summary.
        bench: benchmark results.
    """

    summary: Summary
    chain: tuple[ChainStage, ...]
    dataflow: tuple[DataflowNode, ...]
    bench: tuple[BenchResult, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffReport:
    """The diff of two architectures, with the report of each.

    Attributes:
        diff: diff of the two.
        before: report of the first.
        after: report of the second.
    """

    diff: ModelDiff
    before: ArchitectureReport
    after: ArchitectureReport
