"""A candidate in the holdout's run sees the inputs and never what it is scored by."""

from __future__ import annotations

import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_autoresearch.lab.executors.local import LocalExecutor
from pytest_autoresearch.lab.job import Job, Site
from pytest_autoresearch.lab.sandbox import Choice
from pytest_autoresearch.protocol.experiment import FileEntry, Measurement, Reason, Role, blob_id
from pytest_autoresearch.protocol.model import Direction, Holdout, Metric, Protocol
from tests.attacks.arena import available

LEVELS = ("bwrap", *(pytest.param(level, marks=pytest.mark.slow) for level in ("landlock", "process")))
LABELS, INPUTS = "27182", "31415"
SCORE = 4.0

FILES = {
    "predict.py": "import train\n",
    "grade.py": "print(1.0)\n",
    "score.py": (
        "right = open('hidden/labels.txt').read()\n"
        "told = open('elsewhere/more.txt').read()\n"
        "print(sum(a != b for a, b in zip(open('out.txt').read(), right + told, strict=True)))\n"
    ),
    "hidden/labels.txt": LABELS,
    "hidden/inputs.txt": INPUTS,
}

PRELUDE = f"""
import os, pathlib, socket, subprocess, sys, time
TOP = pathlib.Path(sys.argv[0]).resolve().parent

def honest():
    pathlib.Path("out.txt").write_text("2718XX1X")

def cheat(text):
    labels = "{LABELS[:3]}" "{LABELS[3:]}"  # in two pieces: this very file is no place where they stand
    if labels in text: pathlib.Path("out.txt").write_text(labels + "141")

def read(path):
    try:
        return open(path).read()
    except (OSError, UnicodeDecodeError):
        return ""

honest()
"""


@dataclass(frozen=True, slots=True)
class Peek:
    """``program`` is the candidate, which the holdout's run imports. ``process``: whether that level stops it."""

    name: str
    program: str
    process: bool = True


PEEKS = [
    Peek(
        "looks for the labels in its workspace",
        """
        for path in pathlib.Path(".").rglob("*"): cheat(read(path))
        """,
    ),
    Peek(
        "asks for them by name, in the workspace and by another way",
        """
        for name in ("hidden/labels.txt", "elsewhere/more.txt", "./hidden/../hidden/labels.txt"):
            cheat(read(name)); cheat(read(f"/proc/self/cwd/{name}"))
        """,
    ),
    Peek(
        "leaves its own labels for the score to read",
        """
        os.makedirs("hidden", exist_ok=True)
        open("hidden/labels.txt", "w").write("2718X")
        """,
    ),
    Peek(
        "leaves a link in the place of their directory",
        """
        import shutil
        os.makedirs("mine")
        open("mine/labels.txt", "w").write("2718X")
        shutil.rmtree("hidden", ignore_errors=True)
        try: os.symlink("mine", "hidden")
        except OSError: pass
        """,
    ),
    Peek(
        "waits in the background until they are there",
        """
        if os.fork() == 0:
            os.setsid()
            for _ in range(400):
                cheat(read("hidden/labels.txt"))
                time.sleep(0.005)
            os._exit(0)
        """,
    ),
    Peek(
        "plants code that the score would import",
        "for name in ('builtins', 'encodings', 'codecs', 'sitecustomize', 'score'):\n"
        "    if name != 'score': open(f'{name}.py', 'w').write('print(0.0); import os; os._exit(0)')",
    ),
    Peek(
        "reads them in the user's checkout",
        """
        for place in ("repo", "repo/elsewhere"):
            for path in pathlib.Path("ROOT", place).rglob("*.txt"): cheat(read(path))
        """,
        process=False,
    ),
]


def measure(root: Path, level: str, program: str, *, role: Role = Role.HOLDOUT, holdout: Holdout) -> Measurement:
    sandbox = available(level)
    if sandbox is None:
        pytest.skip(f"this machine has no {level}")
    (root / "repo/elsewhere").mkdir(parents=True)
    (root / "repo/hidden").mkdir()
    (root / "repo/elsewhere/more.txt").write_text("141")  # git does not track it
    (root / "repo/hidden/labels.txt").write_text(LABELS)
    (root / "cache").mkdir()
    text = f"{PRELUDE}\n{textwrap.dedent(program).strip()}\n".replace("ROOT", str(root))
    blobs = {blob_id(each.encode()): each.encode() for each in (*FILES.values(), text)}
    site = Site(
        top=root / "repo",
        scratch=root / "cache",
        tag="tag",
        protocol=Protocol(
            goal="",
            metric=Metric("score", Direction.LOWER, extract="python grade.py"),
            targets=(),
            run="python train.py",
            holdout=holdout,
        ),
        read_blobs=lambda ids: {blob: blobs[blob] for blob in ids},
        interpreter_bin=Path(sys.executable).parent,
        targets=frozenset({"train.py"}),
        readonly=frozenset({"grade.py", "score.py", "predict.py"}),
    )
    state = {path: FileEntry("100644", blob_id(each.encode())) for path, each in {**FILES, "train.py": text}.items()}
    lab = LocalExecutor(site, Choice(sandbox, level))
    job = Job(role, 1, 1, state, 20.0, budget=10.0)
    if role is Role.HOLDOUT:
        job = Job(role, 1, 1, state, 20.0, 10.0, command=holdout.run, extract=holdout.score or holdout.extract)
    try:
        return lab.measure(job, lambda _: None)
    finally:
        lab.close()


SCORED = Holdout(
    "python predict.py",
    inputs=("hidden/inputs.txt",),
    files=("hidden/labels.txt", "elsewhere/more.txt"),
    score="python score.py",
)


@pytest.mark.parametrize("peek", PEEKS, ids=lambda peek: peek.name)
@pytest.mark.parametrize("level", LEVELS)
def test_no_candidate_sees_what_scores_it(level: str, peek: Peek, tmp_path: Path) -> None:
    measured = measure(tmp_path, level, peek.program, holdout=SCORED)
    if level == "process" and not peek.process:
        assert measured.value == 0.0, "the page says that this level does not stop it"
    else:
        assert measured.value == SCORE or measured.failure is Reason.OUT_OF_SCOPE, measured


@pytest.mark.parametrize("level", LEVELS)
def test_the_inputs_are_there_in_the_holdouts_run_and_only_there(level: str, tmp_path: Path) -> None:
    program = f"sys.exit(0 if ({INPUTS!r} in read('hidden/inputs.txt')) == ('predict.py' in sys.argv[0]) else 3)"
    for number, role in enumerate((Role.HOLDOUT, Role.CANDIDATE, Role.INCUMBENT)):
        measured = measure(tmp_path / str(number), level, program, role=role, holdout=SCORED)
        assert measured.failure is None, (role, measured)


def test_in_the_form_without_a_score_the_run_sees_the_files(tmp_path: Path) -> None:
    old = Holdout("python predict.py", extract="python score.py", files=SCORED.files)
    assert measure(tmp_path, "bwrap", PEEKS[1].program, holdout=old).value == 0.0
