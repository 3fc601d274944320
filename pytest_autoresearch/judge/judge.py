"""The judge, asked what to measure next and told what came out. Sees numbers only; the same numbers, the same verdicts.

Holds one session's standing and what is under way on it; the rules themselves are pure, see :mod:`rule`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from pytest_autoresearch.judge import calibrating, certified, group, rule, seeds
from pytest_autoresearch.judge.group import PAIRS, Group
from pytest_autoresearch.judge.grouped import relearning
from pytest_autoresearch.judge.settings import JudgeError, JudgeSettings
from pytest_autoresearch.judge.standing import Level, Provisional, Standing, Step
from pytest_autoresearch.judge.state import Begun, JudgeState
from pytest_autoresearch.judge.trial import Trial, Undo
from pytest_autoresearch.judge.verdict import GroupVerdict, Progress, Verdict
from pytest_autoresearch.protocol.experiment import Status

Answer: TypeAlias = "Step | Verdict | None"


class Judge:
    """Judges one session's experiments.

    ``calibrate`` or ``start`` says what to run, ``tell`` takes its metric and says what to run next, until there is
    None (after ``calibrate``) or a Verdict (after ``start``). When a group is ``due``, ``certify`` and ``tell_group``
    do the same until there is a GroupVerdict. Made from a state, it goes on with ``pending``.

    Candidates that are judged side by side are each a trial of its own: ``open`` gives one, ``rule.told`` goes on with
    it, ``close`` folds what it has shown into the standing, in the order in which experiments end.
    """

    def __init__(self, settings: JudgeSettings | None = None, state: JudgeState | None = None) -> None:
        self.settings = JudgeSettings() if settings is None else settings
        state = JudgeState() if state is None else state
        self.standing: Standing = state.standing
        self._under_way: Trial | Group | None = None
        self._undo: Undo | None = state.undo
        self._turns: list[int] = []
        if state.begun is not None:
            self._resume(state.begun)

    # What can be asked at any time

    def state(self) -> JudgeState:
        """All it knows, after every ``tell``; ``Judge(settings, state)`` goes on from there."""
        under_way = self._under_way
        if isinstance(under_way, Group):
            return JudgeState(self.standing, Begun(under_way.heard, pairs=under_way.pairs), self._undo)
        if isinstance(under_way, Trial):
            begun = Begun(under_way.heard, under_way.complexity, under_way.number, under_way.calibrates)
            return JudgeState(self.standing, begun, self._undo)
        return JudgeState(self.standing, None, self._undo)

    @property
    def pending(self) -> Step | None:
        """What it waits to be told."""
        answer = None if self._under_way is None else self._under_way.answer
        return answer if isinstance(answer, Step) else None

    @property
    def seed(self) -> int | None:
        """Which seed the pending run has, where seeds are paired; a group's pairs are counted on their own."""
        under_way = self._under_way
        if isinstance(under_way, Group):
            return under_way.seed
        return None if under_way is None else seeds.next_seed(under_way)

    @property
    def level(self) -> Level:
        """The incumbent's level. Raises JudgeError before the calibration has ended."""
        return rule.level(self.settings, self._now)

    @property
    def noise(self) -> float:
        """The standard deviation of one run as far as it is known, 0 for an exact metric."""
        return self._now.noise

    @property
    def is_calibrated(self) -> bool:
        """Whether what is under way knows the incumbent's level and noise by now."""
        return self._now.calibrated

    @property
    def stack(self) -> tuple[Provisional, ...]:
        """The keeps that their group has yet to prove, oldest first."""
        return self._now.belief.stack

    @property
    def base(self) -> int:
        """The number of the newest experiment that needs no group to prove it; 0 is the start."""
        return self._now.belief.base

    @property
    def due(self) -> bool:
        """Whether the provisional keeps are to be certified before the next experiment starts."""
        return self._under_way is None and group.is_due(self.settings, self.standing)

    def progress(self, trial: Trial | None = None) -> Progress | None:
        """How far it is, or a trial of its own, for the live line; None between experiments."""
        under_way = trial or self._under_way
        now = self.standing if under_way is None else under_way.standing
        window = len(now.incumbent.window)
        if under_way is None or not isinstance(under_way.answer, Step):
            return None
        if not now.calibrated:
            return Progress(f"calibration {window + 1} of {calibrating.runs_needed(self.settings, now)}", 0, window)
        if isinstance(under_way, Group):
            activity = f"group of {len(now.belief.stack)}, pair {min(len(under_way.base), len(under_way.tip)) + 1}"
            runs = len(under_way.tip), len(under_way.base)
            return Progress(activity, *runs, under_way.evidence, 1 / under_way.level)
        runs = len(under_way.runs), window
        if under_way.reason is not None:
            most = relearning(under_way) if self.settings.grouped else certified.level_runs(under_way)
            return Progress(f"kept, level {len(under_way.kept_runs) + 1} of {most}", runs[0], window)
        activity = f"look {runs[0] + 1}" if runs[0] > 1 else ("second look" if runs[0] else "first look")
        return Progress(activity, runs[0], window, under_way.evidence, under_way.threshold)

    # Ask and tell

    def calibrate(self) -> Step | None:
        """Measure the incumbent, anew if it has been before; goes on with a calibration that was interrupted."""
        under_way = self._under_way
        if not (isinstance(under_way, Trial) and under_way.calibrates):
            if self.standing.calibrated or under_way is not None:
                self.recalibrate()
            self._under_way = rule.calibration(self.settings, self.standing)
        return self.pending

    def recalibrate(self, slot: int | None = None) -> None:
        """Forget levels and noise, as on another machine: the next ``calibrate`` or ``start`` measures the incumbent.

        ``slot`` is where it will, None: where it did. The error spent so far, and that the metric is noisy, are
        remembered; so is what was learned of effects, and which keeps are provisional. What is under way is dropped.
        """
        self.standing = self.standing.forgotten()
        if slot is not None:
            self.standing = self.standing.at(slot)
        self._under_way = self._undo = None

    def spend(self, tests: int) -> None:
        """So many tests are spent, whether or not what they were spent on is known any more."""
        self.standing = replace(self.standing, tests=max(self.standing.tests, tests))

    def start(self, complexity_change: int = 0, number: int | None = None) -> Step:
        """Begin an experiment with this ``number``; ``complexity_change`` is lines added minus lines removed."""
        if self._under_way is not None and not self._is_calibrating:
            raise JudgeError("an experiment is under way: tell the judge what is pending, or overturn it")
        self._undo = None
        self._under_way = rule.opened(self.settings, self.standing, complexity_change, number)
        assert isinstance(self._under_way.answer, Step)
        return self._under_way.answer

    def certify(self, pairs: int = PAIRS) -> Step:
        """Begin to prove the provisional keeps, by at most so many pairs of runs; JudgeError where there are none."""
        if self._under_way is not None:
            raise JudgeError("an experiment is under way: tell the judge what is pending, or overturn it")
        self._undo = None
        self._under_way = group.opened(self.settings, self.standing, pairs)
        assert isinstance(self._under_way.answer, Step)
        return self._under_way.answer

    def tell(self, value: float | None) -> Answer:
        """Take the metric of the run that was pending, None if the run crashed.

        A crashed candidate is a verdict; a crashed incumbent is asked for once more, then JudgeError is raised.
        A number that is not finite is a crash too.
        """
        under_way = self._under_way
        if not isinstance(under_way, Trial):
            raise JudgeError("the judge is told a value it did not ask for")
        self._under_way = under_way = rule.told(under_way, value)
        if not isinstance(under_way.answer, Step):
            self._end(under_way, rule.closed(self.standing, under_way))
        return under_way.answer

    def tell_group(self, value: float | None) -> Step | GroupVerdict:
        """As :meth:`tell`, of a run that ``certify`` has asked for.

        A run that crashes is asked for once more; then the group of a tip is rolled back, and of a base it is a
        JudgeError.
        """
        under_way = self._under_way
        if not isinstance(under_way, Group):
            raise JudgeError("the judge is told a value it did not ask for")
        self._under_way = under_way = group.told(under_way, value)
        if isinstance(under_way.answer, GroupVerdict):
            self._end(under_way, group.closed(self.standing, under_way))
        assert under_way.answer is not None
        return under_way.answer

    def overturn(self) -> None:
        """Take the last keep back, or drop the experiment under way: a guard, a limit or the holdout said no.

        What was spent on it stays spent, and it earns nothing.
        """
        under_way = self._under_way
        if isinstance(under_way, Trial):
            self._end(under_way, rule.closed(self.standing, rule.abandoned(under_way)))
        elif isinstance(under_way, Group):
            self._under_way = None
        elif self._undo is not None:
            self.standing, self._undo = rule.taken_back(self.standing, self._undo), None
        else:
            raise JudgeError("there is no keep to overturn")

    # Side by side

    def open(
        self,
        complexity_change: int = 0,
        number: int = 0,
        slot: int = 0,
        expected: tuple[float, float] | None = None,
        *,
        paired: bool = False,
    ) -> Trial:
        """A trial of its own on the standing of this moment; its ``answer`` says what to run first on its ``slot``.

        ``expected`` and ``paired`` are what is known of a candidate that was merged onto another base, as of a Trial.
        """
        if self._under_way is not None:
            raise JudgeError("an experiment is under way: tell the judge what is pending, or overturn it")
        self._undo = None
        self.standing = self.standing.at(slot)
        trial = rule.opened(
            self.settings, self.standing, complexity_change, number, self._turns, expected, paired=paired
        )
        self._turns.append(trial.turn)
        return trial

    def reopen(self, state: JudgeState) -> Trial | None:
        """The trial that was under way in a state that :meth:`state_of` gave, as far as it had got; None without."""
        begun = state.begun
        if begun is None or begun.is_group or begun.calibrates:
            return None
        trial = rule.opened(self.settings, state.standing, begun.complexity, begun.number, expected=begun.expected)
        self._turns.append(trial.turn)
        for step, value, _ in begun.heard:
            if trial.answer is not step:  # the rule has been changed since: it asks anew from there on
                break
            trial = rule.told(trial, value)
        return trial

    def state_of(self, trial: Trial) -> JudgeState:
        """What a trial can be gone on with in another process: :meth:`reopen`."""
        begun = Begun(trial.heard, trial.complexity, trial.number, expected=trial.expected)
        return JudgeState(trial.opening, begun)

    def level_beside(self, trial: Trial) -> Level:
        """The incumbent's level as a trial knows it by now."""
        return rule.level(self.settings, trial.standing)

    def close(self, trial: Trial) -> None:
        """Fold an ended trial into the standing. One that is not the judge's verdict is first ``rule.overturned``."""
        self._turns.remove(trial.turn)
        self.standing = rule.closed(self.standing, trial)

    def forget(self, trial: Trial) -> None:
        """As if the trial had not been opened."""
        self._turns.remove(trial.turn)

    def prove(self) -> Group:
        """A group of its own on the standing of this moment, as :meth:`open`; :meth:`settle` folds it in.

        JudgeError where there is nothing to prove.
        """
        self._undo = None
        return group.opened(self.settings, self.standing)

    def settle(self, proven: Group) -> None:
        """Fold a group that has ended into the standing, in which experiments may have ended since it was opened."""
        self.standing = group.closed(self.standing, proven)

    def rest_on(self, base: int, provisional: Sequence[int], slot: int | None = None) -> None:
        """The tip is these keeps, which their group has yet to prove, on ``base``.

        Levels are to be measured anew, on ``slot`` as in :meth:`recalibrate`.
        """
        self.standing = self.standing.resting_on(base, provisional)
        self.recalibrate(slot)

    # How

    @property
    def _now(self) -> Standing:
        return self.standing if self._under_way is None else self._under_way.standing

    @property
    def _is_calibrating(self) -> bool:
        return isinstance(self._under_way, Trial) and self._under_way.calibrates

    def _end(self, ended: Trial | Group, standing: Standing) -> None:
        self.standing, self._under_way = standing, None
        kept = isinstance(ended.answer, Verdict) and ended.answer.status is Status.KEEP
        self._undo = ended.undo if isinstance(ended, Trial) and kept else None

    def _resume(self, begun: Begun) -> None:
        """Tell it all again. Where the rule has been changed since, it asks anew from there on."""
        if begun.is_group:
            self.certify(begun.pairs)
        elif begun.calibrates:
            self.calibrate()
        else:
            self.start(begun.complexity, begun.number)
        for step, value, _ in begun.heard:
            if self.pending is not step:
                break
            self.tell_group(value) if begun.is_group else self.tell(value)
