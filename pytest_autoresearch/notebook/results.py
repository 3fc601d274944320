"""results.tsv: a view of the ledger for people and for pandas. Written from the history, never read by the loop."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.notebook.text import escape, number
from pytest_autoresearch.protocol.experiment import Experiment, Status

if TYPE_CHECKING:
    from pytest_autoresearch.notebook.git import Git

NAME = "results.tsv"
_KINDS = {stat.S_IFDIR: "a directory", stat.S_IFLNK: "a symbolic link", stat.S_IFIFO: "a named pipe"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of results.tsv. ``commit`` has 7 digits, or is ``baseline``; ``metric`` 0 may mean: not measured."""

    commit: str
    metric: float
    status: Status
    description: str


def table_path(git: Git, source: str, tag: str) -> Path:
    """Where a session's table is: beside its config or test, named so that nothing under git is overwritten."""
    directory = PurePosixPath(source.partition("::")[0]).parent
    marked = "::" in source or not source.endswith(".md")
    shared = str(directory / NAME) not in git.files("HEAD") and not marked
    return git.top / directory / (NAME if shared else f"results.{tag}.tsv")


def render(history: History, metric: str) -> str:
    """The whole table."""
    return "".join([header(metric), *(row(experiment) for experiment in history.experiments)])


def header(metric: str) -> str:
    """The first line."""
    return f"commit\t{metric}\tstatus\tdescription\n"


def row(experiment: Experiment) -> str:
    """One experiment's line."""
    commit = "baseline" if experiment.number == 0 else experiment.commit[:7]
    return f"{commit}\t{number(experiment.value)}\t{experiment.status.value}\t{escape(experiment.description)}\n"


class Table:
    """One session's table on disk. ``say`` gets what the user should know, each thing once."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self.path, self._say = path, say
        self._size = -1

    def refuse_odd(self) -> None:
        """NotebookError unless the table is a regular file, or absent in a directory that is there."""
        try:
            mode = os.lstat(self.path).st_mode
        except FileNotFoundError:
            if not self.path.parent.is_dir():
                raise NotebookError(f"{self.path.parent}: no such directory\n  check out the session's files") from None
            return
        except OSError as error:
            raise NotebookError(f"{self.path}: {error.strerror}") from None
        if not stat.S_ISREG(mode):
            kind = _KINDS.get(stat.S_IFMT(mode), "a special file")
            raise NotebookError(f"{self.path}: {kind} stands where the results belong\n  move it away and start again")

    def write(self, text: str, *, known: tuple[str, ...] = ()) -> None:
        """Make the table read ``text``. What stands there instead is saved beside it, unless it is a beginning of
        ``text`` or of one of ``known`` (what a session that died has left).
        """
        self.refuse_odd()
        draft_of(self.path).unlink(missing_ok=True)
        data = text.encode()
        try:
            old = self.path.read_bytes()
        except FileNotFoundError:
            old = None
        if old is not None and not any(each.encode().startswith(old) for each in (text, *known)):
            self._save(self.path, "differed from the ledger")
        if old != data:
            replace(self.path, data)
        self._size = len(data)

    def take_name(self, owner: str, tag: str) -> Path | None:
        """Take ``results.tsv`` over from another tag: its table is renamed, which is returned; ours comes back."""
        if self.path.name != NAME or owner in ("", tag):
            return None
        aside, ours = (self.path.with_name(f"results.{name}.tsv") for name in (owner, tag))
        try:
            if self.path.exists():
                if aside.exists():
                    self._save(aside, "stood where this table belongs")
                os.replace(self.path, aside)
            if ours.exists():
                os.replace(ours, self.path)
        except OSError as error:
            raise NotebookError(f"{self.path}: can not be renamed: {error.strerror}\n  move it away") from None
        return aside

    def append(self, line: str, whole: Callable[[], str]) -> None:
        """Add one line; where somebody changed the file meanwhile, write it anew from ``whole``."""
        data = line.encode()
        flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            out = os.open(self.path, flags)
        except FileNotFoundError:
            self.write(whole())
            return
        except OSError:
            self.refuse_odd()
            raise
        try:
            found = os.fstat(out)
            untouched = found.st_size == self._size and stat.S_ISREG(found.st_mode)
            if untouched:
                self._size = -1  # a row that does not get there whole is made good by the next one, or the next start
                if os.write(out, data) == len(data):
                    self._size = found.st_size + len(data)
                os.fsync(out)
        finally:
            os.close(out)
        if not untouched:
            text = whole()
            self.write(text, known=(text.removesuffix(line),))

    def _save(self, path: Path, why: str) -> None:
        """Keep what the user has at ``path`` under another name."""
        beside = next(
            copy for n in range(1, 10_000) if not (copy := path.with_name(f"{path.name}.edited-{n}")).exists()
        )
        replace(beside, path.read_bytes())
        self._say(f"{path.name} {why}: your copy is {beside.name}, the table was written anew")


def draft_of(path: Path) -> Path:
    """Where a file is written before it takes its place; a crash may leave it behind."""
    return path.with_name(f".{path.name}.new")


def replace(path: Path, data: bytes) -> None:
    """Write a file so that after a crash it holds the old or the new content, never a part."""
    draft = draft_of(path)
    try:
        draft.unlink(missing_ok=True)
        with open(draft, "xb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        os.replace(draft, path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        remedy = "free some space, or make the directory writable, and start again"
        raise NotebookError(f"{path}: can not be written: {error.strerror}\n  {remedy}") from None
