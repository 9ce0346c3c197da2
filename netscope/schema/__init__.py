"""All result types: frozen, plain data, to JSON and back. No torch."""

from typing import TYPE_CHECKING

from netscope.runtime.lazy_imports import lazy_names

if TYPE_CHECKING:
    from netscope.schema.bench import BenchConfig as BenchConfig
    from netscope.schema.bench import BenchEnvironment as BenchEnvironment
    from netscope.schema.bench import BenchReport as BenchReport
    from netscope.schema.bench import BenchRequest as BenchRequest
    from netscope.schema.bench import BenchResult as BenchResult
    from netscope.schema.bench import Block as Block
    from netscope.schema.bench import Comparison as Comparison
    from netscope.schema.bench import DeviceLimits as DeviceLimits
    from netscope.schema.bench import LayerOverhead as LayerOverhead
    from netscope.schema.bench import PreflightResult as PreflightResult
    from netscope.schema.bench import SavedComparison as SavedComparison
    from netscope.schema.bench import SelfTest as SelfTest
    from netscope.schema.bench import SelfTestCheck as SelfTestCheck
    from netscope.schema.bench import Span as Span
    from netscope.schema.bench import Telemetry as Telemetry
    from netscope.schema.bench import WarmUp as WarmUp
    from netscope.schema.cache import CacheContents as CacheContents
    from netscope.schema.cache import CachedResult as CachedResult
    from netscope.schema.check import METRIC_UNITS as METRIC_UNITS
    from netscope.schema.check import PYTEST_SEPARATOR as PYTEST_SEPARATOR
    from netscope.schema.check import SHORT_HASH as SHORT_HASH
    from netscope.schema.check import TEST_NAME_PREFIX as TEST_NAME_PREFIX
    from netscope.schema.check import Bound as Bound
    from netscope.schema.check import CheckReport as CheckReport
    from netscope.schema.check import CheckRequest as CheckRequest
    from netscope.schema.check import Contribution as Contribution
    from netscope.schema.check import Head as Head
    from netscope.schema.check import Location as Location
    from netscope.schema.check import LockedLayer as LockedLayer
    from netscope.schema.check import LockedModel as LockedModel
    from netscope.schema.check import MetricValue as MetricValue
    from netscope.schema.check import ModelCheck as ModelCheck
    from netscope.schema.check import Rule as Rule
    from netscope.schema.check import RuleResult as RuleResult
    from netscope.schema.check import RuleStatus as RuleStatus
    from netscope.schema.codec import SCHEMA_VERSION as SCHEMA_VERSION
    from netscope.schema.compare import ComparedArchitecture as ComparedArchitecture
    from netscope.schema.compare import ComparisonTable as ComparisonTable
    from netscope.schema.diff import AttributeChange as AttributeChange
    from netscope.schema.diff import ChangeKind as ChangeKind
    from netscope.schema.diff import ComparedModel as ComparedModel
    from netscope.schema.diff import Ignorable as Ignorable
    from netscope.schema.diff import LayerChange as LayerChange
    from netscope.schema.diff import ModelDiff as ModelDiff
    from netscope.schema.diff_weights import TensorPart as TensorPart
    from netscope.schema.diff_weights import TensorRecipe as TensorRecipe
    from netscope.schema.diff_weights import UnmappedTensor as UnmappedTensor
    from netscope.schema.diff_weights import WeightsMap as WeightsMap
    from netscope.schema.explain import Derivation as Derivation
    from netscope.schema.explain import Explanation as Explanation
    from netscope.schema.explain import LayerExplanation as LayerExplanation
    from netscope.schema.explain import ShapeMismatch as ShapeMismatch
    from netscope.schema.failure import LayerFailure as LayerFailure
    from netscope.schema.figures import METRICS as METRICS
    from netscope.schema.figures import Figures as Figures
    from netscope.schema.figures import Metric as Metric
    from netscope.schema.layer import LayerRow as LayerRow
    from netscope.schema.layer import LayerTensor as LayerTensor
    from netscope.schema.layer import OpCount as OpCount
    from netscope.schema.list import ListedArchitecture as ListedArchitecture
    from netscope.schema.list import Listing as Listing
    from netscope.schema.memory import PeakMemory as PeakMemory
    from netscope.schema.receptive_field import ReceptiveField as ReceptiveField
    from netscope.schema.report import ArchitectureReport as ArchitectureReport
    from netscope.schema.report import ChainStage as ChainStage
    from netscope.schema.report import DataflowNode as DataflowNode
    from netscope.schema.report import DiffReport as DiffReport
    from netscope.schema.summary import COUNTING_VERSION as COUNTING_VERSION
    from netscope.schema.summary import FLOP_CONVENTION as FLOP_CONVENTION
    from netscope.schema.summary import NEVER_CALLED as NEVER_CALLED
    from netscope.schema.summary import NOT_TRACED as NOT_TRACED
    from netscope.schema.summary import OUTPUT_SHAPES_VARY as OUTPUT_SHAPES_VARY
    from netscope.schema.summary import UNCOUNTED_FORWARD as UNCOUNTED_FORWARD
    from netscope.schema.summary import Architecture as Architecture
    from netscope.schema.summary import Summary as Summary
    from netscope.schema.summary import Totals as Totals
    from netscope.schema.summary_parameters import NamedTensor as NamedTensor
    from netscope.schema.summary_parameters import ParameterTable as ParameterTable
    from netscope.schema.tensors import ITEM_BYTES as ITEM_BYTES
    from netscope.schema.tensors import RAGGED as RAGGED
    from netscope.schema.tensors import InputSpec as InputSpec
    from netscope.schema.tensors import PlainValue as PlainValue
    from netscope.schema.tensors import Shape as Shape
    from netscope.schema.tensors import TensorSpec as TensorSpec
    from netscope.schema.tensors import drop_batch_dimension as drop_batch_dimension
    from netscope.schema.trace import ModuleCall as ModuleCall
    from netscope.schema.trace import SavedTensor as SavedTensor
    from netscope.schema.trace import TensorRef as TensorRef
    from netscope.schema.trace import Trace as Trace
    from netscope.schema.trace import TracedModule as TracedModule
    from netscope.schema.trace import TracedOp as TracedOp
    from netscope.schema.trace import TracedParameter as TracedParameter
    from netscope.schema.trace import TracedTensor as TracedTensor
    from netscope.schema.verify import Cause as Cause
    from netscope.schema.verify import ToolCount as ToolCount
    from netscope.schema.verify import ToolTally as ToolTally
    from netscope.schema.verify import Verification as Verification
else:
    __getattr__, __all__ = lazy_names(
        __name__,
        {
            "bench": ["BenchConfig", "BenchEnvironment", "BenchReport", "BenchRequest", "BenchResult", "Block",
                "Comparison", "DeviceLimits", "LayerOverhead", "PreflightResult", "SavedComparison", "SelfTest",
                "SelfTestCheck", "Span", "Telemetry", "WarmUp"],
            "cache": ["CacheContents", "CachedResult"],
            "check": ["Bound", "CheckReport", "CheckRequest", "Contribution", "Head", "Location", "LockedLayer",
                "LockedModel", "METRIC_UNITS", "MetricValue", "ModelCheck", "PYTEST_SEPARATOR", "Rule", "RuleResult",
                "RuleStatus", "SHORT_HASH", "TEST_NAME_PREFIX"],
            "codec": ["SCHEMA_VERSION"],
            "compare": ["ComparedArchitecture", "ComparisonTable"],
            "diff": ["AttributeChange", "ChangeKind", "ComparedModel", "Ignorable", "LayerChange", "ModelDiff"],
            "diff_weights": ["TensorPart", "TensorRecipe", "UnmappedTensor", "WeightsMap"],
            "explain": ["Derivation", "Explanation", "LayerExplanation", "ShapeMismatch"],
            "failure": ["LayerFailure"],
            "figures": ["Figures", "METRICS", "Metric"],
            "layer": ["LayerRow", "LayerTensor", "OpCount"],
            "list": ["ListedArchitecture", "Listing"],
            "memory": ["PeakMemory"],
            "receptive_field": ["ReceptiveField"],
            "report": ["ArchitectureReport", "ChainStage", "DataflowNode", "DiffReport"],
            "summary": ["Architecture", "COUNTING_VERSION", "FLOP_CONVENTION", "NEVER_CALLED", "NOT_TRACED",
                "OUTPUT_SHAPES_VARY", "Summary", "Totals", "UNCOUNTED_FORWARD"],
            "summary_parameters": ["NamedTensor", "ParameterTable"],
            "tensors": ["ITEM_BYTES", "InputSpec", "PlainValue", "RAGGED", "Shape", "TensorSpec",
                "drop_batch_dimension"],
            "trace": ["ModuleCall", "SavedTensor", "TensorRef", "Trace", "TracedModule", "TracedOp",
                "TracedParameter", "TracedTensor"],
            "verify": ["Cause", "ToolCount", "ToolTally", "Verification"],
        },
    )  # fmt: skip
