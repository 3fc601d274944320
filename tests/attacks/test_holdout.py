"""A candidate in the holdout's run sees the inputs and never what it is scored by."""

from __future__ import annotations

import textwrap
from contextlib import closing
from pathlib import Path

import pytest

from pytest_autoresearch.protocol.experiment import Measurement, Reason, Role
from pytest_autoresearch.protocol.model import Direction, Holdout, Metric, Protocol
from tests.attacks.peeks import FILES, INPUTS, LABELS, PEEKS, PRELUDE, SCORE, Peek
from tests.attacks.slot import Slot

LEVELS = ("bwrap", *(pytest.param(level, marks=pytest.mark.slow) for level in ("landlock", "process")))


def measure(root: Path, level: str, program: str, *, role: Role = Role.HOLDOUT, holdout: Holdout) -> Measurement:
    metric = Metric("score", Direction.LOWER, extract="python grade.py")
    protocol = Protocol(goal="", metric=metric, targets=(), run="python train.py", holdout=holdout)
    text = f"{PRELUDE}\n{textwrap.dedent(program).strip()}\n".replace("ROOT", str(root))
    command, extract = (holdout.run, holdout.score or holdout.extract) if role is Role.HOLDOUT else (None, None)
    with closing(Slot(root, level, protocol, ("grade.py", "score.py", "predict.py"))) as slot:
        for name, hidden in {
            "elsewhere/more.txt": "141",
            "hidden/labels.txt": LABELS,
        }.items():  # git does not track them
            (root / "repo" / name).parent.mkdir()
            (root / "repo" / name).write_text(hidden)
        return slot.measure({**FILES, "train.py": text}, role=role, command=command, extract=extract)


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
