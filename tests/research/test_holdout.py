"""The holdout: a measurement that only the supervisor sees, and that a keep must not lose."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import CONFIG, Project

FRONT_MATTER = "---\nholdout: {run: python final.py, files: [final.py]}\n---\n"
FINAL = "import train\nprint('loss:', 77.125 + train.RATE + 100 * train.MEMORISED)\n"
TRAIN = "RATE, MEMORISED = 8.0, 0\nprint('loss:', RATE - 5 * MEMORISED)\n"
HIDDEN = ("85.125", "185.125", "83.125", "77.125")
AGENT = f"""
import os, pathlib, sys
briefing = sys.stdin.read()
number = int(os.environ["AUTORESEARCH_EXPERIMENT"])
rate, memorised = {{1: (8.0, 1), 2: (6.0, 0), 3: (4.0, 1)}}[number]
pathlib.Path("train.py").write_text(
    f"RATE, MEMORISED = {{rate}}, {{memorised}}\\nprint('loss:', RATE - 5 * MEMORISED)\\n"
)
knows = pathlib.Path("final.py").exists() or any(number in briefing for number in {HIDDEN})
print(f"Rate {{rate}}, memorised {{memorised}}, told {{'holdout × 1' in briefing}}, knows {{knows}}")
"""


def test_a_keep_that_loses_the_holdout_is_discarded_and_nobody_learns_its_numbers(project: Project) -> None:
    project.write("autoresearch.config.md", FRONT_MATTER + CONFIG)
    project.write("train.py", TRAIN)
    project.write("final.py", FINAL)
    project.commit()
    desk = Path(project.home, "desk")
    desk.mkdir()
    (desk / "agent.py").write_text(AGENT)

    done = project.pytest(
        "--autoresearch", "--autoresearch-experiments=3", f"--autoresearch-agent=command:python {desk}/agent.py"
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert [row[2] for row in project.table()[1:]] == ["keep", "discard", "keep", "discard"]
    records = json.loads(project.cli("log", "--json").stdout)["experiments"]
    assert [record["reason"] for record in records[1:]] == ["holdout", "improved", "holdout"]
    held = [m["value"] for m in records[1]["measurements"] if m["role"] == "holdout"]
    assert held == [85.125, 185.125]
    assert project.git("show", "autoresearch/demo:train.py").startswith("RATE, MEMORISED = 6.0, 0")

    assert [record["description"].partition(", told ")[2] for record in records[1:]] == [
        "False, knows False",
        "True, knows False",
        "True, knows False",
    ]
    shown = done.stdout + (project.root / "results.tsv").read_text()
    assert not any(number in shown for number in HIDDEN)
