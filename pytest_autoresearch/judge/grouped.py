"""The rule that keeps what is likely worth it, and proves keeps in groups (``grouped``). Pure.

A candidate is run as often as another run is worth more than the experiment it costs. What is then expected to be a
gain, and is hardly harmful, is kept provisionally; ``group`` proves the keeps together. So half as many runs find the
same gains, and what is not promised is that each single keep is one.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

from pytest_autoresearch.judge import evidence, statistics, tip, tracking, unlike
from pytest_autoresearch.judge.belief import accepted_harm, learned
from pytest_autoresearch.judge.standing import WINSOR, Provisional, Run, Step
from pytest_autoresearch.judge.tip import as_discarded, as_kept, level_of, with_aged_tip
from pytest_autoresearch.judge.trial import Trial, Undo, is_checked
from pytest_autoresearch.judge.verdict import Verdict
from pytest_autoresearch.judge.weighing import (
    Weighed,
    followed_at_seeds,
    moving,
    next_run,
    on_panel,
    tracks_of,
    weighed,
)
from pytest_autoresearch.protocol.experiment import Reason, Status

VAGUE = 1.5  # variances of a run: a tip that is known worse than that is run before a candidate is compared with it
VAGUE_MOVING = 4.0  # the same, of a machine that moves: there the runs after the candidate's tell as much
MOST_RUNS = 8  # of one candidate; what is not clear by then costs more than it brings
LEAST_WORTH = 0.02  # sigma that a run has to bring, and twice the session's own rate where that is more
RESERVE = 8  # runs that a session of so many runs keeps for its last group
MOST_WON = 3.0  # sigma that one keep counts for in the session's rate, so that a jump does not stop the re-runs
OTHER_SCALE = 3 / 2  # beyond this ratio to the calibrated level, either way, noise is measured again
RELEARNED = 5  # runs that do so
LARGE = 3.0  # sigma: a gain that noise alone hardly makes is not taken for a step before the tip was run
TELLING = 6  # degrees of freedom from which on the noise beside a run of the same seed is known
BIG = 4  # runs after which a change of scale is known well enough: the first selected it, the others tell the noise


def answered(trial: Trial) -> Trial:
    """Run the tip while it is known too badly, then the candidate, then whichever tells more, until it is decided."""
    if trial.reason is not None:
        return trial.asks(Step.CANDIDATE) if len(trial.kept_runs) < relearning(trial) else _kept(_relearned(trial))
    trial = with_aged_tip(trial)
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
    if on_panel(trial):
        unit = trial.standing.spread.deviation(trial.standing.belief.mean) or 1.0
        return followed_at_seeds(trial, unit).doubts[0][0] > VAGUE and _may_run(trial)
    if doubt is None or moves is None:
        return doubt is None or (doubt > VAGUE and _may_run(trial))
    _, doubt = tracking.level(tracks_of(trial, moves))
    return doubt + moves.law.rate > VAGUE_MOVING and _may_run(trial)


def with_candidate(trial: Trial, run: Run) -> Trial:
    """With a run of the candidate; all but the first are pulled in to where a run may lie, given those before."""
    if not trial.runs or not trial.standing.calibrated or on_panel(trial):
        return replace(trial, runs=(*trial.runs, run))
    center = statistics.mean(trial.values)
    unit = trial.standing.spread.deviation(trial.standing.belief.mean)
    reach = WINSOR * unit * math.sqrt(1 + 1 / len(trial.runs))
    value = max(center - reach, min(center + reach, run.value)) if unit else run.value
    standing = trial.standing.apart(trial.runs[-1], run, unlike.own_weights(trial))
    standing = replace(standing, last=trial.standing.last, check=trial.standing.check)
    return replace(trial, standing=standing, runs=(*trial.runs, run._replace(value=value)))


def _decided(trial: Trial) -> Trial:
    """Another run where it is worth it or doubt is too large; else keep or discard."""
    belief, at = trial.standing.belief, weighed(trial)
    accepted = accepted_harm(belief.won, trial.standing.clock)
    doubtful = at.worth > 0 and at.believed.harm > accepted
    made = at.runs if at.followed is None else at.runs + trial.fresh
    if made < min(MOST_RUNS, trial.settings.max_runs) and _may_run(trial):
        price = max(LEAST_WORTH, 2 * belief.won / trial.standing.clock)
        step, worth = next_run(at, trial.standing.seeded)
        if trial.settings.adapts and at.runs == 1 and (_is_incredible(trial, at) or _tells_of_seeds(trial, at)):
            return trial.asks(Step.CANDIDATE)
        if worth > price or doubtful:
            return trial.asks(step)
        if _may_be_step(trial, at):
            return trial.asks(Step.INCUMBENT)
    if not (at.worth > 0 and not doubtful):
        return _discarded(trial, at)
    if not _is_paired(trial):  # the tip may be known from other slots alone
        return trial.asks(Step.INCUMBENT)
    return _keeping(trial, at)


def _may_be_step(trial: Trial, at: Weighed) -> bool:
    """Whether what looks like a large gain is about to be taken for a step of the machine that no run of the tip shows.

    Where large gains are rare a step is likelier, and to ask seems not worth a run; but the level would go with it.
    """
    asked = [heard.step for heard in trial.heard]
    since = asked[asked.index(Step.CANDIDATE) :]
    return at.followed is not None and at.worth <= 0.5 * at.gain and at.gain > LARGE and Step.INCUMBENT not in since


def _is_paired(trial: Trial) -> bool:
    """Whether the tip was run on the candidate's own slot: this one, or where it was judged before, one left behind."""
    return trial.settings.workers == 1 or trial.fresh > 0 or trial.paired


def wants_its_pair(trial: Trial) -> bool:
    """Whether it asks for that run. It tells as much beside a base that was left behind, and is not needed again."""
    judges = trial.settings.grouped and trial.standing.calibrated and trial.standing.noisy
    return judges and trial.answer is Step.INCUMBENT and not _is_paired(trial)


def _is_incredible(trial: Trial, at: Weighed) -> bool:
    """Whether a gain is more than a reviewer should believe from one run: it gets a second one before it is kept."""
    return evidence.is_suspicious(trial.settings, trial.standing, at.unit * at.gain, trial.standing.belief.mean)


def _tells_of_seeds(trial: Trial, at: Weighed) -> bool:
    """Whether a second run is worth it for what it says of the noise that no seed explains: of the first few it is."""
    return at.panel is not None and trial.standing.spread.freedom < TELLING


def _may_run(trial: Trial) -> bool:
    """Whether the session has more runs than its last group needs."""
    return trial.settings.runs is None or trial.standing.clock < trial.settings.runs - RESERVE


def _learned(trial: Trial, at: Weighed) -> Trial:
    """With the candidate's residuals in the noise, and its effect in the prior."""
    if at.panel is not None:
        squares, freedom = at.panel.residual
        if freedom > 0:
            trial = trial.pooled(at.unit**2 * squares, freedom, trial.standing.belief.mean, trial.values)
    else:
        if at.runs > 1:
            trial = trial.pooled(*_residuals(trial, at), statistics.mean(trial.values), trial.values)
        trial = unlike.learned(trial, at.scatter)
    belief, weights = trial.standing.belief, at.believed.weights
    experiments = belief.experiments + 1
    prior = belief.prior if weights is None else learned(belief.prior, weights, experiments)
    return replace(
        trial, standing=replace(trial.standing, belief=replace(belief, prior=prior, experiments=experiments))
    )


def _residuals(trial: Trial, at: Weighed) -> tuple[float, int]:
    """The candidate's squared residuals and their degrees of freedom.

    On a machine that is followed those of neighbouring runs, where no step lies between them.
    """
    if at.followed is None:
        return statistics.squared_residuals(trial.values), at.runs - 1
    one, law = trial.standing.spread.variance(trial.standing.belief.mean), at.followed.law
    own = [(clock, heard.value) for clock, heard in enumerate(trial.heard) if heard.step is Step.CANDIDATE]
    pairs = [
        (then - before, (later - earlier) ** 2)
        for (before, earlier), (then, later) in pairwise(own)
        if earlier is not None and later is not None
    ]
    squares = [square / 2 for gap, square in pairs if not tracking.is_step(square / one, gap, law)]
    return math.fsum(squares), len(squares)


def _discarded(trial: Trial, at: Weighed) -> Trial:
    ended = _without(trial, at)
    worse = at.gain < 0 and (at.runs == 1 or at.believed.harm >= 0.5)
    raw = [heard.value for heard in trial.heard if heard.step is Step.CANDIDATE and heard.value is not None]
    level = evidence.level(trial.settings, ended.standing, raw)
    against = trial.standing.belief.mean
    if at.panel is not None:  # its runs are those of a few seeds, and so is what they are compared with
        against = trial.settings.moved(level.estimate, -at.unit * at.gain)
    return ended.ended(
        Verdict(
            status=Status.DISCARD,
            reason=Reason.WORSE if worse else Reason.NOISE,
            estimate=level.estimate,
            interval=level.interval,
            samples=len(raw),
            against=against,
        )
    )


def given_up(trial: Trial) -> Trial:
    """The trial of a candidate that somebody else has ruled out: its runs say what those of a discard say."""
    if trial.undo is not None:
        return replace(trial, standing=replace(trial.standing, belief=trial.undo.belief))
    trial = with_aged_tip(trial)
    return _without(trial, weighed(trial))


def _without(trial: Trial, at: Weighed) -> Trial:
    ended = _learned(trial, at)
    return replace(ended, standing=replace(ended.standing, belief=as_discarded(trial.settings, ended.standing, at)))


def _keeping(trial: Trial, at: Weighed) -> Trial:
    """The candidate is the tip, at the level that its own runs and the old tip's together make likely."""
    learnt = _learned(trial, at)
    if at.panel is None:
        learnt = unlike.with_new_tip(learnt, at.scatter)
    old = learnt.standing.belief
    discarded = as_discarded(trial.settings, learnt.standing, at)
    undo = Undo(trial.standing.incumbent, discarded, trial.standing.last)
    belief = replace(
        as_kept(trial.settings, learnt.standing, at),
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


def _relearned(trial: Trial) -> Trial:
    """On another scale, where the noise may be another, its runs but the one that selected it tell both anew."""
    values = [run.value for run in trial.kept_runs]
    if trial.settings.adapts:
        values = [*trial.values[1:], *values]
    center = statistics.mean(values)
    if on_panel(trial):
        return tip.relearned(trial, values)
    trial = trial.pooled(statistics.squared_residuals(values), len(values) - 1, center, values, capped=False)
    spread = trial.standing.spread
    belief = trial.standing.belief.known(center, 1 / len(values), spread.deviation(center), spread)
    belief = replace(belief, clock=trial.standing.clock, calibrated_at=center)
    return replace(trial, standing=replace(trial.standing, belief=belief))


def _kept(trial: Trial) -> Trial:
    standing, samples = trial.standing, len(trial.runs) + len(trial.kept_runs)
    if on_panel(trial):
        standing = replace(standing, seeded=samples)  # the tip's own by now
    level = level_of(standing)
    incumbent = replace(standing.incumbent, window=(), level=level, elsewhere=())
    assert trial.draft is not None
    # the old level as it is now: on a machine that has moved since the opening, a keep would read as a loss
    against = trial.settings.moved(level.estimate, -(trial.draft.worth or 0.0))
    verdict = replace(trial.draft, estimate=level.estimate, interval=level.interval, samples=samples, against=against)
    return replace(trial, standing=replace(standing, incumbent=incumbent)).ended(verdict)
