"""The variances that a trial's candidate and tip are believed to have, where states scatter unlike each other. Pure."""

from __future__ import annotations

from dataclasses import replace

from pytest_autoresearch.judge import statistics
from pytest_autoresearch.judge.scatter import VARIANCES, Scatter, Weights
from pytest_autoresearch.judge.trial import Trial


def candidate_scatter(trial: Trial) -> Scatter | None:
    """By its runs so far, in what one run of the session scatters by; None where the machine is followed.

    That is done with one noise: what moves between two runs is taken for no state's own.
    """
    wander = trial.opening.wander
    if not trial.settings.adapts or wander.moves is not None:
        return None
    scatter, center = _believed(trial, wander.states.usual), statistics.mean(trial.values)
    one = trial.standing.spread.variance(trial.standing.belief.mean)
    squares = statistics.squared_residuals(trial.values) / one if one else 0.0
    return scatter.seen(squares, len(trial.runs) - 1) if center and one else scatter


def tip_scatter(trial: Trial) -> Scatter | None:
    """As :func:`candidate_scatter`, of the tip."""
    wander, states = trial.opening.wander, trial.standing.wander.states
    if not trial.settings.adapts or wander.moves is not None:
        return None
    return _believed(trial, states.tip or states.usual)


def _believed(trial: Trial, own: Weights) -> Scatter:
    wander, spread = trial.opening.wander, trial.opening.spread
    known = spread.variance(wander.level or 0.0)
    size = wander.variance / known if known and wander.variance else 1.0
    unlike = wander.unlike
    return Scatter((*(size * v for v in VARIANCES), 1.0), (*(unlike * w for w in own), 1 - unlike))


def own_weights(trial: Trial) -> Weights:
    """How likely the candidate has each of VARIANCES, by its own runs alone."""
    wander, usual, values = trial.standing.wander, trial.opening.wander.states.usual, trial.values
    here, there = (trial.standing.spread.variance(at) for at in (statistics.mean(values), wander.level or 0.0))
    if len(values) < 2 or not wander.variance or not here or not there:
        return usual
    squares = statistics.squared_residuals(values) * there / (here * wander.variance)
    return Scatter(VARIANCES, usual).seen(squares, len(values) - 1).weights


def learned(trial: Trial, scatter: Scatter | None) -> Trial:
    """With the candidate's variance in what is usual; ``scatter`` is what is believed of it in the end."""
    if len(trial.runs) < 2:
        return trial
    wander = trial.standing.wander
    states = wander.states.learned(own_weights(trial) if scatter is None else scatter.own)
    return replace(trial, standing=replace(trial.standing, wander=replace(wander, states=states)))


def with_new_tip(trial: Trial, scatter: Scatter | None) -> Trial:
    """With the candidate's variance as that of the tip."""
    wander = trial.standing.wander
    own = own_weights(trial) if scatter is None else scatter.own
    return replace(trial, standing=replace(trial.standing, wander=wander.of_tip(own)))
