#!/usr/bin/env bash
# MLflow 3.17.2: a run's metrics are documented as "the most recently logged value at the largest step". Where step and
# time (whole milliseconds) are equal, the largest value stands and not the one logged last: of a loss that falls, its
# worst; and get_metric_history of the SQLite store, sorted by value, shows it rising. So logs a loop without `step`
# within a millisecond, and an importer with one time for all.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -qq --disable-pip-version-check mlflow-skinny==3.17.2 sqlalchemy==2.1.9 alembic==1.20.1

cd "$room"
"$room/venv/bin/python" - 2>said <<'PY' || { cat said; exit 1; }
import mlflow
from mlflow.entities import Metric

client = mlflow.MlflowClient("sqlite:///mlflow.db")
experiment = client.create_experiment("falls")


def shown(times):
    run = client.create_run(experiment).info.run_id
    client.log_batch(run, metrics=[Metric("loss", value, at, 0) for value, at in zip((3.0, 2.0, 1.0), times)])
    return client.get_run(run).data.metrics["loss"], [each.value for each in client.get_metric_history(run, "loss")]


tied, apart = shown((7, 7, 7)), shown((7, 8, 9))
print(f"mlflow 3.17.2: 3, 2, 1 logged at once: {tied[0]:g}, {tied[1]}; a millisecond apart: {apart[0]:g}, {apart[1]}")
assert tied == (3.0, [1.0, 2.0, 3.0]) and apart == (1.0, [3.0, 2.0, 1.0]), "this has changed"
PY
