"""The incumbent on its own: how often it is run before anything is compared with it. Pure."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from pytest_autoresearch.judge import evidence, statistics
from pytest_autoresearch.judge.settings import JudgeSettings
from pytest_autoresearch.judge.spread import Spread
from pytest_autoresearch.judge.standing import Run, Standing


def runs_needed(settings: JudgeSettings, standing: Standing) -> int:
    """How many runs of the incumbent the calibration takes, as far as it is known by now."""
    if settings.classic:
        return 1
    values = {run.value for run in standing.incumbent.window}
    return settings.numbers.calibration if standing.noisy or len(values) > 1 else 2


def with_run(standing: Standing, run: Run) -> Standing:
    """With one more run of the incumbent in its window."""
    incumbent = replace(standing.incumbent, window=(*standing.incumbent.window, run))
    return replace(standing, incumbent=incumbent, unchecked=0)


def finished(settings: JudgeSettings, standing: Standing) -> Standing:
    """Calibrated, if there are runs enough; unchanged if not."""
    values = [run.value for run in standing.incumbent.window]
    if len(values) < runs_needed(settings, standing):
        return standing
    noisy = not settings.classic and (standing.noisy or len(set(values)) > 1)
    if noisy:
        squares, center = statistics.squared_residuals(values), statistics.mean(values)
        standing = replace(standing, spread=Spread().pooled(squares, len(values) - 1, center, values))
    standing = replace(standing, calibrated=True, noisy=noisy, agreements=0 if noisy else 1)
    level = evidence.level(settings, standing, values)
    standing = replace(standing, incumbent=replace(standing.incumbent, level=level))
    for earlier, later in pairwise(standing.incumbent.window if noisy else ()):
        standing = standing.apart(earlier, later)
    standing = replace(standing, last=standing.incumbent.window[-1])
    if not (noisy and settings.grouped):
        return standing
    unit = standing.spread.deviation(level.estimate)
    belief = standing.belief.known(level.estimate, 1 / len(values), unit, standing.spread)
    belief = replace(belief, clock=standing.clock, calibrated_at=level.estimate)
    return replace(standing, belief=belief, incumbent=replace(standing.incumbent, window=()))
