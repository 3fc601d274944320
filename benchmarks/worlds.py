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


def normal(rng: random.Random) -> float:
    return rng.gauss(0, 1)


def wider(deviation: float, rng: random.Random) -> float:
    return rng.gauss(0, deviation)


def t3(rng: random.Random) -> float:
    chi = sum(rng.gauss(0, 1) ** 2 for _ in range(3))
    return rng.gauss(0, 1) / math.sqrt(chi / 3) / math.sqrt(3)


def skew(rng: random.Random) -> float:
    return (rng.gammavariate(4, 1) - 4) / 2 + (8.0 if rng.random() < 0.03 else 0.0) - 0.24


def outliers(rng: random.Random) -> float:
    return rng.gauss(0, 1) + (8.0 if rng.random() < 0.03 else 0.0) - 0.24


def late(rng: random.Random) -> float:
    return (rng.gammavariate(4, 1) - 4) / 2


def early(rng: random.Random) -> float:
    return -late(rng)


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
    ``paired``: the share of the variance that runs of one seed have in common; below zero, every second state has it
    the other way round. ``grain`` in metric units.
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
    key: int = 0


class Machine:
    """Runs states of a world: knows the truth that the judge has to find."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.rng, self.runs = world, random.Random(seed), 0
        self._seed, self._states = seed, 0
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
        self._states += 1
        return State(level, spread, key=self._states)

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

    def run(self, state: State, seed: int | None = None) -> float:
        world = self.world
        self.runs += 1
        z = self._noise(state, seed) * state.spread
        if world.lognormal:
            value = state.level * math.exp(world.sigma / START * z - (world.sigma / START * state.spread) ** 2 / 2)
        else:
            value = state.level + world.deviation(state.level) * z
        self.moved = self._disturbance() * world.sigma
        value += self.moved
        return math.floor(value / world.grain + 0.5) * world.grain if world.grain else value

    def _noise(self, state: State, seed: int | None) -> float:
        """With a seed, what it does to all states, and what it does to this one: again and again the same."""
        world = self.world
        if seed is None or not world.paired:
            return world.noise(self.rng)
        shared, own = random.Random(f"{self._seed}:{seed}"), random.Random(f"{self._seed}:{seed}:{state.key}")
        share = abs(world.paired)
        both = math.sqrt(share) * world.noise(shared)
        if world.paired < 0 and state.key % 2:
            both = -both
        return both + math.sqrt(1 - share) * world.noise(own)

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


SCALES = (  # part A: noise that goes with the level, and what breaks the assumption of normal noise
    World("constant"),
    World("constant, level falls to a tenth", sigma=0.1, jump=0.1),
    World("proportional 5 %", sigma=5, power=1),
    World("proportional, tenfold speed-up", sigma=5, power=1, jump=0.1),
    World("root of the level, tenfold", power=0.5, jump=0.1),
    World("lognormal 5 %, tenfold", sigma=5, power=1, lognormal=True, jump=0.1),
    World("lognormal 30 %, fivefold", sigma=30, power=1, lognormal=True, jump=0.2),
    World("t3", noise=t3),
    World("t3, proportional, tenfold", noise=t3, sigma=5, power=1, jump=0.1),
    World("skew, 3 % outliers", noise=skew),
    World("skew, proportional, tenfold", noise=skew, sigma=5, power=1, jump=0.1),
    World("drift .02 a run", drift=0.02),
    World("own sd of each state, exp(.5 z)", own=0.5),
    World("20 % of states with sd 3", unstable=0.2),
    World("steps of sd", grain=1.0),
    World("bimodal, 20 % slow", noise=bimodal),
)
MOVING = (  # item by item what the machine may do
    World("AR(1) .995, sd 1", wander=1),
    World("AR(1) .995, sd 3", wander=3),
    World("AR(1) .995, sd 10", wander=10),
    World("steps, .01 a run, sd 2", steps=0.01, step=2),
    World("steps, .03 a run, sd 5", steps=0.03, step=5),
    World("states' noise differs 7-fold", uneven=math.log(7)),
)
PAIRED = tuple(World(f"correlation {share}", paired=share) for share in (0.001, 0.5, 0.9, -0.5))
TASKS = (  # part B: what proposals are worth
    World("mix", mix),
    World("subtle", subtle),
    World("20 % gains Exp(.4)", many_small),
    World("rare large: 4 % U(1, 5)", rare_large),
    World("5 % U(2, 5), tiny losses", tiny_losses),
    World("continuous N(-.8, .6)", continuous),
    World("15 % crashes, mix", mix, crashes=0.15),
    World("t3, mix", mix, t3),
    World("t3, subtle", subtle, t3),
    World("skew, mix", mix, skew),
    World("skew, subtle", subtle, skew),
    World("3 % outliers, mix", mix, outliers),  # what there is in skew, one by one
    World("3 % outliers, subtle", subtle, outliers),
    World("long bad side, mix", mix, late),
    World("long bad side, subtle", subtle, late),
    World("long good side, mix", mix, early),
    World("long good side, subtle", subtle, early),
    World("15 % crashes, subtle", subtle, crashes=0.15),
    World("drift +.02, mix", mix, drift=0.02),
    World("drift +.02, subtle", subtle, drift=0.02),
    World("drift -.02, mix", mix, drift=-0.02),
    World("drift -.02, subtle", subtle, drift=-0.02),
)
