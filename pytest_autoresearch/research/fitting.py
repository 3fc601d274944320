"""What no run needs to show: a protocol that the commit it starts from does not fit."""

from __future__ import annotations

from collections.abc import Collection

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.building import refuse_stale
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.research.diagnosis import reader


def refuse_misfit(protocol: Protocol, git: Git, commit: str, targets: Collection[str]) -> None:
    """ConfigError where a marked test is not in the commit, or a compiled target is built by nobody.

    ``targets`` are tracked paths relative to the top.
    """
    files = git.files(commit)
    test, sep, _ = protocol.source.partition("::")
    if sep and test not in files:
        raise ConfigError(
            "the test is there but not committed, and a session begins from a commit",
            file=test,
            remedy=f"commit it: git add {test}",
        )
    refuse_stale(protocol, targets, reader(git, files), files)
