"""The runner of a slot: a process of ours on another machine that owns what is started there. Knows no Ray, no ssh.

It is told on one socket, or on standard input, what to do, in pickles of those who started it. When that closes,
whoever has died, it ends what runs there, sweeps, removes its directory and exits.

Usage: ``python -m pytest_autoresearch.lab.executors.remote.runner [SOCKET]``, with a descriptor it leaves its parent
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pytest_autoresearch.errors import LabError
from pytest_autoresearch.lab.cpus import cores, keep_to, shared_out
from pytest_autoresearch.lab.executors.local import LocalExecutor
from pytest_autoresearch.lab.executors.remote.contents import Changes, State, Store, changed, lodging
from pytest_autoresearch.lab.executors.remote.messages import CANCEL, Berth, Failed, Opened
from pytest_autoresearch.lab.job import Finished, Job, Site
from pytest_autoresearch.lab.machine import machine_fingerprint
from pytest_autoresearch.lab.removal import remove_tree
from pytest_autoresearch.lab.sandbox import choose
from pytest_autoresearch.protocol.experiment import Measurement


class Cancelled(BaseException):
    """The driver wants what runs to end, or is gone."""


class Slot:
    """What a driver may ask for, by name."""

    def __init__(self, tick: Callable[[float], None], stack: ExitStack) -> None:
        self._tick, self._stack = tick, stack
        self._base: State = {}

    def open(self, site: Site, berth: Berth) -> Opened:
        """Take the place, for good."""
        room = self._stack.enter_context(lodging(berth.session))
        self._store = Store(room / "contents")
        own = shared_out(berth.seats, cores())[berth.seat]
        keep_to(own)
        scratch = room / f"slot-{site.slot}"
        scratch.mkdir(mode=0o700)
        self._stack.callback(remove_tree, scratch)
        site = replace(
            site,
            scratch=scratch,
            read_blobs=self._store.read,
            interpreter_bin=Path(sys.executable).parent,
            machine=fingerprint(),
            cores=own,
            protocol=replace(site.protocol, env={**site.protocol.env, "CUDA_VISIBLE_DEVICES": berth.gpus}),
        )
        choice = choose(site.isolation, scratch=scratch, repository=site.top)
        self._executor = LocalExecutor(site, choice)
        self._stack.callback(self._executor.close)
        place = self._executor.occupy(self._tick)
        if berth.gpus and not place.devices:
            raise LabError(
                f"Ray has given it the GPUs {berth.gpus}, and nothing there can tell which they are\n"
                "  pip install 'pytest-autoresearch[gpu]' on that node"
            )
        return Opened(place, choice.level, choice.refused, self._executor.device, self._store.is_new)

    def give(self, blobs: Mapping[str, bytes]) -> None:
        """Keep contents for all slots of this node."""
        self._store.give(blobs)

    def begin_with(self, state: State) -> None:
        """The state that all others are told as changes of."""
        self._base = state

    def measure(self, changes: Changes, job: Job) -> Measurement:
        """One run; the job comes without its state."""
        return self._executor.measure(replace(job, state=changed(self._base, changes)), self._tick)

    def guard(self, changes: Changes, command: str, timeout: float) -> Finished:
        """A guard."""
        return self._executor.guard(command, changed(self._base, changes), timeout, self._tick)


METHODS = {each.__name__: each for each in (Slot.open, Slot.give, Slot.begin_with, Slot.measure, Slot.guard)}


def fingerprint() -> str:
    """Names the machine with what Ray makes of it: a run with another nice level is another measurement."""
    parts = (machine_fingerprint(), str(os.getpriority(os.PRIO_PROCESS, 0)))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def serve(heard: Connection, spoken: Connection) -> None:
    """Answer until nobody asks any more."""

    def tick(elapsed: float) -> None:
        if heard.poll():  # also where the other side is gone, which the next line raises
            heard.recv()
            raise Cancelled

    with ExitStack() as stack:
        slot = Slot(tick, stack)
        while True:
            name, arguments = heard.recv()
            if name == CANCEL:
                continue  # what was to be cancelled had just ended
            spoken.send(_answer(METHODS[name], (slot, *arguments)))


def _answer(method: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    try:
        return method(*arguments)
    except Cancelled:
        return Failed("cancelled")
    except LabError as error:
        return Failed(str(error))
    except Exception:
        return Failed(traceback.format_exc(), is_ours=False)


def main() -> None:
    """Serve the socket that was handed down, as a process that is nobody's child; without one, standard input."""
    if len(sys.argv) > 1:
        descriptor = int(sys.argv[1])
        if os.fork():  # who has started it waits for this one, and can not end the other with itself
            os._exit(0)
        os.set_inheritable(descriptor, False)
        heard = spoken = Connection(descriptor)
    else:
        heard, spoken = Connection(os.dup(0), writable=False), Connection(os.dup(1), readable=False)
        os.dup2(2, 1)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    # Ray starts workers with signals blocked, and as the first to go when memory ends: that is for runs, not for this.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("0")
    with suppress(EOFError, ConnectionError, Cancelled), heard, spoken:
        serve(heard, spoken)


def _end(number: int, frame: object) -> None:
    raise Cancelled


if __name__ == "__main__":
    main()
