"""A candidate beside the tip: what it is likely worth after its runs so far, and which run would tell more. Pure.

The level is followed run by run (``tracking``), as the machine may move; where states scatter unlike each other, and
where they are compared seed by seed, it is not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_autoresearch.judge import panel, scatter, statistics, tracking, unlike
from pytest_autoresearch.judge.belief import Posterior, posterior, worth_of_a_run
from pytest_autoresearch.judge.scatter import Scatter
from pytest_autoresearch.judge.standing import Step
from pytest_autoresearch.judge.tracking import Track
from pytest_autoresearch.judge.trial import Trial
from pytest_autoresearch.judge.wander import Law, Moves

CLEAR = 0.5  # sigma by which a candidate far off the grid may still be misjudged


def moving(trial: Trial) -> Moves | None:
    """How the machine is taken to move, by what was known when the trial was opened; None: means of runs say all."""
    opening = trial.opening
    is_followed = trial.settings.adapts and opening.spread.variance(opening.belief.mean) > 0 and not on_panel(trial)
    return opening.wander.moves if is_followed else None


def on_panel(trial: Trial) -> bool:
    """Whether runs of one seed are compared, and the tip's level is known at each seed."""
    return trial.settings.paired and trial.standing.belief.panel is not None


def _size(trial: Trial, moves: Moves) -> float:
    """The deviation of a run, in what the session takes it for."""
    wander, spread = trial.standing.wander, trial.opening.spread
    known = spread.variance(wander.level or 0.0)
    return 1.0 if moves.size is None or not known else math.sqrt(moves.size * (wander.variance or known) / known)


@dataclass(frozen=True, slots=True)
class Followed:
    """What may have happened on a machine that moves, and how probable each effect is under each of it."""

    law: Law
    tracks: tuple[Track, ...]
    joint: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Weighed:
    """A candidate beside the tip. ``unit`` is sigma in metric units, all else in sigma; ``tip`` its variance.

    ``followed`` only where it moves. ``own`` and ``tips``: variances of a run of candidate and tip in the session's,
    ``scatter`` what is known of the first, where states scatter unlike each other. ``panel`` where seeds are paired.
    """

    unit: float
    tip: float
    runs: int
    gain: float
    demanded: float
    believed: Posterior
    followed: Followed | None = None
    own: float = 1.0
    tips: float = 1.0
    scatter: Scatter | None = None
    panel: panel.Followed | None = None

    @property
    def told(self) -> float:
        """As many runs with the session's variance would tell as much."""
        return self.runs / self.own

    @property
    def worth(self) -> float:
        """The expected gain beyond what is demanded."""
        return self.believed.mean - self.demanded

    @property
    def deviation(self) -> float:
        return self.believed.deviation if self.believed.weights is not None else CLEAR


def weighed(trial: Trial) -> Weighed:
    """The candidate as its runs and the session's earlier effects make it likely."""
    settings, belief, runs = trial.settings, trial.standing.belief, len(trial.runs)
    tip, moves = trial.standing.doubt, moving(trial)
    assert tip is not None
    measured = settings.gain(belief.mean, statistics.mean(trial.values))
    unit = trial.standing.spread.deviation(belief.mean)
    unit = unit or abs(measured) / math.sqrt(12) or 1.0  # a metric in steps that has never moved: its step's own noise
    if on_panel(trial):
        return _at_seeds(trial, tip, unit)
    if moves is not None:
        return _followed(trial, moves, tip, unit, measured)
    gain, demanded = measured / unit, settings.demanded(belief.mean) / unit
    known, tips = unlike.candidate_scatter(trial), unlike.tip_scatter(trial)
    if known is not None and tips is not None:
        believed, known = scatter.posterior(trial.prior, known, gain, runs, tip, demanded)
        return Weighed(unit, tip, runs, gain, demanded, believed, None, known.mean, tips.mean, known)
    believed = posterior(trial.prior, gain, 1 / runs + tip, demanded)
    return Weighed(unit, tip, runs, gain, demanded, believed)


def tracks_of(trial: Trial, moves: Moves) -> list[Track]:
    """What may have happened to the level since the tip's was last known, by all runs of the trial since then."""
    settings, belief, doubt, size = trial.settings, trial.standing.belief, trial.standing.doubt, _size(trial, moves)
    assert doubt is not None
    unit = trial.standing.spread.deviation(belief.mean) * size or 1.0
    runs = [
        (heard.step is Step.CANDIDATE, settings.gain(belief.mean, heard.value) / unit)
        for heard in trial.heard[max(belief.clock - trial.opening.clock, 0) :]
        if heard.value is not None
    ]
    one = 1.0 if belief.counted else trial.standing.spread.variance(belief.mean) or 1.0
    levels = [
        Track(settings.gain(belief.mean, mean) / unit, variance / one / size**2, height=math.log(weight))
        for weight, mean, variance in belief.levels
    ]
    return tracking.tracked(levels or [Track(0.0, doubt / size**2)], runs, moves.law)


def followed_at_seeds(trial: Trial, unit: float) -> panel.Followed:
    """The tip's level at each seed by all runs of the trial since it was last known, and the candidate's effect."""
    settings, belief = trial.settings, trial.standing.belief
    assert belief.panel is not None
    levels = tuple(settings.gain(belief.mean, mean) / unit for mean in belief.panel.means)
    state = panel.Followed(levels, belief.panel.doubts).scaled(1 / unit**2)
    rate = trial.opening.wander.rate if settings.adapts else 0.0
    since = max(belief.clock - trial.opening.clock, 0)
    earlier = [heard for heard in trial.heard[:since] if heard.step is Step.CANDIDATE]
    for heard in (*earlier, *trial.heard[since:]):
        state = state.later(rate)
        if heard.value is not None and heard.seed is not None:
            gain = settings.gain(belief.mean, heard.value) / unit
            state = state.told(heard.seed % panel.SEEDS, gain, float(heard.step is Step.CANDIDATE))
    return state


def _at_seeds(trial: Trial, tip: float, unit: float) -> Weighed:
    """As weighed by what runs differ by from the tip's of the same seed."""
    state, demanded = followed_at_seeds(trial, unit), trial.settings.demanded(trial.standing.belief.mean) / unit
    joint = tracking.weighed([state.track], trial.prior)
    believed = tracking.posterior([state.track], joint, demanded)
    return Weighed(unit, tip, len(trial.runs), state.effect, demanded, believed, panel=state)


def _run_at_seeds(at: Weighed, state: panel.Followed, next_of_tip: int) -> tuple[Step, float]:
    candidate, tip = state.told_by(at.runs % panel.SEEDS, 1.0), state.told_by(next_of_tip % panel.SEEDS, 0.0)
    worth = worth_of_a_run(at.worth, at.deviation, 1 / state.square, min(candidate, tip))
    return Step.CANDIDATE if candidate <= tip else Step.INCUMBENT, worth


def _followed(trial: Trial, moves: Moves, tip: float, unit: float, measured: float) -> Weighed:
    """As weighed by all runs of the trial in their order, on a machine that moves."""
    settings, belief, size = trial.settings, trial.standing.belief, _size(trial, moves)
    unit, tip = unit * size, tip / size**2
    demanded = settings.demanded(belief.mean) / unit
    tracks = tracks_of(trial, moves)
    joint = tracking.weighed(tracks, trial.prior)
    believed = tracking.posterior(tracks, joint, demanded)
    followed = Followed(moves.law, tuple(tracks), tuple(map(tuple, joint)))
    return Weighed(unit, tip, len(trial.runs), measured / unit, demanded, believed, followed)


def next_run(at: Weighed, next_of_tip: int) -> tuple[Step, float]:
    """Which run tells more, and by how much it raises the expected gain, in sigma."""
    if at.panel is not None:
        return _run_at_seeds(at, at.panel, next_of_tip)
    return _quiet_run(at) if at.followed is None else _moving_run(at, at.followed)


def _quiet_run(at: Weighed) -> tuple[Step, float]:
    candidate, tip = at.own / (at.runs + 1) + at.tip, at.own / at.runs + at.tip * at.tips / (at.tips + at.tip)
    worth = worth_of_a_run(at.worth, at.believed.deviation, at.own / at.runs + at.tip, min(candidate, tip))
    return Step.CANDIDATE if candidate <= tip else Step.INCUMBENT, worth


def _moving_run(at: Weighed, followed: Followed) -> tuple[Step, float]:
    if at.believed.weights is None or at.worth < -tracking.HOPELESS * at.believed.deviation:
        return Step.INCUMBENT, 0.0
    candidate, tip = (
        tracking.worth_of_a_run(followed.tracks, followed.joint, followed.law, has_effect, at.demanded)
        for has_effect in (1.0, 0.0)
    )
    return (Step.CANDIDATE, candidate) if candidate >= tip else (Step.INCUMBENT, tip)
