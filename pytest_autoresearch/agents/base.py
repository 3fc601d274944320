"""The door of the agents room: what an agent is asked, what it may use, what it answers.

An agent edits target files in the workspace. The supervisor takes the diff from the workspace, never from the agent's
word, and decides alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol as Interface

from pytest_autoresearch.protocol.experiment import Experiment, Move, Usage
from pytest_autoresearch.protocol.model import Protocol


@dataclass(frozen=True, slots=True)
class Briefing:
    """What an agent is asked for one experiment. ``text`` is the same for the same history, byte for byte.

    ``history`` is every experiment so far in order (the baseline first); ``incumbent`` the one whose state the
    workspace holds. ``seed`` differs per experiment and is fixed for a session, for agents that draw lots.

    ``in_flight`` are the knobs turned by proposals that are being measured now, ``left`` how many experiments may still
    be made, where that is known.
    """

    number: int
    protocol: Protocol
    incumbent: Experiment
    history: Sequence[Experiment]
    text: str
    seed: int = 0
    in_flight: Sequence[tuple[Move, ...]] = ()
    left: int | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """How a program ended that an agent started in its sandbox. ``stdout`` is bounded; seconds for ``duration``."""

    exit_code: int | None
    stdout: bytes
    stderr: bytes
    timed_out: bool
    duration: float
    refused: tuple[str, ...] = ()


class Desk(Interface):
    """Where an agent works: the workspace, and the ways to act on it. The supervisor implements it."""

    @property
    def directory(self) -> Path:
        """The protocol's directory inside the workspace; target paths are relative to it."""

    @property
    def targets(self) -> Sequence[str]:
        """Target files that exist in the incumbent, POSIX paths relative to ``directory``."""

    def read(self, target: str) -> bytes:
        """The incumbent's content of a target."""

    def write(self, target: str, data: bytes) -> None:
        """Replace a target's content in the workspace."""

    def tried(self, edits: Mapping[str, bytes]) -> bool:
        """Whether the incumbent with these targets replaced is a state that was already proposed."""

    def run(
        self,
        command: str | Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        pass_env: Sequence[str] = (),
        network: bool = False,
        hosts: Sequence[str] | None = None,
        timeout: float | None = None,
        home: Mapping[str, bytes] | None = None,
    ) -> Turn:
        """Run a program in ``directory``, sandboxed for agents; a string runs as ``bash -c``.

        ``env`` is added to the allow-list, ``pass_env`` names variables of the supervisor to hand over, ``home`` are
        files put into the program's fresh HOME. ``hosts`` (``name:port``): it reaches these and nothing else, where the
        lab can see to that; else ``network`` decides. Everything it started is gone when this returns.
        """


@dataclass(frozen=True, slots=True)
class Proposal:
    """An agent's answer. ``failure`` set: the agent could not propose (its own last words); nothing is measured.

    ``moves`` are the knobs that were turned, of an agent that does nothing else. A ``probe`` is measured once and never
    kept, whatever it measures: what a search learns from a point that turns several knobs. ``log`` is what the agent
    said beside its answer; it is recorded where nothing came of the turn. ``nothing`` says why there is nothing
    to change, and ``failure_if_unchanged`` what failed if nothing was.
    """

    description: str
    hypothesis: str = ""
    usage: Usage | None = None
    failure: str | None = None
    exhausted: bool = False
    moves: tuple[Move, ...] = ()
    probe: bool = False
    log: str = ""
    nothing: str = ""
    failure_if_unchanged: str = ""


class Agent(Interface):
    """Proposes one change at a time.

    One that also has ``mends = True`` gets a run that died of a slip (syntax, a name, an import) back once, with the
    traceback in the briefing and its own edit in the workspace. One with ``reads = False`` goes by the history
    alone and is spared the text, whose making takes longer the longer the history is. One with ``concurrent = True``
    is asked for several proposals at a time where there is room, each at a desk and from a thread of its own; any other
    has one turn at a time. What ``plan(briefing, desk)`` returns, where there is such a method, is told to people with
    its first turn.
    """

    name: str

    def propose(self, briefing: Briefing, desk: Desk) -> Proposal:
        """Edit the target files in the workspace and say what was changed and why."""


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """How an agent is set up, from the front matter's ``agent``, ``model``, ``agent_args``, ``prices`` and options.

    ``network`` is ``yes``, ``no``, ``model`` (its model's hosts and ``hosts`` alone), or None: the agent's own default.
    ``limits_hosts``: whether the lab can keep it to hosts at all. ``tries``: how often it may run `autoresearch-try`.
    """

    name: str
    model: str | None = None
    args: tuple[str, ...] = ()
    pass_env: tuple[str, ...] = ()
    network: str | None = None
    hosts: tuple[str, ...] = ()
    limits_hosts: bool = False
    deadline: float = 600.0
    tries: int = 0
    prices: Mapping[str, float] = field(default_factory=dict)

    def reach(self, *, is_proven: bool) -> str:
        """How far its network goes: as asked for, else to its model where it ``is_proven`` that it works that way."""
        asked = self.network or ("model" if is_proven else "yes")
        return "yes" if asked == "model" and not self.limits_hosts else asked
