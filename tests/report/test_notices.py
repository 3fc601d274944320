"""Notices reach a person by a command or a webhook; they neither stop the loop, nor flood, nor show a secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.notebook.record import History, Note
from pytest_autoresearch.report.notices import Notifier, addressed, notice
from pytest_autoresearch.report.story import story
from tests.conftest import Project
from tests.github import histories

HOSTILE = "$(touch owned) `touch owned`; touch owned #\"'\nx"


def ended(history: History, why: str = "as asked") -> History:
    return replace(history, notes=(Note("stop", why, histories.NOW),))


def until_exists(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.01)


def up_to(count: int, description: str = "") -> History:
    return histories.history(count, description=description)


def test_keeps_are_told_once_and_together_and_the_end_as_well(tmp_path: Path) -> None:
    out = tmp_path / "out"
    notifier = Notifier(f"cat >> {out}; echo >> {out}", tmp_path, pause=0.0)
    for count in range(1, 4):
        notifier.follow(up_to(count))
    until_exists(out)
    for count in range(4, 10):
        notifier.follow(up_to(count))
    notifier.follow(ended(up_to(9)))
    notifier.close(60)
    told = [json.loads(line) for line in out.read_text().splitlines()]
    assert [each["kind"] for each in told][-1] == "stop" and notifier.remarks() == []
    keeps = [each for each in told if each["kind"] == "keep"]
    assert 0 < len(keeps) <= 3
    assert told[-1]["title"] == "autoresearch demo: it has ended: as asked"
    assert "start 1 → best 0.9991" in told[-1]["text"] and told[-1]["gain"] == pytest.approx(9e-4)
    assert Path(told[-1]["picture"]).read_text().startswith("<svg")


def test_many_keeps_in_a_short_time_are_one_notice(tmp_path: Path) -> None:
    out = tmp_path / "out"
    notifier = Notifier(f"cat >> {out}; echo >> {out}", tmp_path, pause=1000.0)
    for count in range(1, 100):
        notifier.follow(up_to(count))
    notifier.close(60)
    assert len(out.read_text().splitlines()) == 1


def test_what_was_kept_before_a_session_was_resumed_is_no_news(tmp_path: Path) -> None:
    out = tmp_path / "out"
    notifier = Notifier(f"echo $AUTORESEARCH_NOTICE_KIND >> {out}", tmp_path, pause=0.0)
    notifier.follow(up_to(10))
    notifier.follow(up_to(11))
    time.sleep(0.2)
    assert not out.exists()
    notifier.close(60)
    assert out.read_text() == "stop\n"


def test_what_an_agent_has_written_is_never_part_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    notifier = Notifier('printf %s "$AUTORESEARCH_NOTICE_TEXT" > said', tmp_path, pause=0.0)
    notifier.follow(up_to(2, HOSTILE))
    notifier.follow(up_to(3, HOSTILE))
    until_exists(tmp_path / "said")
    notifier.close(60)
    assert not (tmp_path / "owned").exists() and "owned" in (tmp_path / PICTURE).read_text()


PICTURE = "progress.svg"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("echo secret >&2; exit 3", "notify: nobody was told, will be tried again: the command ended with exit code 3"),
        ("sleep 1000 # secret", "notify: nobody was told, will be tried again: the command took longer than 0.2 s"),
    ],
)
def test_a_command_that_fails_or_hangs_is_said_without_its_words(tmp_path: Path, command: str, said: str) -> None:
    notifier = Notifier(command, tmp_path, pause=0.0, patience=0.2)
    notifier.follow(up_to(1))
    began = time.monotonic()
    notifier.close(30)
    assert time.monotonic() - began < 20
    assert notifier.remarks() == [said]


def test_a_command_that_outlives_the_last_word_is_killed_with_its_children(tmp_path: Path) -> None:
    notifier = Notifier(f"sleep 1000 & echo $! > {tmp_path}/pid; wait", tmp_path, pause=0.0, patience=1000.0)
    notifier.follow(up_to(1))
    notifier.end()
    deadline = time.monotonic() + 60
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    notifier.close(0.0)
    child = int((tmp_path / "pid").read_text())
    while time.monotonic() < deadline and alive(child):
        time.sleep(0.01)
    assert not alive(child) and "notify: the last notice did not get through in time" in notifier.remarks()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def hook(status: int = 200) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    heard: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/secret", heard
    finally:
        server.shutdown()
        server.server_close()


def test_a_webhook_gets_json_and_its_address_is_shown_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hook() as (address, heard):
        monkeypatch.setenv("CHAT", address)
        notifier = Notifier("$CHAT", tmp_path, pause=0.0)
        notifier.follow(ended(up_to(3)))
        notifier.close(60)
    assert heard[0]["kind"] == "stop" and heard[0]["text"].startswith("autoresearch demo: it has ended")
    assert heard[0]["content"] == heard[0]["text"]
    with hook(500) as (address, heard):
        refused = Notifier(address, tmp_path, pause=0.0)
        refused.follow(up_to(1))
        refused.close(60)
    gone = Notifier(address, tmp_path, pause=0.0)
    gone.follow(up_to(1))
    gone.close(60)
    assert "the webhook answered 500" in refused.remarks()[0]
    (said,) = gone.remarks()
    assert "can not be reached" in said and "secret" not in said


def test_an_address_that_the_environment_does_not_have_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHAT", raising=False)
    with pytest.raises(ConfigError, match="the environment has no CHAT"):
        addressed("${CHAT}")
    assert addressed("notify-send $CHAT") == "notify-send $CHAT"


def test_a_session_that_fails_is_told_as_a_failure() -> None:
    nothing = History(histories.session())
    assert notice(nothing, None, 0, is_ending=True)["kind"] == "failure"
    broken = ended(up_to(2), "the harness failed")
    assert notice(broken, story(broken), 0, is_ending=True)["kind"] == "failure"


@pytest.mark.slow
def test_a_real_session_tells_of_keeps_and_of_its_end_and_a_wrong_command_costs_nothing(project: Project) -> None:
    out = project.home / "told"
    command = f"printf '%s %s\\n' $AUTORESEARCH_NOTICE_KIND $AUTORESEARCH_NOTICE_TAG >> {out}"
    done = project.pytest("--autoresearch", "--autoresearch-experiments=4", f"--autoresearch-notify={command}")
    assert done.returncode == 0, done.stdout
    told = out.read_text().splitlines()
    assert told[-1] == "stop demo" and set(told) <= {"keep demo", "stop demo"}
    wrong = project.pytest("--autoresearch", "--autoresearch-experiments=1", "--autoresearch-notify=exit 9")
    assert wrong.returncode == 0 and "the command ended with exit code 9" in wrong.stdout
    refused = project.pytest("--autoresearch", env={"AUTORESEARCH_NOTIFY": "$NO_SUCH_NAME"})
    assert refused.returncode == 4 and "the environment has no NO_SUCH_NAME" in refused.stderr
    assert "NO_SUCH_NAME" not in os.environ


def test_a_locale_without_the_letters_is_told_in_utf_8(tmp_path: Path) -> None:
    script = (
        "import pathlib; from pytest_autoresearch.report.notices import Notifier;"
        "from tests.github import histories;"
        "notifier = Notifier('printf %s \"$AUTORESEARCH_NOTICE_TEXT\" > told', pathlib.Path());"
        "notifier.follow(histories.history(3)); notifier.close(60); print(notifier.remarks())"
    )
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=plain, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
    assert "→" in (tmp_path / "told").read_text("utf-8")
