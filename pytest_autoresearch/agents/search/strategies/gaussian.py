"""A Gaussian process over the trials (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006).

Needs numpy. Matern 5/2 with a length for each knob, its hyperparameters at the maximum of their posterior as a few
random changes find it. They are fitted anew at fixed counts of trials, from those alone, so that a fresh object agrees.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pytest_autoresearch.agents.search.axis import Axis
from pytest_autoresearch.agents.search.strategies.opening import moved
from pytest_autoresearch.agents.search.strategies.table import Places, Table

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

_MOST_FITTED = 75  # trials that hyperparameters are fitted to
_MOST_TRIALS = 150  # trials that predictions come from: the best half of them, and those nearest to the best
_FITTED_EACH = 20  # up to this many trials there is a fit for each; later one for 5 % more of them
_CHANGES = 60  # of the hyperparameters, tried in one fit
_LENGTH_SD, _NOISE, _NOISE_SD = 1.2, math.log(0.03), 1.5  # priors of log length (mean ln(d)/2) and log noise
_JITTER = 1e-6
_POOL = 200
_LATER = 0.3  # how much less the last knob counts than the first where both promise the same
_AGAIN = 0.6  # how much less a step counts for each one that failed from here with this knob on this side
_REACHES = (0.04, 0.1, 0.2, 0.35)  # of single steps, as shares of the range
_POLISH = (0.08, 0.03)  # spreads of the last rounds of candidates, around the best one so far


class Gaussian:
    """What the trials of a table predict. Losses, and the metric's ``unit``, are on the scale of :func:`warped`."""

    def __init__(self, table: Table, fits: dict[int, Array]) -> None:
        self.table = table
        self._owners = np.array([k for k, axis in enumerate(table.axes) for _ in range(len(axis.options) or 1)])
        places, (losses, self.unit) = self._features(table.places), warped(table.losses)
        count = fitted_at(len(losses))
        if count not in fits:
            fits.clear()
            fits[count] = self._fit(places[:count], warped(table.losses[:count])[0])
        self.theta = fits[count]
        take = self._nearest(places, losses, _MOST_TRIALS)
        self.losses, self.taken = losses, [int(index) for index in take]
        self._condition(places[take], losses[take])
        if table.flying:  # believe the mean of what is under way
            mean, _ = self.predict(table.flying)
            flying = self._features(table.flying)
            self._condition(np.vstack([places[take], flying]), np.concatenate([losses[take], mean]))
        self.means = self.predict([table.places[index] for index in self.taken])[0]

    def predict(self, places: Sequence[Places]) -> tuple[Array, Array]:
        """Mean and standard deviation at these places."""
        kernel = self._kernel(self._features(places), self._places, self.theta)
        spread = self._root @ kernel.T
        variance = self._variance * (1 - np.einsum("ij,ij->j", spread, spread))
        return kernel @ self._weights, np.sqrt(np.maximum(variance, 1e-12))

    def promising(self, lots: random.Random) -> list[Places]:
        """Places that nobody has measured, the largest expected improvement first."""
        best = float(self.means.min())
        tops = [self.table.places[self.taken[index]] for index in np.argsort(self.means, kind="stable")[:6]]
        pool = [self._candidate(tops, lots, index) for index in range(_POOL)]
        score = self._improvement(pool, best)
        for spread in _POLISH:
            winner = pool[int(np.argmax(score))]
            near = [moved(winner, self.table, lots, count=lots.choice((1, 1, 2, 3)), spread=spread) for _ in range(24)]
            pool += near
            score = np.concatenate([score, self._improvement(near, best)])
        return [pool[index] for index in np.argsort(-score, kind="stable")]

    def steps(self, tip: Places, failed: Mapping[tuple[int, bool], int], lots: random.Random) -> list[Places]:
        """One knob moved from the tip, the largest expected improvement on it first; likelier knobs win a tie.

        ``failed`` counts the steps from this tip by axis and side (up or not): what failed there counts less.
        """
        axes = self.table.axes
        moves = [(index, there) for index, axis in enumerate(axes) for there in _stepped(axis, tip[index], lots)]
        if not moves:
            return []
        pool = [(*tip[:index], there, *tip[index + 1 :]) for index, there in moves]
        level = float(self.predict([tip])[0][0])
        later = np.array([index / len(axes) for index, _ in moves])
        again = np.array([_AGAIN ** failed.get((index, there > tip[index]), 0) for index, there in moves])
        score = self._improvement(pool, level) * (1 - _LATER * later) * again
        return [pool[index] for index in np.argsort(-score, kind="stable")]

    def _candidate(self, tops: Sequence[Places], lots: random.Random, index: int) -> Places:
        """A tenth each from anywhere, crossed, and with one knob anywhere; the rest near the best ones."""
        axes, kind = self.table.axes, index % 10
        if kind == 0:
            return tuple(axis.anywhere(lots) for axis in axes)
        base = tops[0] if lots.random() < 0.6 else lots.choice(tops)
        if kind == 1:
            other = lots.choice(tops)
            crossed = tuple(b if lots.random() < 0.5 else a for a, b in zip(base, other, strict=True))
            return moved(crossed, self.table, lots, count=1, spread=0.1)
        if kind == 2:
            which = lots.randrange(len(axes))
            return (*base[:which], axes[which].anywhere(lots), *base[which + 1 :])
        count = lots.choice((1, 1, 2, 2, 3, 4, max(1, len(axes) // 2)))
        return moved(base, self.table, lots, count=count, spread=lots.choice((0.05, 0.12, 0.25)))

    def _improvement(self, places: Sequence[Places], best: float) -> Array:
        """Expected improvement below ``best``, with a logistic curve for the normal distribution function."""
        mean, sd = self.predict(places)
        z = (best - mean) / sd
        below = 1 / (1 + np.exp(-np.clip(1.5976 * z + 0.07056 * z**3, -60, 60)))
        improvement: Array = (best - mean) * below + sd * np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
        return improvement

    # The model

    def _features(self, places: Sequence[Places]) -> Array:
        """Places as coordinates: (n, d) give (n, features). A choice has one for each option, half apart."""
        found = np.array(places, dtype=float)
        columns = []
        for index, axis in enumerate(self.table.axes):
            if axis.is_choice:
                columns += [0.5 * (found[:, index] == option) for option in range(len(axis.options))]
            else:
                columns.append(found[:, index])
        return np.column_stack(columns)

    def _squares(self, one: Array, other: Array, theta: Array) -> Array:
        """Squared distances in lengths: (m, features) and (n, features) give (m, n)."""
        scale = np.exp(-theta[:-1])[self._owners]
        a, b = one * scale, other * scale
        squares: Array = np.maximum((a * a).sum(1)[:, None] + (b * b).sum(1)[None, :] - 2 * (a @ b.T), 0.0)
        return squares

    def _kernel(self, one: Array, other: Array, theta: Array) -> Array:
        distance = np.sqrt(self._squares(one, other, theta) * 5 + 1e-12)
        kernel: Array = (1 + distance + distance * distance / 3) * np.exp(-distance)
        return kernel

    def _condition(self, places: Array, losses: Array) -> None:
        kernel = self._kernel(places, places, self.theta)
        kernel[np.diag_indices_from(kernel)] += math.exp(self.theta[-1]) + _JITTER
        self._places, self._root = places, np.linalg.inv(np.linalg.cholesky(kernel))
        whitened = self._root @ losses
        self._weights = self._root.T @ whitened
        self._variance = float((whitened @ whitened + 2.0) / (len(losses) + 2.0))

    def _nearest(self, places: Array, losses: Array, most: int) -> npt.NDArray[np.intp]:
        """Which trials to reckon with: all, or the best half and those nearest to the five best."""
        if len(losses) <= most:
            return np.arange(len(losses))
        order = np.argsort(losses, kind="stable")
        good, rest = order[: most // 2], order[most // 2 :]
        apart = self._squares(places[rest], places[order[:5]], self.theta).min(1)
        return np.sort(np.concatenate([good, rest[np.argsort(apart, kind="stable")[: most - most // 2]]]))

    def _fit(self, places: Array, losses: Array) -> Array:
        """The best of some random changes of the priors' modes, with the same lots for the same number of trials."""
        knobs = len(self.table.axes)
        mode = 0.5 * math.log(knobs)
        self.theta = np.concatenate([np.full(knobs, mode), [_NOISE]])
        take = self._nearest(places, losses, _MOST_FITTED)
        places, losses = places[take], losses[take]
        lots = np.random.default_rng(len(places))
        theta = np.concatenate([np.full(knobs, mode - 0.5), [math.log(0.02)]])
        best = self._surprise(places, losses, theta, mode)
        for change in range(_CHANGES):
            new = theta.copy()
            if change % 3 == 0:
                new += lots.normal(0, 0.3, len(new))
            elif change % 3 == 1:
                new[lots.integers(len(new))] += lots.normal(0, 1.0)
            else:
                new += (lots.random(len(new)) < 2 / len(new)) * lots.normal(0, 0.8, len(new))
            value = self._surprise(places, losses, new, mode)
            if value < best:
                best, theta = value, new
        return theta

    def _surprise(self, places: Array, losses: Array, theta: Array, mode: float) -> float:
        """Negative log posterior of the hyperparameters, the signal's variance in closed form."""
        kernel = self._kernel(places, places, theta)
        kernel[np.diag_indices_from(kernel)] += math.exp(theta[-1]) + _JITTER
        try:
            lower = np.linalg.cholesky(kernel)
        except np.linalg.LinAlgError:
            return math.inf
        white = np.linalg.solve(lower, losses)
        count = len(losses)
        fit = 0.5 * count * math.log(float(white @ white + 2.0) / (count + 2.0)) + float(np.log(np.diag(lower)).sum())
        lengths = 0.5 * float((((theta[:-1] - mode) / _LENGTH_SD) ** 2).sum())
        return fit + lengths + 0.5 * ((float(theta[-1]) - _NOISE) / _NOISE_SD) ** 2


def _stepped(axis: Axis, place: float, lots: random.Random) -> list[float]:
    """Places to move to: every other option, or some near and some further on both sides."""
    if axis.is_choice:
        return [float(index) for index in range(len(axis.options)) if index != int(place)]
    found = [axis.snapped(place + reach * lots.uniform(0.7, 1.3)) for reach in (*_REACHES, *(-r for r in _REACHES))]
    return [there for there in dict.fromkeys(found) if abs(there - place) > 1e-9]


def warped(losses: Sequence[float]) -> tuple[Array, float]:
    """Losses with mean 0 and deviation 1: straight up to the median, a logarithm beyond; a crash is the worst.

    The number is how much a unit of the metric is on this scale, up to the median.
    """
    found = np.array(losses)
    finite = np.isfinite(found)
    if not finite.any():
        return np.zeros(len(found)), 0.0
    found = np.where(finite, found, found[finite].max())
    low = found.min()
    unit = max(float(np.median(found)) - low, 1e-12)
    ratio = (found - low) / unit
    bent = np.where(ratio <= 1, ratio, 1 + np.log(np.maximum(ratio, 1)))
    spread = max(float(bent.std()), 1e-12) if bent.any() else 1.0
    scaled: Array = (bent - bent.mean()) / spread
    return scaled, 1 / unit / spread


def fitted_at(count: int) -> int:
    """Of how many trials the last fit was, when there are so many now."""
    at = min(count, _FITTED_EACH)
    while (following := max(at + 1, math.ceil(at * 1.05))) <= count:
        at = following
    return at
