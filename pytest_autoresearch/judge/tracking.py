"""A candidate beside a tip on a machine that moves: one filter for the level and the effect together. Pure.

On a quiet machine means of runs say all. Where the level drifts or takes steps, each run of the tip or of the candidate
tells of the level at its own moment. Given the effect, the level is followed by a Kalman filter (1960); its likelihood
is a parabola in the effect, so the effects of the grid need no filters of their own. A step is a second hypothesis at
every run, and the few likeliest are kept. All is in standard deviations of one run, positive is better.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_autoresearch.judge.belief import FAR, GRID, Posterior
from pytest_autoresearch.judge.wander import Law

HYPOTHESES = 8  # kept; of 4 the gain is the same but for steps that are followed by steps
UNLIKELY = 12.0  # of log likelihood behind the best one
POINTS = 16  # at which the outcome of another run is weighed
SEEN = 1e-3  # probability below which an effect under a hypothesis does not matter to that
HOPELESS = 1.5  # deviations below zero: no single run makes such a candidate a keep
TINY = 1e-12
PLAIN = 22.0  # sigma, three deviations of a step: a gain beyond that is taken for one, the tip need not be run for it
UNSEEN = 0.01  # probability below which a hypothesis does not outlive the trial


@dataclass(frozen=True, slots=True)
class Track:
    """One hypothesis of what the machine did. Given effect g the level is N(``start + slope g``, ``variance``), and the
    log likelihood of all runs is ``height + linear g - square g^2 / 2``.
    """

    start: float
    variance: float
    slope: float = 0.0
    height: float = 0.0
    linear: float = 0.0
    square: float = 0.0

    @property
    def peak(self) -> float:
        """The log likelihood at the effect that suits it best."""
        return self.height + (self.linear * self.linear / (2 * self.square) if self.square > 1e-9 else 0.0)

    def told(self, value: float, has_effect: float) -> Track:
        """After a run of the tip, or with ``has_effect`` 1 of the candidate."""
        doubt, share = self.variance + 1, self.slope + has_effect
        off, gain = value - self.start, self.variance / doubt
        return Track(
            self.start + gain * off,
            self.variance * (1 - gain),
            self.slope - gain * share,
            self.height - math.log(doubt) / 2 - off * off / (2 * doubt),
            self.linear + off * share / doubt,
            self.square + share * share / doubt,
        )

    def later(self, variance: float, height: float) -> Track:
        """After the level has moved by this variance, which has this log probability."""
        return Track(self.start, self.variance + variance, self.slope, self.height + height, self.linear, self.square)


def later(tracks: Sequence[Track], law: Law) -> list[Track]:
    """One run later: the level has moved, and may have taken a step."""
    if not law.chance:
        return [track.later(law.rate, 0.0) for track in tracks]
    stays, steps = math.log1p(-law.chance), math.log(law.chance)
    return [
        moved for track in tracks for moved in (track.later(law.rate, stays), track.later(law.rate + law.jump, steps))
    ]


def likeliest(tracks: Iterable[Track]) -> list[Track]:
    """The few hypotheses worth keeping, the best first."""
    ordered = sorted(tracks, key=lambda track: -track.peak)[:HYPOTHESES]
    return [track for track in ordered if track.peak >= ordered[0].peak - UNLIKELY]


def tracked(tracks: Sequence[Track], runs: Iterable[tuple[bool, float]], law: Law) -> list[Track]:
    """The hypotheses after these runs: (whether it was the candidate's, its value), each one later than the last."""
    tracks = list(tracks)
    for is_candidate, value in runs:
        tracks = likeliest(track.told(value, float(is_candidate)) for track in later(tracks, law))
    return tracks


def is_step(square: float, gap: int, law: Law) -> bool:
    """Whether two runs of one state, ``gap`` runs apart, differ by a step rather than by noise.

    ``square``: of their difference, in variances of a run.
    """
    stays = math.pow(1 - law.chance, gap)
    odds = math.exp(min(square / 4 - square / (4 + 2 * law.jump), 700.0))  # each density alone is no float far out
    return (1 - stays) * odds / math.sqrt(2 + law.jump) > stays / math.sqrt(2)


def level(tracks: Sequence[Track]) -> tuple[float, float]:
    """Mean and variance of the level before the candidate's first run."""
    top = max(track.height for track in tracks)
    weights = [math.exp(track.height - top) for track in tracks]
    total = sum(weights)
    mean = sum(w * track.start for w, track in zip(weights, tracks, strict=True)) / total
    squares = sum(w * (t.variance + (t.start - mean) ** 2) for w, t in zip(weights, tracks, strict=True))
    return mean, squares / total


def weighed(tracks: Sequence[Track], prior: Sequence[float]) -> list[list[float]]:
    """The probability of each effect of the grid under each hypothesis; all of them add up to one."""
    effects = [(g, g * g / 2, math.log(p + TINY)) for g, p in zip(GRID, prior, strict=True)]
    logs = [[t.height + p + t.linear * g - t.square * half for g, half, p in effects] for t in tracks]
    top = max(map(max, logs))
    raw = [[math.exp(value - top) for value in row] for row in logs]
    total = sum(map(sum, raw))
    return [[value / total for value in row] for row in raw]


def posterior(tracks: Sequence[Track], joint: Sequence[Sequence[float]], demanded: float = 0.0) -> Posterior:
    """What is believed of the candidate. Beyond the grid the data speak alone."""
    best, least = tracks[0], min(track.square for track in tracks)
    gain = best.linear / best.square if best.square > TINY else 0.0
    if gain > PLAIN or abs(gain) > FAR / math.sqrt(max(least, TINY)):
        return Posterior(gain, 1 / math.sqrt(best.square), float(gain < demanded))
    weights = tuple(map(sum, zip(*joint, strict=True)))
    mean = sum(w * g for w, g in zip(weights, GRID, strict=True))
    square = sum(w * g * g for w, g in zip(weights, GRID, strict=True))
    harm = sum(w for w, g in zip(weights, GRID, strict=True) if g < demanded)
    return Posterior(mean, math.sqrt(max(square - mean * mean, 1e-9)), harm, weights)


def worth_of_a_run(
    tracks: Sequence[Track], joint: Sequence[Sequence[float]], law: Law, has_effect: float, demanded: float
) -> float:
    """By how much a run of the tip, or with ``has_effect`` 1 of the candidate, raises the expected gain.

    The knowledge gradient, summed over the outcomes that the run may have. That the machine may take a step just then
    is left out: it happens to either run.
    """
    cells = []  # weight, effect beyond what is demanded, where the run then lies, its variance
    for track, row in zip(tracks, joint, strict=True):
        doubt = track.variance + law.rate + 1
        share = track.slope + has_effect
        cells += [(w, g - demanded, track.start + share * g, doubt) for w, g in zip(row, GRID, strict=True) if w > SEEN]
    low = min(at - 3 * math.sqrt(doubt) for _, _, at, doubt in cells)
    width = (max(at + 3 * math.sqrt(doubt) for _, _, at, doubt in cells) - low) / POINTS
    scaled = [(w * g / math.sqrt(2 * math.pi * doubt), at, 1 / (2 * doubt)) for w, g, at, doubt in cells]
    total = 0.0
    for point in range(POINTS):
        value = low + (point + 0.5) * width
        gain = sum(w * math.exp(-(value - at) * (value - at) * half) for w, at, half in scaled)
        total += max(gain, 0.0) * width
    return total - max(sum(w * g for w, g, _, _ in cells), 0.0)


def levels_after(
    tracks: Sequence[Track], joint: Sequence[Sequence[float]], believed: Posterior, is_kept: bool
) -> list[tuple[float, float, float]]:
    """Where the level of what is the tip then may lie, the candidate's if it is kept: (probability, mean, variance).

    One for each hypothesis: what looked bad may have been run after a step, which the next candidate's run will tell.
    """
    moved = float(is_kept)
    if believed.weights is None:
        best = tracks[0]
        share = best.slope + moved
        return [(1.0, best.start + share * believed.mean, best.variance + share * share * believed.deviation**2)]
    parts = []
    for track, row in zip(tracks, joint, strict=True):
        weight = sum(row)
        if weight < UNSEEN:
            continue
        mean = sum(w * g for w, g in zip(row, GRID, strict=True)) / weight
        square = sum(w * g * g for w, g in zip(row, GRID, strict=True)) / weight
        share = track.slope + moved
        spread = max(square - mean * mean, 0.0)
        parts.append((weight, track.start + share * mean, track.variance + share * share * spread))
    total = sum(weight for weight, _, _ in parts)
    return [(weight / total, at, doubt) for weight, at, doubt in parts]


def as_one(levels: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """Mean and variance of a level that may lie at one of these."""
    mean = sum(weight * at for weight, at, _ in levels)
    return mean, sum(weight * (doubt + (at - mean) ** 2) for weight, at, doubt in levels)
