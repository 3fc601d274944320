"""Bayesian search with Optuna's TPE (an extra): the sweep for twenty experiments, then all likely knobs at once.

The study lives in memory and is told the history; a fresh object tells it the same and gets the same answer.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_autoresearch.agents.base import Briefing, Desk, Proposal
from pytest_autoresearch.agents.search.knob import Knob, Scale, coordinate, value_at, value_of
from pytest_autoresearch.agents.search.literals import Value
from pytest_autoresearch.agents.search.space import Bench
from pytest_autoresearch.agents.search.strategies.prospects import steps
from pytest_autoresearch.agents.search.strategies.random import REACH
from pytest_autoresearch.agents.search.strategies.sweep import Sweep
from pytest_autoresearch.agents.search.trials import BLOCKED, Memory, turns_in
from pytest_autoresearch.errors import AgentError
from pytest_autoresearch.protocol.experiment import Experiment
from pytest_autoresearch.protocol.model import Direction

if TYPE_CHECKING:
    import optuna

OPENING = 20  # experiments that the sweep makes first: it finds the large gains faster than any model
_MOST_KNOBS = 12
_ASKS = 30
_SMALLEST_STEP = 0.02  # in coordinates; what moves less stays where it is


class Bayes:
    """Sweep first, then TPE over the knobs that the sweep did not find dead."""

    name = "bayes"
    reads = False

    def __init__(self) -> None:
        try:
            import optuna
        except ImportError as error:
            raise AgentError(
                "the agent `bayes` needs Optuna, which is not installed; "
                "run `pip install 'pytest-autoresearch[optuna]'`, or take `sweep`"
            ) from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._sweep, self._bench = Sweep(), Bench()
        self._memory = Memory()
        self._model: _Model | None = None

    def propose(self, briefing: Briefing, desk: Desk) -> Proposal:
        """The sweep's proposal in the opening and where the model only repeats itself, else the model's.

        Where there are more knobs than the model takes, the sweep has every other turn to look at the rest.
        """
        if len(briefing.history) <= OPENING:
            return self._sweep.propose(briefing, desk)
        direction = briefing.protocol.metric.direction
        self._memory.read(briefing.history, direction)
        everything = self._bench.look(briefing, desk, self._memory.origins)
        alive = self._alive(everything, named=bool(briefing.protocol.knobs))
        if len(alive) > _MOST_KNOBS and briefing.number % 2:
            return self._sweep.propose(briefing, desk)
        knobs = self._strongest(alive)
        if self._model is None or not self._model.goes_on(knobs, briefing.history):
            names = [self._bench.name_of(knob) for knob in knobs]
            self._model = _Model(names, knobs, self._memory.origins, direction)
        self._model.read(briefing.history)
        for attempt in range(_ASKS if knobs else 0):
            moves = self._bench.moves_to(knobs, self._model.ask(briefing.seed + attempt))
            if moves and self._bench.turn(desk, moves):
                return Proposal(
                    ", ".join(map(str, moves)), "A model of all experiments so far expects a gain here (TPE)."
                )
        return self._sweep.propose(briefing, desk)

    def _alive(self, knobs: Sequence[Knob], *, named: bool) -> Sequence[Knob]:
        """The knobs that can move and that the protocol names, made a difference or were never turned alone."""
        alive = []
        for knob in knobs:
            losses = [trial.loss for trial in self._memory.trials.get(self._bench.name_of(knob), ())]
            moves = knob.scale in (Scale.CHOICE, Scale.FLIP) or coordinate(knob, knob.value) is not None
            if moves and (named or not losses or any(losses) or None in losses):
                alive.append(knob)
        return alive

    def _strongest(self, knobs: Sequence[Knob]) -> Sequence[Knob]:
        """As many as the model takes, in the order given: those that made the largest difference."""

        def response(index: int) -> float:
            trials = self._memory.trials.get(self._bench.name_of(knobs[index]), ())
            return max((abs(trial.loss or 0.0) for trial in trials), default=0.0)

        strongest = sorted(range(len(knobs)), key=response, reverse=True)[:_MOST_KNOBS]
        return [knobs[index] for index in sorted(strongest)]


class _Model:
    """An Optuna study of the values around the incumbent's. A new incumbent needs a new one, told the same history."""

    def __init__(
        self, names: Sequence[str], knobs: Sequence[Knob], origins: Mapping[str, str], direction: Direction
    ) -> None:
        import optuna

        self._lower = direction is Direction.LOWER
        self._knobs = dict(zip(names, knobs, strict=True))
        self._space = {name: _distribution(knob) for name, knob in self._knobs.items()}
        self._first = {name: origins.get(name, knob.shown) for name, knob in self._knobs.items()}
        self._study = optuna.create_study(direction="minimize" if self._lower else "maximize")
        self._states: dict[str, dict[str, str]] = {}
        self._worst: float | None = None
        self._seen, self._last = 0, ""

    def goes_on(self, knobs: Sequence[Knob], history: Sequence[Experiment]) -> bool:
        """Whether this is the model of that history and incumbent."""
        same = tuple(self._knobs.values()) == tuple(knobs)
        return same and len(history) >= self._seen and history[self._seen - 1].commit == self._last

    def read(self, history: Sequence[Experiment]) -> None:
        """Tell the study what is new and says something of its knobs."""
        for experiment in history[self._seen :]:
            turns = [turn for turn in turns_in(experiment.description) if turn.name in self._knobs]
            state = {**self._states.get(experiment.parent, self._first), **{turn.name: turn.new for turn in turns}}
            self._states[experiment.commit] = state
            if turns or experiment.kept:
                self._learn(state, experiment)
        self._seen, self._last = len(history), history[-1].commit

    def _learn(self, state: Mapping[str, str], experiment: Experiment) -> None:
        """What crashed or was not allowed counts as the worst value so far, so that its surroundings are left."""
        value = experiment.value
        if experiment.reason in BLOCKED:
            value = self._worst
        elif value is not None:
            worse = max if self._lower else min
            self._worst = value if self._worst is None else worse(value, self._worst)
        if value is not None:
            self._tell(state, value)

    def _tell(self, state: Mapping[str, str], value: float) -> None:
        import optuna

        params = {name: self._param(name, shown) for name, shown in state.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = optuna.trial.create_trial(params=params, distributions=self._space, value=value)
            self._study.add_trial(trial)

    def _param(self, name: str, shown: str) -> float | str:
        """A value as the study has it, pulled into its space."""
        knob = self._knobs[name]
        if knob.scale in (Scale.CHOICE, Scale.FLIP):
            return shown if shown in _options(knob) else knob.shown
        value, here = value_of(knob, shown), coordinate(knob, knob.value) or 0.0
        place = None if value is None else coordinate(knob, value)
        return here - REACH if place is None else min(max(place, here - REACH), here + REACH)

    def ask(self, seed: int) -> Sequence[Value]:
        """A point that the study expects to be good."""
        import optuna

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # multivariate is called experimental
            self._study.sampler = optuna.samplers.TPESampler(multivariate=True, seed=seed % 2**32)
            trial = self._study.ask(self._space)
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)  # it comes back with the history, if it is run
        return [_turned(knob, trial.params[name]) for name, knob in self._knobs.items()]


def _turned(knob: Knob, param: float | str) -> Value:
    """The knob's value for a parameter of the study."""
    if isinstance(param, str):
        value = value_of(knob, param)
    else:
        here = coordinate(knob, knob.value)
        value = None if here is not None and abs(param - here) < _SMALLEST_STEP else value_at(knob, param)
    return knob.value if value is None else value


def _distribution(knob: Knob) -> optuna.distributions.BaseDistribution:
    """The space of one knob: in coordinates, an eighth to eight times what it is."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if knob.scale in (Scale.CHOICE, Scale.FLIP):
        return CategoricalDistribution(_options(knob))
    here = coordinate(knob, knob.value) or 0.0
    return FloatDistribution(here - REACH, here + REACH)


def _options(knob: Knob) -> tuple[str, ...]:
    return knob.shown, *(step.knob.shown for step in steps(knob))
