"""A node's share for each slot, by what the protocol says a slot gets. Knows no Ray."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_autoresearch.lab.executors.ray.survey import Report
from pytest_autoresearch.lab.executors.remote.contents import Cargo


@dataclass(frozen=True)
class Needs:
    """What a slot gets, from the protocol's key ``ray``.

    ``cpus`` None: the nodes' are shared out; ``gpus`` None: one where there are any. ``resources`` and ``labels`` are
    the cluster's own names.
    """

    cpus: int | None = None
    gpus: int | None = None
    resources: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class Node:
    """A living node. ``report`` None: it could not be asked, and ``trouble`` says why. ``seats`` on it, of ``cpus``."""

    id: str
    address: str
    name: str
    resources: Mapping[str, float]
    labels: Mapping[str, str]
    report: Report | None = None
    trouble: str = ""
    seats: int = 0
    taken: set[int] = field(default_factory=set)
    cargo: Cargo = field(default_factory=Cargo)

    def __str__(self) -> str:
        return f"node {self.name} ({self.address})"

    def holds(self, needs: Needs, cpus: int, gpus: int) -> int:
        """How many slots fit, by what Ray was told of the node."""
        if self.trouble or any(self.labels.get(name) != value for name, value in needs.labels.items()):
            return 0
        wanted = {"CPU": float(cpus), "GPU": float(gpus), **needs.resources}
        return int(min(self.resources.get(name, 0.0) // amount for name, amount in wanted.items() if amount))


@dataclass(frozen=True)
class Seat:
    """A node's share with this index."""

    node: Node
    index: int

    def __str__(self) -> str:
        return str(self.node)
