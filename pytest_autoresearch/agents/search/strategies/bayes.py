"""Bayesian search with Optuna's TPE (an extra) over all likely knobs at once.

The study lives in memory and is told the history; a fresh object tells it the same and gets the same answer. What is
being measured stands in it as RUNNING (``constant_liar``), an ask that is not used as FAIL: one that is left open would
keep later asks away from its place (Optuna 5.0.0).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_autoresearch.agents.search.axis import Axis
from pytest_autoresearch.agents.search.space import Space
from pytest_autoresearch.agents.search.strategies import Suggestion
from pytest_autoresearch.agents.search.strategies.table import Places, Table
from pytest_autoresearch.agents.search.trials import Trials
from pytest_autoresearch.errors import AgentError

if TYPE_CHECKING:
    import optuna

_OPENING = 10  # points that the sampler draws at random first
_ASKS = 30


class Bayes:
    """Multivariate TPE; needs the extra ``optuna``."""

    name = "bayes"

    def __init__(self) -> None:
        try:
            import optuna
        except ImportError as error:
            raise AgentError(
                "the agent `bayes` needs Optuna, which is not installed; "
                "run `pip install 'pytest-autoresearch[optuna]'`, or take `auto`"
            ) from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._table = Table()
        self._study: optuna.Study | None = None
        self._told = 0
        self._of: tuple[object, ...] = ()

    def plan(self, space: Space) -> str:
        return ""

    def ask(
        self, space: Space, trials: Trials, in_flight: Sequence[Mapping[str, str]], seed: int
    ) -> Iterator[Suggestion]:
        """Points that the study expects to be good."""
        if not space.axes:
            return
        self._table.follow(space, trials, in_flight)
        study = self._informed((space.axes, trials.version, trials.epoch))
        for attempt in range(_ASKS):
            point = self._table.point_at(self._asked(study, seed + attempt))
            if self._table.is_open(point):
                yield Suggestion(space.at(point), "A model of all experiments so far expects a gain here (TPE).")

    def _informed(self, of: tuple[object, ...]) -> optuna.Study:
        """The study of this table, told what is new in it."""
        import optuna

        if self._study is None or of != self._of:
            self._study, self._told, self._of = optuna.create_study(direction="minimize"), 0, of
        worst = 0.0
        losses = self._table.losses
        finite = [loss for loss in losses if math.isfinite(loss)]
        worst = max(finite, default=0.0)
        for places, loss in zip(self._table.places[self._told :], losses[self._told :], strict=True):
            self._add(self._study, places, loss if math.isfinite(loss) else worst)
        self._told = len(losses)
        return self._study

    def _add(self, study: optuna.Study, places: Places, loss: float) -> None:
        import optuna

        names = [str(index) for index in range(len(places))]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study.add_trial(
                optuna.trial.create_trial(
                    params=dict(zip(names, map(_param, self._table.axes, places), strict=True)),
                    distributions=dict(zip(names, map(_distribution, self._table.axes), strict=True)),
                    value=loss,
                )
            )

    def _asked(self, study: optuna.Study, seed: int) -> Places:
        import optuna

        fail = optuna.trial.TrialState.FAIL
        space = {str(index): _distribution(axis) for index, axis in enumerate(self._table.axes)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # multivariate is called experimental
            study.sampler = optuna.samplers.TPESampler(
                n_startup_trials=_OPENING, multivariate=True, constant_liar=True, seed=seed % 2**32
            )
            running = []
            for places in self._table.flying:
                names = [str(index) for index in range(len(places))]
                study.enqueue_trial(dict(zip(names, map(_param, self._table.axes, places), strict=True)))
                running.append(study.ask(space))
            trial = study.ask(space)
            for each in (trial, *running):
                study.tell(each, state=fail)  # it comes back with the history, if it is run
        return tuple(float(trial.params[str(index)]) for index in range(len(space)))


def _param(axis: Axis, place: float) -> float | int:
    return min(int(place), len(axis.options) - 1) if axis.is_choice else place


def _distribution(axis: Axis) -> optuna.distributions.BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    return CategoricalDistribution(range(len(axis.options))) if axis.is_choice else FloatDistribution(0.0, 1.0)
