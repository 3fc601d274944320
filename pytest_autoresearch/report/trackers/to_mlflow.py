"""MLflow: one run for a session, a nested run for each experiment. Where to: ``MLFLOW_TRACKING_URI``."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from pytest_autoresearch.patterns import regex

EXPERIMENT = "autoresearch"
"""Unless ``MLFLOW_EXPERIMENT_NAME`` says another."""
SESSION, NUMBER = "autoresearch.session", "autoresearch.number"
LONGEST_TAG, LONGEST_PARAM = 5000, 500
_ODD = regex(r"[^\w\-. :/]", re.ASCII)


class Door:
    """See :class:`pytest_autoresearch.report.trackers.__main__.Door`."""

    def __init__(self, session: Mapping[str, Any]) -> None:
        self._client = MlflowClient()
        self._metric = str(session["protocol"]["metric"]["name"])
        self._experiment = self._found_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT)
        name = f"{session['tag']}@{session['start'][:12]}"
        known = self._search(f"tags.`{SESSION}` = '{name}' and tags.`{NUMBER}` = 'all'")
        if known:
            self._session = known[0]
        else:
            facts = {"start": session["start"], "source": session["source"], "run": session["protocol"].get("run", "")}
            tags = {SESSION: name, NUMBER: "all", **{f"autoresearch.{key}": _cut(v) for key, v in facts.items()}}
            began = _milliseconds(session["started"])
            made = self._client.create_run(self._experiment, began, tags, run_name=str(session["tag"]))
            self._session = made.info.run_id
        self._name = name
        self._known = {}
        for run_id in self._search(f"tags.`{SESSION}` = '{name}' and tags.`{NUMBER}` != 'all'"):
            self._known[int(self._client.get_run(run_id).data.tags[NUMBER])] = run_id

    def record(self, document: Mapping[str, Any]) -> None:
        """A nested run; where it is there, only what a group or a drop has changed."""
        number = int(document["number"])
        tags = {key: _cut(document.get(key)) for key in ("status", "reason", "detail", "commit", "agent", "hypothesis")}
        tags["status"] = str(document["status_word"])
        if number in self._known:
            self._client.log_batch(self._known[number], tags=[RunTag(key, value) for key, value in tags.items()])
            return
        tags |= {"mlflow.parentRunId": self._session, SESSION: self._name, NUMBER: f"{number}"}
        began = _milliseconds(document.get("started"))
        description = str(document["description"])
        run = self._client.create_run(
            self._experiment,
            began,
            {**tags, "mlflow.note.content": _cut(description)},
            f"{number:04d} {description}"[:200],
        )
        run_id = run.info.run_id
        stamp = _milliseconds(document.get("ended")) or began or 0
        metrics = {name: value for name, value in _metrics(document, self._metric).items() if value is not None}
        params = {_key(move["name"]): str(move["new"])[:LONGEST_PARAM] for move in document.get("moves") or ()}
        self._client.log_batch(
            run_id,
            metrics=[Metric(_key(name), float(value), stamp, number) for name, value in metrics.items()],
            params=[Param(name, value) for name, value in params.items()],
        )
        for name, text in (("diff.patch", document["diff"]), ("log.txt", document["log"])):
            if text:
                self._client.log_text(run_id, text, name)
        ended = "FAILED" if document["status"] == "crash" else "FINISHED"
        self._client.set_terminated(run_id, ended, stamp or None)
        if document["best"] is not None:
            self._client.log_metric(self._session, "best", float(document["best"]), stamp, number)
        self._known[number] = run_id

    def end(self, why: str) -> None:
        """Say why, and close the session's run."""
        self._client.set_tag(self._session, "autoresearch.ended", _cut(why))
        self._client.set_terminated(self._session)

    def _found_experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        return str(self._client.create_experiment(name) if found is None else found.experiment_id)

    def _search(self, wanted: str) -> list[str]:
        found, page = [], None
        while True:
            runs = self._client.search_runs([self._experiment], wanted, page_token=page)
            found += [run.info.run_id for run in runs]
            page = runs.token
            if not page:
                return found


def _metrics(document: Mapping[str, Any], metric: str) -> dict[str, float | None]:
    runs = document.get("measurements") or ()
    secondary: dict[str, list[float]] = {}
    for run in runs:
        for name, value in (run.get("secondary") or {}).items():
            secondary.setdefault(name, []).append(value)
    return {
        **{name: sum(values) / len(values) for name, values in secondary.items()},
        metric: document.get("value"),
        **{name: document.get(name) for name in ("against", "run_seconds", "agent_seconds", "peak_memory", "cost")},
        "runs": len(runs),
    }


def _key(name: str) -> str:
    return _ODD.sub("_", name)[:250]


def _cut(value: object) -> str:
    return "" if value is None else str(value)[:LONGEST_TAG]


def _milliseconds(when: object) -> int | None:
    if not when:
        return None
    return int(datetime.fromisoformat(str(when).replace("Z", "+00:00")).timestamp() * 1000)  # Python 3.10 knows no Z
