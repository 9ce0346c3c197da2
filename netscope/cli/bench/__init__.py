"""The ``bench`` command, and what it shows while it measures."""

from netscope.cli.bench.command import BenchCommand, bench

__all__ = ["BenchCommand", "bench"]
