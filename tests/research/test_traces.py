"""One slot without look-ahead: sessions give what sessions gave when their traces were recorded, run by run.

The traces are from the commit before experiments were able to run side by side; that of ``grouped`` from the one
since which it leaves open what a step of the machine may have been. ``python -m tests.research.test_traces`` writes
them anew, which is right only for a change of the judge's own rules.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from pytest_autoresearch.notebook.chain import ledger_ref, read_records
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import Group, Verification
from pytest_autoresearch.protocol.experiment import Experiment, Measurement
from tests.conftest import CONFIG, Project
from tests.research.noisy import make_noisy, scripted

TRACES = Path(__file__).parent / "traces"
POLICIES = ("grouped", "certified", "fast", "classic")
EDITS = (
    ("faster", "FAST = 10.0", "FAST = 6.0"),
    ("slower", "FAST = 6.0", "FAST = 9.0"),
    ("a comment", "", "# NUMBER\n"),
    ("nothing", "no such text", "nor this"),
    ("a slip", "print(", "prnt("),
    ("a bit faster", "FAST = 6.0", "FAST = 4.5"),
    ("shorter", "#\n#\n#\n# between the knobs\n", ""),
    ("the same again", "FAST = 6.0", "FAST = 9.0"),
    ("much faster", "IDLE = 10.0", "FAST = FAST - 3.0"),
    ("hardly faster", "FAST - 3.0", "FAST - 3.2"),
    ("guarded", "print(", "BROKEN = 1\nprint("),
)
GUARD = "\n## Guard\n- `python -c \"import sys; sys.exit('BROKEN' in open('train.py').read())\"`\n"


def traced(project: Project, policy: str) -> list[dict[str, Any]]:
    """What the ledger and the table of a session say, without what differs each time: hashes and times."""
    make_noisy(project)
    project.write("autoresearch.config.md", CONFIG + GUARD)
    project.commit("guarded")
    agent = scripted(project, *EDITS)
    for experiments in (9, 8):  # the second time it is resumed
        done = project.pytest(
            "--autoresearch",
            f"--autoresearch-experiments={experiments}",
            f"--autoresearch-judge={policy}",
            "--autoresearch-isolation=none",
            agent,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    with Git.discover(project.root) as git:
        records = [said(record) for record in read_records(git, ledger_ref("demo"))]
    rows = [row[1:] for row in project.table()]
    return [*(record for record in records if record), {"table": rows}]


def said(record: object) -> dict[str, Any]:
    if isinstance(record, Experiment):
        return {
            "experiment": record.number,
            "reason": record.reason.value,
            "value": record.value,
            "against": record.against,
            "interval": record.interval,
            "evidence": record.evidence,
            "threshold": record.threshold,
            "provisional": record.provisional,
            "complexity": record.complexity,
            "detail": record.detail,
            "runs": [run(each) for each in record.measurements],
        }
    if isinstance(record, Group):
        return {
            "group": record.keeps,
            "base": record.base,
            "outcome": record.outcome.value,
            "gain": record.gain,
            "runs": [run(each) for each in (*record.base_runs, *record.tip_runs)],
        }
    if isinstance(record, Verification):
        return {"verified": record.gain, "runs": [run(each) for each in (*record.start_runs, *record.head_runs)]}
    return {}


def run(measured: Measurement) -> list[Any]:
    return [measured.role.value, measured.seed, measured.value, measured.failure and measured.failure.value]


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
def test_a_session_gives_what_its_trace_says(project: Project, policy: str) -> None:
    expected = json.loads((TRACES / f"{policy}.json").read_text())
    found = json.loads(json.dumps(traced(project, policy)))
    for mine, its in zip(found, expected, strict=True):
        assert mine == its


def main() -> None:
    TRACES.mkdir(exist_ok=True)
    for policy in POLICIES:
        with tempfile.TemporaryDirectory() as directory:
            project = Project(Path(directory) / "project", Path(directory) / "home")
            lines = [json.dumps(each) for each in traced(project, policy)]
            (TRACES / f"{policy}.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
            sys.stdout.write(f"{policy}: {len(lines)} records\n")


if __name__ == "__main__":
    main()
