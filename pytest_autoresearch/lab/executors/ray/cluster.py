"""A Ray cluster as a session sees it: joined, its nodes surveyed, and seats for slots on those that compare.

A seat is a share of a node: as many processors and GPUs as the protocol says. All slots of a session sit on nodes of
one kind, since a first look at a candidate uses a level that other slots have measured.
"""

from __future__ import annotations

import faulthandler
import os
import secrets
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pytest_autoresearch.errors import LabError, PlaceLost
from pytest_autoresearch.executables import NEUTRAL
from pytest_autoresearch.lab.executors.ray.executor import RayExecutor
from pytest_autoresearch.lab.executors.ray.outpost import Outpost
from pytest_autoresearch.lab.executors.ray.seats import Needs, Node, Seat
from pytest_autoresearch.lab.executors.ray.survey import report
from pytest_autoresearch.lab.job import Site
from pytest_autoresearch.text import one_line

MISSING = "the executor `ray` needs Ray, which is not installed here\n  pip install 'pytest-autoresearch[ray]'"
JOINING = 5.0  # s for a connection to the head
SURVEYING = 90.0  # s for what a node says of itself; a worker's start is most of it
TOKEN = "RAY_AUTH_MODE"


class Cluster:
    """The nodes of a cluster that was joined; ``session`` names this use of it, on every node."""

    def __init__(self, ray: Any, needs: Needs, isolation: str) -> None:
        self.ray, self._needs, self._isolation = ray, needs, isolation
        self.session = secrets.token_hex(8)
        self.nodes = [
            Node(
                each["NodeID"],
                each["NodeManagerAddress"],
                each["NodeManagerHostname"],
                each["Resources"],
                each.get("Labels") or {},
            )
            for each in sorted(ray.nodes(), key=lambda each: (each["NodeManagerHostname"], each["NodeID"]))
            if each["Alive"]
        ]
        gpus = any(node.resources.get("GPU") for node in self.nodes)
        self.gpus = int(gpus) if needs.gpus is None else needs.gpus
        self._chosen: list[Node] = []
        self._cpus = needs.cpus or 1

    def survey(self) -> None:
        """Ask every node what it offers; those that can hold no slot as well."""
        ask = self.ray.remote(num_cpus=0, max_retries=0)(report)
        asked = {ask.options(scheduling_strategy=self._on(node)).remote(self._isolation): node for node in self.nodes}
        self.ray.wait(list(asked), num_returns=len(asked), timeout=SURVEYING)
        for answer, node in asked.items():
            try:
                node.report = self.ray.get(answer, timeout=0)
                if node.report.package != version("pytest-autoresearch"):
                    node.trouble = f"it has pytest-autoresearch {node.report.package}, and this machine another one"
            except self.ray.exceptions.GetTimeoutError:
                node.trouble = f"it gave no answer within {SURVEYING:.0f} s"
            except self.ray.exceptions.RayTaskError as error:
                node.trouble = one_line(str(error.cause))
            except self.ray.exceptions.RayError as error:
                node.trouble = type(error).__name__

    def choose(self, asked: int | str) -> int:
        """Settle where slots will sit, and answer how many there are.

        ``asked``: a number, or ``auto`` or ``gpus`` for all that fit. LabError where they do not fit.
        """
        kinds: dict[object, list[Node]] = {}
        for node in self.nodes:
            fits = all(node.labels.get(name) == value for name, value in self._needs.labels.items())
            if (
                node.report is not None
                and not node.trouble
                and fits
                and node.holds(self._needs, self._needs.cpus or 1, self.gpus)
            ):
                kinds.setdefault(node.report.kind, []).append(node)
        if not kinds:
            raise LabError(f"no node can hold a slot of {self.words}\n{self._offered()}")
        self._chosen = max(kinds.values(), key=lambda nodes: sum(n.resources.get("CPU", 0) for n in nodes))
        self._cpus = self._needs.cpus or self._share(asked)
        for node in self._chosen:
            node.seats = node.holds(self._needs, self._cpus, self.gpus)
        seats = sum(node.seats for node in self._chosen)
        if isinstance(asked, int) and asked > seats:
            raise LabError(f"{asked} slots of {self.words} are asked for, and {seats} fit\n{self._offered()}")
        return asked if isinstance(asked, int) else seats

    def left_out(self) -> list[str]:
        """Lines on the nodes that no slot will sit on, though there is room."""
        lines = []
        for node in self.nodes:
            if node.trouble:
                lines.append(f"{node} is left out: {node.trouble}")
            elif node not in self._chosen and node.holds(self._needs, self._needs.cpus or 1, self.gpus):
                lines.append(f"{node} is left out: its hardware or versions are others, so its numbers do not compare")
        return lines

    @property
    def words(self) -> str:
        """What a slot gets."""
        cpus = self._cpus
        further = {**self._needs.resources, **self._needs.labels}
        words = [f"{cpus} CPU{'' if cpus == 1 else 's'}", *([f"{self.gpus} GPU"] if self.gpus else [])]
        return ", ".join([*words, *(f"{name}: {value}" for name, value in further.items())])

    def executor(self, site: Site) -> RayExecutor:
        """A slot on a free seat, each node in turn; PlaceLost where there is none, LabError where it does not begin."""
        while (seat := self._free_seat()) is not None:
            seat.node.taken.add(seat.index)
            try:
                return RayExecutor(site, self.ray, self._actor(seat), seat, self.session)
            except PlaceLost:  # the node has died too, or its worker: no more seats there
                seat.node.seats = 0
        raise PlaceLost("no node of the cluster has room for another slot")

    def _actor(self, seat: Seat) -> Any:
        """An actor on a seat, with the resources of a slot."""
        made = self.ray.remote(Outpost).options(
            num_cpus=self._cpus,
            num_gpus=self.gpus,
            resources=dict(self._needs.resources),
            scheduling_strategy=self._on(seat.node),
            max_concurrency=2,
            max_restarts=0,
            max_task_retries=0,
        )
        return made.remote()

    def _is_alive(self, node: Node) -> bool:
        """Whether the cluster still counts the node."""
        return any(each["Alive"] and each["NodeID"] == node.id for each in self.ray.nodes())

    def _free_seat(self) -> Seat | None:
        for node in sorted(self._chosen, key=lambda node: len(node.taken)):
            free = [index for index in range(node.seats) if index not in node.taken]
            if free and self._is_alive(node):
                return Seat(node, free[0])
        return None

    def _on(self, node: Node) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return NodeAffinitySchedulingStrategy(node.id, soft=False)

    def _share(self, asked: int | str) -> int:
        """The most processors that each of so many slots can have; without a number, one slot a GPU or a node."""
        counts = [int(node.resources.get("CPU", 0)) for node in self._chosen]
        if not isinstance(asked, int):
            slots = [
                max(1, int(node.resources.get("GPU", 0)) // self.gpus) if self.gpus else 1 for node in self._chosen
            ]
            return max(1, min(count // each for count, each in zip(counts, slots, strict=True)))
        return next((cpus for cpus in range(max(counts), 1, -1) if sum(c // cpus for c in counts) >= asked), 1)

    def _offered(self) -> str:
        own = ("CPU", "GPU", *self._needs.resources)
        lines = [
            f"  {node}: "
            + ", ".join(f"{name} {node.resources.get(name, 0):g}" for name in own)
            + f" {node.trouble}".rstrip()
            for node in self.nodes
        ]
        return "\n".join(lines)


@contextmanager
def joined(address: str | None, needs: Needs, isolation: str) -> Iterator[Cluster]:
    """The cluster at ``auto`` or HOST:PORT while this lasts. LabError says what is missing, and what to do."""
    try:
        import ray
    except ImportError:
        raise LabError(MISSING) from None
    address = _reachable(address or "auto")
    try:
        with _as_it_was():
            ray.init(address=address, log_to_driver=False, configure_logging=False)
    except Exception as error:  # Ray raises what it likes here
        raise LabError(
            f"the Ray cluster at {address} can not be joined: {one_line(str(error))[:300]}\n"
            "  this machine has to be a node of it: `ray start --address=HOST:PORT --num-cpus=0`, with the same Ray and"
            " Python"
        ) from None
    try:
        yield Cluster(ray, needs, isolation)
    finally:
        ray.shutdown()


def _reachable(address: str) -> str:
    """The address, once somebody answers there: Ray itself would wait for minutes."""
    known = address
    if address == "auto":
        known = os.environ.get("RAY_ADDRESS") or _noted()
    host, _, port = known.rpartition(":")
    if known == "auto":
        return address
    if not host or not port.isdigit() or "/" in host:
        raise LabError(
            f"the address {known!r} is neither `auto` nor HOST:PORT of the cluster's head, such as node1:6379"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), JOINING).close()
    except (OSError, OverflowError) as error:
        raise LabError(
            f"nothing answers at {known}: {error}\n"
            "  start the head with `ray start --head`, and give its HOST:PORT with --autoresearch-address"
        ) from None
    return known


def _noted() -> str:
    """Where Ray has noted the cluster that this machine is a node of; ``auto``: it looks for itself."""
    with suppress(OSError):
        place = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray" / "ray_current_cluster"
        return place.read_text().strip() or "auto"
    return "auto"


@contextmanager
def _as_it_was() -> Iterator[None]:
    """Join without what Ray changes in a process beside that.

    It takes SIGTERM, the fault handler and `breakpoint()`, and puts the working directory first on every worker's path,
    where files of the repository would stand for modules of Python.
    """
    is_main = threading.current_thread() is threading.main_thread()
    term = signal.getsignal(signal.SIGTERM)
    environment, here, faults = dict(os.environ), Path.cwd(), faulthandler.is_enabled()
    if TOKEN not in os.environ and _has_token():
        os.environ[TOKEN] = "token"
    os.chdir(NEUTRAL)
    try:
        yield
    finally:
        os.chdir(here)
        for name in os.environ.keys() - environment.keys() - {TOKEN}:
            del os.environ[name]
        os.environ.update(environment)
        if is_main:
            signal.signal(signal.SIGTERM, term)
        if not faults:
            faulthandler.disable()


def _has_token() -> bool:
    """Whether clusters that are started here ask for a token: Ray makes one with the first local cluster."""
    return bool(os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")) or (
        (Path.home() / ".ray" / "auth_token").exists()
    )
