"""What of the machine a run may read besides its workspace: the system, the interpreter, its libraries. Nothing else.

Shared by the levels, so that the same program finds the same files at each of them. Knows no mounts and no Landlock.
"""

from __future__ import annotations

import json
import os
import site
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest_autoresearch
from pytest_autoresearch.lab.programs import chain
from pytest_autoresearch.lab.toolchains import Installed

SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/etc"),
    *("/nix/store", "/nix/var/nix/profiles", "/gnu/store"),  # not all of /nix: the socket of its daemon is there
)
MACHINE = ("/sys/devices/system",)
"""How many processors there are and how they are laid out: BLAS and OpenMP ask."""

_TOO_BROAD = ("/", "/home", "/root", "/var", "/srv", "/mnt", "/media", "/run", "/tmp", "/dev", "/proc", "/sys")


@dataclass(frozen=True, slots=True)
class Reach:
    """Existing absolute paths a run may read.

    ``interpreter`` are the prefixes and links of the interpreter, which must stay visible even inside the repository;
    ``libraries`` are directories it imports from, which inside the repository are the workspace's. ``masked`` are paths
    that are not to be read. ``toolchains`` are the parts of other tools on our list, ``roots`` where those outside of
    HOME want to take notes, ``notes`` files for a run's HOME by their path in it.
    """

    system: tuple[Path, ...]
    interpreter: tuple[Path, ...]
    libraries: tuple[Path, ...]
    masked: tuple[Path, ...]
    toolchains: tuple[Path, ...] = ()
    roots: tuple[Path, ...] = ()
    notes: Mapping[str, bytes] = field(default_factory=dict, hash=False)

    def interpreter_beside(self, repository: Path) -> Iterator[Path]:
        """The interpreter, without the rest of a repository whose top is its virtual environment."""
        for path in self.interpreter:
            if path == repository:
                parts = (path / name for name in ("bin", "lib", "lib64", "include", "pyvenv.cfg"))
                yield from (part for part in parts if part.exists())
            else:
                yield path

    def libraries_beside(self, repository: Path) -> Iterator[Path]:
        """The libraries that are no part of a repository, whose files are the workspace's, and do not contain it."""
        for path in self.libraries:
            if not path.is_relative_to(repository) and not repository.is_relative_to(path):
                yield path

    def toolchains_beside(self, repository: Path) -> Iterator[Path]:
        """The parts of toolchains that do not contain the repository."""
        yield from (path for path in self.toolchains if not repository.is_relative_to(path))


@cache
def reach() -> Reach:
    """The reach of a run on the machine with this interpreter. Looked up once: it walks /etc."""
    libraries, tools = tuple(_unique(_libraries())), Installed(Path(os.path.expanduser("~")), os.environ)
    return Reach(
        system=tuple(path for path in map(Path, (*SYSTEM, *MACHINE)) if path.exists()),
        interpreter=tuple(_unique(_interpreter())),
        libraries=libraries,
        masked=tuple(_unique([*_secrets(Path("/etc")), *(root / ".git" for root in libraries), *tools.secrets])),
        toolchains=tools.parts,
        roots=tools.roots,
        notes=tools.notes,
    )


def home() -> Path:
    """The user's HOME, the path at which a run finds an empty one."""
    return _usable(os.path.expanduser("~"))


@lru_cache(maxsize=8)
def _usable(home: str) -> Path:
    path = Path(home)
    usable = path.is_absolute() and path != Path("/") and not any(path.is_relative_to(root) for root in SYSTEM)
    return path if usable else Path("/tmp/home")


def _interpreter() -> Iterator[Path]:
    for prefix in (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix):
        yield Path(prefix)
        yield Path(prefix).resolve()
    # venv/bin/python is a chain of links; each of them must be there to be followed.
    yield from chain(Path(sys.executable))


def _libraries() -> Iterator[Path]:
    yield Path(pytest_autoresearch.__file__).parent
    # `python -m pytest` puts the directory it is called in on the path: whatever lies there is no library.
    for entry in [*(entry for entry in sys.path if entry != os.getcwd()), *_editable()]:
        path = Path(entry)
        if path.is_absolute() and path.is_dir() and not _is_broad(path):
            yield path


def _editable() -> Iterator[str]:
    """Roots of editable installs; their import hooks leave no trace on ``sys.path``."""
    for packages in [*site.getsitepackages(), site.getusersitepackages()]:
        for record in Path(packages).glob("*.dist-info/direct_url.json"):
            with suppress(OSError, ValueError, KeyError):
                origin = json.loads(record.read_text())
                url = urlsplit(origin["url"])
                if url.scheme == "file" and origin.get("dir_info", {}).get("editable"):
                    yield unquote(url.path)


def _is_broad(path: Path) -> bool:
    """Whether more than a library would be shown, as with ``PYTHONPATH=$HOME``."""
    return str(path) in _TOO_BROAD or home().is_relative_to(path) or path.parent == Path("/home")


def _secrets(root: Path) -> Iterator[Path]:
    """Below ``root``, what this user may read and not everybody: nearly all of it only if the user is root."""
    with suppress(OSError), os.scandir(root) as entries:
        for entry in entries:
            with suppress(OSError):
                mode = entry.stat(follow_symlinks=False).st_mode
                if stat.S_ISLNK(mode):
                    continue
                if not mode & stat.S_IROTH and os.access(entry.path, os.R_OK):
                    yield Path(entry.path)
                elif stat.S_ISDIR(mode):
                    yield from _secrets(Path(entry.path))


def _unique(paths: Iterable[Path]) -> list[Path]:
    return [path for path in dict.fromkeys(paths) if path.exists()]
