"""One experiment under way: what it was proposed on, what was measured, its trial. Its script alone changes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone

from pytest_autoresearch.judge.trial import Trial
from pytest_autoresearch.notebook.pending import Pending
from pytest_autoresearch.protocol.experiment import Experiment, FileEntry, Measurement, Move, Place, Role


@dataclass
class Case:
    """``earlier`` are runs beside a base that was left behind,
    ``spent`` their trials. ``opened`` counts the records that ``trial`` was opened after.

    ``expected`` is what they make likely of its effect, see :mod:`judge.carried`.

    ``made`` is its first run beside ``base``, where that was made before there was a trial, see :mod:`research.line`.

    ``base`` is the incumbent that is to be beaten and ``state`` its files; ``to_beat`` is the level of it.

    ``displaced`` counts the places that it has lost; its runs there are among the ``earlier`` ones.

    ``seen`` is how many records its agent knew, None: all before it. ``place`` is its slot's, once it has one.
    """

    number: int
    base: Experiment
    state: Mapping[str, FileEntry]
    to_beat: float | None
    seen: int | None = None
    agent: str = ""
    thinks: bool = False
    moves: tuple[Move, ...] = ()
    pending: Pending | None = None
    place: Place | None = None
    trial: Trial | None = None
    opened: int | None = None
    displaced: int = 0
    expected: tuple[float, float] | None = None
    made: list[Measurement] = field(default_factory=list)
    spent: list[Trial] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    earlier: list[Measurement] = field(default_factory=list)
    began: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    @property
    def tests(self) -> int:
        """The highest of the judge's tests that was spent on it; 0 for none."""
        return max((trial.test or 0 for trial in (*self.spent, self.trial) if trial is not None), default=0)

    @property
    def paired(self) -> bool:
        """Whether an incumbent that was left behind was run at the place of this experiment."""
        return any(run.role is Role.INCUMBENT and run.place == self.place for run in self.earlier)
