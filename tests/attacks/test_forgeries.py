"""A candidate gets the number it earns, or a refusal; never the number it wants. At every level this machine gives."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from pytest_autoresearch.protocol.experiment import Measurement
from pytest_autoresearch.protocol.model import Direction, Holdout, Metric, Protocol
from tests.attacks.forgeries import FILES, FORGERIES, HONEST, PRELUDE, SCORE, Forgery
from tests.attacks.slot import Slot

LEVELS = ("bwrap", *(pytest.param(level, marks=pytest.mark.slow) for level in ("landlock", "process")))


PROTOCOL = Protocol(
    goal="",
    metric=Metric("score", Direction.LOWER, extract="python grade.py | cat", bounds=(0.0, 100.0)),
    targets=(),
    run="python train.py",
    holdout=Holdout("python grade.py", files=("secret",)),
)


def outcome(measured: Measurement) -> str:
    if measured.failure is not None:
        return measured.failure.value
    return HONEST if measured.value == SCORE else f"FORGED: {measured.value}"


@pytest.mark.slow
@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: forgery.name)
@pytest.mark.parametrize("level", LEVELS)
def test_a_forgery_ends_as_the_security_model_says(
    level: str, forgery: Forgery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A shell as careless as many are: programs and libraries are looked for where a run may write.
    monkeypatch.setenv("PATH", f".:{tmp_path}/repo/bin:{os.environ['PATH']}")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/usr/local/lib:")
    with closing(Slot(tmp_path, level, PROTOCOL, ("grade.py", "labels.py"))) as slot:
        files = {**FILES, "train.py": forgery.program}
        measured = slot.measure(files, timeout=forgery.timeout, budget=2.0)
        assert outcome(measured) == forgery.expected(level), measured
        assert measured.detail.isprintable()
        if forgery.leaves:
            again = slot.measure(files, timeout=forgery.timeout, budget=2.0)
            assert outcome(again) == forgery.expected(level)
            assert outcome(slot.measure({**FILES, "train.py": f"{PRELUDE}\nhonest()\n"}, 2, budget=2.0)) == HONEST
    assert list((tmp_path / "repo").iterdir()) == []
