"""A slot on a node of the cluster: an executor whose runner is reached by an actor there."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from pytest_autoresearch.errors import LabError, PlaceLost
from pytest_autoresearch.lab.executors.ray.seats import Seat
from pytest_autoresearch.lab.executors.remote.executor import LOOK, RemoteExecutor
from pytest_autoresearch.lab.executors.remote.messages import Berth, Gone
from pytest_autoresearch.lab.job import Site, Tick

OPENING = 90.0  # s for a worker's start, the isolation's self-test and a free GPU
SWEEPING = 15.0  # s that what is cancelled gets to be swept; then its actor is killed, and the runner hears of that
CLOSING = 10.0  # s


class RayExecutor(RemoteExecutor):
    """Every method raises PlaceLost once the node, the worker or the runner there is gone."""

    def __init__(self, site: Site, ray: Any, actor: Any, seat: Seat, session: str) -> None:
        self._ray, self._actor, self._seat = ray, actor, seat
        berth = Berth(session, seat.index, seat.node.seats)
        try:
            super().__init__(site, str(seat), berth, self._patient, seat.node.cargo)
        except BaseException:
            self._kill()
            raise

    def ask(self, tick: Tick, name: str, *arguments: Any) -> Any:
        """By a call of the actor, see :meth:`RemoteExecutor.ask`."""
        began, asked = time.monotonic(), self._actor.call.remote(name, *arguments)
        try:
            while not self._ray.wait([asked], timeout=LOOK)[0]:
                tick(time.monotonic() - began)
        except BaseException:
            self._cancel(asked)
            raise
        exceptions = self._ray.exceptions
        try:
            answer = self._ray.get(asked)
        except exceptions.RayTaskError as error:  # raised by the actor itself
            raise LabError(f"{self._seat}: {type(error.cause).__name__}: {error.cause}") from None
        except exceptions.RayError as error:  # by its class: its words are the cluster's, with others' command lines
            raise PlaceLost(f"{self._seat} is gone ({type(error).__name__})") from None
        if isinstance(answer, Gone):
            raise PlaceLost(f"the runner of {self._seat} was killed")
        return answer

    def close(self) -> None:
        """Have it swept and removed, and give the actor's resources back."""
        with suppress(self._ray.exceptions.RayError):
            self._ray.wait([self._actor.close.remote()], timeout=CLOSING)
        self._kill()

    def _cancel(self, asked: Any) -> None:
        """End what runs; it is swept when this returns, or its actor is gone and the runner does it alone."""
        with suppress(self._ray.exceptions.RayError):
            self._actor.cancel.remote()
            if not self._ray.wait([asked], timeout=SWEEPING)[0]:
                self._kill()

    def _kill(self) -> None:
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(self._actor)

    def _patient(self, elapsed: float) -> None:
        if elapsed > OPENING:
            raise LabError(
                f"{self._seat} did not begin within {OPENING:.0f} s: its resources or its GPU may be in use\n"
                "  see `ray status`, ask for fewer slots, or stop what holds them"
            )
