#!/usr/bin/env bash
# cma 4.5.0 (pycma): `seed: 0` is no seed. As None does, it stands for the time, which only the help of the option says:
# two searches of seed 0 differ, two of seed 1 do not. Who counts seeds from 0 has one that cannot be repeated, in Optuna
# 5.0.0 as well, whose PyCmaSampler(seed=0) hands the number on.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -qq --disable-pip-version-check optuna==5.0.0 optuna-integration==5.0.0 cma==4.5.0 numpy==2.4.6

"$room/venv/bin/python" -W ignore - <<'PY'
import cma
import optuna
from optuna_integration import PyCmaSampler

optuna.logging.set_verbosity(optuna.logging.ERROR)


def asked(seed):
    return cma.CMAEvolutionStrategy([0, 0], 1, {"seed": seed, "verbose": -9}).ask()[0].round(3).tolist()


def tried(seed):
    study = optuna.create_study(sampler=PyCmaSampler(seed=seed))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1), n_trials=5)
    return [round(trial.params["x"], 3) for trial in study.trials]


for seed, same in (0, False), (1, True):
    points, trials = [asked(seed) for _ in range(2)], [tried(seed) for _ in range(2)]
    print(f"seed {seed}, twice: cma 4.5.0 asks for", *points, "- Optuna's PyCmaSampler tries", *trials)
    assert (points[0] == points[1]) == (trials[0] == trials[1]) == same, "this has changed"
PY
