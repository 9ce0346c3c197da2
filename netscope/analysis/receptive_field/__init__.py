"""Receptive fields: which input positions each unit of each tensor depends on, followed through every op of a trace."""

from netscope.analysis.receptive_field.propagate import compute_receptive_fields

__all__ = ["compute_receptive_fields"]
