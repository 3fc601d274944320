"""What a session is let in with: which files its candidates may change, and what it may not leave before them."""

from __future__ import annotations

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.lab.importing import names_elsewhere
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.scope import Scope, resolve_paths
from pytest_autoresearch.protocol.settings import Settings
from pytest_autoresearch.protocol.shadowing import python_paths
from pytest_autoresearch.protocol.trust import VISIBLE
from pytest_autoresearch.research.guards import INI_FILES


def scope_of(protocol: Protocol, git: Git, start: str) -> Scope:
    """The protocol's scope in a session's start commit, knowing what the machine's interpreters import."""
    files = git.files(start)
    scope = resolve_paths(protocol, files.keys())
    if scope.shadowing is None:
        return scope
    inis = [entry.blob for path, entry in files.items() if path.rpartition("/")[2] in INI_FILES]
    texts = (data.decode("utf-8", "replace") for data in git.read(inis).values())
    commands = [command for command in (protocol.metric.extract, *protocol.guard) if command]
    return resolve_paths(
        protocol,
        files.keys(),
        installed=names_elsewhere(commands, top=git.top),
        roots=[place for text in texts for place in python_paths(text)],
    )


def refuse_visible_holdout(protocol: Protocol, settings: Settings) -> None:
    """What decides must not lie before the candidate where nothing weaker than the strictest is wanted."""
    if settings.isolation == "strict" and protocol.holdout is not None and protocol.holdout.is_visible:
        raise ConfigError(
            f"holdout: {VISIBLE}, as its `run` sees the hidden files; isolation is strict",
            file=protocol.source,
            line=protocol.origins.get("holdout"),
            remedy="let `run` write predictions from `inputs`, and a command `score` compare them with the `files`",
        )
