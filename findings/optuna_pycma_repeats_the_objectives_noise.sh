#!/usr/bin/env bash
# optuna-integration 5.0.0: PyCmaSampler builds its CMA-ES anew for each trial and pycma seeds NumPy's global generator
# when it is built (cma/evolution_strategy.py). What the objective draws by np.random starts again at the same place for
# every trial of a generation: a noisy measurement has the same noise five times, and looks exact. Optuna's TPE leaves
# the generator alone, and so does Optuna's own CmaEsSampler, which uses another package.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -qq --disable-pip-version-check optuna==5.0.0 optuna-integration==5.0.0 cma==4.5.0 cmaes==0.13.1 numpy==2.4.6

"$room/venv/bin/python" -W ignore - <<'PY'
import numpy as np
import optuna
from optuna_integration import PyCmaSampler

optuna.logging.set_verbosity(optuna.logging.ERROR)


def noise(sampler):
    drawn = []

    def objective(trial):
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        drawn.append(round(np.random.rand(), 3))
        return x + y

    np.random.seed(7)
    optuna.create_study(sampler=sampler).optimize(objective, n_trials=8)
    return drawn


pycma = noise(PyCmaSampler(seed=1))
others = [noise(sampler(seed=1)) for sampler in (optuna.samplers.CmaEsSampler, optuna.samplers.TPESampler)]
print("optuna-integration 5.0.0, what the objective draws in eight trials, PyCmaSampler:", pycma)
print("CmaEsSampler:", others[0])
assert len(set(pycma[1:6])) == 1 and others[0] == others[1] and len(set(others[0])) == 8, "this has changed"
PY
