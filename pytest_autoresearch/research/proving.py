"""Whether a protocol gives a number here: one run of the commit that is checked out, and what to do where it does not.

The same check for ``init``, ``doctor`` and whoever else says that something would work. Records nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_autoresearch.lab.advice import baseline_advice
from pytest_autoresearch.lab.job import Job, Tick
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.experiment import Measurement, Reason, Role
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.scope import resolve_paths
from pytest_autoresearch.protocol.settings import Settings
from pytest_autoresearch.research.candidate import Drafts
from pytest_autoresearch.research.diagnosis import Diagnosis
from pytest_autoresearch.research.equipping import NoPlugins, equipped
from pytest_autoresearch.research.fitting import refuse_misfit
from pytest_autoresearch.research.guards import suite_of
from pytest_autoresearch.research.referee import Referee
from pytest_autoresearch.research.work import performed_by

if TYPE_CHECKING:
    from pytest_autoresearch.lab.remedies import Remedy

LONGEST = 3600.0  # s of a run whose protocol has no budget


@dataclass(frozen=True, slots=True)
class Proof:
    """How the run ended, and what would mend it. ``red`` is what is to be said of a guard that is not green."""

    measured: Measurement
    remedies: tuple[Remedy, ...] = ()
    red: str = ""
    told: str = ""
    """The whole story of a failure, for people."""

    @property
    def is_unfinished(self) -> bool:
        """Whether nothing failed in the time there was."""
        return self.measured.failure is Reason.TIMEOUT and not self.red


def prove(
    protocol: Protocol, git: Git, settings: Settings, *, tick: Tick, limit: float | None = None, guards: bool = False
) -> Proof:
    """One run as the loop would make it; ``limit`` in seconds ends it early, which proves as much as it has shown.

    With ``guards`` those have to be green first, as at a baseline.
    """
    state = git.files("HEAD")
    scope = resolve_paths(protocol, state.keys())
    refuse_misfit(protocol, git, "HEAD", scope.targets)
    deadline = protocol.deadline or LONGEST
    timeout = deadline if limit is None else min(limit, deadline)
    with equipped(protocol, git, settings, tag=f"proof-{os.getpid()}", scope=scope, hook=NoPlugins()) as lab:
        diagnosis = Diagnosis(protocol, git, lab, state)
        job = Job(Role.INCUMBENT, 0, 0, state, timeout, protocol.budget)
        if guards and protocol.guard:
            drafts = Drafts(git, scope, "HEAD", ())
            referee = Referee(
                protocol,
                lambda number, text: None,
                suite=suite_of(protocol, state, settings.guard_workers),
                checkout=git.top,
                history=lambda: (),
            )
            red = referee.start_fails(drafts.baseline(git.tree("HEAD")), timeout, diagnosis.of, performed_by(lab, tick))
            if red is not None:
                return Proof(Measurement(Role.INCUMBENT, failure=Reason.GUARD), red=red, told=red)
        measured = lab.measure(job, tick)
        if measured.value is not None:
            return Proof(measured)
        log, again = f"{measured.log_tail}\n{measured.detail}", replace(job, timeout=min(timeout, 120.0))
        found = diagnosis.of(log, measured.duration, lambda: lab.measure(again, tick))
        return Proof(measured, found, told=baseline_advice(measured, protocol, found))
