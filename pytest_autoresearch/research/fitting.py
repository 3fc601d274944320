"""What no run needs to show: a protocol that the commit it starts from does not fit."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import PurePosixPath

from pytest_autoresearch.agents.search.finders.survey import Survey, below, survey
from pytest_autoresearch.errors import AgentError, ConfigError
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.building import refuse_stale
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.reading.door import is_code
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


def surveyed(protocol: Protocol, git: Git, commit: str, targets: Collection[str]) -> Survey:
    """The literals of the targets in a commit. ConfigError where ``knobs`` names what is not there, or is closed."""
    files = git.files(commit)
    blobs = {path: files[path].blob for path in targets if path in files and files[path].mode.startswith("100")}
    read = git.read(list(blobs.values()))
    directory = PurePosixPath(protocol.directory)
    try:
        return survey(protocol, {below(directory, path): read[blob] for path, blob in blobs.items()})
    except AgentError as error:
        file, line = protocol.source.partition("::")[0], protocol.origins.get("knobs")
        remedy = "`pytest-autoresearch show` lists every literal once `knobs` is left out"
        raise ConfigError(str(error), file=file, line=line, remedy=remedy) from error


def unread_code(found: Survey) -> Iterator[tuple[str, str]]:
    """Targets with code that no reader reads, and why: an edit that moves their seed is not found out."""
    return ((file, why) for file, why in found.unread.items() if is_code(file))
