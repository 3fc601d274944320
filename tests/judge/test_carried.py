"""What a trial knows of a candidate that was measured beside another base."""

from __future__ import annotations

import json
import random

import pytest

from pytest_autoresearch.judge import Judge, JudgeSettings, JudgeState, Step, Verdict, rule
from pytest_autoresearch.judge.carried import expected
from pytest_autoresearch.judge.trial import Trial


def calibrated(policy: str = "grouped") -> Judge:
    """A judge of two slots whose incumbent is at 100, give or take 1."""
    judge, lots = Judge(JudgeSettings(policy=policy, workers=2)), random.Random(1)
    step: object = judge.calibrate()
    while step is not None:
        step = judge.tell(100 + lots.gauss(0, 1))
    return judge


def heard(trial: Trial, gain: float) -> Trial:
    """The trial after all it asks for, of a candidate that is so much better; noise would only blur what is shown."""
    while isinstance(trial.answer, Step):
        trial = rule.told(trial, 100 - gain if trial.answer is Step.CANDIDATE else 100.0)
    return trial


def test_the_effect_is_told_with_its_doubt_in_deviations_of_a_run() -> None:
    judge = calibrated()
    trial = heard(judge.open(), 3.0)
    runs = sum(each.step is Step.CANDIDATE for each in trial.heard)
    found = expected(trial)
    assert found is not None
    gain, variance = found
    assert gain == pytest.approx(3.0 / judge.noise, rel=0.2)
    assert 1 / runs < variance < 1 / runs + 1, "the tip's level is in doubt too"


def test_what_two_bases_have_shown_counts_together() -> None:
    judge = calibrated()
    first = expected(heard(judge.open(), 3.0))
    second = expected(heard(judge.open(expected=first), 3.0))
    assert first is not None and second is not None
    assert second[1] < first[1] and second[0] == pytest.approx(first[0], rel=0.1)


def test_a_gain_that_was_seen_before_takes_fewer_runs_and_a_loss_takes_one() -> None:
    judge = calibrated()
    alone, known = heard(judge.open(), 2.5), heard(judge.open(expected=(2.5, 0.5)), 2.5)
    for trial in (alone, known):
        assert isinstance(trial.answer, Verdict) and trial.answer.status.value == "keep"
    assert len(known.heard) < len(alone.heard)
    assert any(each.step is Step.INCUMBENT for each in known.heard), "it is run beside the new incumbent all the same"
    lost = heard(judge.open(expected=(2.5, 0.5)), -4.0)
    assert isinstance(lost.answer, Verdict) and lost.answer.status.value == "discard"


def test_another_rule_takes_no_notice_of_what_was_measured_elsewhere() -> None:
    assert expected(heard(calibrated("certified").open(), 5.0)) is None


def test_a_trial_that_is_resumed_knows_what_it_knew() -> None:
    judge = calibrated()
    trial = judge.open(expected=(2.0, 0.5))
    state = JudgeState.from_json(json.loads(json.dumps(judge.state_of(trial).to_json())))
    again = judge.reopen(state)
    assert again is not None and again.expected == (2.0, 0.5)
    assert "expected" not in (judge.state_of(judge.open()).to_json()["begun"] or {})
