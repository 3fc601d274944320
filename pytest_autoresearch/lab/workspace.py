"""The directory an experiment runs in: it holds exactly one state, whatever the last run did to it. Knows no git.

Nothing here follows a symbolic link, and a survey trusts only what the kernel says of a file (nobody can set its ctime
back), so a restore costs what has changed, not what there is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import groupby, islice
from pathlib import Path

from pytest_autoresearch.errors import LabError
from pytest_autoresearch.lab.expected import Directory, Leaf, Made, entries_below, plant, uproot
from pytest_autoresearch.lab.found import Found, Survey, clear_notes, describe, holds, opened, stamp_of, walk
from pytest_autoresearch.lab.job import ReadBlobs
from pytest_autoresearch.lab.lfs import copy_content, parse_pointer
from pytest_autoresearch.lab.removal import (
    DIRECTORY,
    IMMUTABLE_OR_APPEND,
    clear_flags,
    open_directory,
    remove,
    remove_tree,
)
from pytest_autoresearch.lab.touching import Touched, Touching, among, share
from pytest_autoresearch.protocol.experiment import Change, FileEntry, differing

LARGEST_READ = 5_000_000  # bytes of new content that changes() reads in all; more is out of scope by its size
MOST_CHANGES = 10_000
STILL = 60.0  # s that a survey is worth something
MANY = 1_000  # files of a state from which on it pays to watch them
CLOCK_TICK = 20_000_000  # ns; a file changed twice within a tick of the kernel's clock may show one ctime

LITTER = frozenset(
    {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".ipynb_checkpoints", ".hypothesis", ".git"}
)
"""Names that tools leave behind and that are part of no proposal."""

_BLOBS_AT_ONCE = 256
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Workspace:
    """A directory of ours, which must not lie in the checkout.

    ``checkout`` is where the contents of Git LFS pointers are looked for. ``ignored`` are paths that are no part of a
    state (the run's log): never filled, never a change. ``kept`` are left alone from one fill to the next (caches).
    ``watched``: a watch hears all that is done to files here, see :mod:`pytest_autoresearch.lab.touching`.
    """

    def __init__(
        self,
        root: Path,
        read_blobs: ReadBlobs,
        *,
        checkout: Path,
        ignored: Collection[str] = (),
        kept: Collection[str] = (),
        watched: bool = False,
    ) -> None:
        self.root = root
        self._read_blobs, self._checkout, self._ignored = read_blobs, checkout, frozenset(ignored)
        self._bin = root.with_name(f"{root.name}.bin")
        self._state: Mapping[str, FileEntry] = {}
        self._expected = Directory()
        self._kept = frozenset(kept)
        self._made: set[str] = set()
        self._submodules: set[str] = set()
        self._trusted_until = 0  # ns; a younger ctime does not prove that a content is unchanged
        self._begun = False
        self._seen: tuple[Survey, int, float] | None = None  # with the directory's inode, and when
        self._is_alone = True
        self._may_watch = watched
        self._touching: Touching | None = None

    def fill(self, state: Mapping[str, FileEntry], *, held: Collection[str] = ()) -> bool:
        """Make the directory hold exactly ``state``, writing no more than has changed.

        ``held`` are empty files and directories that somebody mounts on: they stay. Returns whether what :meth:`adopt`
        took in for this very state is still there, untouched. Raises LabError if the disk, the system or a missing LFS
        content does not allow it.
        """
        try:
            if is_new := not self._begun:
                remove_tree(self.root)
                self._begun = True
            seen, self._seen = self._seen, None
            fresh, same = self._expect(state)
            adopted = same and not fresh and bool(self._made)
            with self._open_root() as root:
                still = self._still(root, seen, fresh) if same else None
                survey = still or self._survey(root, hashes=False)
                if self._made and (survey.spoilt or not adopted):
                    adopted = False
                    self._disown()
                    survey = self._survey(root, hashes=False)
                for path in survey.strangers:
                    if path not in held:
                        self._remove(root, path)
                # Times, rights and attributes could carry a note from one run to the next.
                self._write_all(root, [*survey.altered, *survey.touched])
                for path in self._submodules:
                    with opened(root, f"{path}/.git", create=True):
                        pass  # an empty directory, as git clone leaves it
                self._watch([*survey.altered, *survey.touched, *survey.strangers], is_new=is_new)
        except OSError as error:
            raise LabError(
                f"the workspace can not be filled: {error}\n  free some space, or remove {self.root}"
            ) from error
        self._trusted_until = time.time_ns() - CLOCK_TICK
        return adopted

    def disturb(self, *, for_good: bool = False) -> None:
        """Somebody may write here from now on, so that the last survey is worth nothing, or no survey ever again is."""
        self._seen = None
        self._is_alone = self._is_alone and not for_good
        if for_good:
            self._watch_no_more()

    def adopt(self) -> None:
        """Take in what a build has made: it is expected from now on, until the state changes or a run touches it."""
        self._watch_no_more()
        with self._open_root() as root:
            for found in self._new(root, self._survey(root).strangers):
                plant(self._expected, found.path, Made())
                self._expected.leaf(found.path).stamp = stamp_of(found.status)
                self._made.add(found.path)
        time.sleep(CLOCK_TICK / 1e9)  # what is written after this shows another ctime
        self._trusted_until = time.time_ns() - CLOCK_TICK

    def survey(self) -> Survey:
        """How the directory differs from the last fill. The next one needs no other, unless it is disturbed."""
        with self._open_root() as root:
            return self._note(root, self._survey(root))

    def changes(self) -> tuple[Change, ...]:
        """What differs from the last fill, sorted by path, without litter, empty directories and ignored paths.

        The contents of the first 5 MB are read; of what is beyond that, only the sizes.
        """
        room, changes = LARGEST_READ, []
        with self._open_root() as root:
            survey = self._note(root, self._survey(root))
            for path in survey.altered:
                changes.append(describe(root, path, room))
                room -= changes[-1].size
            new = self._new(root, survey.strangers)
            # The smallest first: what git ignores may be large, and must not use up the room for what was meant.
            for _, path in sorted((found.status.st_size, found.path) for found in islice(new, MOST_CHANGES)):
                changes.append(describe(root, path, room))
                room -= changes[-1].size
            changes.extend(Change(f"{found.path} and more", "special") for found in islice(new, 1))
        return tuple(sorted(changes, key=lambda change: change.path))

    def restore(self, paths: Sequence[str], survey: Survey) -> Survey:
        """Write these paths of the state again as they were filled, and remove what lies in their way.

        Returns what is left of the survey.
        """
        in_the_way = {s for s in survey.strangers if any(path.startswith(f"{s}/") for path in paths)}
        with self._open_root() as root:
            for stranger in in_the_way:
                self._remove(root, stranger)
            self._write_all(root, paths)
        again = set(paths)
        altered = [path for path in survey.altered if path not in again]
        strangers = [path for path in survey.strangers if path not in in_the_way]
        return Survey(altered, strangers, survey.spoilt, survey.touched)

    def left(self) -> Iterator[str]:
        """The regular files that are not as filled, or no part of the state, sorted by path."""
        with self._open_root() as root:
            survey = self._survey(root)
            yield from (found.path for found in self._new(root, survey.strangers) if found.kind == "file")

    def extend(self, more: Mapping[str, FileEntry]) -> None:
        """Hold these paths as well, whatever a run has put in their places, and leave everything else as it is."""
        self._expect({**self._state, **more})
        self.restore(sorted(path for path in more if not self._is_left_out(path)), self.survey())
        self.disturb()

    def prune(self, unwanted: Callable[[Found], bool], survey: Survey) -> tuple[str, ...]:
        """Remove the entries that are no part of the state and ``unwanted``, at any depth; returns their paths."""
        with self._open_root() as root:
            places = (*survey.strangers, *sorted(self._made))
            doomed = [found.path for place in places for found in walk(root, place) if unwanted(found)]
            for path in doomed:
                self._remove(root, path)
        return tuple(doomed)

    def write(self, path: str, data: bytes) -> None:
        """Put a file of ours (the run's log) in the place of whatever is at ``path``."""
        self.disturb()
        with self._open_root() as root, opened(root, path, create=True) as (directory, name):
            remove(directory, name, bin_at=self._bin)
            with os.fdopen(os.open(name, _CREATE, 0o644, dir_fd=directory), "wb") as file:
                file.write(data)

    def read(self, path: str, *, at_most: int) -> bytes | None:
        """The first and last bytes, ``at_most`` in all, of a regular file; None if there is none."""
        with self._open_root() as root:
            try:
                with opened(root, path) as (directory, name):
                    return Found.at(path, directory, name).content(at_most)
            except OSError:
                return None

    def close(self) -> None:
        """Remove the directory and all that is in it."""
        self._begun, self._seen = False, None
        self._watch_no_more()
        remove_tree(self.root)

    def _expect(self, wanted: Mapping[str, FileEntry]) -> tuple[list[str], bool]:
        """Bring the expected tree from the last state to this one; returns the paths in which they differ.

        And whether nothing but contents does: no path comes or goes, or turns into something else.
        """
        known = self._state
        changed = differing(known, wanted)
        if self._touching is not None:  # before anything can fail: the next fill will find no difference any more
            self._touching.expect_otherwise(changed)
        for path in changed:
            if path not in wanted:
                uproot(self._expected, path)
        for path in changed:
            if path in wanted and not self._is_left_out(path):
                plant(self._expected, path, wanted[path])
        self._submodules.difference_update(changed)
        self._submodules.update(path for path in changed if path in wanted and wanted[path].mode == "160000")
        for path in self._kept:
            plant(self._expected, path, None)
        self._state = wanted
        same = all(
            path in known and path in wanted and known[path].mode == wanted[path].mode != "160000" for path in changed
        )
        return [path for path in changed if not self._is_left_out(path)], same

    def _note(self, root: int, survey: Survey) -> Survey:
        self._seen = (survey, os.fstat(root).st_ino, time.monotonic()) if self._is_alone else None
        return survey

    def _still(self, root: int, seen: tuple[Survey, int, float] | None, fresh: Sequence[str]) -> Survey | None:
        """The last survey if it still says how the directory differs from what is expected now, with what is new.

        It is kept for a moment only: what else is at work on the machine may clean up.
        """
        if seen is None or self._made or self._touching is not None:
            return None
        survey, inode, when = seen
        if inode != os.fstat(root).st_ino or time.monotonic() - when > STILL:
            return None
        return replace(survey, altered=[*dict.fromkeys([*survey.altered, *fresh])])

    def _watch(self, written: Sequence[str], *, is_new: bool) -> None:
        """All is as expected: hear of what is touched from now on.

        A watch begins with the directory: later somebody may hold files open that nobody has heard of.
        """
        try:
            if self._touching is None:
                if not (is_new and self._may_watch and self._is_alone and MANY <= len(self._state) <= share()):
                    return
                self._touching = Touching(self.root)
            self._touching.arm(self._expected, written)
        except OSError:  # as many watches, or as many who watch, as the user may have
            self._watch_no_more()
            self._may_watch = False

    def _watch_no_more(self) -> None:
        if self._touching is not None:
            self._touching.close()
            self._touching = None

    def _disown(self) -> None:
        for path in self._made:
            if path not in self._state:
                uproot(self._expected, path)
        self._made.clear()

    def _is_left_out(self, path: str) -> bool:
        """A log or bytecode file of a commit would only be mistaken for a result or for its source."""
        return path in self._ignored or path.endswith((".pyc", ".pyo")) or "__pycache__" in path.split("/")

    @contextmanager
    def _open_root(self) -> Iterator[int]:
        try:
            root = os.open(self.root, DIRECTORY)
        except OSError:  # not there yet, or the run made it unreadable or put something else in its place
            remove_tree(self.root)
            self.root.mkdir(mode=0o755, parents=True)
            root = os.open(self.root, DIRECTORY)
        if not os.getuid():
            clear_flags(root, IMMUTABLE_OR_APPEND)
        try:
            yield root
        finally:
            os.close(root)

    def _survey(self, root: int, *, hashes: bool = True) -> Survey:
        """Look at everything once; directories are cleared of what could be a note for the next run.

        Where there is a watch, at what was touched, and what is expected to be otherwise now. Without ``hashes`` what
        was touched counts as altered, whatever its content.
        """
        survey, touched = Survey(), None if self._touching is None else self._touching.touched()
        self._survey_directory(self._expected, root, "", survey, touched, hashes=hashes)
        return survey

    def _survey_directory(
        self, expected: Directory, fd: int, prefix: str, survey: Survey, touched: Touched | None, *, hashes: bool
    ) -> None:
        if touched is not None and prefix in touched.anew:
            touched = None
        if touched is None or prefix in touched.listed:
            clear_notes(fd)
            strange = set(os.listdir(fd)) - expected.leaves.keys() - expected.directories.keys()
            survey.strangers.extend(prefix + name for name in strange)
        for name, leaf in among(expected.leaves, None if touched is None else touched.leaves.get(prefix, ())):
            if leaf.entry is not None:
                self._survey_leaf(fd, prefix, name, leaf, survey, hashes=hashes)
        for name, below in among(expected.directories, None if touched is None else touched.below.get(prefix, ())):
            try:
                inner = open_directory(fd, name)
            except OSError:
                for path, entry in entries_below(below, f"{prefix}{name}/"):
                    (survey.spoilt if isinstance(entry, Made) else survey.altered).append(path)
                with suppress(FileNotFoundError):
                    os.stat(name, dir_fd=fd, follow_symlinks=False)
                    survey.strangers.append(prefix + name)
                continue
            try:
                self._survey_directory(below, inner, f"{prefix}{name}/", survey, touched, hashes=hashes)
            finally:
                os.close(inner)

    def _survey_leaf(self, fd: int, prefix: str, name: str, leaf: Leaf, survey: Survey, *, hashes: bool) -> None:
        try:
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            status = None
        stamp = None if status is None else stamp_of(status)
        if stamp is not None and stamp == leaf.stamp and stamp[0] <= self._trusted_until:
            return
        same = status is not None and (hashes or stamp == leaf.stamp) and holds(fd, name, leaf, status)
        if not same:
            (survey.spoilt if isinstance(leaf.entry, Made) else survey.altered).append(prefix + name)
        elif stamp != leaf.stamp:
            survey.touched.append(prefix + name)

    def _new(self, root: int, strangers: Sequence[str]) -> Iterator[Found]:
        """What an agent may have meant of the entries that are no part of the state."""
        for path in sorted(strangers):
            for found in walk(root, path, skip=LITTER):
                if found.path not in self._ignored and not found.name.endswith((".pyc", ".pyo")):
                    yield found

    def _remove(self, root: int, path: str) -> None:
        with opened(root, path) as (directory, name):
            remove(directory, name, bin_at=self._bin)

    def _write_all(self, root: int, paths: Sequence[str]) -> None:
        ordered = iter(sorted(paths))
        while batch := list(islice(ordered, _BLOBS_AT_ONCE)):
            leaves = {path: leaf for path in batch if (leaf := self._expected.leaf(path)).entry is not None}
            blobs = self._read_blobs([e.blob for leaf in leaves.values() if isinstance(e := leaf.entry, FileEntry)])
            for _, group in groupby(leaves, key=lambda path: path.rpartition("/")[0]):
                siblings = list(group)
                with opened(root, siblings[0], create=True) as (directory, _):
                    for path in siblings:
                        self._write_leaf(directory, path, leaves[path], blobs)

    def _write_leaf(self, directory: int, path: str, leaf: Leaf, blobs: Mapping[str, bytes]) -> None:
        name = path.rpartition("/")[2]
        remove(directory, name, bin_at=self._bin)
        if isinstance(leaf.entry, FileEntry) and leaf.entry.mode == "120000":
            os.symlink(os.fsdecode(blobs[leaf.entry.blob]), name, dir_fd=directory)
        elif isinstance(leaf.entry, FileEntry):
            data = blobs[leaf.entry.blob]
            pointer = parse_pointer(data)
            mode = 0o755 if leaf.entry.mode == "100755" else 0o644
            with os.fdopen(os.open(name, _CREATE, mode, dir_fd=directory), "wb") as file:
                if pointer is None:
                    file.write(data)
                else:
                    leaf.digest = pointer.digest
                    copy_content(pointer, path, self._checkout, file)
        leaf.stamp = stamp_of(os.stat(name, dir_fd=directory, follow_symlinks=False))
