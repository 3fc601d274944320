"""trackio: one run for a session, a step for each experiment. Where to: ``TRACKIO_DIR``, ``TRACKIO_SPACE_ID``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import trackio

PROJECT = "autoresearch"
"""Unless ``TRACKIO_PROJECT`` says another."""
LONGEST = 2000


class Door:
    """See :class:`pytest_autoresearch.report.trackers.__main__.Door`."""

    def __init__(self, session: Mapping[str, Any]) -> None:
        self._metric = str(session["protocol"]["metric"]["name"])
        project = os.environ.get("TRACKIO_PROJECT") or PROJECT
        name = f"{session['tag']}@{session['start'][:12]}"
        config = {key: session[key] for key in ("tag", "start", "source")} | {"metric": self._metric}
        self._told = {log.get("number"): log.get("status") for log in _logs(project, name)}
        self._run = trackio.init(
            project=project,
            name=name,
            resume="allow",
            config=config,
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )

    def record(self, document: Mapping[str, Any]) -> None:
        """A step with the metric, the knobs, what it cost and what it said; the diff of what was kept as well."""
        number, status = int(document["number"]), str(document["status_word"])
        if self._told.get(number) == status:
            return
        metrics = {name: document.get(name) for name in ("best", "run_seconds", "agent_seconds", "peak_memory", "cost")}
        metrics[self._metric] = document.get("value")
        words = {name: str(document.get(name) or "")[:LONGEST] for name in ("reason", "description", "agent", "commit")}
        knobs = {f"knob/{move['name']}": str(move["new"])[:LONGEST] for move in document.get("moves") or ()}
        shown: dict[str, Any] = {"number": number, "status": status, **words, **knobs}
        if document["status"] == "keep" and document["diff"]:
            shown["diff"] = str(document["diff"])[:LONGEST]
        if document["log"]:
            shown["log"] = str(document["log"])[-LONGEST:]
        self._run.log({**{key: value for key, value in metrics.items() if value is not None}, **shown}, step=number)
        self._told[number] = status

    def end(self, why: str) -> None:
        """Write what is under way, and end the run."""
        self._run.finish()  # type: ignore[no-untyped-call, unused-ignore]


def _logs(project: str, name: str) -> list[dict[str, Any]]:
    """What the run has already; nothing where it is kept elsewhere."""
    from trackio.sqlite_storage import SQLiteStorage

    try:
        return list(SQLiteStorage.get_logs(project, name))
    except Exception:  # a first run has no project
        return []
