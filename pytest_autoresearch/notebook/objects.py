"""The objects of one repository: read through a git process that stays, written as git does, kept from being pruned."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.kept import Kept
from pytest_autoresearch.notebook.plumbing import Helper, Plumbing, refused

NEWEST, RECENT, RECENT_BYTES = 16, 300, 20_000_000
"""Objects remembered until a ``git gc --prune=now`` that began before they were written must be over."""
READ, READ_BYTES = 300, 12_000_000
"""Contents remembered after they were read."""
AT_WORK = ("../gc.pid", "maintenance.lock", "info/commit-graph.lock", "info/commit-graphs/commit-graph-chain.lock")
GRAPHS = ("info/commit-graph", "info/commit-graphs/commit-graph-chain")
LEVEL = 1
"""Of zlib, for objects that the next repack compresses anew: of 5 MB of code it takes a third of the time."""
ATTEMPTS = 20
"""Times in a row that a ``git gc`` may be quicker to remove a directory than we to use it."""


class Objects:
    """An object store. ``zero`` is the id that stands for no object."""

    def __init__(self, plumbing: Plumbing, object_format: str) -> None:
        self.plumbing = plumbing
        self._hash = hashlib.sha256 if object_format == "sha256" else hashlib.sha1
        self._directory = str(plumbing.common_dir / "objects")
        self._recent: OrderedDict[str, tuple[str, bytes]] = OrderedDict()
        self._recent_bytes = 0
        self._named = (b"", "", "")
        self._read: OrderedDict[str, bytes] = OrderedDict()
        self._read_bytes = 0
        self._collected = (False, 0.0)
        self._unsynced: list[str] = []
        self._second: Kept | None = None
        self.digest_size = self._hash().digest_size
        self.zero = "0" * self.digest_size * 2

    def id_of(self, kind: str, data: bytes) -> str:
        """The id that an object of this kind and content has here."""
        named = self._named  # a target of 5 MB is asked about three times in a row
        if named[0] is not data or named[1] != kind:
            digest = self._hash(f"{kind} {len(data)}\0".encode())
            digest.update(data)
            self._named = named = (data, kind, digest.hexdigest())
        return named[2]

    def lookup(self, name: str) -> tuple[str | None, bytes]:
        """The id and content of what ``name`` names, None if it is nothing."""
        found = self._looked_up(name)
        if found[0] is None and self.settle():
            found = self._looked_up(name)
        return found

    def _looked_up(self, name: str) -> tuple[str | None, bytes]:
        with self._asking() as helper:
            answer = helper.ask(name.encode("utf-8", "surrogateescape"))[0]
            parts = answer.rsplit(b" ", 2)
            if len(parts) < 3 or not parts[2].isdigit() or parts[1] not in (b"commit", b"tree", b"blob", b"tag"):
                return None, b""
            return parts[0].decode(), helper.read(int(parts[2]))

    def is_unused(self, abbreviation: str) -> bool:
        """Whether no object's id begins with these digits."""
        with self._asking() as helper:
            answer = helper.ask(abbreviation.encode())[0]
            if not answer.endswith((b" missing", b" ambiguous")):
                helper.read(int(answer.rsplit(b" ", 1)[1]))
            return answer.endswith(b" missing")

    def read(self, blobs: Sequence[str]) -> dict[str, bytes]:
        """Raw contents by blob id."""
        with self.plumbing.lock:
            contents = {blob: data for blob in dict.fromkeys(blobs) if (data := self._kept(blob)) is not None}
        wanted = [blob for blob in dict.fromkeys(blobs) if blob not in contents]
        # So many ids fit into a pipe at once, whatever the answers' size: neither side waits for the other.
        for some in (wanted[at : at + 400] for at in range(0, len(wanted), 400)):
            with self._asking() as helper:
                answer = helper.ask("\n".join(some).encode())[0]
                for at, blob in enumerate(some):
                    answer = helper.line() if at else answer
                    kind, _, size = answer.rpartition(b" ")
                    if not kind.endswith(b" blob"):
                        raise NotebookError(f"{self.plumbing.top}: {blob} is missing\n  run git fsck, or fetch it")
                    contents[blob] = helper.read(int(size))
                    self._keep(blob, contents[blob])
        return contents

    def _kept(self, blob: str) -> bytes | None:
        """A content that was stored or read a short while ago: that of the incumbent is asked for in every turn."""
        kind, data = self._recent.get(blob, ("", b""))
        if kind == "blob":
            return data
        if blob in self._read:
            self._read.move_to_end(blob)
        return self._read.get(blob)

    def _keep(self, blob: str, data: bytes) -> None:
        if len(data) > READ_BYTES // 2 or blob in self._read:
            return
        self._read[blob] = data
        self._read_bytes += len(data)
        while self._read_bytes > READ_BYTES or len(self._read) > READ:
            self._read_bytes -= len(self._read.popitem(last=False)[1])

    @contextlib.contextmanager
    def _asking(self) -> Iterator[Helper]:
        """A question and all of its answer, one thread at a time: slots read while the session does."""
        with self.plumbing.lock:
            helper = self.plumbing.helper("cat-file", "--batch")
            with helper.conversation():
                yield helper

    def store(self, kind: str, data: bytes) -> str:
        """Write an object and return its id."""
        with self.plumbing.lock:
            return self._store(kind, data)

    def _store(self, kind: str, data: bytes) -> str:
        name = self.id_of(kind, data)
        try:
            self._write(name, kind, data)
        except OSError as error:
            raise refused(error, self.plumbing.top) from None
        self._remember(name, kind, data)
        self._unsynced.append(name)
        return name

    def _write(self, name: str, kind: str, data: bytes) -> None:
        """A loose object, as gitformat-loose(5) has it: by us, for a question to a git costs several times as much."""
        path = self._loose(name)
        with contextlib.suppress(OSError):
            os.utime(path)  # it is there, and as good as new to a prune
            if os.stat(path).st_size:  # of one that was not synced, a power cut leaves the name alone
                return
        for _ in range(ATTEMPTS):
            try:
                return self._put(path, kind, data)
            except FileNotFoundError:  # the directory was not there, or a git gc has just taken it, or the draft
                with contextlib.suppress(FileExistsError):
                    os.mkdir(os.path.dirname(path))
                    _grant(os.path.dirname(path), os.stat(self._directory).st_mode & 0o7777)
        raise FileNotFoundError(errno.ENOENT, "a git gc takes away what is written", path)

    def _put(self, path: str, kind: str, data: bytes) -> None:
        """Write the file, with the rights of this store: who may read the directory may read it."""
        draft = f"{os.path.dirname(path)}/tmp_obj_{secrets.token_hex(8)}"  # a prune knows such names as leftovers
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
        try:
            with os.fdopen(handle, "wb") as file:
                _grant(handle, os.stat(self._directory).st_mode & 0o444)
                squeezed = zlib.compressobj(LEVEL)
                file.write(squeezed.compress(f"{kind} {len(data)}\0".encode()))
                file.write(squeezed.compress(data))
                file.write(squeezed.flush())
            os.rename(draft, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(draft)
            raise

    def flush(self) -> None:
        """Bring what :meth:`store` wrote to the disk. The first sync takes the others along."""
        try:
            while self._unsynced:
                with contextlib.suppress(FileNotFoundError):  # packed meanwhile
                    loose = os.open(self._loose(self._unsynced.pop()), os.O_RDONLY)
                    try:
                        os.fsync(loose)
                    finally:
                        os.close(loose)
        except OSError as error:  # only now some file systems say that they are full
            raise refused(error, self.plumbing.top) from None

    def keep_in(self, directory: Path) -> None:
        """Keep what may still be taken away in ``directory`` too, and go on with what a session that died has there."""
        with contextlib.suppress(OSError):  # a full disk; what else is to be written will say so
            directory.mkdir(parents=True, exist_ok=True)
        self._second = Kept(directory)
        for name, kind, data in [*self._second.objects()]:
            self._remember(name, kind, data)
        self.settle(everything=True)

    def put_back(self, directory: Path) -> bool:
        """Write again what is kept in ``directory`` and is not there any more; whether it was any."""
        missing = [each for each in Kept(directory).objects() if self._looked_up(each[0])[0] is None]
        for _, kind, data in missing:
            self.store(kind, data)
        return bool(missing)

    def let_go(self) -> None:
        """Keep nothing more, unless a collection is at work that may still take something."""
        if self._second is not None and not self._is_collected():
            self._second.clear()
        self._second = None

    def discard(self, name: str) -> None:
        """Take back a commit of ours that nothing refers to: no repack would pack it, and 3,000 are 12 MB.

        It stays where a commit-graph that somebody's ``git gc`` wrote meanwhile may know it.
        """
        self._forget(name)
        born = _mtime(self._loose(name))
        newest_graph = max(_mtime(f"{self._directory}/{file}") for file in GRAPHS)
        if born > newest_graph and not self._is_collected():
            os.unlink(self._loose(name))

    def settle(self, *, everything: bool = False) -> bool:
        """Write again what somebody's ``git gc --prune=now`` took away before a ref led to it; whether it was any."""
        with self.plumbing.lock:
            return self._settle(everything=everything)

    def _settle(self, *, everything: bool) -> bool:
        missing = []
        endangered = list(self._recent) if everything else self._endangered()
        for name in [name for name in endangered if not os.path.exists(self._loose(name))]:
            if self._looked_up(name)[0] is None:
                missing.append(self._recent[name])
            else:
                self._forget(name)  # packed, so a ref led to it
        for kind, data in missing:
            self.store(kind, data)
        self.flush()
        while len(self._recent) > RECENT or self._recent_bytes > RECENT_BYTES:
            self._forget(next(iter(self._recent)))
        return bool(missing)

    def _endangered(self) -> list[str]:
        """What was written last; everything that is remembered while a collection is at work, and once afterwards."""
        at_work, packs = self._is_collected(), _mtime(f"{self._directory}/pack")
        before, self._collected = self._collected, (at_work, packs)
        everything = at_work or before != self._collected
        return list(self._recent) if everything else list(islice(reversed(self._recent), NEWEST))

    def _is_collected(self) -> bool:
        return any(os.path.exists(f"{self._directory}/{file}") for file in AT_WORK)

    def _remember(self, name: str, kind: str, data: bytes) -> None:
        self._forget(name)
        self._recent[name] = (kind, data)
        self._recent_bytes += len(data)
        if self._second is not None:
            self._second.keep(name, self._loose(name))

    def _forget(self, name: str) -> None:
        kind, data = self._recent.pop(name, ("", b""))
        self._recent_bytes -= len(data)
        if kind and self._second is not None:
            self._second.forget(name)

    def _loose(self, name: str) -> str:
        return f"{self._directory}/{name[:2]}/{name[2:]}"


def _grant(file: str | int, mode: int) -> None:
    """Give a file these rights; some file systems know of none, and git asks them for none."""
    with contextlib.suppress(OSError):
        os.chmod(file, mode)


def _mtime(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return 0.0
