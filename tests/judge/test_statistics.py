"""The judge's arithmetic against independent implementations: scipy and online-fdr."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
from online_fdr.core.utils.sequence import DefaultSaffronGammaSequence
from online_fdr.e_values import ELond
from online_fdr.p_values.investing.lord.plus_plus import LordPlusPlus
from scipy import integrate, special, stats

from pytest_autoresearch.judge import statistics


@pytest.mark.parametrize("freedom", [1, 2, 5, 6, 40, 250])
@pytest.mark.parametrize(("before", "after"), [(1, 1), (2, 1), (6, 3), (24, 24)])
def test_evidence_is_the_ratio_of_the_noncentral_to_the_central_t(freedom: int, before: int, after: int) -> None:
    scale = 1 / math.sqrt(1 / before + 1 / after)
    for gain in (0.0, 0.1, 1.0, 2.5):  # scipy loses its digits below zero
        squares = 1.3 * freedom
        t = gain * scale / math.sqrt(squares / freedom)
        ratios = [stats.nct.pdf(t, freedom, e * scale) / stats.t.pdf(t, freedom) for e in statistics.EFFECTS]
        evidence = math.exp(statistics.log_evidence(gain, scale, squares, freedom))
        assert evidence == pytest.approx(sum(ratios) / len(ratios), rel=1e-9)


@pytest.mark.parametrize("order", [2, 3, 7, 60, 400])
@pytest.mark.parametrize("slope", [-14.0, -2.0, 0.0, 0.5, 9.0])
def test_the_quadrature_agrees_with_adaptive_integration(order: int, slope: float) -> None:
    power = order - 1
    mode = (slope + math.sqrt(slope * slope + 4 * power)) / 2
    top = power * math.log(mode) - mode * mode / 2 + slope * mode

    def integrand(u: float) -> float:
        return math.exp(power * math.log(u) - u * u / 2 + slope * u - top) if u > 0 else 0.0

    low, high = max(0.0, mode - 12), mode + 12
    pieces = [low + (high - low) * piece / 24 for piece in range(25)]
    area = sum(integrate.quad(integrand, a, b, epsrel=1e-12)[0] for a, b in pairwise(pieces))
    assert statistics.log_moment(order, slope) == pytest.approx(top + math.log(area), abs=1e-10)


def test_evidence_never_overflows() -> None:
    assert statistics.log_evidence(1e6, 5.0, 1.0, 50_000) > 700
    assert statistics.log_evidence(-1e6, 5.0, 1.0, 50_000) < -100


def test_nothing_at_all_is_no_evidence_for_a_gain() -> None:
    assert statistics.log_evidence(0.0, 1.0, 0.0, 5) < 0


def test_evidence_grows_with_the_gain() -> None:
    values = [statistics.log_evidence(gain / 10, 1.2, 5.0, 5) for gain in range(-40, 80)]
    assert values == sorted(values)


def test_lord_levels_are_those_of_online_fdr() -> None:
    rng = random.Random(3)
    oracle = LordPlusPlus(alpha=0.05, wealth=0.025)
    oracle.seq = DefaultSaffronGammaSequence(1.6, 1 / special.zeta(1.6))  # type: ignore[assignment]
    keeps: list[int] = []
    for test in range(1, 300):
        passed = oracle.test_one(rng.random() ** 6)
        assert statistics.lord_level(0.05, test, keeps) == pytest.approx(oracle.last_test_level, rel=1e-9)
        if passed:
            keeps.append(test)
    assert len(keeps) > 20


def test_lond_levels_are_those_of_online_fdr() -> None:
    rng = random.Random(3)
    oracle = ELond(alpha=0.05, gamma_seq=DefaultSaffronGammaSequence(1.6, 1 / special.zeta(1.6)))
    kept = 0
    for test in range(1, 200):
        passed = oracle.test_one(rng.random() ** -6)
        assert statistics.lond_level(0.05, test, kept) == pytest.approx(oracle.last_test_level, rel=1e-9)
        kept += passed
    assert kept > 10


def test_a_session_without_a_keep_never_spends_more_than_half_its_budget() -> None:
    assert sum(statistics.lord_level(0.05, test, ()) for test in range(1, 20_000)) < 0.025


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 6, 17, 30, 101, 200, 201, 2000, 10**6])
@pytest.mark.parametrize("probability", [0.6, 0.9, 0.975, 0.9995])
def test_quantiles_are_those_of_scipy(freedom: int, probability: float) -> None:
    assert statistics.t_quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), rel=1e-9)


@pytest.mark.parametrize("probability", [0.6, 0.84, 0.977])
def test_the_last_term_of_the_expansion_is_what_remains_at_few_degrees_of_freedom(probability: float) -> None:
    assert statistics.t_quantile(probability, 201) == pytest.approx(stats.t.ppf(probability, 201), rel=2e-12)


def test_zeta() -> None:
    assert statistics.ZETA == pytest.approx(special.zeta(1.6), rel=1e-15)


def test_an_outlier_counts_as_one_at_the_edge() -> None:
    assert statistics.winsorised([0.5, -9.0, 80.0], 3.0) == [0.5, -3.0, 3.0]
    assert statistics.squared_residuals([1.0, 3.0]) == 2.0
    assert statistics.squared_residuals([0.0, 100.0], largest=4.0) == 8.0


def test_means_and_medians() -> None:
    assert statistics.mean([0.1] * 10) == 0.1
    assert statistics.median([5.0, 1.0, 2.0]) == 2.0
    assert statistics.median([4.0, 1.0]) == 2.5
