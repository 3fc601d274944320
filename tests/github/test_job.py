"""A job's page: no line of the log is a command but ours, and the summary is whole, small and up to date."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autoresearch.github.escaping import log_lines
from pytest_autoresearch.github.job import TAIL_LINES, Job
from pytest_autoresearch.github.remote import Remote
from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Reason, Role
from tests.github.histories import experiment, history, session

WEB = Remote("origin", "", "o/r", {})
HOSTILE = "x\n::endgroup::\n  ::error::y\n##[endgroup]\n::stop-commands::z\r::add-mask::a\n%0A::warning::b"


def crash(log: str, description: str = "break it") -> Experiment:
    runs = (Measurement(Role.CANDIDATE, failure=Reason.ERROR, log_tail=log),)
    return replace(experiment(4, description=description, reason=Reason.ERROR), measurements=runs)


def obeyed(lines: list[str]) -> list[str]:
    """What a runner would do: commands while they are not stopped, in both forms it knows."""
    secret, done = "", list[str]()
    for line in lines:
        text = line.lstrip()
        if secret:
            secret = "" if text == f"::{secret}::" else secret
        elif text.startswith("::stop-commands::"):
            secret = text.removeprefix("::stop-commands::")
        elif text.startswith("::") or "##[" in text:
            done.append(text)
    assert secret, "between our commands the log is muted"
    return done


def shown(one: Experiment) -> list[str]:
    lines: list[str] = []
    job = Job(lines.append, None, None)
    job.mute()
    job.show(one, history(3), "")
    return lines


def test_a_keep_is_a_notice_and_nothing_it_says_is_a_command() -> None:
    lines = shown(experiment(3, description="x\n::set-output name=a::b %0A::error::c"))
    (command,) = obeyed(lines)
    assert command.startswith("::notice title=keep 0003 of demo::") and "%250A" in command
    secrets = [line.removeprefix("::stop-commands::") for line in lines if "stop-commands" in line]
    assert len(secrets) == len(set(secrets)) == 2 and {len(secret) for secret in secrets} == {32}


def test_a_crash_is_its_log_folded() -> None:
    lines = shown(crash("Traceback\n  File x\nValueError: no"))
    first, last = obeyed(lines)
    assert first.startswith("::group::crash 0004 of demo: error") and last == "::endgroup::"
    assert [line for line in lines if line.startswith("| ")] == ["| Traceback", "|   File x", "| ValueError: no"]


def test_a_hostile_log_and_description_stay_inside_the_fold() -> None:
    lines = shown(crash(HOSTILE, HOSTILE))
    first, last = obeyed(lines)
    assert first.startswith("::group::crash 0004") and last == "::endgroup::"
    inside = lines[lines.index(first) + 2 : lines.index(last) - 1]
    assert inside and all(line.startswith("| ") and "##[" not in line for line in inside)
    assert not any("\n" in line or "\r" in line for line in lines)


def test_what_a_log_tells_the_runner_to_resume_with_is_not_our_word() -> None:
    lines: list[str] = []
    job = Job(lines.append, None, None)
    job.mute()
    guess = job.secret
    job.show(crash(f"::{guess}::\n::error::x"), history(3), "")
    assert [command.split("::")[1] for command in obeyed(lines)] == ["group", "endgroup"]


def test_a_discard_and_a_crash_without_a_log_say_nothing() -> None:
    assert len(shown(experiment(2))) == len(shown(crash(""))) == 1


@given(st.text(st.sampled_from(":#[]%\r\n\t \x1b\u2028\x85ab|"), max_size=60))
def test_no_line_of_any_log_is_a_command(text: str) -> None:
    lines = log_lines(text * 30, TAIL_LINES)
    assert len(lines) <= TAIL_LINES
    assert all(line.startswith("| ") and len(line.splitlines()) == 1 and "##[" not in line for line in lines)


# The summary


def test_the_summary_is_what_was_shown_last_and_whole_at_the_end(tmp_path: Path) -> None:
    job = Job(lambda line: None, tmp_path / "summary.md", WEB)
    for number in (1, 2, 3):
        job.show(experiment(number), history(3), f"after {number}\n")
        assert (tmp_path / "summary.md").read_text() == f"# autoresearch demo\n\nafter {number}\n"
    job.summarise(history(3))
    assert "# autoresearch demo: loss" in (tmp_path / "summary.md").read_text("utf-8")
    assert os.listdir(tmp_path) == ["summary.md"]


def test_a_job_that_is_killed_while_it_writes_leaves_the_old_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(lambda line: None, tmp_path / "summary.md", WEB)
    job.show(experiment(1), history(3), "one")

    def die(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        job.show(experiment(2), history(3), "two")
    assert (tmp_path / "summary.md").read_text().endswith("one")


def test_a_summary_that_can_not_be_written_is_done_without(tmp_path: Path) -> None:
    said: list[str] = []
    job = Job(said.append, tmp_path / "gone/summary.md", WEB)
    job.show(experiment(1), history(3), "one")
    job.summarise(history(3))
    assert list(tmp_path.iterdir()) == [] and not any("rror" in line for line in said)


def test_the_summary_of_a_long_night_is_below_its_limit(tmp_path: Path) -> None:
    job = Job(lambda line: None, tmp_path / "summary.md", WEB)
    found = history(4000, description="é" * 190)
    job.summarise(found)
    assert 500_000 < (tmp_path / "summary.md").stat().st_size < 2**20
    job.summarise(replace(found, session=session("another")))
    assert (tmp_path / "summary.md").stat().st_size < 2**20
    job.summarise(replace(history(3), session=session("demo")))
    job.summarise(replace(history(3), session=session("another")))
    text = (tmp_path / "summary.md").read_text("utf-8")
    assert "# autoresearch demo: loss" in text and "# autoresearch another: loss" in text
