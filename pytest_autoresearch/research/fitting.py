"""What no run needs to show: a protocol that does not fit the commit it starts from, or an agent that is not there."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pytest_autoresearch.agents.command import program_of, words_of
from pytest_autoresearch.errors import AgentError, ConfigError
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.building import refuse_stale
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.research.diagnosis import reader

if TYPE_CHECKING:
    from pytest_autoresearch.agents.search.finders.survey import Survey


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
    from pytest_autoresearch.agents.search.finders.survey import below, survey

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
    from pytest_autoresearch.reading.door import is_code

    return ((file, why) for file, why in found.unread.items() if is_code(file))


def refuse_unseen_scripts(agents: Sequence[str], protocol: Protocol, top: Path, tracked: Collection[str]) -> None:
    """A turn sees the session's commit and nothing else of the repository, so a script of an agent must be in it."""
    here = top / protocol.directory
    shown = [Path(os.path.normpath(here / os.path.expanduser(path))) for path in (*protocol.data, *protocol.caches)]
    for name in agents:
        scripts = [word for word in words_of(name) if (here / word).is_file()]
        if not scripts:
            continue
        script = Path(os.path.normpath(here / scripts[0]))
        is_elsewhere = not script.is_relative_to(top) or any(script.is_relative_to(path) for path in shown)
        if not is_elsewhere and script.relative_to(top).as_posix() not in tracked:
            raise AgentError(
                f"agent {name}: a turn does not see {scripts[0]}: it is not in the commit that the session began from\n"
                "  commit it and begin another session, or keep it outside of the repository"
            )


def refuse_missing_programs(agents: Sequence[str], protocol: Protocol, top: Path) -> None:
    """A `command:` agent whose program is nowhere would fail in every turn of the night."""
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    for name in agents:
        word = program_of(name)
        if word and not _is_there(word, top / protocol.directory, search):
            raise AgentError(
                f"agent {name}: there is no program {word}\n"
                "  install it, put its directory on PATH, or name it by its path"
            )


def _is_there(word: str, here: Path, search: str) -> bool:
    if "/" in word:
        return (here / os.path.expanduser(word)).exists()
    return shutil.which(word, path=search) is not None
