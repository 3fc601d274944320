"""The one embedded agent: it looks at the knobs, asks its strategy, turns what was not tried, and says what and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice

from pytest_autoresearch.agents.base import Agent, Briefing, Desk, Proposal
from pytest_autoresearch.agents.search.space import Bench, Change, Space, tended
from pytest_autoresearch.agents.search.strategies import Strategy, Suggestion
from pytest_autoresearch.agents.search.strategies.fences import LOOK_BEYOND, Fences
from pytest_autoresearch.agents.search.trials import Trials
from pytest_autoresearch.protocol.model import Protocol

_LONG_STREAK = 6
_MOST_LATE = 200  # suggestions of one turn that wait because they lead to where everything was blocked


class SearchAgent:
    """Searches with one strategy. The same history gives the same proposal, from an old object and from a fresh one.

    One that ``rewrites`` also tries what makes code faster or simpler.
    """

    reads = False

    def __init__(self, strategy: Strategy, *, rewrites: bool = False) -> None:
        self.name, self._strategy, self._rewrites = strategy.name, strategy, rewrites
        self._bench, self._trials, self._fences = Bench(), Trials(), Fences()

    def propose(self, briefing: Briefing, desk: Desk) -> Proposal:
        """The strategy's best suggestion that does not lead to a state that was tried."""
        rewritten = self._rewrite(briefing, desk, at_last=False) if self._rewrites else None
        if rewritten is not None:
            return rewritten
        space = self._look(briefing, desk)
        for suggestion in self._suggested(space, briefing):
            changes = space.changes_to(suggestion.values)
            if changes and self._bench.turn(desk, changes):
                return _proposal(suggestion, changes)
        rewritten = self._rewrite(briefing, desk, at_last=True) if self._rewrites else None
        if rewritten is not None:
            return rewritten
        if space.knobs:
            return Proposal("every move of every value was tried", exhausted=True)
        return Proposal("no value to turn is in the targets; a coding agent can rewrite code", exhausted=True)

    def _suggested(self, space: Space, briefing: Briefing) -> Iterator[Suggestion]:
        """What the strategy suggests; the values where everything was blocked stay what they are, or come last."""
        in_flight = [{move.name: move.new for move in moves} for moves in briefing.in_flight if moves]
        self._fences.follow(space, self._trials, in_flight)
        asked = self._strategy.ask(space, self._trials, in_flight, briefing.seed)
        if self._fences.streak >= _LONG_STREAK:  # ten in a row end a session: first what is least likely to be one more
            tip = space.at(space.tip)
            safest = sorted(
                islice(asked, _MOST_LATE), key=lambda each: self._fences.risk(self._trials, each.values, tip)
            )
            yield from safest
        if self._trials.number % LOOK_BEYOND == 0:
            yield from asked
            return
        late: list[Suggestion] = []
        for suggestion in asked:
            values = self._fences.kept_in(space, suggestion.values, briefing.seed)
            if values is suggestion.values or len(late) == _MOST_LATE:
                yield suggestion
                continue
            late.append(suggestion)
            if self._fences.is_open(space, values):
                yield replace(suggestion, values=values, joint=False)
        yield from late

    @staticmethod
    def _rewrite(briefing: Briefing, desk: Desk, *, at_last: bool) -> Proposal | None:
        """A rewrite of the code, where it is time for one."""
        from pytest_autoresearch.agents.search.rewriting.turns import SIMPLER_TURN, simplifications, speed_rewrites

        found = speed_rewrites(briefing, desk)
        if at_last or (briefing.number and briefing.number % SIMPLER_TURN == 0):
            found = chain(found, simplifications(briefing, desk))
        for rewrite in found:
            if not desk.tried({rewrite.file: rewrite.data}):
                desk.write(rewrite.file, rewrite.data)
                return Proposal(rewrite.what, rewrite.why)
        return None

    def plan(self, briefing: Briefing, desk: Desk) -> str:
        """What people should know before it starts; empty where there is nothing to say."""
        return self._strategy.plan(self._look(briefing, desk))

    def tends(self, protocol: Protocol, files: Mapping[str, bytes]) -> Sequence[str]:
        """The names of the knobs in these targets that it takes care of, the most likely first."""
        return tended(protocol, files)

    def _look(self, briefing: Briefing, desk: Desk) -> Space:
        self._trials.follow(briefing.history, briefing.protocol.metric.direction)
        return self._bench.look(briefing, desk, self._trials.origins, self._trials.suspicious)


def create(name: str) -> Agent | None:
    """The agent of that name, None if it is no strategy's."""
    make = _MAKERS.get(name)
    return None if make is None else SearchAgent(make(), rewrites=name == "auto")


def _proposal(suggestion: Suggestion, changes: Sequence[Change]) -> Proposal:
    moves = tuple(change.move for change in changes)
    text = ", ".join(map(str, moves))
    return Proposal(
        f"joint: {text}" if suggestion.joint else text,
        suggestion.why,
        moves=moves,
        probe=len(moves) > 1 and not suggestion.joint,
    )


def _auto() -> Strategy:
    from pytest_autoresearch.agents.search.strategies.auto import Auto

    return Auto()


def _sweep() -> Strategy:
    from pytest_autoresearch.agents.search.strategies.sweep import Sweep

    return Sweep()


def _grid() -> Strategy:
    from pytest_autoresearch.agents.search.strategies.grid import Grid

    return _explained(Grid())


def _random() -> Strategy:
    from pytest_autoresearch.agents.search.strategies.random import Random

    return _explained(Random())


def _bayes() -> Strategy:
    from pytest_autoresearch.agents.search.strategies.bayes import Bayes

    return _explained(Bayes())


def _parzen() -> Strategy:
    from pytest_autoresearch.agents.search.strategies.parzen import Parzen

    return _explained(Parzen())


def _duo() -> Strategy:
    from pytest_autoresearch.agents.search.strategies.duo import Duo

    return _explained(Duo())


def _explained(strategy: Strategy) -> Strategy:
    """The strategy with its points turned into steps of one knob."""
    from pytest_autoresearch.agents.search.strategies.ladder import Ladder

    return Ladder(strategy)


_MAKERS: dict[str, Callable[[], Strategy]] = {
    "auto": _auto,
    "sweep": _sweep,
    "grid": _grid,
    "random": _random,
    "bayes": _bayes,
    "parzen": _parzen,
    "duo": _duo,
}
