"""The level that candidates are compared with: of the start commit, and of an incumbent that a drop has changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial

from pytest_autoresearch.errors import AutoresearchError
from pytest_autoresearch.judge import Step, Verdict
from pytest_autoresearch.lab.advice import baseline_advice
from pytest_autoresearch.lab.limits import unreported
from pytest_autoresearch.notebook import unbegun
from pytest_autoresearch.notebook.ledger import state_directory
from pytest_autoresearch.notebook.record import Level
from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Reason, Role
from pytest_autoresearch.research.candidate import Ruling
from pytest_autoresearch.research.recording import record_start
from pytest_autoresearch.research.session import Research


class BaselineFailed(AutoresearchError):
    """The start commit gives no metric; nothing was recorded."""

    exit_code = 1


def baseline(research: Research) -> Experiment:
    """Measure the start commit as often as the judge wants, and open the notebook with it.

    Raises BaselineFailed when a guard is red already, and, with the log's tail and the likely cause, when a run or the
    holdout gives no metric. No ledger has that, which would hold the session to what did not work; a file has.
    """
    state = state_directory(research.parts.git, research.parts.session.tag)
    try:
        experiment = _begun(research)
    except BaselineFailed as failed:
        unbegun.keep(state, str(failed))
        raise
    unbegun.forget(state)
    return experiment


def _begun(research: Research) -> Experiment:
    began = datetime.now(timezone.utc)
    protocol, parts = research.protocol, research.parts
    candidate = research.drafts.baseline(parts.git.tree(parts.session.start))
    red = research.referee.start_fails(
        candidate, research.runs.deadline, research.diagnosis().of, research.slots.perform
    )
    if red is not None:
        raise BaselineFailed(red)
    measurements = _calibrated(research, 0)
    if protocol.holdout is not None:
        again = partial(research.runs.measure_hidden, candidate.state, 0, 0)
        hidden = again()
        if hidden.value is None:
            raise BaselineFailed(_advice(research, hidden, protocol.holdout.run, again))
    if missing := unreported(protocol.limits, measurements):
        raise BaselineFailed(missing)
    research.notebook.begin_session(parts.session)
    level = research.judge.level
    ruling = Ruling(Reason.IMPROVED, "baseline", level.estimate, level.interval)
    return record_start(research, candidate, ruling, measurements, began)


def refresh(research: Research) -> None:
    """Measure the incumbent anew where a drop has changed what its commit holds."""
    stale = research.notebook.unmeasured
    if stale is None:
        return
    keeps = [keep.number for keep in research.notebook.history.provisional]
    research.judge.rest_on(research.certified.number, keeps, research.place.slot)
    measurements = tuple(_calibrated(research, stale.number))
    level = research.judge.level
    when = datetime.now(timezone.utc)
    research.notebook.level(Level(stale.number, stale.commit, level.estimate, level.interval, measurements, when=when))


def _calibrated(research: Research, number: int) -> list[Measurement]:
    """Runs of the incumbent, as many as the judge wants before it compares anything."""
    judge, state = research.judge, research.drafts.incumbent
    measurements: list[Measurement] = []
    step: Step | Verdict | None = judge.calibrate()
    while isinstance(step, Step):
        progress = judge.progress()
        words = f"{Role.INCUMBENT.value} run" if progress is None else f"{Role.INCUMBENT.value} run, {progress}"
        # by the number that comes next, whose record takes the line away: no record will ever name the incumbent again
        research.phase(research.next_number, words, budget=research.runs.budget)
        measured = research.runs.measure(state, Role.INCUMBENT, number, len(measurements), judge.seed)
        measurements.append(measured)
        if measured.value is None and not research.history:
            again = partial(research.runs.measure, state, Role.INCUMBENT, number, 0)
            raise BaselineFailed(_advice(research, measured, research.protocol.run, again))
        step = judge.tell(measured.value)
    return measurements


def _advice(research: Research, measured: Measurement, command: str, again: Callable[[], object]) -> str:
    found = research.diagnosis().of(f"{measured.log_tail}\n{measured.detail}", measured.duration, again)
    return baseline_advice(measured, replace(research.protocol, run=command), found)
