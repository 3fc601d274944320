#!/usr/bin/env bash
# SMAC 2.4.1: an exception in the target function is recorded as a crashed trial of cost infinity (the default of
# Scenario.crash_cost), and the search goes on until the surrogate is fitted for the first time: that fit raises
# ValueError("Input y contains NaN.") out of optimize(), and the trials that were left are never made. With a finite
# crash_cost all of them are; a NaN that the function returns counts as a crash as well.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -qq --disable-pip-version-check smac==2.4.1

"$room/venv/bin/python" - <<'PY'
import logging
import math
import tempfile
from pathlib import Path

from ConfigSpace import ConfigurationSpace, Float
from smac import HyperparameterOptimizationFacade, Scenario

space = ConfigurationSpace(seed=0)
space.add(Float("x", (0.0, 1.0)))
logging.disable(logging.CRITICAL)


def fails():
    raise RuntimeError


def made(at_the_third, **settings):
    calls = []

    def target(config, seed=0):
        calls.append(config)
        return at_the_third() if len(calls) == 3 else float(config["x"])

    room = Path(tempfile.mkdtemp())
    scenario = Scenario(space, n_trials=20, deterministic=True, seed=1, output_directory=room, **settings)
    try:
        HyperparameterOptimizationFacade(scenario, target, overwrite=True).optimize()
    except ValueError as error:
        return len(calls), str(error).splitlines()[0]
    return len(calls), "ended by itself"


infinite, finite, nan = made(fails), made(fails, crash_cost=10.0), made(lambda: math.nan, crash_cost=10.0)
print("smac 2.4.1, 20 trials wanted. The third raises:", *infinite)
print("the same with crash_cost=10:", *finite)
print("the third returns NaN, crash_cost=10:", *nan)
assert infinite[0] < 20 and "NaN" in infinite[1] and finite == (20, "ended by itself") and nan == finite, "this has changed"
PY
