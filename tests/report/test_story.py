"""One session as a value: the same whether it is told at once or record by record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pytest_autoresearch.notebook.record import Drop, History, Note
from pytest_autoresearch.protocol.experiment import Measurement, Reason, Role, Status
from pytest_autoresearch.report.story import State, Story, Teller, story
from tests.github import histories


def told(history: History) -> Story:
    found = story(history)
    assert found is not None
    return found


def test_there_is_no_story_before_the_baseline() -> None:
    assert story(History(histories.session())) is None


def test_start_best_and_counts_are_those_of_the_ledger() -> None:
    found = told(histories.history(10, verified=True))
    assert (found.start.number, found.best.number, found.tried) == (0, 9, 10)
    assert found.counts == {Status.KEEP: 3, Status.DISCARD: 7, Status.CRASH: 0}
    assert found.gain == pytest.approx(9e-4)
    assert found.gain_percent == pytest.approx(0.09)
    assert found.verified is not None
    assert found.cost == pytest.approx(0.1)
    assert found.input_tokens == 1000
    assert found.run_seconds == pytest.approx(11 * 1.5)


@pytest.mark.parametrize(
    ("reason", "promised"),
    [(Reason.WORSE, 0.5), (Reason.NOISE, 0.5), (Reason.GUARD, 2e-4), (Reason.LIMIT, 2e-4), (Reason.OUT_OF_SCOPE, 2e-4)],
)
def test_a_run_that_something_else_than_its_number_refused_promises_nothing(reason: Reason, promised: float) -> None:
    whole = histories.history(2)
    seen = replace(histories.experiment(1, reason=reason), measurements=(Measurement(Role.CANDIDATE, 0.5),))
    assert told(replace(whole, experiments=(whole.experiments[0], seen, whole.experiments[2]))).promised == (
        pytest.approx(promised)
    )


def test_a_story_told_record_by_record_is_the_one_told_at_once() -> None:
    whole = histories.history(40)
    teller = Teller()
    for end in range(1, 42):
        found = teller.tell(replace(whole, experiments=whole.experiments[:end]))
        assert found is not None and found.points[-1].number == end - 1
    assert found == told(whole)


def test_a_drop_is_told_anew() -> None:
    whole = histories.history(6)
    teller = Teller()
    teller.tell(whole)
    gone = replace(whole.experiments[3], status=Status.DISCARD)
    drop = Drop(3, gone.commit, {}, histories.NOW)
    after = replace(whole, experiments=(*whole.experiments[:3], gone, *whole.experiments[4:]), drops=(drop,))
    assert teller.tell(after) == told(after)
    assert [keep.number for keep in told(after).keeps] == [6]


def test_the_level_holds_until_the_next_keep_and_the_spread_is_that_of_repeats() -> None:
    whole = histories.history(4)
    runs = tuple(Measurement(Role.CANDIDATE, value) for value in (0.9, 1.0, 1.1))
    noisy = replace(whole.experiments[3], measurements=runs)
    found = told(replace(whole, experiments=(*whole.experiments[:3], noisy, whole.experiments[4])))
    assert [point.level for point in found.points] == [1.0, 1.0, 1.0, 0.9997, 0.9997]
    assert [point.spread for point in found.points[:3]] == [None, None, None]
    assert found.points[3].spread == pytest.approx(0.1)


def test_utilisation_is_the_share_of_the_time_inside_runs() -> None:
    whole = histories.history(1)
    later = replace(whole.experiments[1], ended=histories.NOW + timedelta(seconds=6))
    found = told(replace(whole, experiments=(whole.experiments[0], later)))
    assert (found.elapsed, found.utilisation) == (6.0, 0.5)


def test_the_time_between_two_invocations_is_no_work_however_short() -> None:
    whole = histories.history(2)
    begins = [histories.NOW + timedelta(seconds=at) for at in (0, 2, 42)]
    experiments = tuple(
        replace(each, started=began, ended=began + timedelta(seconds=2))
        for each, began in zip(whole.experiments, begins, strict=True)
    )
    stopped = Note("stop", "2 experiments were asked for", histories.NOW + timedelta(seconds=5))
    assert told(replace(whole, experiments=experiments)).elapsed == 44.0
    teller = Teller()
    teller.tell(replace(whole, experiments=experiments[:2]))
    after = teller.tell(replace(whole, experiments=experiments, notes=(stopped,)))
    assert after is not None and after.elapsed == 6.0
    assert after == told(replace(whole, experiments=experiments, notes=(stopped,)))


def test_a_session_without_a_word_about_its_end_is_silent() -> None:
    whole = histories.history(1)
    assert told(whole).state is State.SILENT
    running = story(whole, running=True)
    assert running is not None and running.state is State.RUNNING
