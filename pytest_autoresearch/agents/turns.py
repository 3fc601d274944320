"""Several agents in one session: whose turn it is, and who found what. Pure, from the history alone.

Whose turn: nobody knows how often an agent's proposals are kept, so for each agent one plausible keep rate is drawn
from what it has shown so far, Beta(1 + its keeps, 1 + its other experiments), and the highest draw has the turn
(Thompson sampling). At first the draws are spread wide and everybody comes to play; whoever finds more is asked more;
one who has been unlucky still draws high now and then, so nobody is written off for good. The draws come from the
session's seed and the experiment's number, so a resumed session goes on as it would have.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_autoresearch.protocol.experiment import Experiment, Reason, Status
from pytest_autoresearch.protocol.model import Direction


@dataclass(frozen=True, slots=True)
class Share:
    """What one agent has contributed. ``gain`` in metric units, positive is better; ``cost`` in US dollars."""

    agent: str
    experiments: int = 0
    keeps: int = 0
    crashes: int = 0
    gain: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    seconds: float = 0.0


def whose_turn(agents: Sequence[str], history: Sequence[Experiment], seed: int) -> int:
    """The index of the agent that proposes experiment ``len(history)``. Each has had a turn before anyone's second."""
    if len(agents) == 1:
        return 0
    played = [e for e in history if e.number > 0 and e.reason is not Reason.INTERRUPTED]
    tries = [sum(1 for e in played if e.agent == name) for name in agents]
    if 0 in tries:
        return tries.index(0)
    draw = random.Random(f"{seed}:{len(history)}")
    rates = []
    for name, count in zip(agents, tries, strict=True):
        kept = sum(1 for e in played if e.agent == name and e.kept)
        rates.append(draw.betavariate(1 + kept, 1 + count - kept))
    return max(range(len(agents)), key=rates.__getitem__)


def who_found_what(history: Sequence[Experiment], direction: Direction) -> list[Share]:
    """One share per agent, the largest gain first."""
    shares: dict[str, Share] = {}
    for experiment in history:
        if experiment.number > 0:
            share = shares.get(experiment.agent, Share(experiment.agent))
            shares[experiment.agent] = _with(share, experiment, direction)
    return sorted(shares.values(), key=lambda share: (-share.gain, share.agent))


def _with(share: Share, experiment: Experiment, direction: Direction) -> Share:
    usage = experiment.usage
    spent = None if usage is None else usage.cost
    gain = 0.0
    if experiment.kept and experiment.value is not None and experiment.against is not None:
        gain = direction.gain(experiment.against, experiment.value)
    return replace(
        share,
        experiments=share.experiments + 1,
        keeps=share.keeps + experiment.kept,
        crashes=share.crashes + (experiment.status is Status.CRASH),
        gain=share.gain + gain,
        input_tokens=share.input_tokens + (0 if usage is None else usage.input_tokens),
        output_tokens=share.output_tokens + (0 if usage is None else usage.output_tokens),
        cost=share.cost if spent is None else (share.cost or 0.0) + spent,
        seconds=share.seconds + experiment.agent_seconds,
    )
