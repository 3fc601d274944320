"""What a workspace should hold, as a tree of directories, so that a survey visits each one once. Touches no file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pytest_autoresearch.protocol.experiment import FileEntry

Stamp = tuple[int, int, int, int, int]
"""ctime, mtime (ns), size, inode and mode: while they stay, so does the content."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a build made: expected as long as nobody has touched it since."""


Entry = FileEntry | Made


@dataclass(slots=True)
class Leaf:
    """What one path should be. ``entry`` None: whatever is there is left alone.

    ``stamp`` is what the kernel said when it was made; ``digest`` the SHA-256 of a content that is not the blob's.
    """

    entry: Entry | None
    stamp: Stamp | None = None
    digest: str | None = None


@dataclass(slots=True)
class Directory:
    """What one directory should hold."""

    leaves: dict[str, Leaf] = field(default_factory=dict)
    directories: dict[str, Directory] = field(default_factory=dict)

    def leaf(self, path: str) -> Leaf:
        """The leaf that was planted at ``path``."""
        directory = self
        *parents, name = path.split("/")
        for parent in parents:
            directory = directory.directories[parent]
        return directory.leaves[name]


def plant(tree: Directory, path: str, entry: Entry | None) -> None:
    """Expect ``entry`` at ``path``, and directories on the way to it."""
    *parents, name = path.split("/")
    for parent in parents:
        tree.leaves.pop(parent, None)
        tree = tree.directories.setdefault(parent, Directory())
    if isinstance(entry, FileEntry) and entry.mode == "160000":
        tree.leaves.pop(name, None)
        tree.directories[name] = Directory()  # a submodule
    else:
        tree.directories.pop(name, None)
        tree.leaves[name] = Leaf(entry)


def uproot(tree: Directory, path: str) -> None:
    """Expect nothing at ``path`` any more, nor directories that only led to it."""
    name, _, rest = path.partition("/")
    if not rest:
        tree.leaves.pop(name, None)
        tree.directories.pop(name, None)
    elif name in tree.directories:
        uproot(tree.directories[name], rest)
        if not tree.directories[name].leaves and not tree.directories[name].directories:
            del tree.directories[name]


def entries_below(tree: Directory, prefix: str) -> Iterator[tuple[str, Entry]]:
    """Every path expected in ``tree``, which lies at ``prefix``, and what is expected there."""
    yield from ((prefix + name, leaf.entry) for name, leaf in tree.leaves.items() if leaf.entry is not None)
    for name, below in tree.directories.items():
        yield from entries_below(below, f"{prefix}{name}/")
