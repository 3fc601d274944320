"""The driver: scripts under way, the threads that work for them, and one queue on which they tell that they are done.

Knows no method. Every decision, every git object and every record is made on the thread that calls this; a thread of a
slot runs what is untrusted and nothing else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from pytest_autoresearch.errors import LabError, PlaceLost
from pytest_autoresearch.lab.job import Executor, Finished, Job, Tick
from pytest_autoresearch.protocol.experiment import FileEntry, Measurement, Place
from pytest_autoresearch.research.desk import Desks
from pytest_autoresearch.research.watch import Watch
from pytest_autoresearch.research.work import Await, Check, Leave, Run, Script, Seat, Think, Work, one

LOOK = 0.2  # s between two looks at what is under way
PATIENCE = 60.0  # s that what was interrupted gets to be swept
AGENT_PATIENCE = 5.0  # s that an agent inside this process gets, which nothing can interrupt

_T = TypeVar("_T")


@dataclass(eq=False)
class Ticket(Generic[_T]):
    """A script under way, until it has a ``result`` or an ``error``."""

    number: int
    script: Script[_T]
    lane: Worker | None = None
    busy: Worker | None = None
    wanted: Work | None = None
    result: _T | None = None
    error: Exception | None = None


@dataclass(frozen=True)
class _Event:
    """A worker has done what a ticket wanted."""

    worker: Worker
    answer: Any = None
    error: BaseException | None = None


class Worker:
    """A thread that does one thing at a time and tells the queue.

    In that thread ``begin`` is done first, and ``then`` whenever something was done and told.
    """

    def __init__(
        self,
        ended: SimpleQueue[_Event],
        begin: Callable[[], None] = lambda: None,
        then: Callable[[], None] = lambda: None,
    ) -> None:
        self._ended, self._begin, self._then = ended, begin, then
        self._inbox: SimpleQueue[Callable[[Tick], Any] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._cancelled = False
        self.ticket: Ticket[Any] | None = None
        self.elapsed = 0.0
        self.run_seconds = 0.0

    def submit(self, ticket: Ticket[Any], call: Callable[[Tick], Any]) -> None:
        """Do this for a ticket; what comes of it is told on the queue."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()
        self.ticket, ticket.busy, self.elapsed, self._cancelled = ticket, self, 0.0, False
        self._inbox.put(call)

    def cancel(self) -> None:
        """End what it does, with its next tick."""
        self._cancelled = True

    def close(self) -> None:
        """End the thread when it is idle."""
        if self._thread is not None:
            self._inbox.put(None)
            if self.ticket is None:
                self._thread.join(PATIENCE)

    def _tick(self, elapsed: float) -> None:
        self.elapsed = elapsed
        if self._cancelled:
            raise KeyboardInterrupt

    def _work(self) -> None:
        self._begin()
        while (call := self._inbox.get()) is not None:
            try:
                event = _Event(self, call(self._tick))
            except BaseException as error:  # whatever it is, it belongs to the script that waits for this
                event = _Event(self, error=error)
            self._ended.put(event)
            if event.error is None:
                with suppress(Exception):  # whoever comes next finds this thread, and what was not done is done then
                    self._then()


@dataclass(frozen=True)
class Lane:
    """A slot as it is opened: its executor, its place, and what its thread does first, and after each run."""

    executor: Executor
    place: Place
    begin: Callable[[], None] = lambda: None
    then: Callable[[], None] = lambda: None
    lock: threading.Lock = field(default_factory=threading.Lock, compare=False)

    def measure(self, job: Job, tick: Tick) -> Measurement:
        """One run; never beside another command of this slot, such as what an agent tries."""
        with self._alone(tick):
            return self.executor.measure(job, tick)

    def guard(self, command: str, state: Mapping[str, FileEntry], timeout: float, tick: Tick) -> Finished:
        """A guard, or what an agent tries."""
        with self._alone(tick):
            return self.executor.guard(command, state, timeout, tick)

    @contextmanager
    def _alone(self, tick: Tick) -> Iterator[None]:
        while not self.lock.acquire(timeout=LOOK):
            tick(0.0)
        try:
            yield
        finally:
            self.lock.release()


class Slots:
    """Drives scripts on the slots of a session, which are the ``first`` one until they are completed by ``others``.

    ``watch`` hears what is under way, about every 0.2 s. ``spare`` opens one in the place of another that is lost, None
    where there is no room; it has a number of its own, since nothing compares with what was measured at the old one.
    """

    def __init__(
        self,
        first: Lane,
        others: Callable[[], Iterable[Lane]],
        desks: Desks | None,
        watch: Watch,
        spare: Callable[[], Lane | None] = lambda: None,
    ) -> None:
        self._ended: SimpleQueue[_Event] = SimpleQueue()
        self._others, self._desks, self._watch, self._spare = others, desks, watch, spare
        self._lanes: dict[Worker, Lane] = {}
        self._free: list[Worker] = []
        self._thinkers: list[Worker] = []
        self._waiting: list[Ticket[Any]] = []
        self._done: list[Ticket[Any]] = []
        self.live: list[Ticket[Any]] = []
        self._shown: Ticket[Any] | None = None
        self._join(first)

    def complete(self) -> None:
        """Open the slots beside the first one; they are made with what the baseline was found to need."""
        for lane in self._others():
            self._join(lane)
        self._others = tuple

    @property
    def first(self) -> Lane:
        """The slot that measures what is no experiment's."""
        return next(iter(self._lanes.values()))

    @property
    def places(self) -> list[Place]:
        """Where the slots are."""
        return [lane.place for lane in self._lanes.values()]

    def _join(self, lane: Lane) -> None:
        worker = Worker(self._ended, lane.begin, lane.then)
        self._lanes[worker] = lane
        self._free.append(worker)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way, and nothing has ended that was not told."""
        return not self.live and not self._done

    @property
    def size(self) -> int:
        """How many slots there are."""
        return len(self._lanes)

    @property
    def free(self) -> int:
        """How many slots nobody has."""
        return len(self._free)

    def start(self, number: int, script: Script[_T]) -> Ticket[_T]:
        """Begin a script; it goes on whenever :meth:`wait` is called."""
        ticket = Ticket(number, script)
        self.live.append(ticket)
        self._step(ticket)
        return ticket

    def wait(self) -> Ticket[Any] | None:
        """The next script that has ended; None after a moment in which none has."""
        if not self._done:
            try:
                event = self._ended.get(timeout=LOOK)
            except Empty:
                self._look()
                return None
            self._take(event)
        return self._done.pop(0) if self._done else None

    def run(self, *scripts: Script[_T], number: int = 0) -> list[_T]:
        """Scripts from their beginning to their end, side by side as far as there are slots."""
        tickets = [self.start(number, script) for script in scripts]
        try:
            while any(ticket in self.live for ticket in tickets):
                self.wait()
        except BaseException:
            self.cancel()
            raise
        self._done = [ticket for ticket in self._done if ticket not in tickets]
        for ticket in tickets:
            if ticket.error is not None:
                raise ticket.error
        return [ticket.result for ticket in tickets]  # type: ignore[misc]

    def perform(self, work: Work) -> Any:
        """One piece of work that is no experiment's, on the first slot while nothing is under way; what came of it."""
        return self.run(one(work))[0]

    def cancel(self) -> None:
        """End everything that is under way; what it has started is swept when this returns."""
        busy = [ticket.busy for ticket in self.live if ticket.busy is not None]
        self.live, self._waiting, self._done = [], [], []
        for worker in busy:
            worker.cancel()
        began = time.monotonic()
        while busy := [worker for worker in busy if worker.ticket is not None]:
            patience = PATIENCE if any(worker in self._lanes for worker in busy) else AGENT_PATIENCE
            if time.monotonic() - began > patience:
                return
            try:
                self._ended.get(timeout=LOOK).worker.ticket = None
            except Empty:
                continue
        self._free = list(self._lanes)

    def close(self) -> None:
        """End the threads; the executors stay open."""
        self.cancel()
        for worker in (*self._lanes, *self._thinkers):
            worker.close()

    def phase(self, number: int, text: str, budget: float | None = None) -> None:
        """Tell what an experiment does now, and where; ``budget`` seconds are expected at most."""
        self._shown = next((ticket for ticket in self.live if ticket.number == number), None)
        if self._shown is not None and self._shown.lane is not None and self.size > 1:
            text = f"slot {self._lanes[self._shown.lane].place.slot}, {text}"
        self._watch.phase(number, text, budget=budget)

    # How

    def _step(self, ticket: Ticket[Any], answer: Any = None, error: BaseException | None = None) -> None:
        """Send a script what it waits for, and give out what it wants next."""
        try:
            work = ticket.script.send(answer) if error is None else ticket.script.throw(error)
        except StopIteration as end:
            self._end(ticket, end.value)
        except Exception as trouble:
            ticket.error = trouble
            self._end(ticket, None)
        else:
            self._give(ticket, work)

    def _give(self, ticket: Ticket[Any], work: Work) -> None:
        if isinstance(work, Think):
            worker = next((each for each in self._thinkers if each.ticket is None), None)
            if worker is None:
                worker = Worker(self._ended)
                self._thinkers.append(worker)
            place, desks = self._thinkers.index(worker), self._desks
            assert desks is not None
            worker.submit(ticket, lambda tick: desks.take_turn(place, work, tick))
        elif isinstance(work, Leave):
            self._leave(ticket)
            self._step(ticket)
        elif isinstance(work, Await):
            ticket.wanted = work
        elif ticket.lane is None:
            ticket.wanted = work
            self._waiting.append(ticket)
            self._waiting.sort(key=lambda each: each.number)
            self._seat()
        else:
            self._measure(ticket, work)

    def _seat(self) -> None:
        """Give free slots to those who wait, the oldest first."""
        while self._free and self._waiting:
            ticket, ticket_lane = self._waiting.pop(0), self._free.pop(0)
            ticket.lane, work = ticket_lane, ticket.wanted
            assert work is not None
            self._measure(ticket, work)

    def _measure(self, ticket: Ticket[Any], work: Work) -> None:
        assert ticket.lane is not None
        lane = self._lanes[ticket.lane]
        if isinstance(work, Seat):
            self._step(ticket, lane.place)
        elif isinstance(work, Run):
            ticket.lane.submit(ticket, lambda tick: lane.measure(work.job, tick))
        else:
            assert isinstance(work, Check)
            ticket.lane.submit(ticket, lambda tick: lane.guard(work.command, work.state, work.timeout, tick))

    def _take(self, event: _Event) -> None:
        worker, ticket = event.worker, event.worker.ticket
        worker.ticket = None
        if ticket is None or ticket not in self.live:
            return  # it was cancelled, and took its time
        ticket.busy = None
        if event.error is not None and not isinstance(event.error, Exception):
            raise event.error
        error = self._lost(ticket, event.error) if isinstance(event.error, PlaceLost) else event.error
        self._step(ticket, event.answer, error)
        self._wake()

    def _wake(self) -> None:
        """Go on with those whose waiting is over.

        Not after an error: the session ends with it, and nobody would be told of what was recorded since.
        """
        while all(each.error is None for each in self._done):
            ticket = next((each for each in self.live if _is_over(each.wanted)), None)
            if ticket is None:
                return
            ticket.wanted = None
            self._step(ticket)

    def _lost(self, ticket: Ticket[Any], lost: PlaceLost) -> LabError:
        """Give up the slot of a ticket, which takes a seat anew; the error for it says whether there can be one."""
        if ticket.lane is None:  # an agent's try
            return lost
        worker, ticket.lane = ticket.lane, None
        if (lane := self._spare()) is not None:
            self._join(lane)
        elif len(self._lanes) == 1:
            return LabError(f"{lost}, and no other slot is left\n  once there is room again, start it as before")
        del self._lanes[worker]
        worker.close()
        left = "1 slot" if self.size == 1 else f"{self.size} slots"
        self._watch.remark(f"{lost}; what it measured is measured again elsewhere, on {left}")
        self._seat()
        return lost

    def _end(self, ticket: Ticket[Any], result: Any) -> None:
        ticket.result = result
        self.live.remove(ticket)
        self._done.append(ticket)
        self._leave(ticket)

    def _leave(self, ticket: Ticket[Any]) -> None:
        if ticket.lane is not None:
            self._free = [worker for worker in self._lanes if worker in self._free or worker is ticket.lane]
            ticket.lane = None
            self._seat()

    def _look(self) -> None:
        """Count the seconds of what was told last, while it is under way; else of what began first."""
        busy = [ticket for ticket in self.live if ticket.busy is not None]
        shown = self._shown if self._shown in busy else next(iter(busy), None)
        if shown is not None and shown.busy is not None:
            self._watch.tick(shown.busy.elapsed)


def _is_over(wanted: Work | None) -> bool:
    return isinstance(wanted, Await) and wanted.over()
