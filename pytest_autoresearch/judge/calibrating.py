"""The incumbent on its own: how often it is run before anything is compared with it. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from pytest_autoresearch.judge import evidence, statistics, tip
from pytest_autoresearch.judge.panel import Panel
from pytest_autoresearch.judge.seeds import FIRST_FREEDOM, FIRST_SHARE
from pytest_autoresearch.judge.settings import JudgeSettings
from pytest_autoresearch.judge.spread import Spread
from pytest_autoresearch.judge.standing import Run, Standing

FEW = 3  # runs that are enough where the noise is fine
FINE = 0.0003  # of the level
FINE_IN_DELTA = 20  # deviations in the smallest gain that counts


def runs_needed(settings: JudgeSettings, standing: Standing) -> int:
    """How many runs of the incumbent the calibration takes, as far as it is known by now."""
    if settings.classic:
        return 1
    values = [run.value for run in standing.incumbent.window]
    if not standing.noisy and len(set(values)) < 2:
        return 2
    is_enough = settings.adapts and len(values) == FEW and _is_fine(settings, values)
    return FEW if is_enough else settings.numbers.calibration


def _is_fine(settings: JudgeSettings, values: Sequence[float]) -> bool:
    """Whether the noise is so small beside what anybody would call a gain that it need not be known well."""
    center = statistics.mean(values)
    deviation = math.sqrt(statistics.squared_residuals(values) / (len(values) - 1))
    return 0 < deviation < max(FINE * abs(center), settings.demanded(center) / FINE_IN_DELTA)


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
    squares, center, freedom = statistics.squared_residuals(values), statistics.mean(values), len(values) - 1
    is_panel = noisy and settings.paired and settings.grouped and squares > 0  # without noise there is no unit
    if is_panel:  # of a run beside another of its seed, of which nothing is known yet
        squares, freedom = (1 - FIRST_SHARE) * squares / freedom * FIRST_FREEDOM, FIRST_FREEDOM
    if noisy:
        standing = replace(standing, spread=Spread().pooled(squares, freedom, center, values))
    standing = replace(standing, calibrated=True, noisy=noisy, agreements=0 if noisy else 1)
    level = evidence.level(settings, standing, values)
    standing = replace(standing, incumbent=replace(standing.incumbent, level=level))
    for earlier, later in pairwise(standing.incumbent.window if noisy and not is_panel else ()):
        standing = standing.apart(earlier, later)
    standing = replace(standing, last=standing.incumbent.window[-1])
    if not (noisy and settings.grouped):
        return standing
    unit = standing.spread.deviation(level.estimate)
    belief = standing.belief.known(level.estimate, 1 / len(values), unit, standing.spread)
    if is_panel:
        shared = squares / freedom * FIRST_SHARE / (1 - FIRST_SHARE)
        runs = [(run.seed or 0, run.value) for run in standing.incumbent.window]  # of one that failed there is none
        belief = tip.at_seeds(belief, Panel.opened(runs, squares / freedom, shared))
    belief = replace(belief, clock=standing.clock, calibrated_at=level.estimate)
    return replace(standing, belief=belief, incumbent=replace(standing.incumbent, window=()))
