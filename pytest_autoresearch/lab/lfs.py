"""Git LFS: a state holds pointers, a run needs contents. They come from the checkout, and only when the hash fits."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pytest_autoresearch.errors import LabError
from pytest_autoresearch.patterns import regex

_START = b"version https://git-lfs.github.com/spec/v1\n"
_POINTER = regex(rb"oid sha256:([0-9a-f]{64})\nsize ([0-9]{1,18})\n")
_LONGEST = 1024
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Pointer:
    """What a pointer says of the content it stands for: SHA-256 in hexadecimal, size in bytes."""

    digest: str
    size: int


def parse_pointer(data: bytes) -> Pointer | None:
    """The pointer that a blob is, or None if it is an ordinary content."""
    if len(data) > _LONGEST or not data.startswith(_START):
        return None
    found = _POINTER.search(data)
    return Pointer(found[1].decode(), int(found[2])) if found else None


def copy_content(pointer: Pointer, path: str, checkout: Path, file: BinaryIO) -> None:
    """Write the content that the checkout holds for ``path`` into ``file``.

    Raises LabError if the checkout has none, or another one.
    """
    digest = hashlib.sha256()
    try:
        with open(checkout / path, "rb") as source:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                file.write(chunk)
    except OSError:
        pass
    if digest.hexdigest() != pointer.digest:
        raise LabError(
            f"{path} is a Git LFS pointer, and the checkout does not hold its content ({pointer.size} bytes)\n"
            "  fetch it with: git lfs pull"
        )
