"""Runs models on a device and measures blocks of steps. Imports torch."""

from netscope.measuring.environment import collect_environment
from netscope.measuring.precision import default_device, select_device
from netscope.measuring.runner import MeasuringProgress
from netscope.measuring.selftest import run_self_test
from netscope.measuring.session import Measurement, SessionOptions, SessionResult, run_session, run_steps
from netscope.measuring.step import BenchModel

__all__ = [
    "BenchModel",
    "Measurement",
    "MeasuringProgress",
    "SessionOptions",
    "SessionResult",
    "collect_environment",
    "default_device",
    "run_self_test",
    "run_session",
    "run_steps",
    "select_device",
]
