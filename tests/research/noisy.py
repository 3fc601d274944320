"""A project whose loss has seeded noise of standard deviation 1: the same on every machine and in every order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import Project

PREPARE = """\
import os
import random

luck = random.Random(int(os.environ["AUTORESEARCH_SEED"])).gauss(0.0, 1.0)
"""

TRAIN = """\
from prepare import luck

FAST = 10.0
#
#
#
# between the knobs
#
#
#
IDLE = 10.0
#
#
#
print("loss:", 100.0 + FAST + luck)
"""

AGENT = """\
import os
from pathlib import Path

number = int(os.environ["AUTORESEARCH_EXPERIMENT"])
description, old, new = EDITS[(number - 1) % len(EDITS)]
new = new.replace("NUMBER", str(number))
target = Path("train.py")
text = target.read_text()
target.write_text(text.replace(old, new, 1) if old else text + new)
print(description)
"""


def make_noisy(project: Project) -> None:
    """Give the project noise, instead of its exact loss."""
    project.write("prepare.py", PREPARE)
    project.write("train.py", TRAIN)
    project.commit("noise")


def scripted(project: Project, *edits: tuple[str, str, str]) -> str:
    """The option for an agent that makes these edits in turn: description, old text, new text.

    Without an old text the new one is appended. NUMBER in it is the experiment's.
    """
    agent = project.home / "agent.py"
    agent.write_text(f"EDITS = {edits!r}\n{AGENT}")
    return f"--autoresearch-agent=command:{sys.executable} {agent}"


def interrupt_at(project: Project, words: str, *command: str) -> tuple[int, str]:
    """Press Ctrl-C when a command's terminal shows these words; its exit code and all that the terminal showed."""
    code, shown, pressed = on_terminal(project, *command, interrupt_at=words)
    assert pressed, shown
    return code, shown


def on_terminal(project: Project, *command: str, interrupt_at: str | None = None) -> tuple[int, str, bool]:
    """Run a command on a terminal: its exit code, all that was shown, whether Ctrl-C was pressed at these words."""
    ours, theirs = os.openpty()
    with subprocess.Popen(
        command, cwd=project.root, env=project.env, stdout=theirs, stderr=theirs, start_new_session=True
    ) as running:
        os.close(theirs)
        shown, pressed = b"", False
        while data := _read(ours):
            shown += data
            if interrupt_at is not None and not pressed and interrupt_at.encode() in shown:
                os.kill(running.pid, signal.SIGINT)
                pressed = True
        os.close(ours)
        return running.wait(60), shown.decode(), pressed


def _read(terminal: int) -> bytes:
    """What a terminal shows next, nothing when all who wrote to it are gone."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""
