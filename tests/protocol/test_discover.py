from __future__ import annotations

from pathlib import Path

import pytest

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.protocol.discover import CONFIG, find_config


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
