"""The holdout: a measurement that only the supervisor sees, and that a keep must not lose."""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_autoresearch.protocol.experiment import Measurement, Reason, Role
from pytest_autoresearch.protocol.model import Direction, Holdout, Metric, Protocol
from pytest_autoresearch.research.candidate import Candidate, Ruling
from pytest_autoresearch.research.guards import Suite
from pytest_autoresearch.research.referee import Referee
from pytest_autoresearch.research.work import Script, drive
from tests.conftest import CONFIG, Project
from tests.research.noisy import make_noisy, scripted

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


@pytest.mark.slow
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


SCORED = """\
---
holdout:
  run: python predict.py
  inputs: [hidden/inputs.txt]
  score: python score.py
  files: [hidden/labels.txt]
---
"""


def scored(project: Project) -> None:
    """A holdout whose run writes what the candidate makes of the inputs, and whose score knows what is right."""
    project.write("autoresearch.config.md", SCORED + CONFIG)
    project.write("predict.py", "import train\nopen('out.txt', 'w').write(str(train.RATE))\n")
    project.write("score.py", "print(abs(float(open('out.txt').read()) - float(open('hidden/labels.txt').read())))\n")
    project.write("hidden/inputs.txt", "1\n")
    project.write("hidden/labels.txt", "6.0\n")
    project.write("train.py", "RATE = 8.0\nprint('loss:', RATE)\n")
    project.commit()


@pytest.mark.slow
def test_a_scored_holdout_decides_and_the_session_says_how_often_it_was_asked(project: Project) -> None:
    scored(project)
    peek = (
        "import pathlib\nRATE = 4.0\nlabels = pathlib.Path('hidden/labels.txt')\n"
        "if labels.exists(): RATE = float(labels.read_text())\nprint('loss:', 4.0)\n"
    )
    agent = scripted(project, ("halve", "RATE = 8.0\nprint('loss:', RATE)\n", "RATE = 7.0\nprint('loss:', RATE)\n"))
    done = project.pytest("--autoresearch", "--autoresearch-experiments=1", agent)
    assert [row[2] for row in project.table()[1:]] == ["keep", "keep"], done.stdout + done.stderr
    agent = scripted(project, ("peek", "RATE = 7.0\nprint('loss:', RATE)\n", peek))
    done = project.pytest("--autoresearch", "--autoresearch-experiments=1", agent)
    rows = project.table()
    assert [row[2] for row in rows[1:]] == ["keep", "keep", "discard"], done.stdout + done.stderr
    held = [
        m["value"]
        for m in json.loads(project.cli("log", "--json").stdout)["experiments"][2]["measurements"]
        if m["role"] == "holdout"
    ]
    assert held == [1.0, 2.0]  # had it seen the labels, it would have 0
    assert "holdout asked 2 times" in done.stdout
    assert "visible to the candidate" not in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ["strict", "auto"])
def test_the_form_without_a_score_is_marked_and_refused_where_isolation_is_strict(
    project: Project, isolation: str
) -> None:
    project.write("autoresearch.config.md", FRONT_MATTER + CONFIG)
    project.write("train.py", TRAIN)
    project.write("final.py", FINAL)
    project.commit()
    done = project.pytest("--autoresearch", "--autoresearch-experiments=0", f"--autoresearch-isolation={isolation}")
    if isolation == "strict":
        assert done.returncode == 4, done.stdout
        assert "autoresearch.config.md:2: holdout: visible to the candidate" in done.stdout + done.stderr
        return
    assert done.returncode == 0, done.stdout + done.stderr
    assert "holdout: visible to the candidate" in done.stdout
    assert "mark: visible to the candidate" in project.cli("show").stdout


def reason(incumbent: Sequence[float | None], candidate: Sequence[float | None], direction: Direction) -> Reason:
    """What becomes of a keep that was measured so by the holdout."""
    metric = Metric("loss", direction)
    protocol = Protocol(source="x.md", goal="", metric=metric, targets=(), run="true", holdout=Holdout("true"))
    referee = Referee(
        protocol,
        lambda number, text: None,
        suite=Suite(".", ()),
        checkout=Path(),
        history=tuple,
    )
    hidden = [tuple(Measurement(Role.HOLDOUT, value) for value in values) for values in (incumbent, candidate)]

    def measured() -> Script[tuple[Sequence[Measurement], Sequence[Measurement]]]:
        yield from ()
        return hidden[0], hidden[1]

    script = referee.uphold(
        Ruling(Reason.IMPROVED),
        Candidate(1, "", {}, {}, "x"),
        [],
        [],
        budget=1.0,
        deadline=1.0,
        hidden=measured,
    )
    return drive(script, lambda work: None).reason


@pytest.mark.parametrize("direction", Direction)
def test_one_hidden_run_each_decides_where_the_metric_is_exact(direction: Direction) -> None:
    low, high = (
        (Reason.HOLDOUT, Reason.IMPROVED) if direction is Direction.HIGHER else (Reason.IMPROVED, Reason.HOLDOUT)
    )
    assert [reason([1.0], [value], direction) for value in (0.9, 1.0, 1.1)] == [low, Reason.IMPROVED, high]


def test_a_noisy_holdout_is_lost_beyond_doubt_only() -> None:
    draw = random.Random(0)

    def lost(loss: float) -> float:
        runs = [[draw.gauss(level, 1.0) for _ in range(3)] for _ in range(1000) for level in (0.0, loss)]
        reasons = [reason(runs[at], runs[at + 1], Direction.LOWER) for at in range(0, len(runs), 2)]
        return reasons.count(Reason.HOLDOUT) / len(reasons)

    assert lost(0.0) == pytest.approx(0.05, abs=0.02)
    assert lost(4.0) > 0.95


@pytest.mark.parametrize(
    ("incumbent", "candidate", "expected"),
    [
        ([1.0, 1.0], [1.0, None], Reason.HOLDOUT),
        ([None], [None], Reason.HOLDOUT),
        ([None, 1.0], [1.0, 1.0], Reason.IMPROVED),
    ],
)
def test_a_candidate_has_to_give_a_hidden_metric(
    incumbent: Sequence[float | None], candidate: Sequence[float | None], expected: Reason
) -> None:
    assert reason(incumbent, candidate, Direction.LOWER) is expected


@pytest.mark.slow
def test_on_a_noisy_metric_a_keep_is_run_by_the_holdout_three_times(project: Project) -> None:
    make_noisy(project)
    project.write("autoresearch.config.md", "---\nholdout: python final.py\n---\n" + CONFIG)
    project.write("final.py", "from train import FAST, luck\nprint('loss:', FAST + luck)\n")
    project.commit()

    done = project.pytest(
        "--autoresearch", "--autoresearch-experiments=1", scripted(project, ("better", "FAST = 10.0", "FAST = 2.0"))
    )

    assert [row[2] for row in project.table()[1:]] == ["keep", "keep"], done.stdout + done.stderr
    record = json.loads(project.cli("log", "--json").stdout)["experiments"][1]
    seeds = Counter(m["seed"] for m in record["measurements"] if m["role"] == "holdout")
    assert sorted(seeds.values()) == [2, 2, 2]


@pytest.mark.slow
def test_a_holdout_that_can_not_be_run_ends_the_session_at_the_baseline(project: Project) -> None:
    project.write("autoresearch.config.md", f"---\nholdout: {sys.executable} nowhere.py\n---\n" + CONFIG)
    project.commit()

    done = project.pytest("--autoresearch", "--autoresearch-experiments=1")

    assert done.returncode == 1, done.stdout + done.stderr
    assert "the baseline failed: error" in done.stdout
    assert f"command: {sys.executable} nowhere.py" in done.stdout
    assert "No such file" in done.stdout
    assert not (project.root / "results.tsv").exists()


@pytest.mark.slow
def test_a_holdout_for_verify_alone_selects_nothing_and_shows_the_gap(project: Project) -> None:
    front = "---\nholdout: {run: python final.py, files: [final.py], when: verify}\n---\n"
    project.write("autoresearch.config.md", front + CONFIG)
    project.write("train.py", TRAIN)
    project.write("final.py", FINAL)
    project.commit()
    edit = ("memorise", "RATE, MEMORISED = 8.0, 0", "RATE, MEMORISED = 7.0, 0.5")

    done = project.pytest("--autoresearch", "--autoresearch-experiments=1", scripted(project, edit))

    assert [row[2] for row in project.table()[1:]] == ["keep", "keep"], done.stdout + done.stderr
    said = "verified gain 3.5 (43.75 %) on 1 fresh run each, -49 on a holdout that no keep has seen (gap 52.5)"
    assert said in done.stdout, done.stdout
    records = json.loads(project.cli("log", "--json").stdout)["experiments"]
    assert not [m for record in records[1:] for m in record["measurements"] if m["role"] == "holdout"]
