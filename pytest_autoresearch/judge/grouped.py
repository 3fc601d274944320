"""The rule that keeps what is likely worth it, and proves keeps in groups (``grouped``). Pure.

A candidate is run as often as another run is worth more than the experiment it costs. What is then expected to be a
gain, and is hardly harmful, is kept provisionally; ``group`` proves the keeps together. So half as many runs find the
same gains, and what is not promised is that each single keep is one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from pytest_autoresearch.judge import evidence, scatter, statistics, tracking, unlike
from pytest_autoresearch.judge.belief import Posterior, accepted_harm, learned, posterior, worth_of_a_run
from pytest_autoresearch.judge.scatter import Scatter
from pytest_autoresearch.judge.settings import JudgeSettings
from pytest_autoresearch.judge.standing import WINSOR, Belief, Level, Provisional, Run, Standing, Step
from pytest_autoresearch.judge.tracking import Track
from pytest_autoresearch.judge.trial import Trial, Undo, is_checked
from pytest_autoresearch.judge.verdict import Verdict
from pytest_autoresearch.judge.wander import Law, Moves
from pytest_autoresearch.protocol.experiment import Reason, Status

VAGUE = 1.5  # variances of a run: a tip that is known worse than that is run before a candidate is compared with it
VAGUE_MOVING = 4.0  # the same, of a machine that moves: there the runs after the candidate's tell as much
STALE = 0.001  # variances of a run that a level loses in certainty with each run that passes; .004 cost .9 sigma
MOST_RUNS = 8  # of one candidate; what is not clear by then costs more than it brings
LEAST_WORTH = 0.02  # sigma that a run has to bring, and twice the session's own rate where that is more
RESERVE = 8  # runs that a session of so many runs keeps for its last group
CLEAR = 0.5  # sigma by which a candidate far off the grid may still be misjudged
MOST_WON = 3.0  # sigma that one keep counts for in the session's rate, so that a jump does not stop the re-runs
OTHER_SCALE = 3 / 2  # beyond this ratio to the calibrated level, either way, noise is measured again
RELEARNED = 5  # runs that do so
BIG = 4  # runs after which a change of scale is known well enough: the first selected it, the others tell the noise


def answered(trial: Trial) -> Trial:
    """Run the tip while it is known too badly, then the candidate, then whichever tells more, until it is decided."""
    if trial.reason is not None:
        return trial.asks(Step.CANDIDATE) if len(trial.kept_runs) < relearning(trial) else _kept(_relearned(trial))
    trial = _aged(trial)
    if not trial.runs:
        return trial.asks(
            Step.INCUMBENT if _is_vague(trial) or (is_checked(trial) and _may_run(trial)) else Step.CANDIDATE
        )
    return _decided(trial)


def relearning(trial: Trial) -> int:
    """How many runs of a keep on another scale tell the noise there, besides those that it has had."""
    return max(BIG - len(trial.runs), 2) if trial.settings.adapts else RELEARNED


def _is_vague(trial: Trial) -> bool:
    doubt, moves = trial.standing.doubt, moving(trial)
    if doubt is None or moves is None:
        return doubt is None or (doubt > VAGUE and _may_run(trial))
    _, doubt = tracking.level(_tracks(trial, moves))
    return doubt + moves.law.rate > VAGUE_MOVING and _may_run(trial)


def moving(trial: Trial) -> Moves | None:
    """How the machine moves, as far as that was likely when the trial was opened."""
    return trial.opening.wander.moves if trial.settings.adapts else None


def _size(trial: Trial, moves: Moves) -> float:
    """The deviation of a run on a machine that moves, in what the session takes it for: that has the moves in it."""
    wander, spread = trial.standing.wander, trial.opening.spread
    known = spread.variance(wander.level or 0.0)
    return math.sqrt(moves.size * wander.variance / known) if known and wander.variance else 1.0


def staleness(settings: JudgeSettings, standing: Standing) -> float:
    """Variances of one run that the tip's level loses in certainty with each run that passes."""
    return max(STALE / settings.workers, standing.wander.rate if settings.adapts else 0.0)


def aged(settings: JudgeSettings, standing: Standing) -> Standing:
    """With a tip whose level is the less certain the more runs have passed since."""
    belief, passed = standing.belief, standing.clock - standing.belief.clock
    if belief.variance is None or not passed:
        return standing
    one = 1.0 if belief.counted else standing.spread.variance(belief.mean)
    belief = replace(
        belief, variance=belief.variance + staleness(settings, standing) * passed * one, clock=standing.clock
    )
    return replace(standing, belief=belief)


def _aged(trial: Trial) -> Trial:
    """With an aged tip; on a machine that moves as of the opening, its runs since then are followed one by one."""
    if trial.heard and moving(trial) is not None:
        return trial
    return replace(trial, standing=aged(trial.settings, trial.standing))


def with_tip(trial: Trial, run: Run) -> Trial:
    """With a run of the tip: its level moves by as much as the run knows better (Kalman 1960), outliers pulled in."""
    before = _aged(replace(trial, standing=replace(trial.standing, clock=trial.standing.clock - 1)))
    standing = replace(before.standing, clock=trial.standing.clock, unchecked=0)
    standing = standing.apart(standing.last, run)
    belief, spread, doubt = standing.belief, standing.spread, standing.doubt
    trial = replace(trial, standing=standing, fresh=trial.fresh + bool(trial.runs))
    if belief.variance is None or doubt is None:
        belief = belief.known(run.value, 1.0, spread.deviation(run.value), spread)
    elif moving(trial) is not None:  # the level is followed through all of the trial's runs together
        return trial
    else:
        tips = unlike.tip_scatter(trial)
        own = 1.0 if tips is None else tips.mean
        distance, weight = run.value - belief.mean, doubt / (doubt + own)
        reach = WINSOR * spread.deviation(belief.mean) * math.sqrt(doubt + own)
        trial = trial.pooled(distance * distance / (doubt + 1), 1, belief.mean, (run.value,))
        mean = belief.mean + weight * max(-reach, min(reach, distance))
        belief = replace(belief, mean=mean, variance=belief.variance * (1 - weight))
    belief = replace(belief, clock=run.clock, calibrated_at=belief.calibrated_at or belief.mean)
    return replace(trial, standing=replace(trial.standing, belief=belief))


def with_candidate(trial: Trial, run: Run) -> Trial:
    """With a run of the candidate; all but the first are pulled in to where a run may lie, given those before."""
    if not trial.runs or not trial.standing.calibrated:
        return replace(trial, runs=(*trial.runs, run))
    center = statistics.mean(trial.values)
    unit = trial.standing.spread.deviation(trial.standing.belief.mean)
    reach = WINSOR * unit * math.sqrt(1 + 1 / len(trial.runs))
    value = max(center - reach, min(center + reach, run.value)) if unit else run.value
    standing = trial.standing.apart(trial.runs[-1], run, unlike.own_weights(trial))
    standing = replace(standing, last=trial.standing.last, check=trial.standing.check)
    return replace(trial, standing=standing, runs=(*trial.runs, run._replace(value=value)))


@dataclass(frozen=True, slots=True)
class Followed:
    """What may have happened on a machine that moves, and how probable each effect is under each of it."""

    law: Law
    tracks: tuple[Track, ...]
    joint: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class _Weighed:
    """A candidate beside the tip. ``unit`` is sigma in metric units, all else in sigma; ``tip`` its variance.

    ``followed`` only where it moves. ``own`` and ``tips``: variances of a run of candidate and tip in the session's,
    ``scatter`` what is known of the first, where states scatter unlike each other.
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


def _weighed(trial: Trial) -> _Weighed:
    settings, belief, runs = trial.settings, trial.standing.belief, len(trial.runs)
    tip, moves = trial.standing.doubt, moving(trial)
    assert tip is not None
    measured = settings.gain(belief.mean, statistics.mean(trial.values))
    unit = trial.standing.spread.deviation(belief.mean)
    unit = unit or abs(measured) / math.sqrt(12) or 1.0  # a metric in steps that has never moved: its step's own noise
    if moves is not None:
        return _followed(trial, moves, tip, unit, measured)
    gain, demanded = measured / unit, settings.demanded(belief.mean) / unit
    known, tips = unlike.candidate_scatter(trial), unlike.tip_scatter(trial)
    if known is not None and tips is not None:
        believed, known = scatter.posterior(trial.prior, known, gain, runs, tip, demanded)
        return _Weighed(unit, tip, runs, gain, demanded, believed, None, known.mean, tips.mean, known)
    believed = posterior(trial.prior, gain, 1 / runs + tip, demanded)
    return _Weighed(unit, tip, runs, gain, demanded, believed)


def _tracks(trial: Trial, moves: Moves) -> list[Track]:
    """What may have happened to the level since the tip's was last known, by all runs of the trial since then."""
    settings, belief, doubt, size = trial.settings, trial.standing.belief, trial.standing.doubt, _size(trial, moves)
    assert doubt is not None
    unit = trial.standing.spread.deviation(belief.mean) * size or 1.0
    runs = [
        (heard.step is Step.CANDIDATE, settings.gain(belief.mean, heard.value) / unit)
        for heard in trial.heard[max(belief.clock - trial.opening.clock, 0) :]
        if heard.value is not None
    ]
    return tracking.tracked(0.0, doubt / size**2, runs, moves.law)


def _followed(trial: Trial, moves: Moves, tip: float, unit: float, measured: float) -> _Weighed:
    """As weighed by all runs of the trial in their order, on a machine that moves."""
    settings, belief, size = trial.settings, trial.standing.belief, _size(trial, moves)
    unit, tip = unit * size, tip / size**2
    demanded = settings.demanded(belief.mean) / unit
    tracks = _tracks(trial, moves)
    joint = tracking.weighed(tracks, trial.prior)
    believed = tracking.posterior(tracks, joint, demanded)
    followed = Followed(moves.law, tuple(tracks), tuple(map(tuple, joint)))
    return _Weighed(unit, tip, len(trial.runs), measured / unit, demanded, believed, followed)


def _decided(trial: Trial) -> Trial:
    """Another run where it is worth it or doubt is too large; else keep or discard."""
    belief, at = trial.standing.belief, _weighed(trial)
    accepted = accepted_harm(belief.won, trial.standing.clock)
    doubtful = at.worth > 0 and at.believed.harm > accepted
    made = at.runs if at.followed is None else at.runs + trial.fresh
    if made < min(MOST_RUNS, trial.settings.max_runs) and _may_run(trial):
        price = max(LEAST_WORTH, 2 * belief.won / trial.standing.clock)
        step, worth = _next_run(at) if at.followed is None else _next_followed(at, at.followed)
        if trial.settings.adapts and at.runs == 1 and _is_incredible(trial, at):
            return trial.asks(Step.CANDIDATE)
        if worth > price or doubtful:
            return trial.asks(step)
    if not (at.worth > 0 and not doubtful):
        return _discarded(trial, at)
    if trial.settings.workers > 1 and trial.fresh < 1:  # what the tip is known for may have been run on other slots
        return trial.asks(Step.INCUMBENT)
    return _keeping(trial, at)


def _next_run(at: _Weighed) -> tuple[Step, float]:
    """Which run tells more, and what it is worth."""
    candidate, tip = at.own / (at.runs + 1) + at.tip, at.own / at.runs + at.tip * at.tips / (at.tips + at.tip)
    worth = worth_of_a_run(at.worth, at.believed.deviation, at.own / at.runs + at.tip, min(candidate, tip))
    return Step.CANDIDATE if candidate <= tip else Step.INCUMBENT, worth


def _next_followed(at: _Weighed, followed: Followed) -> tuple[Step, float]:
    """The same on a machine that moves."""
    if at.believed.weights is None or at.worth < -tracking.HOPELESS * at.believed.deviation:
        return Step.INCUMBENT, 0.0
    candidate, tip = (
        tracking.worth_of_a_run(followed.tracks, followed.joint, followed.law, has_effect, at.demanded)
        for has_effect in (1.0, 0.0)
    )
    return (Step.CANDIDATE, candidate) if candidate >= tip else (Step.INCUMBENT, tip)


def _is_incredible(trial: Trial, at: _Weighed) -> bool:
    """Whether a gain is more than a reviewer should believe from one run: it gets a second one before it is kept."""
    return evidence.is_suspicious(trial.settings, trial.standing, at.unit * at.gain, trial.standing.belief.mean)


def _may_run(trial: Trial) -> bool:
    """Whether the session has more runs than its last group needs."""
    return trial.settings.runs is None or trial.standing.clock < trial.settings.runs - RESERVE


def _learned(trial: Trial, at: _Weighed) -> Trial:
    """With the candidate's residuals in the noise, and its effect in the prior."""
    if at.runs > 1:
        center = statistics.mean(trial.values)
        trial = trial.pooled(statistics.squared_residuals(trial.values), at.runs - 1, center, trial.values)
    trial = unlike.learned(trial, at.scatter)
    belief, weights = trial.standing.belief, at.believed.weights
    experiments = belief.experiments + 1
    prior = belief.prior if weights is None else learned(belief.prior, weights, experiments)
    return replace(
        trial, standing=replace(trial.standing, belief=replace(belief, prior=prior, experiments=experiments))
    )


def _as_discarded(settings: JudgeSettings, standing: Standing, at: _Weighed) -> Belief:
    """What a discard tells of the tip: it is as far from the candidate as the effect is believed to be."""
    belief, known = standing.belief, 1 / at.tip
    if at.followed is not None:
        return _after(settings, standing, at, at.followed, is_kept=False)
    doubt = (at.deviation * at.told / (at.told + known)) ** 2 + 1 / (at.told + known)
    if doubt >= at.tip:
        return belief
    moved = at.unit * (at.gain - at.believed.mean) * at.told / (at.told + known)
    return belief.known(settings.moved(belief.mean, moved), doubt, at.unit, standing.spread)


def _after(settings: JudgeSettings, standing: Standing, at: _Weighed, followed: Followed, *, is_kept: bool) -> Belief:
    """The level of what is the tip now, where the machine moves."""
    belief, unit = standing.belief, standing.spread.deviation(standing.belief.mean) or at.unit
    moved, doubt = tracking.level_after(followed.tracks, followed.joint, at.believed, is_kept)
    mean = settings.moved(belief.mean, at.unit * moved)
    known = belief.known(mean, doubt * (at.unit / unit) ** 2, unit, standing.spread)
    return replace(known, clock=standing.clock)


def _discarded(trial: Trial, at: _Weighed) -> Trial:
    ended = _without(trial, at)
    worse = at.gain < 0 and (at.runs == 1 or at.believed.harm >= 0.5)
    raw = [heard.value for heard in trial.heard if heard.step is Step.CANDIDATE and heard.value is not None]
    level = evidence.level(trial.settings, ended.standing, raw)
    return ended.ended(
        Verdict(
            status=Status.DISCARD,
            reason=Reason.WORSE if worse else Reason.NOISE,
            estimate=level.estimate,
            interval=level.interval,
            samples=len(raw),
            against=trial.standing.belief.mean,
        )
    )


def given_up(trial: Trial) -> Trial:
    """The trial of a candidate that somebody else has ruled out: its runs say what those of a discard say."""
    if trial.undo is not None:
        return replace(trial, standing=replace(trial.standing, belief=trial.undo.belief))
    trial = _aged(trial)
    return _without(trial, _weighed(trial))


def _without(trial: Trial, at: _Weighed) -> Trial:
    ended = _learned(trial, at)
    return replace(ended, standing=replace(ended.standing, belief=_as_discarded(trial.settings, ended.standing, at)))


def _keeping(trial: Trial, at: _Weighed) -> Trial:
    """The candidate is the tip, at the level that its own runs and the old tip's together make likely."""
    learnt = unlike.with_new_tip(_learned(trial, at), at.scatter)
    old = learnt.standing.belief
    discarded = _as_discarded(trial.settings, learnt.standing, at)
    undo = Undo(trial.standing.incumbent, discarded, trial.standing.last)
    belief = replace(
        _as_kept(trial.settings, learnt.standing, at),
        won=old.won + min(at.worth, MOST_WON),
        stack=(*old.stack, Provisional(trial.number, at.believed.mean, at.believed.harm)),
    )
    draft = Verdict(
        status=Status.KEEP,
        reason=Reason.IMPROVED,
        against=old.mean,
        suspicious=evidence.is_suspicious(trial.settings, trial.standing, at.unit * at.gain, old.mean),
        provisional=True,
        worth=at.unit * at.believed.mean,
        harm=at.believed.harm,
    )
    standing = replace(learnt.standing, belief=belief, last=trial.runs[-1])
    kept = replace(learnt, standing=standing, undo=undo, reason=Reason.IMPROVED, draft=draft)
    ratio = belief.mean / belief.calibrated_at if belief.calibrated_at and not learnt.standing.spread.flat else 1.0
    if 1 / OTHER_SCALE < ratio < OTHER_SCALE:
        return _kept(kept)
    return kept.asks(Step.CANDIDATE)


def _as_kept(settings: JudgeSettings, standing: Standing, at: _Weighed) -> Belief:
    """The candidate's level, by its own runs and the old tip's."""
    if at.followed is not None:
        return _after(settings, standing, at, at.followed, is_kept=True)
    old, known = standing.belief, 1 / at.tip
    moved = at.unit * (known * at.believed.mean + at.told * at.gain) / (known + at.told)
    doubt = (at.deviation * known / (known + at.told)) ** 2 + 1 / (known + at.told)
    return old.known(settings.moved(old.mean, moved), doubt, at.unit, standing.spread)


def _relearned(trial: Trial) -> Trial:
    """On another scale, where the noise may be another, its runs but the one that selected it tell both anew."""
    values = [run.value for run in trial.kept_runs]
    if trial.settings.adapts:
        values = [*trial.values[1:], *values]
    center = statistics.mean(values)
    trial = trial.pooled(statistics.squared_residuals(values), len(values) - 1, center, values, capped=False)
    spread = trial.standing.spread
    belief = trial.standing.belief.known(center, 1 / len(values), spread.deviation(center), spread)
    belief = replace(belief, clock=trial.standing.clock, calibrated_at=center)
    return replace(trial, standing=replace(trial.standing, belief=belief))


def _kept(trial: Trial) -> Trial:
    standing, samples = trial.standing, len(trial.runs) + len(trial.kept_runs)
    level = level_of(standing)
    incumbent = replace(standing.incumbent, window=(), level=level, elsewhere=())
    assert trial.draft is not None
    # the old level as it is now: on a machine that has moved since the opening, a keep would read as a loss
    against = trial.settings.moved(level.estimate, -(trial.draft.worth or 0.0))
    verdict = replace(trial.draft, estimate=level.estimate, interval=level.interval, samples=samples, against=against)
    return replace(trial, standing=replace(standing, incumbent=incumbent)).ended(verdict)


def level_of(standing: Standing) -> Level:
    """The tip's level with its 95 % interval, as believed."""
    belief, spread = standing.belief, standing.spread
    doubt = 1.0 if standing.doubt is None else standing.doubt
    reach = statistics.t_quantile(0.975, max(spread.freedom, 1)) * math.sqrt(doubt) * spread.deviation(belief.mean)
    return Level(belief.mean, evidence.around(belief.mean, reach, spread))
