"""Ground floor: which programs the supervisor starts, found by absolute path where no agent can have put them.

A name is looked for in PATH by whoever starts it, and PATH may lead to a directory that a candidate fills: an empty or
relative entry means the working directory. So nothing is started by name, and nothing in a directory of an agent's.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

NEUTRAL = Path("/")
"""Where the supervisor's own programs start: no agent writes there, and what is relative means nothing."""


def workspaces() -> Path:
    """Where the workspaces of all sessions of this user lie."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pytest-autoresearch"


def search_path(repository: Path | None = None) -> str:
    """PATH without entries that are empty, relative, open to everybody, or inside of a workspace or the repository."""
    return os.pathsep.join(_search(os.environ.get("PATH", os.defpath), _forbidden(repository)))


def find(name: str, repository: Path | None = None) -> Path | None:
    """The program by its absolute path, None if there is none in :func:`search_path`. Looked up once."""
    return _find(name, os.environ.get("PATH", os.defpath), _forbidden(repository))


def outside(path: Path, repository: Path) -> bool:
    """Whether a program that somebody names by its path lies where no agent can have put it."""
    return path.is_absolute() and not _lies_in(str(path), _forbidden(repository))


def surroundings(repository: Path | None = None) -> dict[str, str]:
    """What a program of the supervisor's has to find changed in its environment: where it looks for programs itself."""
    changed = {"PATH": search_path(repository)}
    if libraries := os.environ.get("LD_LIBRARY_PATH"):
        changed["LD_LIBRARY_PATH"] = os.pathsep.join(_search(libraries, _forbidden(repository)))
    return changed


def repository_around(path: Path) -> Path:
    """The directory of the git repository that ``path`` seems to lie in, itself if in none; asks no git."""
    start = path.absolute()
    return next((place for place in (start, *start.parents) if (place / ".git").exists()), start)


def _forbidden(repository: Path | None) -> tuple[str, ...]:
    places = (workspaces(), *([] if repository is None else [repository]))
    return tuple(os.path.realpath(place) for place in places)


@lru_cache(maxsize=64)
def _find(name: str, search: str, forbidden: tuple[str, ...]) -> Path | None:
    for directory in _search(search, forbidden):
        path = os.path.join(directory, name)
        # A link may lead into the repository from a directory that does not lie there.
        if os.path.isfile(path) and os.access(path, os.X_OK) and not _lies_in(path, forbidden):
            return Path(path)
    return None


@lru_cache(maxsize=16)
def _search(search: str, forbidden: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_trusted(search, forbidden)))


def _trusted(search: str, forbidden: tuple[str, ...]) -> Iterator[str]:
    for entry in search.split(os.pathsep):
        if os.path.isabs(entry) and not _lies_in(entry, forbidden) and not _is_open_to_all(entry):
            yield os.path.normpath(entry)


def _lies_in(path: str, places: tuple[str, ...]) -> bool:
    real = os.path.realpath(path)
    return any(real == place or real.startswith(place.rstrip("/") + "/") for place in places)


def _is_open_to_all(directory: str) -> bool:
    """As /tmp is."""
    try:
        mode = os.stat(directory).st_mode
    except OSError:
        return False
    return bool(mode & stat.S_IWOTH and mode & stat.S_ISVTX)
