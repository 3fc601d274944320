"""A candidate in the holdout's run sees the inputs and never what it is scored by."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

from pytest_autoresearch.lab.executors.local import LocalExecutor
from pytest_autoresearch.lab.job import Job, Site
from pytest_autoresearch.lab.sandbox import Choice
from pytest_autoresearch.protocol.experiment import FileEntry, Measurement, Reason, Role, blob_id
from pytest_autoresearch.protocol.model import Direction, Holdout, Metric, Protocol
from tests.attacks.arena import available
from tests.attacks.peeks import FILES, INPUTS, LABELS, PEEKS, PRELUDE, SCORE, Peek

LEVELS = ("bwrap", *(pytest.param(level, marks=pytest.mark.slow) for level in ("landlock", "process")))


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
    job = Job(role, 1, 1, state, 60.0, budget=10.0)
    if role is Role.HOLDOUT:
        job = Job(role, 1, 1, state, 60.0, 10.0, command=holdout.run, extract=holdout.score or holdout.extract)
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
    elif peek.refused:
        assert measured.failure is Reason.NO_METRIC, measured
    else:
        assert measured.value == SCORE or measured.failure is Reason.OUT_OF_SCOPE, measured


@pytest.mark.parametrize("level", LEVELS)
def test_the_inputs_are_there_in_the_holdouts_run_and_only_there(level: str, tmp_path: Path) -> None:
    program = f"sys.exit(0 if ({INPUTS!r} in read('hidden/inputs.txt')) == ('predict.py' in sys.argv[0]) else 3)"
    for number, role in enumerate((Role.HOLDOUT, Role.CANDIDATE, Role.INCUMBENT)):
        measured = measure(tmp_path / str(number), level, program, role=role, holdout=SCORED)
        assert measured.failure is None, (role, measured)


def test_an_answer_may_be_a_link_to_an_answer(tmp_path: Path) -> None:
    program = """
    os.makedirs("steps/3")
    os.rename("out.txt", "steps/3/out.txt")
    os.symlink("3", "steps/last")
    os.symlink("steps/last/out.txt", "out.txt")
    """
    assert measure(tmp_path, "bwrap", program, holdout=SCORED).value == SCORE


def test_in_the_form_without_a_score_the_run_sees_the_files(tmp_path: Path) -> None:
    old = Holdout("python predict.py", extract="python score.py", files=SCORED.files)
    assert measure(tmp_path, "bwrap", PEEKS[1].program, holdout=old).value == 0.0
