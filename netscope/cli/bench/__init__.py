"""The ``bench`` command and its live display."""

from netscope.cli.bench.command import BenchCommand, bench

__all__ = ["BenchCommand", "bench"]
