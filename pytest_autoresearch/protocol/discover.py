"""Finds the config that a path means."""

from __future__ import annotations

from pathlib import Path

from pytest_autoresearch.errors import ConfigError

CONFIG = "autoresearch.config.md"


def find_config(path: Path) -> Path:
    """The config at ``path``: the file itself, or the one in that directory. ConfigError where there is none."""
    if not path.is_dir():
        if not path.exists() and not path.is_symlink():
            raise ConfigError("there is no such file", file=path, remedy="`pytest-autoresearch init` writes one")
        return path
    config = path / CONFIG
    if not config.exists():
        where = "this directory" if path == Path(".") else str(path)
        raise ConfigError(f"there is no {CONFIG} in {where}", remedy="`pytest-autoresearch init` writes one")
    return config
