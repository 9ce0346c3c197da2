"""Rebuilds a saved program as modules, which the recorder runs like any others."""

from netscope.tracing.saved_program.modules import ProgramModule, build_program_module, get_program_inputs

__all__ = ["ProgramModule", "build_program_module", "get_program_inputs"]
