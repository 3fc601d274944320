"""The default: the best mixture of the strategies by the figures of ``benchmarks/search.py``.

The first point is the middle of all ranges. Where that gains, the start was poor, and its knobs are turned there one by
one. Then, on a noisy metric, the models: ``duo`` where numpy imports, else ``parzen``. The first turns of ``duo`` are
single steps from the tip, later every other one: what gains is kept at once, and what does not tells of one knob. On an
exact metric a step is a gain for one run, so the sweep begins, and keeps two turns of three while it has hopes; the
models find what no single knob shows. Knobs that the models do not turn (mere literals, and what goes beyond the most
likely ones) are the sweep's in any case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol as Interface
from typing import runtime_checkable

from pytest_autoresearch.agents.search.space import Point, Space
from pytest_autoresearch.agents.search.strategies import Strategy, Suggestion, turned_alone
from pytest_autoresearch.agents.search.strategies.ladder import Ladder
from pytest_autoresearch.agents.search.strategies.opening import middle_of, steps_to
from pytest_autoresearch.agents.search.strategies.sweep import Sweep
from pytest_autoresearch.agents.search.strategies.table import Table
from pytest_autoresearch.agents.search.trials import Trials
from pytest_autoresearch.errors import AgentError

_REST_TURN = 8  # of the sweep over what the models leave, on a noisy metric
_REST_FROM = 40
_OPENED = 20  # experiments, and the opening is over
_LAST = range(1, 10)  # experiments left that the models' best point needs to come to the branch

_MIDDLE = "The middle of all ranges, where people's values are: it shows whether the start is a good one."
_TO_MIDDLE = "The middle of all ranges was better than the start; this knob is the farthest from there."
_MEANWHILE = "The middle of all ranges is being measured; this knob alone is the farthest from there."


@runtime_checkable
class Steps(Interface):
    """A model that also says which single knob to turn from the tip."""

    def steps(
        self, space: Space, trials: Trials, in_flight: Sequence[Mapping[str, str]], seed: int
    ) -> Iterator[Suggestion]:
        """Single knobs, the most promising first."""


class Auto:
    """Models of all likely knobs, single steps on the branch, the sweep for what is left."""

    name = "auto"

    def __init__(self) -> None:
        self._model, self._sweep = _best_model(), Sweep()
        self._models, self._table = Ladder(self._model), Table()

    def plan(self, space: Space) -> str:
        return ""

    def ask(
        self, space: Space, trials: Trials, in_flight: Sequence[Mapping[str, str]], seed: int
    ) -> Iterator[Suggestion]:
        """The suggestions of those whose turn it is, then those of the others."""
        number = trials.number + len(in_flight)
        self._table.follow(space, trials, in_flight)
        if number < _OPENED:
            yield from self._opening(space, trials, in_flight)
        if trials.noise == 0:
            if number < 2 * len(space.axes) or number % 3:
                for each in self._sweep.ask(space, trials, in_flight, seed):
                    if not each.hopeful and number % 2:
                        break  # it is stuck; the models may not be
                    yield each
        elif self._rest_is_due(space, number):
            swept = self._sweep.ask(space, trials, in_flight, seed)
            yield from (each for each in swept if each.values.keys().isdisjoint(space.modelled))
        elif isinstance(self._model, Steps) and self._step_is_due(space, number):
            yield from self._model.steps(space, trials, in_flight, seed)
        yield from self._models.ask(space, trials, in_flight, seed)
        yield from self._sweep.ask(space, trials, in_flight, seed)

    def _opening(self, space: Space, trials: Trials, in_flight: Sequence[Mapping[str, str]]) -> Iterator[Suggestion]:
        """The middle of all ranges; its knobs one by one where it was better than the start, and while nobody knows."""
        middle = middle_of(space)
        if self._table.is_open(middle):
            if not space.one_variable and space.left != 1:
                yield Suggestion(space.at(middle), _MIDDLE)
        elif self._gained(middle) or middle not in self._table.known:
            why, busy = _TO_MIDDLE if self._gained(middle) else _MEANWHILE, turned_alone(in_flight)
            for name, there in steps_to(middle, space, trials):
                here = tuple({**space.at(space.tip), name: there}.values())
                if name not in busy and self._table.may_be_judged(here):
                    yield Suggestion({name: there}, why)

    def _step_is_due(self, space: Space, number: int) -> bool:
        """Every other turn; in the opening each, once the middle was measured."""
        return number % 2 == 0 if number >= _OPENED else middle_of(space) in self._table.known

    def _gained(self, point: Point) -> bool:
        table = self._table
        return point in table.known and table.losses[table.points.index(point)] < table.losses[0]

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
