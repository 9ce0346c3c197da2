"""An ``nn.Module`` and inputs → ``Trace``. Imports torch."""

from netscope.tracing.backward import differentiable_outputs
from netscope.tracing.inputs import parameters_text, requested_input_specs, required_parameters, varied_tensors_for
from netscope.tracing.meta_copy import independent_copy
from netscope.tracing.reference_counters import count_with_other_tools
from netscope.tracing.replace_module import replace_argument
from netscope.tracing.run import ForwardError, TraceRequest, check_memory, trace, weight_bytes
from netscope.tracing.saved_program import program_inputs, program_module
from netscope.tracing.torch_compat import OwnNumbers, compiler_left_out, process_state_restored

__all__ = [
    "ForwardError",
    "OwnNumbers",
    "TraceRequest",
    "check_memory",
    "compiler_left_out",
    "count_with_other_tools",
    "differentiable_outputs",
    "independent_copy",
    "parameters_text",
    "process_state_restored",
    "program_inputs",
    "program_module",
    "replace_argument",
    "requested_input_specs",
    "required_parameters",
    "trace",
    "varied_tensors_for",
    "weight_bytes",
]
