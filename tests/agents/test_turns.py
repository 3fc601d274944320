"""Several agents share a session by what they find."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from pytest_autoresearch.agents.turns import whose_turn
from pytest_autoresearch.protocol.experiment import Experiment, Reason
from tests.agents.loose_desk import BASELINE

AGENTS = ["claude", "codex", "sweep"]


def after(history: list[Experiment], agent: str, reason: Reason) -> list[Experiment]:
    return [*history, replace(BASELINE, number=len(history), agent=agent, reason=reason, status=reason.status)]


def played(rounds: int, keep_rates: dict[str, int], seed: int = 7) -> list[Experiment]:
    """A session in which every n-th proposal of an agent is kept."""
    history, tries = [BASELINE], Counter[str]()
    for _ in range(rounds):
        agent = AGENTS[whose_turn(AGENTS, history, seed)]
        tries[agent] += 1
        kept = tries[agent] % keep_rates[agent] == 0
        history = after(history, agent, Reason.IMPROVED if kept else Reason.NOISE)
    return history


def test_everybody_has_a_turn_before_anybody_has_two() -> None:
    history = played(3, dict.fromkeys(AGENTS, 1000))
    assert [e.agent for e in history[1:]] == AGENTS


def test_whoever_finds_more_is_asked_more_and_nobody_is_written_off() -> None:
    history = played(300, {"claude": 4, "codex": 30, "sweep": 100})
    turns = Counter(e.agent for e in history[1:])
    assert turns["claude"] > 150
    assert min(turns.values()) >= 5


def test_a_resumed_session_goes_on_as_it_would_have() -> None:
    whole = played(60, {"claude": 3, "codex": 5, "sweep": 9})
    for length in range(1, len(whole)):
        assert AGENTS[whose_turn(AGENTS, whole[:length], 7)] == whole[length].agent


def test_one_agent_has_every_turn() -> None:
    assert whose_turn(["claude"], [BASELINE], 1) == 0
