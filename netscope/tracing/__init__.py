"""An ``nn.Module`` and inputs → ``Trace``. Imports torch."""

from netscope.tracing.backward import differentiable_outputs
from netscope.tracing.inputs import parameters_text, requested, required_parameters, varied_tensors_for
from netscope.tracing.meta_copy import twin_of
from netscope.tracing.reference_counters import peer_tallies
from netscope.tracing.replace_module import altered
from netscope.tracing.run import ForwardError, Subject, check_memory, trace, weight_bytes
from netscope.tracing.saved_program import program_inputs, program_module
from netscope.tracing.torch_compat import OwnNumbers, compiler_left_out, undisturbed

__all__ = [
    "ForwardError",
    "OwnNumbers",
    "Subject",
    "altered",
    "check_memory",
    "compiler_left_out",
    "differentiable_outputs",
    "parameters_text",
    "peer_tallies",
    "program_inputs",
    "program_module",
    "requested",
    "required_parameters",
    "trace",
    "twin_of",
    "undisturbed",
    "varied_tensors_for",
    "weight_bytes",
]
