"""One session as a value: start → best, counts, shares, spread, levels. Every surface renders it.

It is built record by record, so that a session that runs looks at each experiment once. Reads the notebook only.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from math import sqrt

from pytest_autoresearch.notebook.record import PROGRAM, History, Session, Verification
from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Reason, Role, Status
from pytest_autoresearch.protocol.model import Direction, Protocol
from pytest_autoresearch.protocol.serialise import from_json
from pytest_autoresearch.protocol.trust import marks, times_asked
from pytest_autoresearch.report.figures import percent
from pytest_autoresearch.report.shares import Share
from pytest_autoresearch.report.times import Times
from pytest_autoresearch.report.trust import trust

NEWEST = 10
"""So many of the newest experiments stand in a story by themselves."""
_BY_NUMBER = frozenset({"worse", "noise", "equal", "unproven"})
SPREAD_WINDOW = 24
"""The noise band is the spread of so many newest repeats: noise changes with the level, and with the machine."""


class State(str, Enum):
    """Whether a session goes on. What was killed, or runs elsewhere, leaves no word about it."""

    RUNNING = "running"
    ENDED = "ended"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Point:
    """One experiment as pictures see it: numbers and no words.

    ``at`` is its place in the ledger, which is where a picture has it: of experiments side by side the one that ended
    first stands first, whatever its number.
    ``level`` is the best kept state's after it, ``spread`` the standard deviation of one run at that time (None while
    unknown), both in metric units. ``run_seconds`` inside its runs, ``agent_seconds`` in the agent's turn. ``memory``
    in bytes, ``cost`` in US dollars. ``holdout`` is the candidate's hidden metric, ``limits`` the means of the metrics
    that the protocol bounds, in its order; ``began`` and ``ended`` are UTC.
    """

    number: int
    at: int
    status: Status
    reason: Reason
    value: float | None
    level: float | None
    spread: float | None
    run_seconds: float
    agent_seconds: float
    memory: int | None
    cost: float | None
    holdout: float | None
    limits: tuple[float | None, ...]
    agent: str
    began: datetime | None
    ended: datetime | None


@dataclass(frozen=True, slots=True)
class Story:
    """What a session has come to. Gains in metric units, positive is better; seconds; US dollars."""

    session: Session
    protocol: Protocol
    state: State
    why: str
    experiments: tuple[Experiment, ...]
    points: tuple[Point, ...]
    keeps: tuple[Experiment, ...]
    """Those that need no group to prove them; ``provisional`` stand on them."""
    provisional: tuple[Experiment, ...]
    newest: tuple[Experiment, ...]
    counts: Mapping[Status, int]
    reasons: Mapping[Reason, int]
    shares: tuple[Share, ...]
    trust: Mapping[int, str]
    """How sure each keep is by itself, by its number."""
    verified: Verification | None
    promised: float
    """What the best single run promised: the gain from the first run of the start to the best first run."""
    run_seconds: float
    agent_seconds: float
    elapsed: float
    """Seconds in which experiments were under way: without pauses, and without the time between two invocations."""
    busy: Mapping[str, float]
    """Seconds inside runs by slot, the first slot first."""
    cost: float | None
    input_tokens: int
    output_tokens: int
    devices: Mapping[str, int]
    machines: int
    isolations: Mapping[str, int]
    programs: tuple[str, ...]
    """Where another version of this program went on than the one that began, in words."""
    noisy: bool = False
    """Whether one run does not decide: then only what was verified is claimed."""
    machine: str = ""
    """``drift``, ``steps`` or ``uneven noise`` where the judge is certain of it, else empty."""
    stops: tuple[datetime, ...] = ()
    """When an invocation ended; what was killed has left no word of it."""

    @property
    def tag(self) -> str:
        return self.session.tag

    @property
    def metric(self) -> str:
        return self.protocol.metric.name

    @property
    def direction(self) -> Direction:
        return self.protocol.metric.direction

    @property
    def start(self) -> Experiment:
        """The baseline."""
        return self.experiments[0]

    @property
    def best(self) -> Experiment:
        """The best state that needs no group to prove it: the newest such keep, or the baseline."""
        return self.keeps[-1] if self.keeps else self.start

    @property
    def gain(self) -> float:
        return self.direction.gain(self.start.value or 0.0, self.best.value or 0.0)

    @property
    def gain_percent(self) -> float | None:
        """Of the start's level; None where that is zero."""
        return percent(self.gain, self.start.value)

    @property
    def tried(self) -> int:
        """Experiments without the baseline."""
        return sum(self.counts.values())

    @property
    def pace(self) -> float | None:
        """Experiments an hour, while it ran; None where no time is on record."""
        return 3600 * self.tried / self.elapsed if self.elapsed > 0 else None

    @property
    def marks(self) -> tuple[str, ...]:
        """What rests on the run's own word, see :mod:`pytest_autoresearch.protocol.trust`."""
        return tuple(marks(self.protocol, times_asked(self.experiments)))

    @property
    def utilisation(self) -> float | None:
        """The share of its slots' time that was spent inside runs; None where no time is on record."""
        slots = max(1, len(self.busy))
        return min(1.0, self.run_seconds / (slots * self.elapsed)) if self.elapsed > 0 else None


class Teller:
    """Makes the story of a session that goes on; told the history again, it looks at what is new in it only."""

    def __init__(self) -> None:
        self._session: Session | None = None

    def _forget(self) -> None:
        self._seen: tuple[Experiment, ...] = ()
        self._rewrites = 0
        self._points: list[Point] = []
        self._keeps: list[Experiment] = []
        self._provisional: list[Experiment] = []
        self._counts: Counter[Status] = Counter()
        self._reasons: Counter[Reason] = Counter()
        self._devices: Counter[str] = Counter()
        self._machines: set[str] = set()
        self._isolations: Counter[str] = Counter()
        self._shares: dict[str, Share] = {}
        self._residuals: deque[tuple[float, int]] = deque(maxlen=SPREAD_WINDOW)
        self._level: float | None = None
        self._first: float | None = None
        self._promised = 0.0
        self._run_seconds = 0.0
        self._busy: dict[str, float] = {}
        self._times = Times()
        self._stops: list[datetime] = []

    def tell(self, history: History, *, running: bool = False) -> Story | None:
        """The story up to now; None before the baseline."""
        if not history.experiments:
            return None
        if not self._goes_on(history):
            self._session, self._protocol = history.session, from_json(history.session.protocol)
            self._forget()
        for when in [note.when for note in history.notes if note.kind == "stop"][len(self._stops) :]:
            self._stops.append(when)
            self._times.stopped(when)
        for experiment in history.experiments[len(self._seen) :]:
            self._take(experiment)
        self._seen, self._rewrites = history.experiments, _rewrites(history)
        ending = history.ending
        state = State.RUNNING if running else State.SILENT if ending is None else State.ENDED
        best = self._keeps[-1] if self._keeps else history.experiments[0]
        shares = sorted(self._shares.values(), key=lambda share: (-share.gain, share.agent))
        costs = [share.cost for share in shares if share.cost is not None]
        return Story(
            session=history.session,
            protocol=self._protocol,
            state=state,
            why="" if ending is None else ending.text,
            experiments=history.experiments,
            points=tuple(self._points),
            keeps=tuple(self._keeps),
            provisional=tuple(self._provisional),
            newest=history.experiments[-NEWEST:],
            counts={status: self._counts[status] for status in Status},
            reasons=dict(self._reasons.most_common()),
            shares=tuple(shares),
            trust=trust(history),
            verified=next((v for v in reversed(history.verifications) if v.head == best.commit), None),
            promised=self._promised,
            run_seconds=self._run_seconds,
            agent_seconds=sum(share.seconds for share in shares),
            elapsed=self._times.total,
            busy=dict(sorted(self._busy.items())),
            cost=sum(costs) if costs else None,
            input_tokens=sum(share.input_tokens for share in shares),
            output_tokens=sum(share.output_tokens for share in shares),
            devices=dict(self._devices.most_common()),
            machines=len(self._machines) or 1,
            isolations=dict(self._isolations.most_common()),
            programs=tuple(note.text for note in history.notes if note.kind == PROGRAM),
            noisy=bool(history.judge.get("standing", {}).get("noisy", False)),
            machine=str(history.judge.get("machine", "")),
            stops=tuple(self._stops),
        )

    def _goes_on(self, history: History) -> bool:
        """Whether this is the history told so far, and more. A drop or a group rewrites what was told."""
        return (
            history.session == self._session
            and len(history.experiments) >= len(self._seen)
            and _rewrites(history) == self._rewrites
        )

    def _take(self, experiment: Experiment) -> None:
        direction = self._protocol.metric.direction
        if experiment.kept and experiment.value is not None:
            self._level = experiment.value
        if experiment.number:
            self._counts[experiment.status] += 1
            self._reasons[experiment.reason] += 1
            share = self._shares.get(experiment.agent, Share(experiment.agent))
            self._shares[experiment.agent] = share.added(experiment, direction)
            if experiment.kept:
                (self._provisional if experiment.provisional else self._keeps).append(experiment)
        if experiment.measurements:
            self._devices[experiment.device or "CPU"] += 1
            self._isolations[experiment.isolation] += 1
        if experiment.machine:
            self._machines.add(experiment.machine)
        self._hear(experiment, direction)
        limits = [limit.name for limit in self._protocol.limits]
        point = _point(experiment, len(self._points), self._level, self._spread(), limits)
        self._points.append(point)
        self._run_seconds += point.run_seconds
        if point.run_seconds:
            slot = _slot(experiment)
            self._busy[slot] = self._busy.get(slot, 0.0) + point.run_seconds
        if point.began is not None and point.ended is not None:
            self._times.add(point.began, point.ended)

    def _hear(self, experiment: Experiment, direction: Direction) -> None:
        """Take from its runs what they tell of the noise, and what a single one promised."""
        for role in (Role.CANDIDATE, Role.INCUMBENT):
            values = [m.value for m in experiment.measurements if m.role is role and m.value is not None]
            if len(values) > 1:
                mean = sum(values) / len(values)
                self._residuals.append((sum((value - mean) ** 2 for value in values), len(values) - 1))
        role = Role.CANDIDATE if experiment.number else Role.INCUMBENT
        first = next((m.value for m in experiment.measurements if m.role is role and m.value is not None), None)
        if first is not None and not is_refused(experiment):
            self._first = first if self._first is None else self._first
            self._promised = max(self._promised, direction.gain(self._first, first))

    def _spread(self) -> float | None:
        freedom = sum(df for _, df in self._residuals)
        return sqrt(sum(squares for squares, _ in self._residuals) / freedom) if freedom else None


def story(history: History, *, running: bool = False) -> Story | None:
    """The story of a whole history; None before its baseline."""
    return Teller().tell(history, running=running)


def is_refused(experiment: Experiment) -> bool:
    """Whether something else than the number has refused it: its first run promised nothing that could be had."""
    return experiment.status is not Status.KEEP and experiment.reason.value not in _BY_NUMBER


def _rewrites(history: History) -> int:
    return len(history.drops) + len(history.groups)


def _slot(experiment: Experiment) -> str:
    """The name of the slot that its runs had: a number, and the machine where there is a word of it."""
    place = experiment.place
    return "slot 0" if place is None else f"slot {place.slot}" + (f" on {place.machine[:8]}" if place.machine else "")


def _point(experiment: Experiment, at: int, level: float | None, spread: float | None, limits: Sequence[str]) -> Point:
    runs = experiment.measurements
    return Point(
        number=experiment.number,
        at=at,
        status=experiment.status,
        reason=experiment.reason,
        value=experiment.value,
        level=level,
        spread=spread,
        run_seconds=sum(run.duration for run in runs),
        agent_seconds=experiment.agent_seconds,
        memory=max((run.peak_memory for run in runs if run.peak_memory is not None), default=None),
        cost=None if experiment.usage is None else experiment.usage.cost,
        holdout=_holdout(runs, experiment),
        limits=tuple(_mean(runs, name) for name in limits),
        agent=experiment.agent,
        began=experiment.started,
        ended=experiment.ended,
    )


def _mean(runs: Sequence[Measurement], name: str) -> float | None:
    """The mean of a metric beside the first over the runs that have it."""
    values = [run.secondary[name] for run in runs if name in run.secondary]
    return sum(values) / len(values) if values else None


def _holdout(runs: Sequence[Measurement], experiment: Experiment) -> float | None:
    """The mean of the candidate's hidden runs: of each pair the second, and at the baseline all of them."""
    hidden = [run.value for run in runs if run.role is Role.HOLDOUT]
    values = [value for value in (hidden[1::2] if experiment.number else hidden) if value is not None]
    return sum(values) / len(values) if values else None
