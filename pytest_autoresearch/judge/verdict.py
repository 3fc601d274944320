"""What the judge says: how an experiment or a group ended, and how far it is. Frozen values; decides nothing."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_autoresearch.protocol.experiment import Outcome, Reason, Status


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an experiment ended.

    ``estimate`` and ``interval`` are the candidate's level in metric units (None: nothing was measured), ``samples``
    the runs behind the estimate. ``evidence`` reached ``threshold`` for a keep; both None where none was computed.
    ``against`` is the incumbent's level. ``suspicious``: better by more than a reviewer should believe unseen.
    ``provisional``: a keep that its group has yet to prove; ``worth`` is then its expected gain in metric units and
    ``harm`` the chance that it is none.
    """

    status: Status
    reason: Reason
    estimate: float | None = None
    interval: tuple[float, float] | None = None
    samples: int = 0
    evidence: float | None = None
    threshold: float | None = None
    against: float | None = None
    suspicious: bool = False
    provisional: bool = False
    worth: float | None = None
    harm: float | None = None


@dataclass(frozen=True, slots=True)
class GroupVerdict:
    """How the provisional keeps with these experiment numbers fared against ``base``, the number below them.

    ``gain`` of the tip over the base and its 95 % ``interval`` in metric units, positive is better, from ``pairs``
    fresh pairs of runs (None: a run failed before there was one). ``evidence`` reached ``threshold`` if certified.
    """

    outcome: Outcome
    keeps: tuple[int, ...]
    base: int
    gain: float | None = None
    interval: tuple[float, float] | None = None
    pairs: int = 0
    evidence: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the judge is with what it is doing; its text is for the live line."""

    activity: str
    candidate_runs: int
    incumbent_runs: int
    evidence: float | None = None
    threshold: float | None = None

    def __str__(self) -> str:
        """As in ``3 against 4 runs, evidence 12 of 95 needed``."""
        if self.evidence is None or self.threshold is None:
            return self.activity
        runs = f"{self.candidate_runs} against {self.incumbent_runs} runs"
        reached = f"{self.evidence:.0f}" if self.evidence >= 10 else f"{self.evidence:.2g}"
        return f"{runs}, evidence {reached} of {self.threshold:.0f} needed"
