from __future__ import annotations

from pathlib import Path

import pytest

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.protocol.discover import CONFIG, find_config, near_config


def test_a_directory_means_its_config_and_a_file_itself(tmp_path: Path) -> None:
    config = tmp_path / CONFIG
    config.write_text("", encoding="utf-8")
    other = tmp_path / "other.md"
    other.write_text("", encoding="utf-8")
    assert find_config(tmp_path) == config
    assert find_config(other) == other


def test_where_there_is_no_config_init_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.md"):
        with pytest.raises(ConfigError, match="init"):
            find_config(path)


def test_the_config_that_was_probably_meant_is_named(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / CONFIG).write_text("")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert near_config(below) == f"there is one further up: {tmp_path / CONFIG}"
    (below / "autoresearch_config.md").write_text("")
    with pytest.raises(ConfigError, match=r"there is autoresearch_config\.md: rename it autoresearch\.config\.md"):
        find_config(below)
    (below / "autoresearch_config.md").unlink()
    (below / ".git").mkdir()  # a repository of its own
    assert near_config(below) == ""
