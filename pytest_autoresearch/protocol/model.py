"""The protocol: what is optimised and under which rules. Pure values, knows no file format, no git, no process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import PurePosixPath
from typing import Any


class Direction(str, Enum):
    """Which way the metric improves."""

    LOWER = "lower"
    HIGHER = "higher"

    def better(self, a: float, b: float) -> bool:
        """Whether level ``a`` is strictly better than level ``b``."""
        return a < b if self is Direction.LOWER else a > b

    def gain(self, start: float, best: float) -> float:
        """Improvement of ``best`` over ``start`` in metric units; positive is better."""
        return start - best if self is Direction.LOWER else best - start


@dataclass(frozen=True, slots=True)
class Amount:
    """A size in metric units, or relative to a level (``0.5%`` is ``Amount(0.005, relative=True)``)."""

    value: float
    relative: bool = False

    def at(self, level: float) -> float:
        """The size in metric units at ``level``."""
        return abs(level) * self.value if self.relative else self.value


@dataclass(frozen=True, slots=True)
class MetricFile:
    """Where in a file that the run writes the metric stands. ``path`` may be a glob that one new file matches.

    ``key`` leads to a number in JSON; ``column`` and ``row`` (``last``, ``first``, a number from 1, ``name=value``) to
    one in CSV. Without them it is what the metric's name finds.
    """

    path: str
    key: str | None = None
    column: str | None = None
    row: str | None = None

    def words(self) -> str:
        """The place in one line."""
        parts = [f"{name} {said}" for name in ("key", "column", "row") if (said := getattr(self, name)) is not None]
        return ", ".join([self.path, *parts])


@dataclass(frozen=True, slots=True)
class Metric:
    """The single number: printed by ``extract``, a shell command over the run's log and files, or read from ``file``.

    Without either the log is read.
    """

    name: str
    direction: Direction
    extract: str | None = None
    target: float | None = None
    min_delta: Amount = Amount(0.0)
    bounds: tuple[float | None, float | None] = (None, None)
    file: MetricFile | None = None


@dataclass(frozen=True, slots=True)
class PathRule:
    """One line of Target Files or Read-Only Files: a path or glob relative to the config's directory, and why."""

    pattern: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound on a secondary metric; ``max_regression`` is a fraction of the baseline's level.

    ``extract`` is a shell command of its own that prints the number; without it the run's log is read.
    """

    name: str
    at_most: float | None = None
    at_least: float | None = None
    max_regression: float | None = None
    extract: str | None = None


@dataclass(frozen=True, slots=True)
class Holdout:
    """A second, hidden measurement. ``inputs`` and ``files`` are kept out of the agent's and the run's sandbox.

    ``run`` executes the candidate and sees the ``inputs``; ``score`` runs when nothing of it is left, sees the
    ``files`` too, and prints the metric. Without a ``score`` the run itself sees the files (``extract`` reads its log).
    ``when``: at each would-be ``keep``, or at ``verify`` alone, so that it has selected nothing and tells how far the
    gain goes beyond the data that were searched on.
    """

    run: str
    extract: str | None = None
    files: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    score: str | None = None
    when: str = "keep"

    @property
    def is_visible(self) -> bool:
        """Whether the candidate's own process could read what decides, as in the form without a score."""
        return self.score is None


@dataclass(frozen=True, slots=True)
class Section:
    """A section this product has no meaning for; kept, and shown to the agent."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Options:
    """How the loop is driven: everything that may also come from the command line, environment or ini. None = not said.

    Seconds for ``duration`` and ``agent_deadline`` (one turn of an agent); US dollars for ``max_cost``; ``agents`` has
    one entry unless several take turns; ``agent_env`` names variables that are handed to the agent.
    ``review`` names the agent that looks at keeps. ``agent_try`` is how many runs of its own an agent may have in a
    turn. ``agent_network`` is ``yes``, ``no`` or ``model``, ``agent_hosts`` what it reaches beside its model's hosts.
    """

    agents: tuple[str, ...] | None = None
    agent_args: tuple[str, ...] | None = None
    model: str | None = None
    prices: Mapping[str, float] | None = None
    agent_env: tuple[str, ...] | None = None
    agent_network: str | None = None
    agent_hosts: tuple[str, ...] | None = None
    agent_deadline: float | None = None
    agent_try: int | None = None
    review: str | None = None
    judge: str | None = None
    isolation: str | None = None
    experiments: int | None = None
    duration: float | None = None
    patience: int | None = None
    until: float | None = None
    max_cost: float | None = None
    max_tokens: int | None = None
    workers: int | str | None = None
    look_ahead: str | None = None
    guard_workers: int | None = None
    executor: str | None = None
    address: str | None = None
    ray: Mapping[str, Any] | None = None
    publish: Mapping[str, str] | bool | None = None
    live: int | None = None
    observers: tuple[str, ...] | None = None
    notify: str | None = None
    fail_on: str | None = None
    suspicious: str | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Protocol:
    """One session's protocol. Paths are POSIX and relative to ``directory``; durations are seconds.

    ``directory`` is the config's (or test file's) directory relative to the repository's top (``.`` at the top);
    ``source`` the config path or test node id relative to the top. ``budget`` None: the measured baseline x 2.
    ``kill_timeout`` None: 2 x the budget. ``tag`` None: the session names itself by date. ``aggregate`` ``geomean``: a
    marked test's parameter sets make one metric. ``paired_seeds``: runs that are compared share a seed.
    """

    goal: str
    metric: Metric
    targets: tuple[PathRule, ...]
    run: str
    readonly: tuple[PathRule, ...] = ()
    budget: float | None = None
    kill_timeout: float | None = None
    budget_soft: bool = False
    constraints: tuple[str, ...] = ()
    tag: str | None = None
    notes: str = ""
    extra_sections: tuple[Section, ...] = ()
    guard: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    holdout: Holdout | None = None
    data: tuple[str, ...] = ()
    caches: tuple[str, ...] = ()
    build: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    network: bool = False
    memory_mb: float | None = None
    git_throwaway: bool = False
    knobs: tuple[str, ...] = ()
    one_variable: bool = False
    attribute: bool = False
    paired_seeds: bool = False
    progress: str | None = None
    aggregate: str | None = None
    options: Options = Options()
    source: str = "autoresearch.config.md"
    directory: PurePosixPath = PurePosixPath(".")
    origins: Mapping[str, int] = field(default_factory=dict, compare=False)
    """Field name → 1-based line it came from. A field that is missing here was filled in."""

    @property
    def deadline(self) -> float | None:
        """Seconds after which a run is killed, None while no budget is known."""
        if self.kill_timeout is not None:
            return self.kill_timeout
        return None if self.budget is None else 2 * self.budget
