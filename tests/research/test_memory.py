"""What a session tells its agents beside its own history, from real sessions in one repository."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from pytest_autoresearch.lab.limits import over_budget
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import Session
from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Move, Reason, Role, Status
from pytest_autoresearch.protocol.markdown import load
from pytest_autoresearch.protocol.model import Holdout, Protocol
from pytest_autoresearch.research.memory import Memory, reasons_gone
from tests.agents.loose_desk import BASELINE, PROTOCOL
from tests.conftest import Project

KEEP_THEN_LOSE = """\
case $AUTORESEARCH_EXPERIMENT in
  1) sed -i 's/RATE = 8.0/RATE = 3.0/' train.py; why='8 overshoots'; what='a lower rate' ;;
  *) sed -i 's/RATE = 3.0/RATE = 9.0/' train.py; why='3 is too slow'; what='a higher rate' ;;
esac
printf 'HYPOTHESIS: %s\\nDESCRIPTION: %s\\n' "$why" "$what"
"""


def outside(project: Project) -> Path:
    """The script of an agent, where every session sees it."""
    script = project.home.parent / "propose.sh"
    script.write_text(KEEP_THEN_LOSE)
    return script


def session(project: Project, agent: str, *options: str, count: int = 1) -> str:
    done = project.pytest(
        "--autoresearch",
        f"--autoresearch-agent=command:{agent}",
        f"--autoresearch-experiments={count}",
        "--autoresearch-isolation=none",
        *options,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def briefed(project: Project, *options: str) -> str:
    """The briefing of the next experiment, by an agent that changes nothing."""
    kept = project.home / "briefing"
    session(project, f'cp "$AUTORESEARCH_BRIEFING" {kept}; echo nothing', *options)
    return kept.read_text("utf-8")


@pytest.mark.slow
def test_a_later_session_learns_what_an_earlier_one_found(project: Project) -> None:
    session(project, f"bash {outside(project)}", count=2)
    text = briefed(project, "--autoresearch-tag=second")
    assert "## Earlier sessions of this protocol" in text
    assert (
        "`demo`: 2 experiments from 37.32 to 2.32; kept 1: a lower rate (gain +35). dead ends: a higher rate." in text
    )
    assert "lessons: 8 overshoots (confirmed); 3 is too slow (refuted)." in text
    again = briefed(project, "--autoresearch-tag=second")
    assert again.partition("## Earlier")[2].startswith(text.partition("## Earlier")[2].partition("\n\n## ")[0])


@pytest.mark.slow
def test_a_session_of_another_protocol_teaches_nothing(project: Project) -> None:
    session(project, f"bash {outside(project)}", count=1)
    config = project.root / "autoresearch.config.md"
    config.write_text(config.read_text().replace("python train.py", "python train.py --other"))
    assert "Earlier sessions" not in briefed(project, "--autoresearch-tag=second")


def test_its_own_runs_are_told_with_their_last_words_and_course(project: Project) -> None:
    project.write("train.py", "for n in range(40):\n    print('loss:', 40 - n)\nprint('width', 3)\n")
    project.commit()
    text = briefed(project)
    assert "The best state (in your files), experiment 0000: 1" in text
    assert "`loss` while it ran, first to last: 40 38 36" in text
    assert "loss: 1\nwidth 3\n```" in text
    log = project.git("log", "--format=%B", "--first-parent", "-z", "refs/autoresearch/demo/log")
    records = [json.loads(message)["data"] for message in log.split("\0") if message.strip()]
    speaking = [run for record in records for run in record.get("measurements", ()) if run.get("curve")]
    assert len(speaking) == 1, "one run an experiment keeps its course"


@pytest.mark.slow
def test_a_discard_whose_limit_is_gone_is_offered_again_and_may_be_proposed_again(project: Project) -> None:
    config = project.root / "autoresearch.config.md"
    said = config.read_text()
    project.write("train.py", "RATE = 8.0\nprint('heat:', 9 if RATE < 8 else 1)\nprint('loss:', RATE)\n")
    config.write_text("---\nlimits: {heat: 5}\n---\n" + said)
    project.commit()
    lower = "sed -i 's/RATE = 8.0/RATE = 3.0/' train.py; echo cooler"
    session(project, lower)
    session(project, lower)
    assert [row[2] for row in project.table()[2:]] == ["discard", "discard"], "by the limit, then as a duplicate"
    assert "May be tried again" not in briefed(project)
    config.write_text("---\nlimits: {heat: 50}\n---\n" + said)
    text = briefed(project)
    assert "## May be tried again" in text
    gone = "limit: heat 9 is over its limit of 5; the limits of the protocol allow it now"
    assert f"- 0001 cooler [{gone}]" in text
    session(project, lower)
    assert project.table()[-1][2] == "keep"


@pytest.mark.slow
def test_what_another_session_measures_now_is_told(project: Project, wait_for: Callable[[Path], None]) -> None:
    measured = project.home / "measured"
    project.write(
        "train.py",
        "import pathlib, time\nRATE = 8.0\nprint('loss:', RATE)\n"
        f"if RATE < 8:\n    pathlib.Path({str(measured)!r}).touch()\n    time.sleep(60)\n",
    )
    project.write("results.tsv", "")  # where it is tracked each session has a table of its own
    project.commit()
    slow = subprocess.Popen(
        [
            *project.pytest_command,
            "--autoresearch",
            "--autoresearch-isolation=none",
            "--autoresearch-tag=first",
            "--autoresearch-agent=command:sed -i 's/RATE = 8.0/RATE = 3.0/' train.py; echo the slow one",
        ],
        cwd=project.root,
        env=project.env,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(measured)
        text = briefed(project, "--autoresearch-tag=second")
    finally:
        os.kill(slow.pid, signal.SIGINT)
        slow.wait(60)
    assert "## Being measured now, elsewhere\nPropose something else.\n- first: the slow one" in text


def test_what_other_slots_of_the_session_measure_is_told_and_not_the_proposal_itself(project: Project) -> None:
    with Git.discover(project.root) as git:
        session = Session("demo", "autoresearch.config.md", "", {}, {}, "", {}, datetime.now(timezone.utc))
        place = git.common_dir / "autoresearch" / "demo" / "pending"
        place.mkdir(parents=True)
        for number, words in ((4, "warm\nup"), (5, "its own"), (6, 7)):
            (place / f"{number}.json").write_text(json.dumps({"number": number, "description": words}))
        (place / "7.json").write_text("torn")
        protocol = load(project.root / "autoresearch.config.md", top=project.root)
        assert list(Memory(git, session).besides(protocol, (), 5).under_way) == ["warm up"]


@pytest.mark.slow
@pytest.mark.parametrize("gone", [False, True])
def test_a_guard_that_is_not_asked_for_any_more_frees_what_it_stopped(project: Project, gone: bool) -> None:
    config = project.root / "autoresearch.config.md"
    said = config.read_text()
    config.write_text("---\nguard: ['grep -q 8.0 train.py']\n---\n" + said)
    session(project, "sed -i 's/RATE = 8.0/RATE = 3.0/' train.py; echo lower")
    assert project.table()[-1][2] == "discard"
    if gone:
        config.write_text(said)
    assert ("that guard is not in the protocol any more" in briefed(project)) is gone


def made(number: int, reason: Reason, state: str, words: str, **more: Any) -> Experiment:
    status = Status.KEEP if reason is Reason.IMPROVED else Status.DISCARD
    ran = (Measurement(Role.CANDIDATE, 1.0),) if reason is not Reason.STALE else ()
    return Experiment(number, status, reason, words, "", "", "", state, measurements=ran, **more)


def offered(*history: Experiment, protocol: Protocol = PROTOCOL) -> list[tuple[int, str]]:
    start = replace(BASELINE, measurements=(Measurement(Role.INCUMBENT, 1.0),))
    return [(each.number, why) for each, why in reasons_gone(protocol, [start, *history])]


CONFLICT = "0001 was kept meanwhile and changes the same lines of train.py"
KEPT = made(1, Reason.IMPROVED, "a", "lower")
STALE = made(2, Reason.STALE, "b", "Wider", detail=CONFLICT)


def test_what_was_made_on_a_state_that_was_left_behind_is_offered_until_it_was_tried_again() -> None:
    left = "it was made on a state that was left behind: make it on the present one"
    assert offered(KEPT, STALE) == [(2, left)]
    assert offered(KEPT, STALE, made(3, Reason.WORSE, "c", "deeper")) == [(2, left)]
    assert offered(KEPT, STALE, made(3, Reason.WORSE, "c", "wider")) == [], "the same idea, another edit"
    assert offered(KEPT, STALE, replace(STALE, number=3, fingerprint="c")) == [(2, left)], "conflicts again: once"


def test_a_knob_that_was_turned_again_on_the_present_state_is_offered_no_more() -> None:
    turned = (Move("WIDTH", "1", "2"),)
    stale = replace(STALE, moves=turned)
    assert offered(KEPT, stale, made(3, Reason.NOISE, "c", "WIDTH 1 -> 2 once more", moves=turned)) == []


def test_a_conflict_is_gone_when_what_it_was_with_was_taken_back() -> None:
    dropped = replace(KEPT, status=Status.DISCARD, reason=Reason.UNPROVEN)
    assert offered(dropped, STALE) == [(2, "0001, which it conflicted with, was taken back")]


def test_a_time_that_is_no_limit_any_more_frees_what_took_longer() -> None:
    slow = made(1, Reason.LIMIT, "a", "wider", detail=over_budget([Measurement(Role.CANDIDATE, duration=9.0)], [], 1.0))
    assert offered(slow) == []
    assert offered(slow, protocol=replace(PROTOCOL, budget_soft=True)) == [(1, "run time is no limit any more")]


def test_a_hidden_measurement_that_is_not_made_any_more_frees_what_lost_it() -> None:
    lost = made(1, Reason.HOLDOUT, "a", "wider", detail="worse in the hidden measurement")
    assert offered(lost, protocol=replace(PROTOCOL, holdout=Holdout("true"))) == []
    assert offered(lost) == [(1, "the hidden measurement is not in the protocol any more")]


def test_a_session_ends_when_its_agent_says_twice_that_there_is_nothing_to_change(project: Project) -> None:
    said = session(project, "echo 'NOTHING: the rate is at its optimum'", count=9)
    assert "the agent has nothing left to propose: nothing to change: the rate is at its optimum" in said
    rows = project.table()[2:]
    assert [(row[2], row[3]) for row in rows] == [("discard", "nothing to change: the rate is at its optimum")] * 2


@pytest.mark.slow
def test_one_answer_that_there_is_nothing_to_change_asks_for_a_second_look(project: Project) -> None:
    session(project, "echo 'NOTHING: the rate is at its optimum'")
    assert "answered that there is nothing to change. Look once more" in briefed(project)
    script = "sed -i 's/RATE = 8.0/RATE = 3.0/' train.py; echo 'NOTHING: (and yet)'"
    session(project, script)
    assert project.table()[-1][2:] == ["keep", "nothing to change: (and yet)"], "what was changed is measured"
