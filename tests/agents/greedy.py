"""A greedy session without git and processes: a desk over a directory, and a loop that keeps whatever is better."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_autoresearch.agents.base import Agent, Briefing, Proposal, Turn
from pytest_autoresearch.protocol.experiment import Experiment, Move, Reason, Status
from pytest_autoresearch.protocol.model import Direction, Metric, PathRule, Protocol

Measure = Callable[[Mapping[str, bytes]], float]
"""The metric of a state; it raises for a state that crashes."""


class FolderDesk:
    """Implements :class:`pytest_autoresearch.agents.base.Desk` but for programs."""

    def __init__(self, directory: Path, files: Mapping[str, bytes]) -> None:
        self.directory, self.incumbent = directory, dict(files)
        self.targets: Sequence[str] = tuple(files)
        self.states = {self._state(files)}

    def restore(self) -> None:
        for target, data in self.incumbent.items():
            (self.directory / target).write_bytes(data)

    def read(self, target: str) -> bytes:
        return (self.directory / target).read_bytes()

    def write(self, target: str, data: bytes) -> None:
        (self.directory / target).write_bytes(data)

    def tried(self, edits: Mapping[str, bytes]) -> bool:
        return self._state({**self.incumbent, **edits}) in self.states

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
        return Turn(127, b"", b"no programs here", timed_out=False, duration=0.0)

    @staticmethod
    def _state(files: Mapping[str, bytes]) -> tuple[tuple[str, bytes], ...]:
        return tuple(sorted(files.items()))


@dataclass
class Session:
    """Runs an agent as the method does, and remembers what it proposed."""

    directory: Path
    files: Mapping[str, bytes]
    measure: Measure
    direction: Direction = Direction.LOWER
    knobs: tuple[str, ...] = ()
    metric: str = "loss"
    history: list[Experiment] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)
    flying: list[tuple[Move, ...]] = field(default_factory=list)
    """What is being measured elsewhere."""

    def __post_init__(self) -> None:
        self.desk = FolderDesk(self.directory, self.files)
        self.seen = set(self.desk.states)  # all that was measured, probed or judged
        self.desk.restore()
        self.protocol = Protocol("", Metric(self.metric, self.direction), (PathRule("*"),), "true", knobs=self.knobs)
        level = self.measure(self.files)
        self.incumbent = Experiment(0, Status.KEEP, Reason.IMPROVED, "baseline", "c0", "", "", "", value=level)
        self.history.append(self.incumbent)

    @property
    def briefing(self) -> Briefing:
        number = len(self.history)
        history, seed = list(self.history), 1000 + number
        return Briefing(number, self.protocol, self.incumbent, history, "", seed, tuple(self.flying))

    def propose(self, agent: Agent) -> tuple[Proposal, dict[str, bytes]]:
        """A proposal and the state it leads to; the workspace is the incumbent's again afterwards."""
        proposal = agent.propose(self.briefing, self.desk)
        state = {target: self.desk.read(target) for target in self.desk.targets}
        self.desk.restore()
        return proposal, state

    def run(self, agent: Agent, experiments: int) -> Session:
        """So many experiments, or fewer when the agent has nothing left."""
        for _ in range(experiments):
            proposal, state = self.propose(agent)
            self.proposals.append(proposal)
            if proposal.exhausted:
                break
            self._record(proposal, state)
        return self

    def _record(self, proposal: Proposal, state: dict[str, bytes]) -> None:
        assert not self.desk.tried(state), f"{proposal.description} leads to a state that was tried"
        assert not (proposal.probe and self.desk._state(state) in self.seen), f"{proposal.description} is known"
        self.seen.add(self.desk._state(state))
        if not proposal.probe:
            self.desk.states.add(self.desk._state(state))
        level, value = self.incumbent.value, None
        assert level is not None
        try:
            value = self.measure(state)
        except ArithmeticError:
            reason = Reason.ERROR
        else:
            reason = Reason.IMPROVED if self.direction.better(value, level) else Reason.WORSE
            reason = Reason.PROBE if proposal.probe else reason
        number = len(self.history)
        experiment = Experiment(
            number,
            reason.status,
            reason,
            proposal.description,
            f"c{number}",
            self.incumbent.commit,
            "",
            "",
            value=value,
            against=level,
            hypothesis=proposal.hypothesis,
            moves=proposal.moves,
        )
        self.history.append(experiment)
        if experiment.kept:
            self.incumbent = experiment
            self.desk.incumbent = state
            self.desk.restore()


def constants(source: bytes) -> dict[str, float]:
    """The upper-case numbers of a Python file, as running it gives them."""
    names: dict[str, object] = {}
    exec(source, names)
    return {name: float(value) for name, value in names.items() if name.isupper() and isinstance(value, (int, float))}
