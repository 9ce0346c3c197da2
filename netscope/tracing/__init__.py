"""An ``nn.Module`` and inputs → ``Trace``. Imports torch."""

from netscope.tracing.backward import find_differentiable_outputs
from netscope.tracing.example_inputs import suggest_inputs
from netscope.tracing.inputs import (
    create_random_inputs,
    format_forward_parameters,
    list_required_parameters,
    resolve_input_specs,
)
from netscope.tracing.meta_copy import copy_to_device
from netscope.tracing.reference_counters import run_reference_counters
from netscope.tracing.replace_module import replace_hyperparameter
from netscope.tracing.run import ForwardError, TraceRequest, check_memory, count_weight_bytes, trace
from netscope.tracing.saved_program import build_program_module, get_program_inputs
from netscope.tracing.torch_compat import PrivateGenerators, avoid_compiler_import, preserve_process_state

__all__ = [
    "ForwardError",
    "PrivateGenerators",
    "TraceRequest",
    "avoid_compiler_import",
    "build_program_module",
    "check_memory",
    "copy_to_device",
    "count_weight_bytes",
    "create_random_inputs",
    "find_differentiable_outputs",
    "format_forward_parameters",
    "get_program_inputs",
    "list_required_parameters",
    "preserve_process_state",
    "replace_hyperparameter",
    "resolve_input_specs",
    "run_reference_counters",
    "suggest_inputs",
    "trace",
]
