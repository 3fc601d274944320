"""The policies that were there before Standing and Trial decide as they did: whole sessions, step by step.

``golden.txt`` was written by the judge that kept all its memory in one value. To write it anew after a rule has been
changed on purpose: ``python -m tests.judge.test_golden > tests/judge/golden.txt``.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_autoresearch.judge import Judge, JudgeSettings, Step, Verdict
from pytest_autoresearch.protocol.experiment import Status

EXPERIMENTS = 40
EFFECTS = (-3.0, -0.5, 0.0, 0.0, 0.0, 1.0, 2.5, 6.0)


@dataclass(frozen=True)
class World:
    """Noise in metric units at the start; what a candidate's effect is multiplied with."""

    level: float = 0.0
    noise: float = 1.0
    proportional: bool = False
    grain: float = 0.0
    crashes: float = 0.0

    def run(self, rng: random.Random, level: float, start: float) -> float | None:
        deviation = self.noise * (level / start if self.proportional else 1.0)
        value = level + rng.gauss(0, deviation)
        value = round(value / self.grain) * self.grain if self.grain else value
        return None if rng.random() < self.crashes else value


WORLDS = {
    "plain": World(),
    "exact": World(level=50.0, noise=0.0),
    "rounded": World(level=50.0, noise=0.3, grain=1.0),
    "proportional": World(level=100.0, noise=5.0, proportional=True),
    "crashing": World(crashes=0.08),
}
SETTINGS: dict[str, dict[str, object]] = {
    "certified": {"policy": "certified", "adapts": False},
    "fast": {"policy": "fast", "adapts": False},
    "classic": {"policy": "classic", "adapts": False},
    "demanding": {"policy": "certified", "adapts": False, "min_delta": 0.5},
    "tolerant": {"policy": "certified", "adapts": False, "tolerance": 1.0},
    "side by side": {"policy": "certified", "adapts": False, "workers": 2},
    "higher": {"policy": "certified", "adapts": False, "direction": "higher"},
}


def sound(world: World, rng: random.Random, level: float, start: float) -> float:
    """A run of the incumbent, which does not crash."""
    while (value := world.run(rng, level, start)) is None:
        pass
    return value


def session(world: World, settings: JudgeSettings, seed: int) -> Iterator[str]:
    """One line for each experiment: what was asked for, and the verdict."""
    rng, judge = random.Random(seed), Judge(settings)
    level = start = world.level
    worth = world.noise or 1.0
    step: Step | Verdict | None = judge.calibrate()
    while step is not None:
        step = judge.tell(sound(world, rng, level, start))
    better = 1.0 if settings.direction == "higher" else -1.0
    for number in range(EXPERIMENTS):
        if number == 25:
            judge.recalibrate()
        effect = rng.choice(EFFECTS) * worth * (level / start if world.proportional else 1.0)
        candidate, asked = level + better * effect, ""
        if world.proportional and candidate <= 0:
            candidate = level * 0.9
        answer: Step | Verdict | None = judge.start(rng.choice((-2, 0, 0, 3)))
        while isinstance(answer, Step):
            asked += answer.value[0]
            is_candidate = answer is Step.CANDIDATE
            answer = judge.tell(world.run(rng, candidate, start) if is_candidate else sound(world, rng, level, start))
        assert answer is not None
        said = f"{asked} {answer.reason.value} {answer.samples}"
        if answer.status is Status.KEEP and rng.random() < 0.2:
            judge.overturn()
            said += " overturned"
        elif answer.status is Status.KEEP:
            level = candidate
        yield said


def traces() -> Iterator[str]:
    for world in WORLDS:
        for settings, given in SETTINGS.items():
            yield f"# {world}, {settings}"
            sessions = session(WORLDS[world], JudgeSettings(**given), 7)  # type: ignore[arg-type]
            yield from sessions


def test_every_step_and_verdict_is_as_it_was() -> None:
    golden = (Path(__file__).parent / "golden.txt").read_text().splitlines()
    assert list(traces()) == golden


if __name__ == "__main__":
    print("\n".join(traces()))
