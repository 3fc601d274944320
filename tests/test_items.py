"""What an item says of an error that is nobody's but ours."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_autoresearch.items import ExperimentItem


def told(directory: Path) -> str:
    """The words for a bug whose message is no text, in a session with this git directory."""
    parts = SimpleNamespace(git=SimpleNamespace(common_dir=directory), session=SimpleNamespace(tag="demo"))
    item = SimpleNamespace(_research=SimpleNamespace(parts=parts))
    try:
        raise RuntimeError("caf\udce9")
    except RuntimeError as error:
        return ExperimentItem.repr_failure(cast(Any, item), pytest.ExceptionInfo.from_exception(error))


def test_a_bug_leaves_its_traceback_in_a_file_whatever_it_holds(tmp_path: Path) -> None:
    report = tmp_path / "autoresearch" / "demo" / "bug.txt"
    report.parent.mkdir(parents=True)
    assert f"please report it with {report}" in told(tmp_path)
    assert r"RuntimeError: caf\udce9" in report.read_text()


def test_where_no_file_can_be_written_the_traceback_is_shown(tmp_path: Path) -> None:
    assert "Traceback (most recent call last)" in told(tmp_path / "gone")
