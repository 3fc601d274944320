"""The local executor: one slot of this machine, one run at a time. Judges nothing but the run itself."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

from pytest_autoresearch.errors import LabError
from pytest_autoresearch.lab.advice import BUILDING
from pytest_autoresearch.lab.aftermath import settle
from pytest_autoresearch.lab.command import Outcome
from pytest_autoresearch.lab.curves import with_course
from pytest_autoresearch.lab.executors.bench import Bench
from pytest_autoresearch.lab.extracting import Extraction
from pytest_autoresearch.lab.gpus import Gpu, Lease, find_gpus, named
from pytest_autoresearch.lab.job import Finished, Job, Site, Tick, said_by
from pytest_autoresearch.lab.layout import Layout, Sight
from pytest_autoresearch.lab.metrics import (
    Reading,
    read_log,
    signed,
    tail,
)
from pytest_autoresearch.lab.outcomes import failure_of, finished, not_less_than_seen, reading_of, secondary_of
from pytest_autoresearch.lab.pickles import MOST_PICKLES, pickles
from pytest_autoresearch.lab.progress import GivenUp, Progress
from pytest_autoresearch.lab.reach import home
from pytest_autoresearch.lab.sandbox import Choice
from pytest_autoresearch.lab.space import require_space
from pytest_autoresearch.lab.tailing import Tail
from pytest_autoresearch.lab.watching import Lookout
from pytest_autoresearch.lab.written import Written
from pytest_autoresearch.protocol.experiment import FileEntry, Measurement, Place, Reason, Role
from pytest_autoresearch.protocol.marker import NONCE
from pytest_autoresearch.protocol.model import Direction, Metric
from pytest_autoresearch.protocol.trust import only_hands_on

SHORTEST_EXTRACT = 60.0  # s
RUN_LOG = "run.log"
MEMORY = ("peak_memory", "peak_mb")
LONGEST_LOG = 512 * 1024  # bytes read of a log that the run wrote itself, head and tail


class LocalExecutor:
    """One slot of this machine, see :class:`pytest_autoresearch.lab.job.Executor`. Candidates run in ``workspace``."""

    def __init__(self, site: Site, choice: Choice) -> None:
        self.isolation, self.refused = choice.level, choice.refused
        self._gpus = find_gpus(os.environ, site.protocol.env)
        self.device = "cpu" if self._gpus is None else self._gpus.device
        self._place: Place | None = None
        self._held: Sequence[Gpu] = ()
        self._holding = ExitStack()
        self._site, self._layout = site, Layout.of(site)
        self._outputs = set(site.outputs)
        self._extractions: dict[str, Extraction] = {}
        declared = site.protocol.progress
        self._progress = None if declared is None else Progress(declared, site.protocol.metric.direction)
        own = f"slot-{site.slot}-" if site.slot else ""
        self._benches = [self._main, self._guards] = [
            Bench(site, choice.sandbox, self._layout, own + name) for name in ("workspace", "guard")
        ]
        # With a build, the incumbent has a bench of its own, so that pairs of runs do not build again and again.
        self._incumbents = self._main
        if site.protocol.build is not None:
            self._incumbents = Bench(site, choice.sandbox, self._layout, f"{own}incumbent")
            self._benches.append(self._incumbents)
        self.workspace = self._main.workspace.root

    def occupy(self, tick: Tick) -> Place:
        """See :meth:`pytest_autoresearch.lab.job.Executor.occupy`."""
        if self._place is None:
            if self._gpus is not None:
                self._held = self._holding.enter_context(self._gpus.hold(tick, preferred=self._site.devices))
                self.device = named(self._held)
            devices = tuple(gpu.uuid for gpu in self._held)
            self._place = Place(self._site.machine, self._site.slot, isolation=self.isolation, devices=devices)
        return self._place

    def measure(self, job: Job, tick: Tick) -> Measurement:
        """Fill, build, run, sweep, settle, extract. Raises LabError only for what the machine lacks."""
        place = self.occupy(tick)
        return replace(self._measured(job, tick), place=place)

    def _measured(self, job: Job, tick: Tick) -> Measurement:
        require_space(self._site.scratch)
        bench = self._incumbents if job.role is Role.INCUMBENT else self._main
        failed = bench.prepare(job.state, tick, sight=self._sight(job))
        if failed is not None:
            reason, words = failure_of(failed, failed.stdout, self._tops(bench)) or (Reason.ERROR, "")
            return Measurement(
                job.role, failure=reason, detail=f"{BUILDING}{words}", seed=job.seed, log_tail=tail(failed.stdout)
            )
        with self._lease(tick) as (lease, observe):
            environment = {
                **bench.environment(number=job.number, budget=job.budget, seed=job.seed),
                **lease.environment,
                **job.env,
                **self._word(job),
            }
            written = self._written(bench, job)
            outcome = self._followed(bench, job, environment, lease, observe)
            if isinstance(outcome, Measurement):
                return outcome
            reading = None if written is None or outcome.exit_code != 0 else written.read()
            measured = self._read(bench, job, outcome, environment, lease, tick, reading)
        if lease.throttles and not measured.detail:
            measured = replace(measured, detail=f"GPU throttled: {', '.join(sorted(lease.throttles))}")
        return measured

    def guard(self, command: str, state: Mapping[str, FileEntry], timeout: float, tick: Tick) -> Finished:
        """Run a guard in a workspace of its own."""
        require_space(self._site.scratch)
        outcome = self._guards.prepare(state, tick)
        building = outcome is not None
        if outcome is None:
            with self._lease(tick) as (lease, _):
                environment = {**self._guards.environment(), **lease.environment}
                outcome = self._guards.run(command, environment, timeout=timeout, tick=tick, lease=lease)
        return replace(finished(outcome), building=building)

    def start_ahead(self) -> None:
        """Have the next run of a marked test load what is installed, where nobody else gets at it; for this thread."""
        protocol = self._site.protocol
        counted = {protocol.metric.name, *(limit.name for limit in protocol.limits)}
        if not counted.isdisjoint(MEMORY):  # one that has waited peaks half a megabyte above one that has not
            return
        if "::" in protocol.source and self.isolation == "bwrap" and self._gpus is None and protocol.build is None:
            self._main.start_ahead(protocol.run)

    @contextmanager
    def watching(self) -> Iterator[Lookout]:
        """What commands ask for and do not find is noted while this lasts; they are slower for it."""
        lookout = Lookout(home=home(), scratch=self._site.scratch, moved=self._moved())
        for bench in self._benches:
            bench.lookout = lookout
        try:
            yield lookout
        finally:
            for bench in self._benches:
                bench.lookout = None

    def _tops(self, bench: Bench) -> tuple[str, str]:
        return str(self._site.top), str(bench.workspace.root)

    def _moved(self) -> tuple[tuple[Path, Path], ...]:
        """Where a level without mounts has the checkout."""
        if self.isolation == "bwrap":
            return ()
        return tuple((bench.workspace.root, self._site.top) for bench in self._benches)

    def close(self) -> None:
        """Remove the workspaces, and give the devices back."""
        self._holding.close()
        for bench in self._benches:
            try:
                bench.close()
            except OSError as error:
                raise LabError(f"{bench.workspace.root} can not be removed: {error}") from error

    @contextmanager
    def _lease(self, tick: Tick) -> Iterator[tuple[Lease, Tick]]:
        """The session's devices for one run, and the tick that also keeps an eye on them."""
        self.occupy(tick)
        if self._gpus is None:
            yield Lease(), tick
            return
        gpus = self._gpus
        with gpus.lease(self._held, tick) as lease:

            def observe(elapsed: float) -> None:
                gpus.observe(lease)
                tick(elapsed)

            yield lease, observe

    def _followed(
        self, bench: Bench, job: Job, environment: Mapping[str, str], lease: Lease, tick: Tick
    ) -> Outcome | Measurement:
        """Run the job's command; what was given up on the way is a measurement already."""
        progress, lasted = self._progress, 0.0
        course = None if progress is None or job.role is Role.HOLDOUT else progress.follow()
        said = self._said(bench, job)

        def hear(data: bytes) -> None:
            said.feed(data)
            if course is not None:
                course.feed(data)

        def look(elapsed: float) -> None:
            nonlocal lasted
            tick(elapsed)
            said.tick(elapsed)
            lasted = elapsed
            if job.may_give_up and progress is not None and course is not None and (why := progress.lag(course)):
                raise GivenUp(why)

        try:
            outcome = bench.run(
                job.command or self._site.protocol.run,
                environment,
                timeout=job.timeout,
                tick=look,
                lease=lease,
                observe=hear,
            )
        except GivenUp as why:
            return Measurement(job.role, failure=Reason.WORSE, detail=str(why), duration=lasted, seed=job.seed)
        finally:
            said.close()
        if progress is not None and course is not None and job.role is Role.INCUMBENT and outcome.exit_code == 0:
            progress.learn(course)
        return outcome

    def _said(self, bench: Bench, job: Job) -> Tail:
        """What the run says, for who looks on; nobody sees anything of a hidden one."""
        site = self._site
        is_seen = site.said is not None and job.role is not Role.HOLDOUT
        place = said_by(site.said, job.number, site.slot) if site.said is not None and is_seen else None
        return Tail(place, bench.workspace.root / site.protocol.directory / RUN_LOG)

    def _written(self, bench: Bench, job: Job) -> Written | None:
        """The file that the metric is to be read from; the run's log is no such file, it is at hand."""
        metric = self._site.protocol.metric
        if metric.file is None or job.extract is not None or metric.file.path == RUN_LOG:
            return None
        return Written(bench.workspace, self._site.protocol, metric.file)

    def _read(
        self,
        bench: Bench,
        job: Job,
        outcome: Outcome,
        environment: Mapping[str, str],
        lease: Lease,
        tick: Tick,
        reading: Reading | None,
    ) -> Measurement:
        """What can be believed of a run that is over; ``reading`` is what the metric's file said, before it settled."""
        log = self._log(bench, outcome)
        word = environment.get(NONCE)
        counted = log if word is None else signed(log, word)
        log = log if word is None else log.replace(f" {word}".encode(), b"")  # people read the end of it
        measured = replace(_spent(job, outcome), secondary=secondary_of(counted, outcome, self._site.protocol))
        failure = failure_of(outcome, log, self._tops(bench))
        if failure is not None:
            return replace(measured, failure=failure[0], detail=failure[1], log_tail=tail(log))
        measured = self._settled(bench, job, measured, log)
        if measured.failure is not None:
            return measured
        metric = self._site.protocol.metric
        extract = job.extract or metric.extract
        if self._sight(job) is Sight.HOLDOUT:
            bench.reveal(job.state)
        if extract is None:
            reading = self._reported(log, counted, outcome, reading)
        else:
            reading = self._extracted(bench, extract, metric, environment, job, lease, tick)
            granted = self._extractions[extract].granted if job.number == 0 else None
            measured = replace(measured, granted=None if granted is None else tuple(sorted(granted)))
            if not only_hands_on(extract):
                measured = replace(measured, pickles=tuple(islice(pickles(bench.workspace), MOST_PICKLES)))
        if reading.value is not None and (job.role is Role.CANDIDATE or job.number == 0) and job.command is None:
            limits = self._limited(bench, environment, job, lease, tick)
            measured = replace(measured, secondary={**measured.secondary, **limits})
        if reading.failure is not None and job.number == 0 and extract is None and metric.file is None:
            measured = self._advised(measured, log)
        measured = replace(
            measured,
            value=reading.value,
            failure=reading.failure,
            detail=reading.detail,
            self_reported=extract is None or only_hands_on(extract),
        )
        return with_course(measured, log, self._site.protocol)

    def _reported(self, log: bytes, counted: bytes, outcome: Outcome, reading: Reading | None) -> Reading:
        """The number that the run itself tells: in its log, or in the file that was read already."""
        metric = self._site.protocol.metric
        if metric.file is not None and metric.file.path == RUN_LOG:
            from pytest_autoresearch.lab.documents import read_file

            return read_file(log, metric.file, metric)
        reading = reading or read_log(counted, metric)
        if reading.value is None:
            return reading
        level = not_less_than_seen(metric.name, reading.value, outcome, self._site.protocol)
        return replace(reading, value=level)

    def _settled(self, bench: Bench, job: Job, measured: Measurement, log: bytes) -> Measurement:
        """The run's measurement after its workspace was made fit to be read, or refused for what it did there."""
        aftermath = settle(
            bench.workspace,
            targets=self._site.targets,
            readonly=self._site.readonly,
            outputs=self._outputs,
            is_baseline=job.number == 0,
        )
        self._outputs |= aftermath.outputs
        measured = replace(measured, outputs=tuple(sorted(aftermath.outputs)))
        if aftermath.refusal is None:
            return measured
        return replace(measured, failure=Reason.OUT_OF_SCOPE, detail=aftermath.refusal, log_tail=tail(log))

    def _advised(self, measured: Measurement, log: bytes) -> Measurement:
        """The same with how the metric could be named instead."""
        if "::" in self._site.protocol.source:
            return _with_recorded(measured, log)
        return _with_offer(measured, log, self._site.protocol.metric.name)

    def _extracted(
        self,
        bench: Bench,
        command: str,
        metric: Metric,
        environment: Mapping[str, str],
        job: Job,
        lease: Lease,
        tick: Tick,
    ) -> Reading:
        """The number that an extract command prints, given no more than it needs."""
        known = self._site.granted if command == self._site.protocol.metric.extract else None
        extraction = self._extractions.setdefault(command, Extraction(command, self._site, known))
        longest = max(job.timeout, SHORTEST_EXTRACT)

        def run(granted: frozenset[str]) -> Reading:
            printed = bench.run(
                command, environment, timeout=longest, tick=tick, merge_output=False, lease=lease, granted=granted
            )
            return reading_of(printed, metric)

        return extraction.read(run, job.state, learns=job.number == 0)

    def _limited(
        self, bench: Bench, environment: Mapping[str, str], job: Job, lease: Lease, tick: Tick
    ) -> dict[str, float]:
        """What the limits' own extract commands say; a number that one does not give breaks its limit."""
        found = {}
        for limit in self._site.protocol.limits:
            if limit.extract is None:
                continue
            own = Metric(limit.name, Direction.LOWER)
            reading = self._extracted(bench, limit.extract, own, environment, job, lease, tick)
            if reading.value is not None:
                found[limit.name] = reading.value
        return found

    def _log(self, bench: Bench, outcome: Outcome) -> bytes:
        """All that the run printed, followed by the run.log that it wrote itself; without one it gets ours."""
        written = bench.workspace.read(self._layout.log, at_most=LONGEST_LOG)
        if written is not None:
            return outcome.stdout + b"\n" + written
        bench.workspace.write(self._layout.log, outcome.stdout)
        return outcome.stdout

    def _sight(self, job: Job) -> Sight:
        """What of a holdout the run of a job sees; without a score of its own it is everything."""
        if job.role is not Role.HOLDOUT or (holdout := self._site.protocol.holdout) is None:
            return Sight.RUN
        return Sight.SCORE if holdout.is_visible else Sight.HOLDOUT

    def _word(self, job: Job) -> Mapping[str, str]:
        """What a measuring pytest signs its numbers with: a new word for each run of a marked test's body."""
        is_body = job.command is None and "::" in self._site.protocol.source
        return {NONCE: secrets.token_hex(16)} if is_body else {}


def _spent(job: Job, outcome: Outcome) -> Measurement:
    """What a run cost, before anything is known of its number."""
    return Measurement(
        job.role,
        duration=outcome.duration,
        cpu_time=outcome.cpu_time,
        peak_memory=outcome.peak_memory,
        seed=job.seed,
        exit_code=outcome.exit_code,
    )


def _with_recorded(measured: Measurement, log: bytes) -> Measurement:
    """The same with what the marker of a test can name: its number is one that was recorded, no line of a log."""
    found = next((name for name in ("benchmark.median", "duration") if f"METRIC {name}=".encode() in log), None)
    return measured if found is None else replace(measured, hint=f'write in the marker: metric="{found}"')


def _with_offer(measured: Measurement, log: bytes, name: str) -> Measurement:
    """The same with what is known about reading this log otherwise."""
    from pytest_autoresearch.lab.offers import offer_for

    offer = offer_for(log, name)
    hint = offer.words
    if offer.extract is not None:
        hint = f"the log has `{offer.line}`; read it with Extract command: `{offer.extract}`"
    return replace(measured, hint=hint, offered=offer.extract if offer.is_sure else None)
