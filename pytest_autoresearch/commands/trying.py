"""The part of ``doctor`` that tries what a session does first: the guards, and one run of the commit that is there."""

from __future__ import annotations

from pathlib import Path

from pytest_autoresearch.errors import AutoresearchError
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.settings import Settings
from pytest_autoresearch.research.proving import prove

LONGEST_TRY = 60.0
"""Seconds: a run that has gone so far without failing has found what it looks for at its start."""


def trouble(protocol: Protocol, top: Path, settings: Settings) -> tuple[str, str, tuple[str, ...], float | None]:
    """What keeps a baseline from working, empty where nothing does; the remedy, or what was seen of the run.

    The third are files that the run left and that run code when they are loaded; the last one is how many seconds a run
    takes, where one was made to its end.
    """
    with Git.discover(top) as git:
        try:
            proof = prove(protocol, git, settings, tick=lambda _: None, limit=LONGEST_TRY, guards=True)
        except AutoresearchError as error:
            what, _, remedy = str(error).partition("\n")
            return what, remedy.strip(), (), None
    if proof.measured.value is not None:
        told = f"one run gives {protocol.metric.name} = {proof.measured.value:.6g} in {proof.measured.duration:.1f} s"
        return (
            "",
            f"{told}; the guards are green" if protocol.guard else told,
            proof.measured.pickles,
            proof.measured.duration,
        )
    if proof.is_unfinished and (protocol.deadline or LONGEST_TRY + 1) > LONGEST_TRY:
        return "", f"one run went on for {LONGEST_TRY:.0f} s without failing, and was ended", (), None
    what, _, rest = proof.told.partition("\n")
    lines = [line.strip() for line in rest.splitlines()]
    return what, "\n".join(remedy.line for remedy in proof.remedies) or "\n".join(lines[-3:]), (), None
