"""What each module computes, independent of the version of torch and the device that it was traced with."""

from netscope.analysis.computation.fingerprint import Computation, fingerprint_modules

__all__ = ["Computation", "fingerprint_modules"]
