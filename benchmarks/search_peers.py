"""Libraries that ask and are told, for ``benchmarks/search.py``. They know the true ranges."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks import search_tasks as world
from benchmarks.search_sessions import PROOF, Case

Method = Callable[[Case, Sequence[int]], Iterator[tuple[str, int, float]]]
"""Plays one case; gives a label, a budget and the regret there for each of the budgets."""

Asks = Iterator[tuple[world.Values, Callable[[float], None]]]


def peer(name: str, ask: Callable[[Case], Asks]) -> Method:
    """A library that asks and is told: the best number it saw at each budget."""

    def play(case: Case, budgets: Sequence[int]) -> Iterator[tuple[str, int, float]]:
        lots, runs = random.Random(case.seed), 0
        best, level, worst = case.start, math.inf, 0.0
        asks = ask(case)
        for budget in budgets:
            while runs < budget - PROOF:
                values, tell = next(asks)
                runs += 1
                try:
                    value = case.task.run(values, lots)
                except ArithmeticError:
                    tell(worst)
                    continue
                worst = max(worst, value)
                tell(value)
                if value < level:
                    best, level = values, value
            yield name, budget, case.regret(best)

    return play


def by_random(case: Case) -> Asks:
    lots = random.Random(case.seed + 1)
    yield case.start, lambda value: None
    while True:
        yield case.task.draw(lots), lambda value: None


def by_tpe(case: Case) -> Asks:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(multivariate=True, constant_liar=False, seed=case.seed)
    study = optuna.create_study(sampler=sampler)
    study.enqueue_trial(dict(case.start))
    while True:
        trial = study.ask()
        values: dict[str, Any] = {}
        for name, (low, high, scale) in case.task.space.items():
            if scale == "choice":
                values[name] = trial.suggest_categorical(name, low)
            elif scale == "int":
                values[name] = trial.suggest_int(name, low, high, log=True)
            else:
                values[name] = trial.suggest_float(name, low, high, log=scale == "log")
        yield values, lambda value, trial=trial: study.tell(trial, value)  # type: ignore[misc]


def by_cmaes(case: Case) -> Asks:
    import cmaes
    import numpy as np

    axes = list(case.task.space.items())

    def place(name: str, value: Any) -> float:
        low, high, scale = case.task.space[name]
        if scale == "choice":
            return float((low.index(value) + 0.5) / len(low))
        if scale == "linear":
            return float((value - low) / (high - low))
        return math.log(value / low) / math.log(high / low)

    def value_at(axis: tuple[Any, Any, str], place: float) -> Any:
        low, high, scale = axis
        if scale == "choice":
            return low[min(int(place * len(low)), len(low) - 1)]
        if scale == "linear":
            return round(low + place * (high - low), 4)
        value = low * (high / low) ** place
        return round(value) if scale == "int" else float(f"{value:.3g}")

    mean = np.clip([place(name, case.start[name]) for name, _ in axes], 0.02, 0.98)
    cma = cmaes.CMA(mean=mean, sigma=0.2, bounds=np.array([[0.0, 1.0]] * len(axes)), seed=case.seed)
    yield case.start, lambda value: None
    told: list[tuple[object, float]] = []
    while True:
        places = cma.ask()

        def tell(value: float, places: object = places) -> None:
            told.append((places, value))
            if len(told) == cma.population_size:
                cma.tell(told)
                told.clear()

        yield {name: value_at(axis, float(p)) for (name, axis), p in zip(axes, places, strict=True)}, tell
