"""The one tree of errors. A message says what happened, where, and what to do; the user sees it without a traceback."""

from __future__ import annotations

import os
from pathlib import Path

NATIVE_WINDOWS = os.name == "nt"


class AutoresearchError(Exception):
    """Base of every error that a user may see. ``exit_code`` is what a command ends with."""

    exit_code = 4


def refuse_native_windows() -> None:
    """AutoresearchError where there are no process groups, namespaces and file locks as the lab needs them."""
    if NATIVE_WINDOWS:
        raise AutoresearchError(
            "there is no native Windows version: the lab needs Linux or macOS\n  on Windows: run it in WSL2"
        )


class ConfigError(AutoresearchError):
    """The protocol can not be read or makes no sense.

    The text is ``file:line: message`` followed by the remedy; ``line`` is 1-based, None where no line is to blame.
    """

    def __init__(
        self, message: str, *, file: Path | str | None = None, line: int | None = None, remedy: str = ""
    ) -> None:
        self.message, self.file, self.line, self.remedy = message, file, line, remedy
        where = "" if file is None else f"{file}: " if line is None else f"{file}:{line}: "
        super().__init__(f"{where}{message}" + (f"\n  {remedy}" if remedy else ""))


class NotebookError(AutoresearchError):
    """Git, the ledger, the branch or results.tsv are not in a state the session can work on."""


class LabError(AutoresearchError):
    """The machine can not run experiments as asked: isolation, workspace, disk, devices."""


class PlaceLost(LabError):
    """Where a slot was is gone, such as a node of a cluster: what ran there has no result, good or bad."""


class AgentError(AutoresearchError):
    """An agent is unknown or can not be started."""


class PublishError(AutoresearchError):
    """GitHub refused, or what was to be published is not consistent."""
