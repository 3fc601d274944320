"""Finds the config that a path means."""

from __future__ import annotations

import difflib
import os
import re
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
        meant = near_config(path.resolve())
        remedy = (
            f"{meant}; else `pytest-autoresearch init` writes one" if meant else "`pytest-autoresearch init` writes one"
        )
        raise ConfigError(f"there is no {CONFIG} in {where}", remedy=remedy)
    return config


def near_config(directory: Path) -> str:
    """What was probably meant where a directory has no config: one further up, or a file of nearly that name."""
    try:
        names = [entry.name for entry in os.scandir(directory) if entry.is_file()]
    except OSError:
        return ""
    alike = [name for name in names if re.sub(r"[^a-z]", "", name.lower()) == "autoresearchconfigmd"]
    near = alike or [n for n in difflib.get_close_matches(CONFIG, names, n=1, cutoff=0.85) if n.endswith(".md")]
    if near:
        return f"there is {near[0]}: rename it {CONFIG}"
    while not (directory / ".git").exists() and directory != directory.parent:
        above = directory.parent
        if (above / CONFIG).is_file():
            return f"there is one further up: {above / CONFIG}"
        directory = above
    return ""
