"""Trees as git writes them, and what a handful of changes makes of one. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, TypeVar

from pytest_autoresearch.protocol.experiment import FileEntry

TREE = "40000"
_GITS_OWN = frozenset((".git", "git~1"))
_SPECIAL = frozenset((".gitattributes", ".gitignore", ".gitmodules"))
_UNSEEN = dict.fromkeys([*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF])
Value = TypeVar("Value")


def is_gits_own(path: str) -> bool:
    """Whether a name on the path is git's own, or becomes that of one of its files on macOS or Windows.

    Their file systems ignore case, trailing dots and spaces, or unseen characters. Servers refuse such a tree.
    """
    for part in path.split("/"):
        plain = part.translate(_UNSEEN).partition(":")[0].rstrip(". ").lower()
        if plain in _GITS_OWN or (plain in _SPECIAL and plain != part):
            return True
    return False


def nested(leaves: Iterable[tuple[str, FileEntry | None]]) -> dict[str, Any]:
    """Paths and what is to stand there (None: nothing) as nested directories. Deletions first."""
    edits: dict[str, Any] = {}
    for path, leaf in leaves:
        inner = edits
        *directories, name = path.split("/")
        for directory in directories:
            if not isinstance(inner.get(directory), dict):
                inner[directory] = {}
            inner = inner[directory]
        inner[name] = leaf
    return edits


def encoded(name: str) -> bytes:
    """A path as the bytes git has."""
    return name.encode("utf-8", "surrogateescape")


def listed(line: bytes) -> tuple[str, FileEntry]:
    """One line of ``git ls-tree -z``."""
    about, _, path = line.partition(b"\t")
    mode, _, blob = about.split(b" ")
    return path.decode("utf-8", "surrogateescape"), FileEntry(mode.decode(), blob.decode())


def parsed(raw: bytes, digest: int) -> dict[str, FileEntry]:
    """The entries of a tree object: ``mode name NUL digest`` without separators."""
    entries, at = {}, 0
    while at < len(raw):
        space, end = raw.index(b" ", at), raw.index(b"\0", at)
        name = raw[space + 1 : end].decode("utf-8", "surrogateescape")
        entries[name] = FileEntry(raw[at:space].decode(), raw[end + 1 : end + 1 + digest].hex())
        at = end + 1 + digest
    return entries


def serialised(entries: Mapping[str, FileEntry]) -> bytes:
    """A tree object's content. Git sorts a directory as if its name ended in a slash."""
    ordered = sorted(entries.items(), key=lambda item: encoded(item[0]) + (b"/" if item[1].mode == TREE else b""))
    return b"".join(
        f"{int(entry.mode, 8):o} ".encode() + encoded(name) + b"\0" + bytes.fromhex(entry.blob)
        for name, entry in ordered
    )


def applied(files: Mapping[str, FileEntry], edits: Sequence[tuple[str, FileEntry | None]]) -> dict[str, FileEntry]:
    """The listing of a tree after ``edits``, without asking git; None for a path that goes, and these come first."""
    result = dict(files)
    for path, entry in edits:
        if entry is None:
            result.pop(path, None)
            continue
        if path not in result:
            for parent in PurePosixPath(path).parents:
                result.pop(str(parent), None)
            for below in [each for each in result if each.startswith(path + "/")]:
                del result[below]
        result[path] = entry
    return result


def remember(cache: OrderedDict[str, Value], name: str, value: Value, most: int) -> None:
    """Keep the ``most`` entries that were used last."""
    cache[name] = value
    cache.move_to_end(name)
    if len(cache) > most:
        cache.popitem(last=False)
