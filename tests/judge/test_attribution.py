"""Attribution: all keeps of a group from the same runs."""

from __future__ import annotations

import random
from statistics import fmean, stdev

import pytest
from scipy.linalg import hadamard

from pytest_autoresearch.judge.attribution import MOST_KEEPS, design, effects


@pytest.mark.parametrize("keeps", [1, 2, 16, MOST_KEEPS])
def test_keep_j_is_in_or_out_by_column_j_plus_1_of_a_hadamard_matrix(keeps: int) -> None:
    expected = hadamard(32)[:, 1 : keeps + 1] > 0
    assert [list(row) for row in design(keeps)] == expected.tolist()
    assert all(design(keeps)[0]), "the whole head is one of the runs"


@pytest.mark.parametrize("keeps", [0, MOST_KEEPS + 1])
def test_more_keeps_than_runs_can_tell_apart_are_refused(keeps: int) -> None:
    with pytest.raises(ValueError, match="tells 1 to 31 keeps apart"):
        design(keeps)


def test_without_noise_the_effects_are_exact() -> None:
    true = [3.0, -1.0, 0.0, 0.5, 7.0]
    rows = design(len(true))
    gains = [10.0 + sum(e for e, held in zip(true, row, strict=True) if held) for row in rows]
    found = effects(rows, gains, 1e-12, 100)
    assert [effect.gain for effect in found] == pytest.approx(true, abs=1e-9)
    assert [effect.is_certain for effect in found] == [True, False, False, True, True]
    assert [effect.gain < 0 for effect in found[:2]] == [False, True]


def test_sixteen_keeps_by_32_runs_are_told_with_a_deviation_of_a_third_of_a_run() -> None:
    rng, rows, errors, inside = random.Random(1), design(16), [], 0
    for _ in range(60):
        true = [rng.choice([0.0, 0.5, 1.5, -0.3]) for _ in range(16)]
        gains = [sum(e for e, held in zip(true, row, strict=True) if held) + rng.gauss(0, 1) for row in rows]
        found = effects(rows, gains, 1.0, 60)
        errors += [effect.gain - e for effect, e in zip(found, true, strict=True)]
        inside += sum(e.interval[0] <= t <= e.interval[1] for e, t in zip(found, true, strict=True))
    assert stdev(errors) == pytest.approx(0.354, rel=0.06) and abs(fmean(errors)) < 0.05
    assert 0.93 < inside / len(errors) < 0.985


def test_the_fold_over_frees_effects_of_what_two_keeps_do_together() -> None:
    def bias(*, fold_over: bool) -> float:
        rows = design(31, fold_over=fold_over)
        gains = [5.0 * (row[0] == row[1]) for row in rows]  # nothing alone, 5 together or apart
        return max(abs(effect.gain) for effect in effects(rows, gains, 1.0, 50))

    assert bias(fold_over=False) > 1 and bias(fold_over=True) == pytest.approx(0.0, abs=1e-12)


def test_a_head_that_scatters_more_than_the_session_counts_by_itself() -> None:
    rng, rows = random.Random(2), design(4)
    gains = [rng.gauss(0, 5) for _ in rows]
    wide, narrow = (effects(rows, gains, variance, 500)[0].interval for variance in (1.0, 100.0))
    assert wide[1] - wide[0] > 4 * 1.96 * 2 / 32**0.5 and narrow[1] - narrow[0] > wide[1] - wide[0]
