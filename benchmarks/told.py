"""What more knowledge would gain: sessions whose judge is told what else it has to find out, and the still machine
that no rule on a wandering one can do better than.

A session can be told how the machine moves (its law), or how much each state scatters (to within the judge's grid of
variances), or only how that is spread over states. What such a session gains is what the rule loses by having to
learn it, and not a bound for all rules. The bound is :func:`innovation`: on a random walk with white noise, given all
that came before, a run's deviation is at least that, so no run tells more of a candidate than one on a still machine
with that noise and a known tip.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from benchmarks.judge import Session
from benchmarks.worlds import START, Machine, State, World
from pytest_autoresearch.judge.scatter import VARIANCES, States
from pytest_autoresearch.judge.spread import Spread
from pytest_autoresearch.judge.wander import Law, Moves, Wander

SURE = 10**6  # degrees of freedom of a noise that need not be learned


@dataclass(frozen=True, slots=True)
class Told(Wander):
    """What the machine does, known from the start; nothing that is seen changes it."""

    law: Law | None = None

    @property
    def moves(self) -> Moves | None:
        return None if self.law is None else Moves(self.law, 1.0)

    @property
    def unlike(self) -> float:
        return float(self.law is None)

    def seen(self, square: float, gap: int, own: tuple[float, ...] | None = None) -> Told:
        return self


def innovation(wander: float, memory: float) -> float:
    """The deviation of the next run of a known state on an AR(1) machine, all runs before it known (Kalman 1960)."""
    fresh, squared = wander * wander * (1 - memory * memory), memory * memory
    half = (1 - squared - fresh) / 2  # P = memory^2 P / (P + 1) + fresh
    return math.sqrt(1 + math.sqrt(half * half + fresh) - half)


def law_of(world: World) -> Law | None:
    """How this machine moves; None for one that stands still."""
    if world.wander:
        return Law(rate=world.wander**2 * (1 - world.memory**2))
    return Law(chance=world.steps, jump=2 * world.step**2) if world.steps else None


@dataclass(frozen=True, slots=True)
class ToldSpread(Told):
    """As told, but how much the tip scatters its own runs say."""

    def seen(self, square: float, gap: int, own: tuple[float, ...] | None = None) -> ToldSpread:
        return self if own is not None else replace(self, states=self.states.seen(square, None))


class ToldSession(Session):
    """A session whose judge is told the law of the machine and the noise of every state."""

    told: type[Told] = Told

    def _experiment(self) -> None:
        world, standing = self.machine.world, self.judge.standing
        start = self.machine.start.level
        one = world.deviation(start) ** 2
        spread = Spread().pooled(SURE * one, SURE, start)
        told = self.told(level=start, variance=one, states=self._states(), law=law_of(world))
        self.judge.standing = replace(standing, spread=spread, wander=told)
        super()._experiment()

    def _states(self) -> States:
        usual, tip = (_weights(state.spread**2) for state in (self._next(), self.tip))
        return States(usual=usual, tip=tip)

    def _next(self) -> State:
        """The candidate that comes, drawn ahead from a copy of the machine's luck."""
        luck = self.machine.rng.getstate()
        state, _ = self.machine.proposal(self.tip, self.ended.experiments + 1)
        self.machine.rng.setstate(luck)
        return state


class SpreadToldSession(ToldSession):
    """A session whose judge is told how often states have which noise, and of none which it has."""

    told = ToldSpread

    def _states(self) -> States:
        return States(usual=_usual(self.machine.world), tip=self.judge.standing.wander.states.tip)


@lru_cache
def _usual(world: World) -> tuple[float, ...]:
    """How often states of this world have each variance of the judge's grid."""
    machine = Machine(world, 0)
    drawn = [_weights(machine.state(START).spread ** 2) for _ in range(4000)]
    return tuple(sum(each) / len(drawn) for each in zip(*drawn, strict=True))


def _weights(variance: float) -> tuple[float, ...]:
    """The two neighbours of a variance on the judge's grid, by how near they lie on the logarithm."""
    at = min(max(math.log2(variance / VARIANCES[0]), 0.0), len(VARIANCES) - 1.0)
    return tuple(max(0.0, 1 - abs(at - place)) for place in range(len(VARIANCES)))
