"""What holds for every strategy whatever the history: no exception, in range, nothing twice, nothing remembered."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_autoresearch.agents.base import Agent, Briefing
from pytest_autoresearch.agents.search.agent import create
from pytest_autoresearch.agents.search.axis import axis_of
from pytest_autoresearch.agents.search.finders import find_knobs
from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Move, Reason, Role
from pytest_autoresearch.protocol.model import Direction, Metric, PathRule, Protocol
from tests.agents.greedy import FolderDesk
from tests.cost import seconds

SOURCES = {
    "mixed": b"LR = 0.04\nWIDTH = 64\nDEPTH = 3\nMOMENTUM = 0.9\nBIAS = True\nSHIFT = -2.0\n",
    "one": b"LR = 0.04\n",
    "choice": b"KIND = 'a'\nBIAS = False\n",
    "few": b"DEPTH = 2\n",
}
NAMED = {"choice": ("KIND: a|b|c", "BIAS"), "few": ("DEPTH: 1..3",)}
STRATEGIES = ["auto", "duo", "parzen", "random", "grid", "sweep"]
REASONS = [Reason.PROBE, Reason.WORSE, Reason.IMPROVED, Reason.ERROR, Reason.GUARD, Reason.LIMIT, Reason.NOISE]


def made(name: str) -> Agent:
    agent = create(name)
    assert agent is not None
    return agent


class Tale:
    """A history that never happened: states of the knobs with any fate, ties and crashes among them."""

    def __init__(self, path: Path, kind: str, lots: random.Random) -> None:
        self.lots, self.source = lots, SOURCES[kind]
        self.desk = FolderDesk(path, {"train.py": self.source})
        self.desk.restore()
        self.protocol = Protocol(
            "", Metric("loss", lots.choice(list(Direction))), (PathRule("*"),), "true", knobs=NAMED.get(kind, ())
        )
        values = [1.0, 1.0] if lots.random() < 0.5 else [1.0, 1.01]
        runs = tuple(Measurement(Role.INCUMBENT, value=value) for value in values)
        self.history = [
            Experiment(
                0, Reason.IMPROVED.status, Reason.IMPROVED, "", "c0", "c0", "", "", 1.0, measurements=runs, moves=()
            )
        ]
        self.tip = self.history[0]

    def tell(self, agent: Agent) -> None:
        """The agent's next proposal, with a fate drawn by lot."""
        proposal = agent.propose(self.briefing(), self.desk)
        state = {"train.py": self.desk.read("train.py")}
        self.desk.restore()
        if proposal.exhausted:
            return
        number, reason = len(self.history), self.lots.choice(REASONS)
        if proposal.probe:
            reason = self.lots.choice([Reason.PROBE, Reason.ERROR])
        elif reason is Reason.PROBE:
            reason = Reason.WORSE
        value = None if reason is Reason.ERROR else self.lots.choice([1.0, 0.5, self.lots.gauss(1, 1), 1e9])
        told = Experiment(
            number,
            reason.status,
            reason,
            "",
            f"c{number}",
            self.tip.commit,
            "",
            "",
            value,
            against=1.0,
            moves=proposal.moves,
        )
        self.history.append(told)
        if not proposal.probe:
            self.desk.states.add(self.desk._state(state))
        if told.kept:
            self.tip, self.desk.incumbent = told, state
            self.desk.restore()

    def briefing(self, flying: Sequence[tuple[Move, ...]] = (), left: int | None = None) -> Briefing:
        return Briefing(
            len(self.history), self.protocol, self.tip, list(self.history), "", len(self.history), tuple(flying), left
        )


A_FEW, A_THOUSAND = range(8), range(8, 170)


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("seeds", [A_FEW, pytest.param(A_THOUSAND, marks=pytest.mark.slow)], ids=["few", "thousand"])
def test_any_history_leads_to_a_new_point_in_range_and_a_fresh_object_agrees(
    tmp_path: Path, name: str, seeds: range
) -> None:
    """170 histories for each of six strategies: a thousand in all."""
    for seed in seeds:
        lots = random.Random(seed)
        kind = lots.choice(list(SOURCES))
        path = tmp_path / str(seed)
        path.mkdir()
        tale, old = Tale(path, kind, lots), made(name)
        for _ in range(lots.choice((0, 2, 6, 14, 24))):
            tale.tell(old)
        flying = [(Move("LR", "0.04", "0.08"),)] if kind in ("mixed", "one") and seed % 3 == 0 else []
        briefing = tale.briefing(flying, lots.choice((None, 1, 5, 50)))
        first = old.propose(briefing, tale.desk)
        after = tale.desk.read("train.py")
        tale.desk.restore()
        assert made(name).propose(briefing, tale.desk) == first
        tale.desk.restore()
        assert first.exhausted or not tale.desk.tried({"train.py": after})
        assert first.moves or first.exhausted
        if NAMED.get(kind) == ("DEPTH: 1..3",):
            assert all(1 <= int(move.new) <= 3 for move in first.moves)
        if flying and name != "sweep":
            assert first.moves != flying[0]


@pytest.mark.parametrize("name", [*STRATEGIES, "bayes"])
def test_eight_proposals_at_once_are_eight_points(tmp_path: Path, name: str) -> None:
    if name == "bayes":
        pytest.importorskip("optuna")
    for seed in range(3):
        path = tmp_path / str(seed)
        path.mkdir()
        tale, agent = Tale(path, "mixed", random.Random(seed)), made(name)
        for _ in range((0, 6, 20)[seed]):
            tale.tell(agent)
        flying: list[tuple[Move, ...]] = []
        for _ in range(8):
            briefing = replace(tale.briefing(flying, 40), number=len(tale.history) + len(flying))
            proposal = agent.propose(replace(briefing, seed=briefing.number), tale.desk)
            tale.desk.restore()
            if proposal.exhausted:
                break  # a sweep waits for the knobs that are being turned
            assert proposal.moves not in flying, proposal.description
            flying.append(proposal.moves)
        assert len(flying) >= (5 if name == "sweep" else 8)


def test_places_and_values_invert_on_every_scale() -> None:
    source = b"LR = 3e-4\nWIDTH = 64\nDEPTH = 3\nMOMENTUM = 0.9\nBIAS = True\nSHIFT = -2.0\nSIZE = 2**12\nN = -40\n"
    knobs = find_knobs("train.py", source)
    assert len(knobs) == 8
    for knob in knobs:
        axis = axis_of(knob)
        assert axis is not None
        assert axis.shown_at(axis.place(knob.shown)) == knob.shown
        for step in range(101):
            shown = axis.shown_at(step / 100)
            assert axis.shown_at(axis.place(shown)) == shown, (knob.label, shown)
            assert axis.is_choice or abs(axis.place(shown) - step / 100) < 0.2 or axis.levels


def noisy_tale(path: Path, length: int) -> Tale:
    """A history of probes on a noisy metric."""
    path.mkdir()
    lots = random.Random(1)
    tale = Tale(path, "mixed", lots)
    runs = tuple(Measurement(Role.INCUMBENT, value=value) for value in (1.0, 1.1))
    tale.history[0] = replace(tale.history[0], measurements=runs)
    for number in range(1, length):
        moves = (
            Move("LR", "0.04", f"{lots.uniform(0.003, 0.6):.3g}"),
            Move("MOMENTUM", "0.9", f"{lots.uniform(0.5, 0.99):.3g}"),
        )
        value, reason = lots.gauss(1.2, 0.1), Reason.PROBE
        tale.history.append(
            Experiment(number, reason.status, reason, "", f"c{number}", "c0", "", "", value, moves=moves)
        )
    return tale


def seconds_of_a_proposal(tale: Tale) -> float:
    """The median of eleven, once the history was taken in."""
    agent, spent = made("auto"), []
    agent.propose(tale.briefing(), tale.desk)
    for _ in range(11):
        spent.append(seconds(lambda: tale.tell(agent), tries=1))
    return sorted(spent)[5]


@pytest.mark.slow
def test_a_proposal_of_the_default_stays_cheap_and_flat_in_the_history(tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    short, long = (seconds_of_a_proposal(noisy_tale(tmp_path / str(n), n)) for n in (300, 3000))
    assert long < 3 * short + 0.01  # the same on a calm machine, some 10 ms
    assert long < 0.5
