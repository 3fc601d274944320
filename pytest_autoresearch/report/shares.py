"""Who found what: the part of each agent in a history. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pytest_autoresearch.protocol.experiment import Experiment, Status
from pytest_autoresearch.protocol.model import Direction


@dataclass(frozen=True, slots=True)
class Share:
    """What one agent has contributed. ``gain`` in metric units, positive is better; ``cost`` in US dollars.

    A keep that its group has yet to prove is neither among the ``keeps`` nor a gain.
    """

    agent: str
    experiments: int = 0
    keeps: int = 0
    crashes: int = 0
    gain: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    seconds: float = 0.0

    def added(self, experiment: Experiment, direction: Direction) -> Share:
        """The share with one experiment more."""
        usage = experiment.usage
        spent = None if usage is None else usage.cost
        gain = 0.0
        is_proven = experiment.kept and not experiment.provisional
        if is_proven and experiment.value is not None and experiment.against is not None:
            gain = direction.gain(experiment.against, experiment.value)
        return replace(
            self,
            experiments=self.experiments + 1,
            keeps=self.keeps + is_proven,
            crashes=self.crashes + (experiment.status is Status.CRASH),
            gain=self.gain + gain,
            input_tokens=self.input_tokens + (0 if usage is None else usage.input_tokens),
            output_tokens=self.output_tokens + (0 if usage is None else usage.output_tokens),
            cost=self.cost if spent is None else (self.cost or 0.0) + spent,
            seconds=self.seconds + experiment.agent_seconds,
        )
