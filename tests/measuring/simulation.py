"""A clock that only steps advance, and steps with noise of any kind."""

import random
from dataclasses import dataclass, field
from math import sqrt

from netscope.measuring.runner import Workload


@dataclass
class FakeClock:
    """The host's and the device's time."""

    time: float = 100.0
    computed: float = 0.0
    pending: float = 0.0
    sync_s: float = 0.0
    has_device: bool = False
    synchronisations: int = 0

    def now(self):
        return self.time

    def thread_time(self):
        return self.computed

    def synchronize(self):
        self.synchronisations += 1
        self.time = max(self.time, self.pending) + self.sync_s

    def record_event(self):
        return max(self.time, self.pending)

    def elapsed_s(self, start, end):
        return end - start if self.has_device else None

    def run(self, seconds, *, issued=None, idle=0.0):
        """Runs a step of ``seconds``, which a host with a device issues in ``issued`` seconds."""
        self.time += idle
        if issued is None:
            self.time += seconds
        else:
            self.time += issued
            self.pending = max(self.pending, self.time) + seconds
        self.computed += seconds if issued is None else issued


@dataclass
class Noise:
    """AR(1) noise, one value for each block, and a drift with the clock's time."""

    rho: float = 0.0
    sigma: float = 0.0
    drift: float = 0.0
    over_s: float = 1.0
    seed: int = 0
    value: float = field(init=False)

    def __post_init__(self):
        self.random = random.Random(self.seed)
        self.value = self.random.gauss(0, 1)

    def advance(self):
        self.value = self.rho * self.value + sqrt(1 - self.rho**2) * self.random.gauss(0, 1)

    def factor(self, elapsed_s):
        return (1 + self.sigma * self.value) * (1 + self.drift * elapsed_s / self.over_s)


def noisy_workload(clock, noise, step_s=0.025, steps_per_block=2):
    """A workload whose blocks take ``step_s`` per step, times the noise."""
    return Workload(
        step=lambda: clock.run(step_s * noise.factor(clock.time - 100.0)),
        before_block=noise.advance,
        steps_per_block=steps_per_block,
    )
