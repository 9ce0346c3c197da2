"""A saved program → modules that the recorder runs as it runs any others."""

from netscope.tracing.saved_program.modules import ProgramModule, build_program_module, get_program_inputs

__all__ = ["ProgramModule", "build_program_module", "get_program_inputs"]
