"""The loop as the method reads: propose, measure, judge, record.

The supervisor decides alone: an agent only edits files, a run only produces a log and files. Whatever is done with one
experiment is in the notebook before the next begins.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial

from pytest_autoresearch.agents.briefing import looks_trivial
from pytest_autoresearch.errors import AutoresearchError
from pytest_autoresearch.judge import Step, Verdict
from pytest_autoresearch.lab.advice import baseline_advice
from pytest_autoresearch.lab.job import Job
from pytest_autoresearch.lab.limits import measured_budget, unreported
from pytest_autoresearch.measuring import ASSERTED, BEST
from pytest_autoresearch.notebook.record import Level
from pytest_autoresearch.protocol.experiment import Experiment, FileEntry, Measurement, Reason, Role, Status
from pytest_autoresearch.protocol.trust import VISIBLE
from pytest_autoresearch.research.candidate import Candidate, Drafts, Ruling
from pytest_autoresearch.research.certifying import certify, prove, reserve
from pytest_autoresearch.research.diagnosis import Diagnosis
from pytest_autoresearch.research.doubting import doubted
from pytest_autoresearch.research.parts import Parts
from pytest_autoresearch.research.proposing import Proposer
from pytest_autoresearch.research.recording import finished
from pytest_autoresearch.research.referee import Referee, refuse_another_place, suite_of
from pytest_autoresearch.research.stopping import Tally
from pytest_autoresearch.text import clean, one_line

BASELINE_DEADLINE = 3600.0  # s; a baseline without a budget has to end some time
PAUSE = 0.5  # s between two looks at whether a paused session may go on
HIDDEN_PAIRS = 3  # hidden runs of incumbent and candidate each, where the metric is noisy
HIDDEN_SEEDS = 3_000_000  # where the seeds of these begin, far from those of the other runs
MOST_ATTEMPTS = 2  # a proposal in which the session died as often is a crash of its own


class BaselineFailed(AutoresearchError):
    """The start commit gives no metric; nothing was recorded."""

    exit_code = 1


class Research:
    """One session: ask for :meth:`baseline` or :meth:`experiment` until there is a :meth:`reason_to_stop`."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.protocol, self.settings, self.notebook = parts.protocol, parts.settings, parts.notebook
        self.lab, self.judge, self.watch = parts.lab, parts.judge, parts.watch
        self.tally = Tally()
        incumbent = self.notebook.history.incumbent
        self.to_beat = None if incumbent is None else incumbent.value
        self.drafts = Drafts(parts.git, parts.scope, parts.session.start, self.history)
        self.referee = Referee(
            parts.protocol,
            parts.lab,
            parts.watch.phase,
            parts.watch.tick,
            suite=suite_of(parts.protocol, self.drafts.start, parts.settings.guard_workers),
            checkout=parts.git.top,
            history=lambda: self.history,
        )
        self.proposer = Proposer(
            agents=parts.agents,
            scope=parts.scope,
            git=parts.git,
            lab=parts.lab,
            workspace=parts.workspace,
            drafts=self.drafts,
            watch=parts.watch,
            deadline=parts.settings.agent_deadline,
            session_seed=parts.session.seed,
            told=parts.told_by_people,
            left=lambda: self.tally.left(parts.settings),
        )

    @property
    def history(self) -> Sequence[Experiment]:
        """Every experiment so far, the baseline first."""
        return self.notebook.history.experiments

    @property
    def incumbent(self) -> Experiment:
        """The best kept state so far. Only asked for when there is a baseline."""
        incumbent = self.notebook.history.incumbent
        assert incumbent is not None
        return incumbent

    @property
    def certified(self) -> Experiment:
        """The best state that needs no group to prove it. Only asked for when there is a baseline."""
        certified = self.notebook.history.certified
        assert certified is not None
        return certified

    @property
    def next_number(self) -> int:
        return len(self.history)

    # The method

    def baseline(self) -> Experiment:
        """Measure the start commit as often as the judge wants, and open the notebook with it.

        Raises BaselineFailed when a guard is red already, and, with the log's tail and the likely cause, when a run
        or the holdout gives no metric.
        """
        began = _now()
        candidate = self.drafts.baseline(self.parts.git.tree(self.parts.session.start))
        red = self.referee.start_fails(candidate, self.deadline, self._diagnosis().of)
        if red is not None:
            raise BaselineFailed(red)
        measurements = self._calibrate(0)
        if self.protocol.holdout is not None:
            hidden = self.by_holdout(candidate.state, 0, 0)
            if hidden.value is None:
                again = partial(self.by_holdout, candidate.state, 0, 0)
                raise BaselineFailed(self._advice(hidden, self.protocol.holdout.run, again))
        if missing := unreported(self.protocol.limits, measurements):
            raise BaselineFailed(missing)
        self.notebook.begin_session(self.parts.session)
        level = self.judge.level
        ruling = Ruling(Reason.IMPROVED, "baseline", level.estimate, level.interval)
        return self._record(candidate, ruling, measurements, began)

    def experiment(self) -> Experiment:
        """One proposal, measured, judged and recorded. Ctrl-C puts it off, as often as it is pressed."""
        try:
            return self._experiment()
        except KeyboardInterrupt:
            self.notebook.put_off()
            raise

    def _experiment(self) -> Experiment:
        pending = self.notebook.pending
        if pending is None:
            prove(self)
        began = _now()
        self.to_beat = self.incumbent.value
        if pending is None:
            number = self.next_number
            candidate, refusal = self.proposer.propose(self.notebook.history, self._seed(number, -1))
            if self.proposer.is_exhausted(self.incumbent.commit):
                self.tally.exhausted = candidate.description
            measurements: list[Measurement] = []
        else:
            candidate, refusal = self.drafts.resumed(pending), None
            measurements = list(pending.measurements) if self.judge.pending is not None else []
            if pending.attempts >= MOST_ATTEMPTS:
                refusal = Ruling(Reason.INTERRUPTED, f"the session died in it {pending.attempts} times")
                if self.judge.pending is not None:
                    self.judge.overturn()  # or the next candidate would go on with its runs
        if refusal is not None:
            return self._record(candidate, refusal, measurements, began)
        self._announce(candidate)
        ruling = self._judge(candidate, measurements)
        if looks_trivial(measurements[-1]) and measurements[-1].role is Role.CANDIDATE:
            candidate, ruling = self._mend(candidate, ruling, measurements)
        ruling = doubted(self, ruling, candidate)
        if ruling.reason.status is Status.KEEP:
            ruling = self._uphold(ruling, candidate, measurements)
        return self._record(candidate, ruling, measurements, began)

    def refresh(self) -> None:
        """Measure the incumbent anew where a drop has changed what its commit holds."""
        stale = self.notebook.unmeasured
        if stale is None:
            return
        self.judge.without(frozenset(keep.number for keep in self.judge.stack if not self.history[keep.number].kept))
        measurements = self._calibrate(stale.number)
        level = self.judge.level
        self.notebook.level(
            Level(stale.number, stale.commit, level.estimate, level.interval, tuple(measurements), when=_now())
        )

    def reason_to_stop(self) -> str | None:
        """Why the loop should end here, in words for people; None to go on."""
        while self.parts.paused() and not self.parts.stop_requested():
            self.watch.phase(self.next_number, "paused")
            began = time.monotonic()
            time.sleep(PAUSE)
            self.tally.paused += time.monotonic() - began
        if why := self.parts.stop_requested():
            return why
        best = self.incumbent.value
        assert best is not None
        return self.tally.reason_to_stop(self.settings, self.protocol.metric, best, reserve(self))

    def conclusion(self) -> str | None:
        """As :meth:`reason_to_stop`, after what is provisional was measured; that may be a reason to go on."""
        reason = self.reason_to_stop()
        if reason is None or not self.judge.stack:
            return reason
        certify(self)
        return self.reason_to_stop()

    # Measure

    def _calibrate(self, number: int) -> list[Measurement]:
        """Measure the incumbent as often as the judge wants before it compares anything."""
        measurements: list[Measurement] = []
        step: Step | Verdict | None = self.judge.calibrate()
        while isinstance(step, Step):
            measured = self._measure(self.drafts.incumbent, Role.INCUMBENT, number, len(measurements))
            measurements.append(measured)
            if measured.value is None and not self.history:
                again = partial(self.measure, self.drafts.incumbent, Role.INCUMBENT, number, 0)
                raise BaselineFailed(self._advice(measured, self.protocol.run, again))
            step = self.judge.tell(measured.value)
        return measurements

    def _measure(
        self, state: Mapping[str, FileEntry], role: Role, number: int, index: int, *, may_give_up: bool = False
    ) -> Measurement:
        progress = self.judge.progress()
        words = f"{role.value} run" if progress is None else f"{role.value} run, {progress}"
        self.watch.phase(number, words, budget=self.budget)
        return self.measure(state, role, number, index, may_give_up=may_give_up)

    def measure(
        self, state: Mapping[str, FileEntry], role: Role, number: int, index: int, *, may_give_up: bool = False
    ) -> Measurement:
        """One run on a state; ``index`` picks its seed."""
        env = {}
        if role is Role.CANDIDATE and "::" in self.protocol.source:
            env[BEST] = repr(self.to_beat)  # what the body's metric assertion compares with
        seed = self._seed(number, index)
        job = Job(role, number, seed, state, self.deadline, self.budget, env=env, may_give_up=may_give_up)
        return self._run(job)

    def _run(self, job: Job) -> Measurement:
        measured = self.lab.measure(job, self.watch.tick)
        refuse_another_place(measured, self.parts.place)
        # An executor may be a plugin's, and what it tells of a run is the run's words.
        measured = replace(measured, detail=one_line(measured.detail), log_tail=clean(measured.log_tail))
        self.tally.run_seconds += measured.duration
        return measured

    def _hidden(
        self, candidate: Candidate, measurements: list[Measurement]
    ) -> tuple[Sequence[Measurement], Sequence[Measurement]]:
        """Incumbent and candidate in turn by the holdout, each pair with one seed, until a run of a candidate fails."""
        incumbents: list[Measurement] = []
        candidates: list[Measurement] = []
        for pair in range(HIDDEN_PAIRS if self.judge.standing.noisy else 1):
            incumbents.append(self.by_holdout(self.drafts.incumbent, candidate.number, pair))
            candidates.append(self.by_holdout(candidate.state, candidate.number, pair))
            measurements += [incumbents[-1], candidates[-1]]
            if candidates[-1].value is None:
                break
        return incumbents, candidates

    def by_holdout(self, state: Mapping[str, FileEntry], number: int, pair: int) -> Measurement:
        """One hidden run on a state; ``pair`` picks its seed."""
        holdout = self.protocol.holdout
        assert holdout is not None
        self.watch.phase(number, "hidden measurement", budget=self.budget)
        job = Job(Role.HOLDOUT, number, self._seed(number, HIDDEN_SEEDS + pair), state, self.deadline, self.budget)
        measured = self._run(replace(job, command=holdout.run, extract=holdout.score or holdout.extract))
        if holdout.is_visible and not measured.detail:
            measured = replace(measured, detail=f"holdout: {VISIBLE}")
        return measured

    # Judge

    def _judge(self, candidate: Candidate, measurements: list[Measurement]) -> Ruling:
        """Measure what the judge asks for until it has a verdict. It has no say in a probe, which can not be kept."""
        if candidate.probe:
            measurements.append(self._measure(candidate.state, Role.CANDIDATE, candidate.number, len(measurements)))
            return self.referee.probed(measurements[-1], self.history[0].measurements, self.budget or self.deadline)
        step: Step | Verdict | None = self.judge.pending or self.judge.start(candidate.complexity, candidate.number)
        while isinstance(step, Step):
            role = Role.CANDIDATE if step is Step.CANDIDATE else Role.INCUMBENT
            state = candidate.state if step is Step.CANDIDATE else self.drafts.incumbent
            if role is Role.CANDIDATE:
                self.to_beat = self.judge.level.estimate  # not the recorded one where it had to be measured anew
            is_first = role is Role.CANDIDATE and all(m.role is not Role.CANDIDATE for m in measurements)
            measured = self._measure(state, role, candidate.number, len(measurements), may_give_up=is_first)
            measurements.append(measured)
            if measured.failure is Reason.WORSE:  # given up on the way
                self.judge.overturn()
                return Ruling(Reason.WORSE, measured.detail)
            step = self.judge.tell(measured.value)
            if isinstance(step, Step):  # the run that decides is made again: with its seed it decides the same
                self.notebook.progress(measurements, self.judge.state().to_json())
            if role is Role.CANDIDATE and measured.failure is not None:
                return Ruling(measured.failure, measured.detail)
            if is_first and measured.secondary.get(ASSERTED) == 0:
                # A body's own assertion screens; what later runs assert is noise, which the judge weighs.
                if isinstance(step, Step):
                    self.judge.overturn()
                return Ruling(Reason.WORSE, "the metric assertion failed", value=measured.value)
        assert step is not None
        return Ruling.of(step)

    def _mend(self, candidate: Candidate, ruling: Ruling, measurements: list[Measurement]) -> tuple[Candidate, Ruling]:
        """The candidate and its ruling after its author had a second try, or as they were."""
        seed = self._seed(candidate.number, -3)
        mended = self.proposer.mend(candidate, measurements[-1], self.notebook.history, seed)
        if mended is None:
            return candidate, ruling
        measurements.clear()  # of another state; the record is of the mended one
        self.judge.withdraw()  # and so is its verdict, which the record's runs alone have to give again
        self._announce(mended)
        return mended, self._judge(mended, measurements)

    def _uphold(self, ruling: Ruling, candidate: Candidate, measurements: list[Measurement]) -> Ruling:
        upheld = self.referee.uphold(
            ruling,
            candidate,
            measurements,
            self.history[0].measurements,
            budget=self.budget or self.deadline,
            deadline=self.deadline,
            hidden=lambda: self._hidden(candidate, measurements),
        )
        if upheld.reason.status is not Status.KEEP:
            self.judge.overturn()
        return upheld

    # Record

    def _announce(self, candidate: Candidate) -> None:
        """Put the proposal where a dying machine can not lose it, before it is measured."""
        self.notebook.begin(
            candidate.number,
            tree=candidate.tree,
            parent=self.incumbent.commit,
            description=candidate.description,
            hypothesis=candidate.hypothesis,
            agent=candidate.agent,
            usage=candidate.usage,
            agent_seconds=candidate.agent_seconds,
            moves=candidate.moves,
            probe=candidate.probe,
        )

    def _record(
        self, candidate: Candidate, ruling: Ruling, measurements: Sequence[Measurement], began: datetime
    ) -> Experiment:
        experiment = self.notebook.record(finished(self, candidate, ruling, measurements, began))
        self.drafts.recorded(experiment, candidate)
        if experiment.number > 0:
            self.tally.count(experiment)
        self.parts.told(experiment)
        return experiment

    # Time and seeds

    @property
    def budget(self) -> float | None:
        """Seconds one run may take: as declared, or what the baseline's runs allow; None before the baseline."""
        if self.protocol.budget is not None or not self.history:
            return self.protocol.budget
        return measured_budget([m.duration for m in self.history[0].measurements])

    @property
    def deadline(self) -> float:
        """Seconds after which a run is killed."""
        if self.protocol.kill_timeout is not None:
            return self.protocol.kill_timeout
        return BASELINE_DEADLINE if self.budget is None else 2 * self.budget

    def _seed(self, number: int, index: int) -> int:
        """The harness's seed of a run: 31 bits, and the same when a session is resumed."""
        text = f"{self.parts.session.seed}:{number}:{index}".encode()
        return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") >> 1

    def _advice(self, measured: Measurement, command: str, again: Callable[[], object]) -> str:
        found = self._diagnosis().of(f"{measured.log_tail}\n{measured.detail}", measured.duration, again)
        return baseline_advice(measured, replace(self.protocol, run=command), found)

    def _diagnosis(self) -> Diagnosis:
        return Diagnosis(self.protocol, self.parts.git, self.lab, self.drafts.start)


def _now() -> datetime:
    return datetime.now(timezone.utc)
