"""A Gaussian process for two proposals of three, a Parzen estimator for the third. Needs numpy.

Each is stuck where the other is not: the process believes its own picture, the estimator knows no slopes.
"""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_autoresearch.agents.search.space import Space
from pytest_autoresearch.agents.search.strategies import Suggestion, turned_alone
from pytest_autoresearch.agents.search.strategies.beliefs import Beliefs, Posterior
from pytest_autoresearch.agents.search.strategies.opening import opening_point
from pytest_autoresearch.agents.search.strategies.parzen import WHY as PARZEN_WHY
from pytest_autoresearch.agents.search.strategies.parzen import Parzen, open_points
from pytest_autoresearch.agents.search.strategies.table import Places, Table
from pytest_autoresearch.agents.search.trials import Trials
from pytest_autoresearch.errors import AgentError

if TYPE_CHECKING:
    from pytest_autoresearch.agents.search.strategies.gaussian import Array, Gaussian

_ATTEMPTS = 40
_FIRST = "One of the first points, which show where the knobs matter."
_STEP = "A model of all experiments so far expects most of this knob alone (a Gaussian process)."
_WHY = "A model of all experiments so far expects a gain here (a Gaussian process)."


class Duo:
    """All likely knobs at once; four to ten points of an opening first, the more knobs the more."""

    name = "duo"

    def __init__(self) -> None:
        try:
            _import_numpy()
        except ImportError as error:
            raise AgentError(
                "the agent `duo` needs numpy, which is not installed; run `pip install numpy`, or take `parzen`"
            ) from error
        self._table = Table()
        self._fits: dict[int, Array] = {}
        self._fits_of: tuple[object, ...] = ()
        self._last: tuple[object, Gaussian] | None = None

    def plan(self, space: Space) -> str:
        return ""

    def ask(
        self, space: Space, trials: Trials, in_flight: Sequence[Mapping[str, str]], seed: int
    ) -> Iterator[Suggestion]:
        """The points of the model whose turn it is, the most promising first."""
        table = self._table
        table.follow(space, trials, in_flight)
        lots = random.Random(seed)
        asked = len(table.losses) + len(table.flying) - 1
        if not table.axes:
            return
        places: Iterator[Places]
        if asked < self._opening(space) or len(table.losses) < 4:
            places, why = (opening_point(space, table, lots) for _ in range(_ATTEMPTS)), _FIRST
        elif asked % 3 == 2:
            places, why = Parzen.draw(space, table, lots), PARZEN_WHY
        else:
            places, why = iter(self._model(space, trials, table).promising(lots)), _WHY
        for point in open_points(self._and_anywhere(places, lots), table):
            yield Suggestion(space.at(point), why)

    def steps(
        self, space: Space, trials: Trials, in_flight: Sequence[Mapping[str, str]], seed: int
    ) -> Iterator[Suggestion]:
        """Single knobs turned from the tip, the most promising first."""
        table = self._table
        table.follow(space, trials, in_flight)
        if not table.axes or not table.losses:
            return
        busy = turned_alone(in_flight)
        tip, tried = table.places_of(space.tip), trials.tried.get(space.commit, {})
        failed = Counter(
            (index, axis.place(shown) > tip[index])
            for index, (name, axis) in enumerate(zip(space.modelled, table.axes, strict=True))
            for shown in tried.get(name, ())
        )
        for places in self._model(space, trials, table).steps(tip, failed, random.Random(seed)):
            point = table.point_at(places)
            turned = {n: b for n, a, b in zip(space.modelled, space.tip, point, strict=True) if a != b}
            if len(turned) == 1 and busy.isdisjoint(turned) and table.is_open(point):
                yield Suggestion(turned, _STEP)

    def beliefs(self, space: Space, trials: Trials, table: Table) -> Beliefs | None:
        """What the Gaussian process believes, once the opening is over."""
        if len(table.losses) - 1 < self._opening(space):
            return None
        return Posterior(self._model(space, trials, table), table, trials.noise)

    def _model(self, space: Space, trials: Trials, table: Table) -> Gaussian:
        from pytest_autoresearch.agents.search.strategies.gaussian import Gaussian

        of = (space.axes, trials.version, trials.epoch)
        if of != self._fits_of:
            self._fits, self._fits_of, self._last = {}, of, None
        key = (len(table.losses), tuple(table.flying))
        if self._last is None or self._last[0] != key:
            self._last = key, Gaussian(table, self._fits)
        return self._last[1]

    def _and_anywhere(self, places: Iterator[Places], lots: random.Random) -> Iterator[Places]:
        yield from places
        for _ in range(_ATTEMPTS):
            yield tuple(axis.anywhere(lots) for axis in self._table.axes)

    @staticmethod
    def _opening(space: Space) -> int:
        return min(10, max(4, 2 + len(space.axes) // 2))


def _import_numpy() -> None:
    """Load numpy with one thread for its linear algebra: these matrices are small, and the other cores have runs to do.

    With threads a proposal took 30 ms to 300 ms on a busy machine instead of 10 ms (OpenBLAS of numpy 2.4.6).
    """
    if "numpy" in sys.modules:
        return
    before = {name: os.environ.get(name) for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    for name in before:
        os.environ.setdefault(name, "1")
    try:
        import numpy  # noqa: F401
    finally:  # it was read; a run has its own
        for name, value in before.items():
            if value is None:
                del os.environ[name]
