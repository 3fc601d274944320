"""When a session's end tells its keeps apart by itself: `attribute: auto`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import cast

import pytest

from pytest_autoresearch.notebook.record import Attribution, History
from pytest_autoresearch.protocol.experiment import Measurement, Role
from pytest_autoresearch.protocol.values import parse_auto
from pytest_autoresearch.research.attributing import is_worth_it
from pytest_autoresearch.research.session import Research
from tests.github.histories import history


def ended(found: History, *, asked: bool = True, noisy: bool = True) -> Research:
    """As much of a session as is looked at."""
    session = SimpleNamespace(
        notebook=SimpleNamespace(history=found),
        protocol=SimpleNamespace(attribute=asked),
        judge=SimpleNamespace(standing=SimpleNamespace(noisy=noisy)),
        incumbent=found.incumbent,
    )
    return cast("Research", session)


def after(experiments: int) -> History:
    """A session whose runs lasted a second each."""
    run = (Measurement(Role.CANDIDATE, 1.0, duration=1.0),)
    found = history(experiments)
    return replace(found, experiments=tuple(replace(e, measurements=run) for e in found.experiments))


@pytest.mark.parametrize(("experiments", "expected"), [(300, False), (330, True)])
def test_32_runs_are_made_where_they_are_a_tenth_of_all(experiments: int, expected: bool) -> None:
    assert is_worth_it(ended(after(experiments))) is expected


def test_the_key_takes_auto_or_no() -> None:
    assert [parse_auto(text) for text in ("auto", " Auto ", "no", "false")] == [True, True, False, False]
    for text in ("yes", "always"):
        with pytest.raises(ValueError, match="neither `auto` nor `no`"):
            parse_auto(text)


def test_it_is_made_once_for_a_head_and_only_where_it_is_asked_for_and_can_tell_something() -> None:
    found = after(330)
    assert found.incumbent is not None
    assert not is_worth_it(ended(found, asked=False)) and not is_worth_it(ended(found, noisy=False))
    told = Attribution(found.incumbent.commit, (), (), datetime.now(timezone.utc))
    assert not is_worth_it(ended(replace(found, attributions=(told,))))
    assert not is_worth_it(ended(after(2)))
