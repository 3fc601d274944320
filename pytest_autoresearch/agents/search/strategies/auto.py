"""The default: the best of the strategies by the figures of ``benchmarks/search.py``.

That is ``duo`` where numpy imports, else ``parzen``. Knobs that the models do not turn (mere literals, and what goes
beyond the most likely ones) are the sweep's, every eighth turn of a long session and where the models have nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pytest_autoresearch.agents.search.space import Space
from pytest_autoresearch.agents.search.strategies import Strategy, Suggestion
from pytest_autoresearch.agents.search.strategies.ladder import Ladder
from pytest_autoresearch.agents.search.strategies.sweep import Sweep
from pytest_autoresearch.agents.search.trials import Trials
from pytest_autoresearch.errors import AgentError

_SWEEP_TURN = 8
_SWEEP_FROM = 40
_LAST = range(1, 10)  # experiments that the models' best point needs to come to the branch


class Auto:
    """Models of all likely knobs, single steps on the branch, the sweep for what is left."""

    name = "auto"

    def __init__(self) -> None:
        self._models, self._sweep = Ladder(_best_model()), Sweep()

    def plan(self, space: Space) -> str:
        return ""

    def ask(
        self, space: Space, trials: Trials, in_flight: Sequence[Mapping[str, str]], seed: int
    ) -> Iterator[Suggestion]:
        """The models' suggestions; the sweep's where it is its turn, or theirs are at an end."""
        modelled = set(space.modelled)
        number = trials.number + len(in_flight)
        rest = len(space.names) > len(space.modelled) and not space.named
        if rest and number % _SWEEP_TURN == 0 and number >= _SWEEP_FROM and space.left not in _LAST:
            swept = self._sweep.ask(space, trials, in_flight, seed)
            yield from (each for each in swept if not modelled & each.values.keys())
        yield from self._models.ask(space, trials, in_flight, seed)
        yield from self._sweep.ask(space, trials, in_flight, seed)


def _best_model() -> Strategy:
    try:
        from pytest_autoresearch.agents.search.strategies.duo import Duo

        return Duo()
    except AgentError:
        from pytest_autoresearch.agents.search.strategies.parzen import Parzen

        return Parzen()
