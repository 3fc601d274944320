"""How sure each keep is, in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

from pytest_autoresearch.notebook.record import Attribution, Group, Share
from pytest_autoresearch.protocol.experiment import Outcome
from pytest_autoresearch.report.markdown.body import pull_request
from pytest_autoresearch.report.markdown.parts import Links
from pytest_autoresearch.report.story import story
from pytest_autoresearch.report.trust import trust
from tests.github.histories import history

NOW = datetime.now(timezone.utc)


def test_each_keep_is_told_by_what_is_known_of_it_alone() -> None:
    found = history(9)
    one, two, three = (keep.number for keep in found.keeps)
    group = Group((one, two), 0, Outcome.CERTIFIED, 1.0, (0.5, 1.5), 3, (), (), NOW)
    experiments = tuple(
        replace(e, interval=None) if e.number == three else replace(e, interval=(0.9, 1.1)) for e in found.experiments
    )
    grouped = replace(found, groups=(group,), experiments=experiments)
    assert trust(grouped) == {one: "in a proven group", two: "in a proven group", three: "one run"}

    shares = (
        Share((one,), 0.5, (0.25, 0.75), proven=True),
        Share((two, three), -0.125, (-0.375, 0.125)),
    )
    told = trust(replace(grouped, attributions=(Attribution(found.keeps[-1].commit, shares, (), NOW),)))
    assert told[one] == "proven: 0.5 (95 %: 0.25 to 0.75)"
    assert told[two] == f"no effect seen with {two:04d}, {three:04d}: -0.125 (95 %: -0.375 to 0.125)"
    needed = Attribution(found.keeps[-1].commit, (Share((one,), needed=True),), (), NOW)
    assert trust(replace(grouped, attributions=(needed,)))[one] == "needed"


def test_the_pull_request_shows_it_beside_each_keep() -> None:
    found = history(9)
    attribution = Attribution(
        found.keeps[-1].commit, (Share((found.keeps[0].number,), 0.5, (0.2, 0.8), True),), (), NOW
    )
    told = story(replace(found, attributions=(attribution,)))
    body = pull_request(told, "demo", Links("", "")).body
    assert "proven:\u00a00.5\u00a0(95\u00a0%:\u00a00.2\u00a0to\u00a00.8)" in body
