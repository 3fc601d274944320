"""``git: throwaway``: a repository of one commit, for tools that call git. Nothing is ever read from it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pytest_autoresearch.errors import LabError
from pytest_autoresearch.executables import NEUTRAL, find, surroundings

_NAME, _DATE = "autoresearch", "2000-01-01T00:00:00Z"


def find_git(checkout: Path) -> Path:
    """The git to make repositories with. To be asked for once, before anything of an agent's lies anywhere."""
    program = find("git", checkout)
    if program is None:
        raise LabError("git: throwaway: git was not found on PATH\n  install git 2.30 or newer")
    return program


def make_repository(root: Path, git: Path, checkout: Path) -> None:
    """Make ``root`` the work tree of a new repository with everything committed. Raises LabError if git can not.

    An agent has written in ``root``: ``git`` is absolute, starts elsewhere, and finds nothing else of the agent's.
    """
    environment = {
        **surroundings(checkout),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": _NAME,
        "GIT_AUTHOR_EMAIL": f"{_NAME}@localhost",
        "GIT_AUTHOR_DATE": _DATE,
        "GIT_COMMITTER_NAME": _NAME,
        "GIT_COMMITTER_EMAIL": f"{_NAME}@localhost",
        "GIT_COMMITTER_DATE": _DATE,
    }
    for arguments in (
        ("init", "--quiet", "--template=", "--initial-branch=main"),
        ("add", "--all", "--force"),
        ("commit", "--quiet", "--allow-empty", "--no-verify", "--message=autoresearch"),
    ):
        where = (f"--git-dir={root}/.git", f"--work-tree={root}")
        command = [str(git), *where, "-c", f"core.hooksPath={os.devnull}", "-c", "gc.auto=0", *arguments]
        try:
            subprocess.run(
                command, cwd=NEUTRAL, env=environment, check=True, capture_output=True, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.CalledProcessError) as error:
            words = getattr(error, "stderr", b"").decode("utf-8", "replace").strip() or str(error)
            raise LabError(f"git: throwaway: {' '.join(arguments[:1])} failed: {words}") from None
