"""The default: the best mixture of the strategies by the figures of ``benchmarks/search.py``.

On a noisy metric the models: ``duo`` where numpy imports, else ``parzen``; one step needs several runs there. On an
exact one a single step is a gain for one run, so the sweep begins, and keeps two turns of three while it has hopes; the
models find what no single knob shows. Knobs that the models do not turn (mere literals, and what goes beyond the most
likely ones) are the sweep's in any case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pytest_autoresearch.agents.search.space import Space
from pytest_autoresearch.agents.search.strategies import Strategy, Suggestion
from pytest_autoresearch.agents.search.strategies.ladder import Ladder
from pytest_autoresearch.agents.search.strategies.sweep import Sweep
from pytest_autoresearch.agents.search.trials import Trials
from pytest_autoresearch.errors import AgentError

_REST_TURN = 8  # of the sweep over what the models leave, on a noisy metric
_REST_FROM = 40
_LAST = range(1, 10)  # experiments left that the models' best point needs to come to the branch


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
        """The suggestions of those whose turn it is, then those of the others."""
        number = trials.number + len(in_flight)
        if trials.noise == 0:
            if number < 2 * len(space.axes) or number % 3:
                for each in self._sweep.ask(space, trials, in_flight, seed):
                    if not each.hopeful and number % 2:
                        break  # it is stuck; the models may not be
                    yield each
        elif self._rest_is_due(space, number):
            swept = self._sweep.ask(space, trials, in_flight, seed)
            yield from (each for each in swept if each.values.keys().isdisjoint(space.modelled))
        yield from self._models.ask(space, trials, in_flight, seed)
        yield from self._sweep.ask(space, trials, in_flight, seed)

    @staticmethod
    def _rest_is_due(space: Space, number: int) -> bool:
        if space.named or len(space.names) == len(space.modelled) or space.left in _LAST:
            return False
        return number >= _REST_FROM and number % _REST_TURN == 0


def _best_model() -> Strategy:
    try:
        from pytest_autoresearch.agents.search.strategies.duo import Duo

        return Duo()
    except AgentError:
        from pytest_autoresearch.agents.search.strategies.parzen import Parzen

        return Parzen()
