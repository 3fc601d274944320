"""The runs of a session: what each of them is given, its seed and its deadline, and how what it gave is taken."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from pytest_autoresearch.lab.job import Job
from pytest_autoresearch.lab.limits import measured_budget
from pytest_autoresearch.protocol.experiment import Experiment, FileEntry, Measurement, Place, Role
from pytest_autoresearch.protocol.marker import BEST
from pytest_autoresearch.protocol.trust import VISIBLE
from pytest_autoresearch.research.case import Case
from pytest_autoresearch.research.parts import Parts
from pytest_autoresearch.research.referee import refuse_another_place
from pytest_autoresearch.research.stopping import Tally
from pytest_autoresearch.research.work import Run, Script
from pytest_autoresearch.text import clean, one_line

BASELINE_DEADLINE = 3600.0  # s; a baseline without a budget has to end some time
PAIRED = -1  # the number under which seeds are drawn that runs of several experiments share
HIDDEN_SEEDS = 3_000_000  # where the seeds of hidden runs begin, far from those of the other runs


class Runs:
    """Makes them on the slots of a session, and counts their seconds in its ``tally``."""

    def __init__(self, parts: Parts, tally: Tally, phase: Callable[..., None]) -> None:
        self._parts, self._tally, self._phase = parts, tally, phase
        self._protocol, self._slots = parts.protocol, parts.slots

    # Time and seeds

    @property
    def budget(self) -> float | None:
        """Seconds one run may take: as declared, or what the baseline's runs allow; None before the baseline."""
        if self._protocol.budget is not None or not self._history:
            return self._protocol.budget
        return _allowed(tuple(m.duration for m in self._history[0].measurements))

    @property
    def deadline(self) -> float:
        """Seconds after which a run is killed."""
        if self._protocol.kill_timeout is not None:
            return self._protocol.kill_timeout
        return BASELINE_DEADLINE if self.budget is None else 2 * self.budget

    @property
    def most(self) -> float:
        """Seconds one run may take where it has to be a number: its budget, else its deadline."""
        return self.budget or self.deadline

    def seed(self, number: int, index: int) -> int:
        """The harness's seed of a run: 31 bits, and the same when a session is resumed."""
        text = f"{self._parts.session.seed}:{number}:{index}".encode()
        return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") >> 1

    def paired_seed(self, index: int) -> int:
        """The seed that runs of different states share, whatever experiment's they are."""
        return self.seed(PAIRED, index)

    # An experiment's, on its slot

    def of_case(
        self,
        case: Case,
        state: Mapping[str, FileEntry],
        role: Role,
        index: int,
        *,
        pair: int | None = None,
        may_give_up: bool = False,
    ) -> Script[Measurement]:
        """One run for a case; ``index`` picks its seed, or ``pair`` the one that it shares with other runs."""
        job = self._job(state, role, case.number, index, pair, to_beat=case.to_beat, may_give_up=may_give_up)
        return self._taken((yield Run(job)), case.place)

    def hidden_of_case(self, case: Case, state: Mapping[str, FileEntry], pair: int) -> Script[Measurement]:
        """One run for a case by the holdout; ``pair`` picks its seed."""
        self._phase(case.number, "hidden measurement", budget=self.budget)
        return self._hidden((yield Run(self._hidden_job(state, case.number, pair))), case.place)

    # No experiment's

    def beside(
        self, state: Mapping[str, FileEntry], number: int, index: int, pair: int | None = None
    ) -> Script[Measurement]:
        """One run of a kept state, on whichever slot its script has."""
        run: Measurement = yield Run(self._job(state, Role.INCUMBENT, number, index, pair, to_beat=self._best))
        return self._taken(run, run.place)

    def measure(
        self, state: Mapping[str, FileEntry], role: Role, number: int, index: int, pair: int | None = None
    ) -> Measurement:
        """One run on the first slot, while nothing else is measured."""
        run: Measurement = self._slots.perform(Run(self._job(state, role, number, index, pair, to_beat=self._best)))
        return self._taken(run, self._parts.place)

    def measure_hidden(self, state: Mapping[str, FileEntry], number: int, pair: int) -> Measurement:
        """One run by the holdout on the first slot, while nothing else is measured; ``pair`` picks its seed."""
        self._phase(number, "hidden measurement", budget=self.budget)
        return self._hidden(self._slots.perform(Run(self._hidden_job(state, number, pair))), self._parts.place)

    # How

    @property
    def _history(self) -> Sequence[Experiment]:
        return self._parts.notebook.history.experiments

    @property
    def _best(self) -> float | None:
        incumbent = self._parts.notebook.history.incumbent
        return None if incumbent is None else incumbent.value

    def _job(
        self,
        state: Mapping[str, FileEntry],
        role: Role,
        number: int,
        index: int,
        pair: int | None,
        *,
        to_beat: float | None,
        may_give_up: bool = False,
    ) -> Job:
        env = {}
        if role is Role.CANDIDATE and "::" in self._protocol.source:
            env[BEST] = repr(to_beat)  # what the body's metric assertion compares with
        seed = self.seed(number, index) if pair is None else self.paired_seed(pair)
        return Job(role, number, seed, state, self.deadline, self.budget, env=env, may_give_up=may_give_up)

    def _hidden_job(self, state: Mapping[str, FileEntry], number: int, pair: int) -> Job:
        holdout = self._protocol.holdout
        assert holdout is not None
        job = Job(Role.HOLDOUT, number, self.seed(number, HIDDEN_SEEDS + pair), state, self.deadline, self.budget)
        return replace(job, command=holdout.run, extract=holdout.score or holdout.extract)

    def _taken(self, measured: Measurement, place: Place | None) -> Measurement:
        """A run as it came from its slot, fit to be recorded."""
        refuse_another_place(measured, place or self._parts.place)
        # An executor may be a plugin's, and what it tells of a run is the run's words.
        measured = replace(measured, detail=one_line(measured.detail), log_tail=clean(measured.log_tail))
        if measured.value is not None and measured.role is not Role.CANDIDATE and self._history:
            measured = speechless(measured)  # of an incumbent it is known
        self._tally.run_seconds += measured.duration
        return measured

    def _hidden(self, measured: Measurement, place: Place | None) -> Measurement:
        measured = self._taken(measured, place)
        if self._protocol.holdout is not None and self._protocol.holdout.is_visible and not measured.detail:
            measured = replace(measured, detail=f"holdout: {VISIBLE}")
        return measured


_allowed = lru_cache(maxsize=4)(measured_budget)  # asked for with every run, of the same ones


def speechless(run: Measurement) -> Measurement:
    """The run without the end of its log, and without its course."""
    return replace(run, log_tail="", curve=(), curve_name="") if run.log_tail or run.curve else run
