"""What a session wrote last, once more, beside git's objects: second names of the same files, in its own directory.

A ``git gc --prune=now`` that began before a ref led to an object takes that object away, now or in a minute; a session
writes it again, but one that has died by then can not. Without the ledger's head nothing of the ledger would be found.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path


class Kept:
    """The objects in ``directory``, each a file as git writes loose ones, named by its id."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def keep(self, name: str, loose: str) -> None:
        """Give the file of a loose object a second name. One that is packed has no file, and was led to by a ref."""
        path = self.directory / name
        try:
            os.link(loose, path)
        except (FileExistsError, FileNotFoundError):
            pass
        except OSError:  # a file system without second names; nothing depends on it while git behaves
            with contextlib.suppress(OSError):
                shutil.copyfile(loose, path)

    def forget(self, name: str) -> None:
        """No collection can take this one any more."""
        with contextlib.suppress(OSError):
            (self.directory / name).unlink()

    def objects(self) -> Iterator[tuple[str, str, bytes]]:
        """Id, kind and content of each, oldest first."""
        with contextlib.suppress(FileNotFoundError):
            for path in sorted(self.directory.iterdir(), key=lambda path: path.stat().st_mtime_ns):
                with contextlib.suppress(OSError, ValueError, zlib.error):  # torn by a power cut
                    header, _, data = zlib.decompress(path.read_bytes()).partition(b"\0")
                    kind, size = header.decode("ascii").split(" ")
                    if int(size) == len(data):
                        yield path.name, kind, data

    def clear(self) -> None:
        """Forget all of them."""
        shutil.rmtree(self.directory, ignore_errors=True)
