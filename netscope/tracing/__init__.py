"""An ``nn.Module`` and inputs → ``Trace``. Imports torch."""

from netscope.tracing.inputs import parameters_text, required_parameters
from netscope.tracing.peers import peer_tallies
from netscope.tracing.run import ForwardError, Subject, check_memory, trace, weight_bytes
from netscope.tracing.torch_compat import undisturbed

__all__ = [
    "ForwardError",
    "Subject",
    "check_memory",
    "parameters_text",
    "peer_tallies",
    "required_parameters",
    "trace",
    "undisturbed",
    "weight_bytes",
]
