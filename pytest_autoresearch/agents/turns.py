"""Several agents in one session: whose turn it is. Pure, from the history alone.

Nobody knows how often an agent's proposals are kept, so for each agent one plausible keep rate is drawn
from what it has shown so far, Beta(1 + its keeps, 1 + its other experiments), and the highest draw has the turn
(Thompson sampling). At first the draws are spread wide and everybody comes to play; whoever finds more is asked more;
one who has been unlucky still draws high now and then, so nobody is written off for good. The draws come from the
session's seed and the experiment's number, so a resumed session goes on as it would have.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from pytest_autoresearch.protocol.experiment import Experiment, Reason


def whose_turn(agents: Sequence[str], history: Sequence[Experiment], seed: int, under_way: Sequence[str] = ()) -> int:
    """The index of the agent that proposes next. Each has had a turn before anyone's second.

    ``under_way`` names the agents of experiments that have no verdict yet; they count as tries.
    """
    if len(agents) == 1:
        return 0
    played = [e for e in history if e.number > 0 and e.reason is not Reason.INTERRUPTED]
    tries = [sum(1 for e in played if e.agent == name) + under_way.count(name) for name in agents]
    if 0 in tries:
        return tries.index(0)
    draw = random.Random(f"{seed}:{len(history) + len(under_way)}")
    rates = []
    for name, count in zip(agents, tries, strict=True):
        kept = sum(1 for e in played if e.agent == name and e.kept)
        rates.append(draw.betavariate(1 + kept, 1 + count - kept))
    return max(range(len(agents)), key=rates.__getitem__)
