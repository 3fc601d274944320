"""Simulated machines and tasks for benchmarks/judge.py: what a proposal is worth, how a run scatters, what drifts.

Metrics are times, lower is better, starting at 100. Effects and disturbances are in standard deviations of one run.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

Draw = Callable[[random.Random], float]
START = 100.0


def nothing(_: random.Random) -> float:
    return 0.0


def mix(rng: random.Random) -> float:
    share = rng.random()
    return rng.uniform(0.5, 3) if share < 0.1 else 0.0 if share < 0.5 else -rng.uniform(0, 6)


def subtle(rng: random.Random) -> float:
    share = rng.random()
    return rng.expovariate(1 / 0.7) if share < 0.1 else 0.0 if share < 0.4 else -rng.expovariate(1)


def rare_large(rng: random.Random) -> float:
    share = rng.random()
    return rng.uniform(1, 5) if share < 0.04 else 0.0 if share < 0.3 else -rng.uniform(0, 8)


def many_small(rng: random.Random) -> float:
    share = rng.random()
    return rng.expovariate(1 / 0.4) if share < 0.2 else 0.0 if share < 0.5 else -rng.expovariate(1 / 2)


def continuous(rng: random.Random) -> float:
    return rng.gauss(-0.8, 0.6)


def tiny_losses(rng: random.Random) -> float:
    share = rng.random()
    return rng.uniform(2, 5) if share < 0.05 else 0.0 if share < 0.35 else -rng.expovariate(1 / 0.5)


def hidden_small(rng: random.Random) -> float:
    share = rng.random()
    return 0.25 + rng.expovariate(1 / 0.3) if share < 0.042 else 0.0 if share < 0.45 else -rng.expovariate(1 / 3)


def normal(rng: random.Random) -> float:
    return rng.gauss(0, 1)


def wider(deviation: float, rng: random.Random) -> float:
    return rng.gauss(0, deviation)


def t3(rng: random.Random) -> float:
    chi = sum(rng.gauss(0, 1) ** 2 for _ in range(3))
    return rng.gauss(0, 1) / math.sqrt(chi / 3) / math.sqrt(3)


def skew(rng: random.Random) -> float:
    return (rng.gammavariate(4, 1) - 4) / 2 + (8.0 if rng.random() < 0.03 else 0.0) - 0.24


def bimodal(rng: random.Random) -> float:
    return (2.0 if rng.random() < 0.2 else -0.5) + 0.3 * rng.gauss(0, 1)


@dataclass(frozen=True)
class World:
    """One kind of task on one kind of machine.

    ``sigma`` is the deviation of a run at the start in metric units; ``power`` of the level it goes with. ``jump``: the
    5th experiment brings the level down to this share. ``drift`` per run, as all of the following in sigma, downwards.
    ``wander``: the deviation of an AR(1) process with ``memory``. ``steps``: the probability per run that the machine
    changes its state, to a level drawn with deviation ``step``. ``uneven``: each state's noise is multiplied with
    exp(U(-x, x)/2). ``own``: with exp(x Z). ``unstable``: the share of states that scatter three times as much.
    ``paired``: the share of the variance that runs of one seed have in common. ``grain`` in metric units.
    """

    name: str
    effect: Draw = nothing
    noise: Draw = normal
    sigma: float = 1.0
    power: float = 0.0
    lognormal: bool = False
    jump: float = 0.0
    drift: float = 0.0
    wander: float = 0.0
    memory: float = 0.995
    steps: float = 0.0
    step: float = 0.0
    uneven: float = 0.0
    own: float = 0.0
    unstable: float = 0.0
    grain: float = 0.0
    crashes: float = 0.0
    paired: float = 0.0

    def deviation(self, level: float) -> float:
        return self.sigma * math.pow(level / START, self.power)


@dataclass(eq=False)
class State:
    """A commit: its true level, how much more than usual it scatters, and its runs that selected nothing."""

    level: float
    spread: float = 1.0
    own: list[float] = field(default_factory=list)


class Machine:
    """Runs states of a world: knows the truth that the judge has to find."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.rng, self.runs = world, random.Random(seed), 0
        self.start = self.state(START)
        self._wandered = self.rng.gauss(0, world.wander) if world.wander else 0.0
        self._stepped = self.moved = 0.0

    def state(self, level: float) -> State:
        world, rng, spread = self.world, self.rng, 1.0
        if world.uneven:
            spread *= math.exp(rng.uniform(-world.uneven, world.uneven) / 2)
        if world.own:
            spread *= math.exp(world.own * rng.gauss(0, 1))
        if world.unstable and rng.random() < world.unstable:
            spread *= 3
        return State(level, spread)

    def proposal(self, tip: State, number: int) -> tuple[State, float]:
        """A candidate on this tip, and its effect in sigma."""
        world = self.world
        if world.jump and number == 5:
            return self.state(tip.level * world.jump), tip.level * (1 - world.jump) / world.deviation(tip.level)
        effect, unit = world.effect(self.rng), world.deviation(tip.level)
        level = tip.level - effect * unit
        if world.power == 1.0 and effect > 0:
            level = max(level, tip.level * 0.05)
        return self.state(level), (tip.level - level) / unit

    def run(self, state: State) -> float:
        world, rng = self.world, self.rng
        self.runs += 1
        z = world.noise(rng) * state.spread
        if world.lognormal:
            value = state.level * math.exp(world.sigma / START * z - (world.sigma / START * state.spread) ** 2 / 2)
        else:
            value = state.level + world.deviation(state.level) * z
        self.moved = self._disturbance() * world.sigma
        value += self.moved
        return math.floor(value / world.grain + 0.5) * world.grain if world.grain else value

    def crashes(self) -> bool:
        return self.world.crashes > 0 and self.rng.random() < self.world.crashes

    def _disturbance(self) -> float:
        world, rng = self.world, self.rng
        if world.wander:
            fresh = math.sqrt(1 - world.memory**2) * world.wander
            self._wandered = world.memory * self._wandered + rng.gauss(0, fresh)
        if world.steps and rng.random() < world.steps:
            self._stepped = rng.gauss(0, world.step)
        return self._wandered + self._stepped - world.drift * self.runs
