"""Sessions that tell the keeps of each certified group apart, take out what was measured below zero, and prove the rest
again: how often the second proof is wrong, and what it leaves."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.judge import Session
from benchmarks.worlds import State, World
from pytest_autoresearch.judge import GroupVerdict, JudgeSettings, Step
from pytest_autoresearch.judge.attribution import MOST_KEEPS, design, effects
from pytest_autoresearch.protocol.experiment import Outcome


class AttributedSession(Session):
    """``attribute --drop`` after every certified group; effects add up."""

    def __init__(self, settings: JudgeSettings, world: World, seed: int) -> None:
        self.again = self.wrong = self.back = self.dropped = 0
        super().__init__(settings, world, seed)

    def _certify(self) -> None:
        base, number, stack = self.base, self.judge.base, tuple(self.stack)
        keeps = [keep.number for keep in self.judge.stack]
        super()._certify()
        if self.base is base or len(keeps) > MOST_KEEPS:
            return
        harmful = self._harmful(base, stack)
        if any(harmful):
            rest = [(keep, effect) for keep, effect, is_out in zip(keeps, stack, harmful, strict=True) if not is_out]
            self.dropped += sum(harmful)
            del self.ended.effects[-len(stack) :]
            self._prove_again(base, number, rest)

    def _harmful(self, base: State, stack: Sequence[float]) -> list[bool]:
        """Which of the keeps the design has measured below zero."""
        rows, unit = design(len(stack)), self.machine.world.sigma
        gains = [
            -self.machine.run(State(base.level - unit * sum(e for e, held in zip(stack, row, strict=True) if held)))
            for row in rows
        ]
        spread = self.judge.standing.spread
        found = effects(rows, gains, spread.variance(base.level), spread.freedom)
        return [effect.gain < 0 for effect in found]

    def _prove_again(self, base: State, number: int, rest: Sequence[tuple[int, float]]) -> None:
        unit = self.machine.world.sigma
        self.base = base
        self.stack = [effect for _, effect in rest]
        self.tip = self.machine.state(base.level - unit * sum(self.stack))
        self.judge.rest_on(number, [keep for keep, _ in rest])
        answer = self.judge.calibrate()
        while isinstance(answer, Step):
            self.judge.tell(self.machine.run(self.tip))
            answer = self.judge.pending
        if not rest:
            self.tip = base
            return
        step: Step | GroupVerdict = self.judge.certify()
        while isinstance(step, Step):
            step = self.judge.tell_group(self.machine.run(base if step is Step.BASE else self.tip))
        self.again += 1
        if step.outcome is Outcome.CERTIFIED:
            self.wrong += self.tip.level >= base.level
            self._publish()
        elif step.outcome is Outcome.ROLLED_BACK:
            self.back += 1
            self.tip, self.stack = base, []
