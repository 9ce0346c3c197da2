"""A saved program → modules that the recorder runs as it runs any others."""

from netscope.tracing.saved_program.modules import ProgramModule, program_inputs, program_module

__all__ = ["ProgramModule", "program_inputs", "program_module"]
