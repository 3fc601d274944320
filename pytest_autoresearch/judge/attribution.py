"""What each keep of a certified group is worth by itself: a two-level design over all of them at once. Pure.

Leaving one keep out at a time spends a run on one keep. In a design every run is about every keep: half of them are in,
half are out, and each effect is the difference of two halves of all runs (Plackett and Burman 1946). So 32 runs tell 16
effects with a standard deviation of .35 of one run's, where one left out at a time has 1.22.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_autoresearch.judge import statistics

ORDER = 32  # runs of the design: a power of 2 (Sylvester 1867)
MOST_KEEPS = ORDER - 1  # column 0 of the matrix is the mean
CERTAIN = 0.95  # one-sided; the smallest gains shown so are false in 3 to 5 of 100
INTERVAL = 0.975


@dataclass(frozen=True, slots=True)
class Effect:
    """One keep's gain in metric units, positive is better, with its 95 % interval.

    ``is_certain``: the gain is above zero at 95 %, one-sided.
    """

    gain: float
    interval: tuple[float, float]
    is_certain: bool


def design(keeps: int, *, fold_over: bool = False) -> tuple[tuple[bool, ...], ...]:
    """For each run of the head, which of the keeps are in it; the first run is the whole head.

    ``fold_over`` adds the mirror image of each run: 64 runs free the effects of what two keeps do together (Box and
    Wilson 1951). ValueError for more keeps than the design can tell apart.
    """
    if not 0 < keeps <= MOST_KEEPS:
        raise ValueError(f"a design of {ORDER} runs tells 1 to {MOST_KEEPS} keeps apart, not {keeps}")
    rows = [tuple(_sign(row, keep + 1) > 0 for keep in range(keeps)) for row in range(ORDER)]
    return tuple(rows) + (tuple(tuple(not held for held in row) for row in rows) if fold_over else ())


def effects(
    rows: Sequence[Sequence[bool]], gains: Sequence[float], variance: float, freedom: int
) -> tuple[Effect, ...]:
    """Each keep's effect from the metrics of the design's runs, oriented so that more is better.

    ``variance`` of one run and its ``freedom`` are the session's; a design that scatters more counts by itself, as
    what keeps do together is noise here: the residual of the fit has ``runs - keeps - 1`` degrees of freedom.
    """
    runs, keeps = len(rows), len(rows[0])
    found = [
        2 / runs * sum(g if row[keep] else -g for row, g in zip(rows, gains, strict=True)) for keep in range(keeps)
    ]
    center, left = statistics.mean(gains), runs - keeps - 1
    fitted = [center + sum(e / 2 if held else -e / 2 for e, held in zip(found, row, strict=True)) for row in rows]
    residual = sum((g - f) ** 2 for g, f in zip(gains, fitted, strict=True))
    if left > 0 and residual / left > variance:
        variance, freedom = residual / left, left
    deviation = 2 * math.sqrt(variance / runs)
    reach, least = (statistics.t_quantile(p, max(freedom, 1)) * deviation for p in (INTERVAL, CERTAIN))
    return tuple(Effect(gain, (gain - reach, gain + reach), gain > least) for gain in found)


def _sign(row: int, column: int) -> int:
    """The entry of Sylvester's matrix: the parity of the digits that both numbers have."""
    return 1 if bin(row & column).count("1") % 2 == 0 else -1
