"""Small things that the sandboxes lay out for one run and take away afterwards. Knows no sandbox."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from pytest_autoresearch.lab.found import opened
from pytest_autoresearch.lab.removal import DIRECTORY, remove, remove_tree


@contextmanager
def sealed(content: bytes) -> Iterator[int]:
    """A file without a name that holds ``content``: its descriptor, at the beginning. It can be read once."""
    handle = os.memfd_create("autoresearch")
    try:
        with os.fdopen(os.dup(handle), "wb") as file:
            file.write(content)
        os.lseek(handle, 0, os.SEEK_SET)
        yield handle
    finally:
        os.close(handle)


@contextmanager
def fresh_directories(scratch: Path, files: Mapping[str, bytes]) -> Iterator[tuple[Path, Path]]:
    """A HOME that holds ``files`` and a directory for temporary files, both gone at the end."""
    place = Path(tempfile.mkdtemp(prefix="run-", dir=scratch))
    home, temporary = place / "home", place / "tmp"
    try:
        for directory in (home, temporary):
            directory.mkdir()
        for name, content in files.items():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_bytes(content)
        yield home, temporary
    finally:
        with suppress(OSError):
            remove_tree(place)


Maker = Callable[[str, int], object]
"""Makes an entry, given its name and the open directory it belongs to."""


def make_file(name: str, directory: int) -> None:
    """A :data:`Maker` of an empty file."""
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, dir_fd=directory))


def make_directory(name: str, directory: int) -> None:
    """A :data:`Maker` of a directory."""
    os.mkdir(name, dir_fd=directory)


@contextmanager
def borrowed(workspace: Path) -> Iterator[Callable[[Path, Maker], None]]:
    """Gives a function that makes ``path`` (relative to the workspace) with a :data:`Maker`, unless it is there.

    What an earlier run put in the way is removed: nothing may lead out of the workspace. What was made is taken away at
    the end, an empty file or directory if it still is one, and a link with whatever the run has put in its place.
    """
    made: list[Path] = []
    links: set[Path] = set()
    bin_at = workspace.with_name(f"{workspace.name}.bin")

    def make(path: Path, how: Maker) -> None:
        for step in [*path.parents][-2::-1]:
            with _opened(workspace, step) as (directory, name):
                if not stat.S_ISDIR(_mode(directory, name)):
                    remove(directory, name, bin_at=bin_at)
                    make_directory(name, directory)
                    made.append(step)
        with _opened(workspace, path) as (directory, name):
            if stat.S_ISLNK(_mode(directory, name)):
                remove(directory, name, bin_at=bin_at)
            if not _mode(directory, name):
                how(name, directory)
                made.append(path)
                if stat.S_ISLNK(_mode(directory, name)):
                    links.add(path)

    try:
        yield make
    finally:
        for path in reversed(made):
            with suppress(OSError), _opened(workspace, path) as (directory, name):
                mode = _mode(directory, name)
                if path in links or stat.S_ISLNK(mode):
                    remove(directory, name, bin_at=bin_at)
                elif stat.S_ISDIR(mode):
                    os.rmdir(name, dir_fd=directory)
                elif not os.stat(name, dir_fd=directory).st_size:
                    os.unlink(name, dir_fd=directory)


@contextmanager
def set_aside(workspace: Path, paths: Iterable[PurePosixPath], scratch: Path) -> Iterator[None]:
    """Nothing is at ``paths`` (relative to the workspace) while this lasts; then what was there is there again.

    What somebody else put in their place meanwhile is removed.
    """
    paths, bin_at = [*paths], workspace.with_name(f"{workspace.name}.bin")
    if not paths:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="aside-", dir=scratch) as place:
        aside = os.open(place, DIRECTORY)
        moved: list[tuple[PurePosixPath, str]] = []
        try:
            for number, path in enumerate(paths):
                with suppress(OSError), _opened(workspace, Path(path)) as (directory, name):
                    os.rename(name, str(number), src_dir_fd=directory, dst_dir_fd=aside)
                    moved.append((path, str(number)))
            yield
        finally:
            for path, kept in moved:
                for step in [*path.parents][-2::-1]:
                    with _opened(workspace, Path(step)) as (directory, name):
                        if not stat.S_ISDIR(_mode(directory, name)):
                            remove(directory, name, bin_at=bin_at)
                            make_directory(name, directory)
                with _opened(workspace, Path(path)) as (directory, name):
                    remove(directory, name, bin_at=bin_at)
                    os.rename(kept, name, src_dir_fd=aside, dst_dir_fd=directory)
            os.close(aside)


@contextmanager
def _opened(workspace: Path, path: Path) -> Iterator[tuple[int, str]]:
    """The directory of the workspace that ``path`` lies in and its name there, never through a symbolic link."""
    root = os.open(workspace, DIRECTORY)
    try:
        with opened(root, path.as_posix()) as place:
            yield place
    finally:
        os.close(root)


def _mode(directory: int, name: str) -> int:
    """Kind and rights of an entry, 0 if there is none."""
    with suppress(FileNotFoundError):
        return os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
    return 0
