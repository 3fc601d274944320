"""When a baseline fails, the user is told the log's end and the one thing to do."""

from __future__ import annotations

from dataclasses import replace

from pytest_autoresearch.lab.advice import baseline_advice
from pytest_autoresearch.lab.remedies import Remedy
from pytest_autoresearch.protocol.experiment import Measurement, Reason, Role
from pytest_autoresearch.protocol.model import Direction, Metric, Protocol

PROTOCOL = Protocol(goal="", metric=Metric("loss", Direction.LOWER), targets=(), run="python train.py")


def test_the_advice_has_the_reason_the_command_the_log_and_the_remedy() -> None:
    failed = Measurement(
        Role.INCUMBENT, failure=Reason.ERROR, detail="exit status 1", log_tail="reading corpus.txt\nboom"
    )
    assert baseline_advice(
        failed, PROTOCOL, [Remedy("write in the front matter: data: [corpus.txt]")]
    ).splitlines() == [
        "the baseline failed: error: exit status 1",
        "  command: python train.py",
        "  the log ends with:",
        "    reading corpus.txt",
        "    boom",
        "  write in the front matter: data: [corpus.txt]",
    ]


def test_a_build_that_fails_is_named_as_that_with_its_own_command() -> None:
    failed = Measurement(Role.INCUMBENT, failure=Reason.ERROR, detail="build: a.c:3:1: error: expected ';'")
    assert baseline_advice(failed, replace(PROTOCOL, build="make"), []).splitlines() == [
        "the build fails on the start commit: a.c:3:1: error: expected ';'",
        "  command: make",
    ]


def test_a_command_is_told_with_its_line_where_a_config_has_one() -> None:
    failed = Measurement(Role.INCUMBENT, failure=Reason.ERROR, detail="exit status 1")
    origins = {"run": 12, "build": 30}
    told = replace(PROTOCOL, build="make", origins=origins)
    assert "  command: python train.py (autoresearch.config.md:12)" in baseline_advice(failed, told)
    built = replace(failed, detail="build: no rule")
    assert "  command: make (autoresearch.config.md:30)" in baseline_advice(built, told)
    assert baseline_advice(failed, replace(told, source="test_a.py::test_a")).endswith("command: python train.py")


def test_a_baseline_that_takes_too_long_is_told_of_the_timeout() -> None:
    failed = Measurement(Role.INCUMBENT, failure=Reason.TIMEOUT, detail="killed after 3600 s")
    assert baseline_advice(failed, PROTOCOL, []).splitlines()[-1] == (
        "  raise the kill timeout under Time Budget, or make the run shorter"
    )
