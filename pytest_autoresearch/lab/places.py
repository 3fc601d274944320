"""Small things that the sandboxes lay out for one run and take away afterwards. Knows no sandbox."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from pytest_autoresearch.lab.removal import remove_tree


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


@contextmanager
def borrowed(workspace: Path) -> Iterator[Callable[[Path, Callable[[Path], object]], None]]:
    """Gives a function that makes ``path`` (relative to the workspace) with ``how``, unless it is there.

    What was made is removed at the end if it is still an empty file or directory, or a link. A link that an earlier
    run planted on the way is removed at once: nothing may lead out of the workspace.
    """
    made: list[Path] = []

    def make(path: Path, how: Callable[[Path], object]) -> None:
        for step in [*path.parents][-2::-1]:
            _make(workspace / step, Path.mkdir)
        _make(workspace / path, how)

    def _make(path: Path, how: Callable[[Path], object]) -> None:
        if path.is_symlink():
            path.unlink()
        if not path.exists():
            how(path)
            made.append(path)

    try:
        yield make
    finally:
        for path in reversed(made):
            with suppress(OSError):
                if path.is_symlink() or not path.is_dir():
                    if path.is_symlink() or not path.stat().st_size:
                        path.unlink()
                else:
                    path.rmdir()
