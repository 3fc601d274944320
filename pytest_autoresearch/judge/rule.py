"""The judge, asked what to measure next and told what came out. Sees numbers only; the same numbers, the same verdicts.

On an exact metric one run decides, and a keep is run twice. On a noisy one a candidate that looks better is measured
beside the incumbent until the evidence has reached the threshold that the session's error budget sets, or is gone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from pytest_autoresearch.judge import statistics, weighing
from pytest_autoresearch.judge.settings import JudgeError, JudgeSettings
from pytest_autoresearch.judge.spending import Spending
from pytest_autoresearch.judge.spread import Spread
from pytest_autoresearch.judge.state import (
    Incumbent,
    JudgeState,
    Level,
    Progress,
    Run,
    Step,
    Trial,
    Verdict,
)
from pytest_autoresearch.protocol.experiment import Reason, Status

EXACT = 4  # runs that repeated a value, before a metric is taken as exact for good; rounding makes some by chance
CHECK_EVERY = 25  # experiments between two runs of an exact incumbent
REMEMBERED = 25  # differences that say what size is usual in exact mode
LARGEST = 1e150  # beyond it squares overflow; no metric is there

Answer: TypeAlias = "Step | Verdict | None"


class Judge:
    """Judges one session's experiments, one after the other.

    ``calibrate`` or ``start`` says what to run, ``tell`` takes its metric and says what to run next, until there is a
    Verdict (after ``start``) or None (after ``calibrate``). Made from a state, it goes on with ``pending``.
    """

    def __init__(
        self, settings: JudgeSettings | None = None, state: JudgeState | None = None, spending: Spending | None = None
    ) -> None:
        self.settings = JudgeSettings() if settings is None else settings
        self._state = JudgeState() if state is None else state
        self.spending = Spending(self._state.tests, self._state.keeps) if spending is None else spending

    # What can be asked at any time

    def state(self) -> JudgeState:
        """All it knows, after every ``tell``; ``Judge(settings, state)`` goes on from there."""
        return replace(self._state, tests=self.spending.tests, keeps=self.spending.keeps)

    @property
    def pending(self) -> Step | None:
        """What it waits to be told."""
        return self._state.pending

    @property
    def level(self) -> Level:
        """The incumbent's level. Raises JudgeError before the calibration has ended."""
        if self._state.incumbent.level is None:
            raise JudgeError("the incumbent has no level yet; calibrate the judge first")
        return self._state.incumbent.level

    @property
    def noise(self) -> float:
        """The standard deviation of one run as far as it is known, 0 for an exact metric."""
        return self._state.noise

    def progress(self) -> Progress | None:
        """How far it is, for the live line; None between experiments."""
        state, trial, window = self._state, self._state.trial, len(self._state.incumbent.window)
        if state.pending is None:
            return None
        if not state.calibrated or trial is None:
            return Progress(f"calibration {window + 1} of {self._calibration()}", 0, window)
        runs = len(trial.runs)
        if trial.reason is not None:
            activity = f"kept, level {len(trial.kept_runs) + 1} of {self.settings.numbers.keep_runs}"
            return Progress(activity, runs, window)
        activity = "second look" if trial.runs else "first look"
        return Progress(activity, runs, window, weighing.evidence(trial), trial.threshold)

    # Ask and tell

    def calibrate(self) -> Step | None:
        """Measure the incumbent, anew if it has been before; goes on with a calibration that was interrupted."""
        if self._state.calibrated or self._state.trial is not None:
            self.recalibrate()
        answer = self._answer()
        assert not isinstance(answer, Verdict)
        return answer

    def recalibrate(self) -> None:
        """Forget levels and noise, as on another machine: the next ``calibrate`` or ``start`` measures the incumbent.

        The error spent so far, and that the metric is noisy, are remembered. An experiment under way is dropped.
        """
        self._state = replace(
            self._state,
            calibrated=False,
            spread=Spread(),
            agreements=0,
            incumbent=Incumbent(debt=self._state.incumbent.debt),
            trial=None,
            replaced=None,
            pending=None,
            failed=False,
        )

    def start(self, complexity_change: int = 0) -> Step:
        """Begin an experiment; ``complexity_change`` is lines added minus lines removed."""
        state = self._state
        if state.trial is not None:
            raise JudgeError("an experiment is under way: tell the judge what is pending, or overturn it")
        recent = tuple(run for run in state.incumbent.window if state.clock - run.clock < self.settings.numbers.span)
        self._state = replace(
            state,
            incumbent=replace(state.incumbent, window=recent),
            unchecked=state.unchecked + 1,
            trial=Trial(complexity_change),
            replaced=None,
            last_test=None,
        )
        answer = self._answer()
        assert isinstance(answer, Step)
        return answer

    def tell(self, value: float | None) -> Answer:
        """Take the metric of the run that was pending, None if the run crashed.

        A crashed candidate is a verdict; a crashed incumbent is asked for once more, then JudgeError is raised.
        A number that is not finite is a crash too.
        """
        step = self._state.pending
        if step is None:
            raise JudgeError("the judge is told a value it did not ask for")
        self._state = replace(self._state, clock=self._state.clock + 1)
        if value is None or not abs(value) < LARGEST:
            return self._crashed(step, Reason.ERROR if value is None else Reason.BAD_METRIC)
        run = Run(self._state.clock, float(value))
        if step is Step.INCUMBENT:
            self._add_incumbent(run)
        else:
            self._add_candidate(run)
        self._watch_for_noise(run)
        return self._answer()

    def overturn(self) -> None:
        """Take the last keep back, or drop the experiment under way: a guard, a limit or the holdout said no.

        What was spent on it stays spent, and it earns nothing.
        """
        state = self._state
        if state.trial is not None:
            self._close()
        elif state.replaced is not None:
            if state.last_test is not None:
                self.spending.withdraw(state.last_test)
            self._state = replace(state, incumbent=state.replaced, replaced=None, last_test=None)
        else:
            raise JudgeError("there is no keep to overturn")

    # What a run adds to the memory

    def _add_incumbent(self, run: Run) -> None:
        state, trial, window = self._state, self._state.trial, self._state.incumbent.window
        if state.calibrated and state.noisy and window:
            center = statistics.mean([before.value for before in window])
            distance = run.value - center
            self._pool(distance * distance * len(window) / (len(window) + 1), 1, center, (run.value,))
        if trial is not None and trial.runs:
            trial = replace(trial, fresh=trial.fresh + 1)
        self._state = replace(
            self._state,
            incumbent=replace(state.incumbent, window=(*window, run)),
            trial=trial,
            unchecked=0,
            failed=False,
        )

    def _add_candidate(self, run: Run) -> None:
        trial = self._trial
        if trial.reason is None:
            trial = replace(trial, runs=(*trial.runs, run))
        else:
            trial = replace(trial, kept_runs=(*trial.kept_runs, run))
        self._state = replace(self._state, trial=trial)

    def _pool(self, squares: float, freedom: int, level: float, values: Sequence[float]) -> None:
        """Add to the session's noise; a single outlier counts as one at WINSOR."""
        squares = min(squares, freedom * weighing.largest_square(self._state, level))
        self._state = replace(self._state, spread=self._state.spread.pooled(squares, freedom, level, values))

    def _pool_residuals(self, runs: tuple[Run, ...]) -> None:
        if len(runs) > 1:
            values = [run.value for run in runs]
            center = statistics.mean(values)
            squares = statistics.squared_residuals(values, weighing.largest_square(self._state, center))
            self._pool(squares, len(values) - 1, center, values)

    def _watch_for_noise(self, run: Run) -> None:
        """Leave exact mode as soon as one state has given two values; the incumbent is then calibrated."""
        state = self._state
        if state.noisy or not state.calibrated or self.settings.classic:
            return
        trial, same = state.trial, self.level.estimate
        if state.pending is Step.CANDIDATE and trial is not None:
            if len(trial.runs) == 1:
                return
            same = trial.runs[0].value
        if run.value == same:
            self._state = replace(state, agreements=state.agreements + 1)
        else:
            self._state = replace(state, noisy=True, calibrated=False)

    # What to ask next, or the verdict

    def _answer(self) -> Answer:
        answer = self._next()
        self._state = replace(self._state, pending=answer if isinstance(answer, Step) else None)
        return answer

    def _next(self) -> Answer:
        if not self._state.calibrated and not self._finish_calibration():
            return Step.INCUMBENT
        if self._state.trial is None:
            return None
        if self.settings.classic or not self._state.noisy:
            return self._next_exact()
        return self._next_noisy()

    def _calibration(self) -> int:
        """How many runs of the incumbent the calibration takes, as far as it is known by now."""
        if self.settings.classic:
            return 1
        values = {run.value for run in self._state.incumbent.window}
        return self.settings.numbers.calibration if self._state.noisy or len(values) > 1 else 2

    def _finish_calibration(self) -> bool:
        state = self._state
        values = [run.value for run in state.incumbent.window]
        if len(values) < self._calibration():
            return False
        noisy = not self.settings.classic and (state.noisy or len(set(values)) > 1)
        if noisy:
            squares, center = statistics.squared_residuals(values), statistics.mean(values)
            state = replace(state, spread=Spread().pooled(squares, len(values) - 1, center, values))
        self._state = replace(state, calibrated=True, noisy=noisy, agreements=0 if noisy else 1)
        level = weighing.level(self.settings, self._state, state.incumbent.window)
        self._state = replace(self._state, incumbent=replace(state.incumbent, level=level))
        return True

    def _next_exact(self) -> Step | Verdict:
        """One run decides. A keep is run twice; the first one, and one that is too good, again beside the incumbent."""
        trial, level = self._trial, self.level.estimate
        if not trial.runs:
            due = self._state.unchecked >= CHECK_EVERY and not self.settings.classic
            return Step.INCUMBENT if due else Step.CANDIDATE
        gain = self.settings.gain(level, trial.runs[0].value)
        if gain > self.settings.demanded(level):
            reason = Reason.IMPROVED
        elif gain >= 0 and trial.complexity < 0:
            reason = Reason.SIMPLER
        else:
            return self._discard(Reason.WORSE if gain < 0 else Reason.NOISE)
        if not self.settings.classic:
            if len(trial.runs) < 2:
                return Step.CANDIDATE
            if self._state.agreements < EXACT or weighing.is_suspicious(self._state, gain, level):
                if trial.fresh < 1:
                    return Step.INCUMBENT
                if len(trial.runs) < 3:
                    return Step.CANDIDATE
        return self._keep(reason, trial.runs, trial.runs)

    def _next_noisy(self) -> Step | Verdict:
        """Screen, certify, measure what was kept."""
        trial, numbers, window = self._trial, self.settings.numbers, self._state.incumbent.window
        if trial.reason is not None:
            if len(trial.kept_runs) < numbers.keep_runs:
                return Step.CANDIDATE
            carried = trial.runs[1:] if numbers.carries else ()
            return self._keep(trial.reason, trial.kept_runs, (*carried, *trial.kept_runs))
        if not trial.runs:
            return Step.INCUMBENT if len(window) < numbers.window else Step.CANDIDATE
        return self._weigh(trial)

    def _weigh(self, trial: Trial) -> Step | Verdict:
        """The evidence from all runs so far, and what follows from it."""
        numbers, runs, window = self.settings.numbers, len(trial.runs), len(self._state.incumbent.window)
        latest = weighing.log_evidence(self.settings, self._state, weighing.shift(self.settings, self._state))
        dropped = latest <= math.log(numbers.drop)
        if trial.first is None and not dropped:
            level = self.spending.next_level(self.settings)
            trial = replace(trial, first=latest, test=self.spending.tests, level=level)
        trial = replace(trial, latest=latest)
        self._state = replace(self._state, trial=trial)
        if dropped:
            worse = runs == 1 and self.settings.gain(self.level.estimate, trial.runs[0].value) < 0
            return self._discard(Reason.WORSE if worse else Reason.NOISE)
        if self._reached(trial, latest):
            if trial.fresh < 1:
                return Step.INCUMBENT
            if runs >= 2:
                self._state = replace(self._state, trial=replace(trial, reason=self._keep_reason(trial)))
                return self._next_noisy()
        if runs >= self.settings.most_runs:
            return self._discard(Reason.NOISE)
        behind = runs < window and runs - trial.fresh <= numbers.lead
        return Step.CANDIDATE if behind else Step.INCUMBENT

    def _reached(self, trial: Trial, latest: float) -> bool:
        """Whether the evidence without that of the run that selected the candidate is enough."""
        assert trial.first is not None and trial.level is not None
        return latest - trial.first >= -math.log(trial.level)

    def _keep_reason(self, trial: Trial) -> Reason:
        """A test passed with room for a loss is `improved` only if it also passes without."""
        strict = weighing.log_evidence(
            self.settings, self._state, -self.settings.demanded(weighing.against(self._state))
        )
        return Reason.IMPROVED if self._reached(trial, strict) else Reason.SIMPLER

    # Ends of an experiment

    def _keep(self, reason: Reason, measured: tuple[Run, ...], window: tuple[Run, ...]) -> Verdict:
        before, old, test = self._state, self._state.incumbent, self._trial.test
        self._close()
        if before.noisy:
            self._pool_residuals(measured)
        verdict = self._verdict(before, Status.KEEP, reason, measured)
        assert verdict.estimate is not None and verdict.against is not None
        gain = self.settings.gain(verdict.against, verdict.estimate)
        debt = max(0.0, old.debt - gain) if reason is Reason.IMPROVED else old.debt + max(0.0, -gain)
        if test is not None:
            self.spending.keep(test)
        self._state = replace(
            self._state,
            incumbent=Incumbent(window, Level(verdict.estimate, verdict.interval), debt),
            replaced=old,
            last_test=test,
            unchecked=0,
        )
        return verdict

    def _discard(self, reason: Reason) -> Verdict:
        before = self._state
        self._close()
        return self._verdict(before, Status.DISCARD, reason, before.trial.runs if before.trial else ())

    def _verdict(self, before: JudgeState, status: Status, reason: Reason, measured: tuple[Run, ...]) -> Verdict:
        """Levels as the experiment leaves them; what was compared is as it stood ``before`` its end."""
        assert before.trial is not None
        level, against = weighing.level(self.settings, self._state, measured), weighing.against(before)
        return Verdict(
            status=status,
            reason=reason,
            estimate=level.estimate,
            interval=level.interval,
            samples=len(measured),
            evidence=weighing.evidence(before.trial),
            threshold=before.trial.threshold,
            against=against,
            suspicious=weighing.is_suspicious(before, self.settings.gain(against, level.estimate), against),
        )

    def _crashed(self, step: Step, reason: Reason) -> Answer:
        if step is Step.CANDIDATE:
            against = weighing.against(self._state)
            self._close()
            return Verdict(Status.CRASH, reason, against=against)
        if self._state.failed:
            self._state = replace(self._state, failed=False)
            raise JudgeError(
                "the incumbent gave no metric twice in a row, so nothing can be compared with it; "
                "run the kept state by hand, then start again to resume"
            )
        self._state = replace(self._state, failed=True)
        return step

    def _close(self) -> None:
        """Forget the experiment under way, but for what it says of the noise."""
        state, trial = self._state, self._trial
        if state.noisy and state.calibrated:
            self._pool_residuals(trial.runs)
        elif trial.runs and state.calibrated:
            size = abs(self.settings.gain(self.level.estimate, trial.runs[0].value))
            if size > 0:
                self._state = replace(state, differences=(*state.differences, size)[-REMEMBERED:])
        self._state = replace(self._state, trial=None, pending=None, failed=False)

    @property
    def _trial(self) -> Trial:
        assert self._state.trial is not None
        return self._state.trial
