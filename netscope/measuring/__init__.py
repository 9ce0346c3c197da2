"""Architectures that run → how fast, by blocks of steps. Imports torch."""

from netscope.measuring.environment import environment
from netscope.measuring.precision import device_of, usual_device
from netscope.measuring.runner import MeasuringProgress
from netscope.measuring.selftest import self_test
from netscope.measuring.session import Measured, Session, SessionOptions, run_session, run_steps
from netscope.measuring.step import BenchSubject

__all__ = [
    "BenchSubject",
    "Measured",
    "MeasuringProgress",
    "Session",
    "SessionOptions",
    "device_of",
    "environment",
    "run_session",
    "run_steps",
    "self_test",
    "usual_device",
]
