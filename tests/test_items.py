"""What an item says of an error that is nobody's but ours."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_autoresearch.items import ExperimentItem, Unkept
from pytest_autoresearch.protocol.experiment import Experiment, Reason, Status

BUG = RuntimeError("caf\udce9")


def told(directory: Path, error: Exception = BUG) -> str:
    """The words for an error, a bug whose message is no text, in a session with this git directory."""
    parts = SimpleNamespace(git=SimpleNamespace(common_dir=directory), session=SimpleNamespace(tag="demo"))
    item = SimpleNamespace(_research=SimpleNamespace(parts=parts))
    try:
        raise error
    except Exception as raised:
        return ExperimentItem.repr_failure(cast(Any, item), pytest.ExceptionInfo.from_exception(raised))


def test_a_bug_leaves_its_traceback_in_a_file_whatever_it_holds(tmp_path: Path) -> None:
    report = tmp_path / "autoresearch" / "demo" / "bug.txt"
    report.parent.mkdir(parents=True)
    assert f"please report it with {report}" in told(tmp_path)
    assert r"RuntimeError: caf\udce9" in report.read_text()


def test_where_no_file_can_be_written_the_traceback_is_shown(tmp_path: Path) -> None:
    assert "Traceback (most recent call last)" in told(tmp_path / "gone")


def test_a_discard_is_no_bug(tmp_path: Path) -> None:
    discarded = Experiment(1, Status.DISCARD, Reason.WORSE, "x", "", "", "", "")
    assert told(tmp_path, Unkept(discarded)) == "worse"
    assert not any(tmp_path.iterdir())
