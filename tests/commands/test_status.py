"""``pytest-autoresearch status``: the same story from another terminal, and from another clone by what was pushed."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_autoresearch.cli import main
from pytest_autoresearch.lab.job import said_by
from pytest_autoresearch.lab.tailing import KEPT
from pytest_autoresearch.protocol.experiment import Measurement, Reason, Role
from pytest_autoresearch.report.lanes import FILE, Lane, Lanes, kept_in, read
from pytest_autoresearch.report.status import status_lines
from pytest_autoresearch.report.story import Story, story
from tests.conftest import Project
from tests.github import histories
from tests.notebook.diary import Diary, git, new_repository


def told(count: int = 9) -> Story:
    found = story(histories.history(count))
    assert found is not None
    return found


def lines(found: Story, *lanes: Lane, height: int = 24, width: int = 79, paused: bool = False) -> list[str]:
    return [line for line, _ in status_lines(found, lanes, now=1012.0, paused=paused, width=width, height=height)]


def test_a_screenful_has_lanes_best_counts_and_the_newest_experiments() -> None:
    shown = lines(told(40), Lane(41, "candidate run", 1000.0, 20.0), Lane(42, "claude proposes", 1009.0))
    assert shown[0] == "autoresearch/demo: it was killed, or runs elsewhere"
    assert "loss: start 1 → best 0.9961" in shown[1]
    assert any(line.startswith("40 experiments: 13 keep, 27 discard, 0 crash") for line in shown)
    assert "0041     candidate run: 12 s of 20 s" in shown and "0042     claude proposes: 3 s" in shown
    assert shown[-1].startswith("0040     DISCARD") and len(shown) <= 24 and max(map(len, shown)) <= 79


def test_where_the_height_has_no_end_nothing_of_what_it_has_come_to_is_cut() -> None:
    shown = lines(told(40), height=0, width=50)
    said = " ".join(" ".join(shown).split())
    assert max(map(len, shown)) <= 50
    assert "Start and head were not measured against each other on fresh runs: pytest-autoresearch verify" in said
    assert "pytest-autoresearch verify" not in " ".join(lines(told(40), height=24, width=50))


@pytest.mark.parametrize("height", [8, 12, 24, 0])
def test_it_fits_and_the_log_of_a_crash_gives_way_to_the_table(height: int) -> None:
    crash = replace(
        histories.experiment(10, reason=Reason.ERROR),
        measurements=(Measurement(Role.CANDIDATE, None, log_tail="\n".join(f"line {n}" for n in range(40))),),
    )
    whole = histories.history(9)
    found = story(replace(whole, experiments=(*whole.experiments, crash)))
    assert found is not None
    shown = lines(found, height=height)
    assert len(shown) <= (height or 1000)
    assert any(line.startswith("0010     CRASH") for line in shown)
    assert ("  line 39" in shown) == (height in (24, 0))


def test_what_runs_says_stands_below_the_table_and_a_terminal_s_tricks_do_not() -> None:
    bar = "epoch 1\n" + "".join(f"\r{n} %" for n in range(101)) + "\r\n\x1b[2Jloss\t0.5 \u202e<b>\n"
    shown = lines(told(), Lane(10, "candidate run", 1000.0, None, bar), Lane(11, "claude proposes", 1000.0))
    assert shown[-4:] == ["0010 says:", "  epoch 1", "  100 %", "  loss 0.5 <b>"]
    many = [Lane(n, "candidate run", 1000.0, None, "".join(f"{n}: {k}\n" for k in range(9))) for n in range(10, 16)]
    shown = lines(told(), *many, height=40)
    assert shown[-3:] == ["0013 says:", "  13: 7", "  13: 8"] and "  10: 7" in shown and "0014 says:" not in shown
    assert not any("says" in line for line in lines(told(), *many, height=14))


def test_a_lane_has_what_its_run_said_and_nothing_that_is_old_or_no_file(tmp_path: Path) -> None:
    lanes = Lanes([kept_in(tmp_path)])
    lanes.phase(7, "candidate run")
    place = said_by(tmp_path, 7, 3)
    place.write_bytes(b"x" * 9000 + b"\xffend")
    (lane,) = read(tmp_path)
    assert lane.said == "x" * (KEPT - 4) + "\N{REPLACEMENT CHARACTER}end"
    os.utime(place, (1.0, 1.0))
    assert read(tmp_path)[0].said == ""
    place.unlink()
    os.mkfifo(place)
    assert read(tmp_path)[0].said == ""
    place.unlink()
    place.symlink_to(tmp_path / FILE)
    assert read(tmp_path)[0].said == ""
    kept_in(tmp_path)
    assert not place.is_symlink() and (tmp_path / FILE).exists()


def test_a_pause_is_said_with_what_ends_it() -> None:
    assert "pytest-autoresearch pause --off" in lines(told(), paused=True)[0]


def said_by_then(lanes: Lanes, state: Path, count: int) -> None:
    """What came in the same moment as something else is told with a tick after it."""
    deadline = time.monotonic() + 30
    while len(read(state)) != count and time.monotonic() < deadline:
        lanes.tick(0.2)


def test_lanes_are_kept_for_other_processes_and_what_is_recorded_leaves_them(tmp_path: Path) -> None:
    lanes = Lanes([kept_in(tmp_path)])
    lanes.phase(7, "candidate run", budget=20.0)
    assert [lane.number for lane in read(tmp_path)] == [7]
    lanes.phase(8, "claude proposes")  # what begins is told at once
    found = read(tmp_path)
    assert [(lane.number, lane.text, lane.budget) for lane in found] == [
        (7, "candidate run", 20.0),
        (8, "claude proposes", None),
    ]
    assert abs(found[0].began - time.time()) < 60
    lanes.pytest_autoresearch_recorded(histories.experiment(7))
    said_by_then(lanes, tmp_path, 1)
    assert [lane.number for lane in read(tmp_path)] == [8]
    lanes.end()
    assert read(tmp_path) == []


@pytest.mark.parametrize("text", ["", "{", "[1]", "[{}]", '[{"number": "x"}]', "null", '{"a": 1}'])
def test_a_torn_file_of_lanes_is_no_lanes(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert read(tmp_path) == [] and read(tmp_path / "nowhere") == []


def test_a_session_that_has_ended_is_told_once_and_watched_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = new_repository(tmp_path / "repository")
    with Diary(root) as diary:
        diary.reach(7)
    monkeypatch.chdir(root)
    assert main(["status"]) == 0
    once = capsys.readouterr().out
    assert main(["status", "--watch"]) == 0
    assert capsys.readouterr().out == once and "6 experiments: 2 keep" in once
    assert main(["status", "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert (plain["tag"], plain["experiments"], plain["keep"], plain["lanes"]) == ("demo", 6, 2, [])


def test_without_a_session_it_says_how_to_begin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(new_repository(tmp_path / "repository"))]) == 4
    assert "`pytest --autoresearch` begins one" in capsys.readouterr().err
    assert main(["status", str(tmp_path / "repository"), "--from", "origin"]) == 4
    assert "add --tag" in capsys.readouterr().err


def test_another_clone_sees_what_was_pushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = new_repository(tmp_path / "here")
    with Diary(root) as diary:
        diary.reach(4)
    git(tmp_path, "clone", "-q", "--bare", str(root), "there.git")
    git(root, "push", "-q", str(tmp_path / "there.git"), "refs/autoresearch/demo/log:refs/autoresearch/demo/log")
    git(tmp_path, "clone", "-q", str(tmp_path / "there.git"), "clone")
    monkeypatch.chdir(tmp_path / "clone")
    assert main(["status", "--from", "origin", "--tag", "demo"]) == 0
    assert "3 experiments: 1 keep" in capsys.readouterr().out


@contextmanager
def running(project: Project) -> Iterator[None]:
    """A session of many experiments, in a process of its own."""
    slow = "import time\nprint('warming up', flush=True)\ntime.sleep(2.5)\n"
    project.write("train.py", slow + (project.root / "train.py").read_text())
    project.commit("slower")
    command = [*project.pytest_command, "--autoresearch", "--autoresearch-experiments=500"]
    job = subprocess.Popen(command, cwd=project.root, env=project.env, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        if job.poll() is None:
            job.send_signal(signal.SIGINT)
        job.wait(60)


def status(project: Project, wanted: str) -> str:
    """The status as soon as it says ``wanted``."""
    deadline = time.monotonic() + 60
    said = ""
    while time.monotonic() < deadline:
        done = project.cli("status")
        said = done.stdout + done.stderr
        if wanted in said:
            return said
    raise AssertionError(said)


@pytest.mark.slow
def test_a_session_that_runs_is_seen_from_another_terminal_until_it_ends(project: Project) -> None:
    with running(project):
        said = status(project, " says:\n  warming up\n")
        assert "autoresearch/demo: it runs" in said and re.search(r"^\d{4} +\w.+: \d+ s of 20 s$", said, re.MULTILINE)
        main_end, their_end = pty.openpty()
        watch = subprocess.Popen(
            [sys.executable, "-m", "pytest_autoresearch.cli", "status", "--watch", "--every", "1"],
            cwd=project.root,
            env={**project.env, "COLUMNS": "100", "LINES": "24"},
            stdout=their_end,
        )
        os.close(their_end)
        shown = b""
        while b"it runs" not in shown:
            shown += os.read(main_end, 65536)
        assert project.cli("pause").returncode == 0
        status(project, "pause --off")
        assert project.cli("stop").returncode == 0
        with suppress(OSError):  # a terminal whose other end is gone
            while data := os.read(main_end, 65536):
                shown += data
        assert watch.wait(60) == 0
    screens = shown.decode().split("\x1b[H\x1b[2J")
    assert len(screens) > 2 and "it runs" in screens[1]
    assert "it has ended: a person asked for it" in screens[-1]
    assert all(len(screen.splitlines()) <= 24 for screen in screens)
