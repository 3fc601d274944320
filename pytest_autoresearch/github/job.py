"""A job's page on GitHub Actions: its summary, a notice per keep, the log of what crashed. Knows no pytest, no network.

Commands in the log are off but for ours: what a run or an agent says stands in it too.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pytest_autoresearch.github.escaping import command_data, command_property, log_lines
from pytest_autoresearch.github.publish import links
from pytest_autoresearch.github.remote import Remote
from pytest_autoresearch.notebook.chain import branch_ref
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.protocol.experiment import Experiment, Status
from pytest_autoresearch.report.markdown.body import body, title
from pytest_autoresearch.report.markdown.escaping import words
from pytest_autoresearch.report.story import Story, story
from pytest_autoresearch.report.words import experiment_words
from pytest_autoresearch.text import one_line

SUMMARY_LIMIT = 340_000  # characters of one session; at 3 bytes each they stay below what a step may have
SUMMARY_BYTES = 2**20 - 1
TAIL_LINES = 40

Write = Callable[[str], None]


def tell_job(**outputs: str) -> None:
    """Outputs of the step that this process is, for later steps; nothing outside of GitHub Actions.

    What was told last counts. A process may be killed at any time, so it tells them whenever they have changed.
    """
    file = os.environ.get("GITHUB_OUTPUT")
    if file:
        with suppress(OSError), open(file, "a", encoding="utf-8") as out:
            out.write("".join(f"{name.replace('_', '-')}={one_line(value, None)}\n" for name, value in outputs.items()))


def outcome(told: Story | None, tag: str) -> dict[str, str]:
    """What a step that runs a session hands to later ones; empty for what is not known. Numbers in metric units."""
    known = {"tag": tag, "branch": branch_ref(tag)[11:], "best": "", "gain": "", "verified": "", "keeps": "0"}
    if told is None:
        return known
    verified = told.verified
    return known | {
        "best": repr(told.best.value),
        "gain": repr(told.gain),
        "verified": "" if verified is None or verified.gain is None else repr(verified.gain),
        "keeps": str(len(told.keeps)),
    }


@dataclass
class Job:
    """The job that this process is a step of. ``write`` adds a line to its log, ``summary`` is the file of its page."""

    write: Write
    summary: Path | None
    web: Remote | None
    secret: str = ""
    _told: dict[str, str] = field(default_factory=dict)
    _texts: dict[str, str] = field(default_factory=dict)

    def mute(self) -> None:
        """From now on no line of the log is a command."""
        self.secret = secrets.token_hex(16)
        self.write(f"::stop-commands::{self.secret}")

    def unmute(self) -> None:
        """Lines may be commands again."""
        self.write(f"::{self.secret}::")

    def show(self, experiment: Experiment, history: History, progress: str) -> None:
        """A notice for a keep, the folded log of a crash, and ``progress`` as the summary."""
        name = f"{experiment.number:04d} of {history.session.tag}"
        if experiment.kept and experiment.number > 0:
            self._command("notice", experiment_words(experiment), f" title={command_property(f'keep {name}')}")
        elif experiment.status is Status.CRASH:
            self._fold(f"crash {name}: {experiment_words(experiment)}", experiment)
        self._summarise(history.session.tag, progress)

    def tell(self, told: Story | None, tag: str) -> None:
        """Hand what the session has come to so far to later steps."""
        known = outcome(told, tag)
        changed = {name: value for name, value in known.items() if self._told.get(name) != value}
        tell_job(**changed)
        self._told = known

    def warn(self, text: str) -> None:
        """An annotation on the job's page, while it runs."""
        self._command("warning", text, " title=autoresearch")

    def summarise(self, history: History) -> None:
        """The whole session as the summary, which GitHub reads when the step ends."""
        if self.web is not None:
            told, tag = story(history), history.session.tag
            text = f"{body(told, links(self.web), limit=SUMMARY_LIMIT)}\n"
            self._summarise(tag, text, words(title(told, tag)))

    def _summarise(self, tag: str, text: str, heading: str = "") -> None:
        if self.summary is None:
            return
        self._texts[tag] = f"# {heading or words(f'autoresearch {tag}')}\n\n{text}"
        data = "\n".join(self._texts.values()).encode("utf-8", "replace")
        new = self.summary.with_name(f"{self.summary.name}.new")
        with suppress(OSError):  # a full disk must not keep what was recorded from being pushed
            new.write_bytes(data if len(data) <= SUMMARY_BYTES else data[:SUMMARY_BYTES])
            os.replace(new, self.summary)  # a job may be killed at any time

    def _fold(self, heading: str, experiment: Experiment) -> None:
        """The end of a failed run's log, folded; nothing in it can end the fold or be a command."""
        tail = next((m.log_tail for m in reversed(experiment.measurements) if m.log_tail), "")
        if lines := log_lines(tail, TAIL_LINES):
            self._command("group", heading)
            for line in lines:
                self.write(line)
            self._command("endgroup")

    def _command(self, name: str, data: str = "", properties: str = "") -> None:
        self.unmute()
        self.write(f"::{name}{properties}::{command_data(data)}")
        self.mute()
