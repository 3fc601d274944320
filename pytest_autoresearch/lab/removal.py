"""Removes what a hostile run left behind: any depth, any mode, never through a symbolic link.

Deep directories are emptied by moving their subdirectories up into one bin, so that neither recursion nor open files
grow with the depth of what is removed.
"""

from __future__ import annotations

import os
import secrets
import stat
import sys
from array import array
from contextlib import suppress
from pathlib import Path

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602  # FS_IOC_GETFLAGS, FS_IOC_SETFLAGS of linux/fs.h, 64-bit
_SET_VERSION = 0x40087602  # FS_IOC_SETVERSION
IMMUTABLE_OR_APPEND = 0x10 | 0x20
_SHALLOW = 16


def remove(directory: int, name: str, *, bin_at: Path) -> None:
    """Remove the entry ``name`` of an open directory, whatever it is; nothing there is fine.

    ``bin_at`` is a path on the same file system that nobody else uses. Raises OSError if the system does not allow it.
    """
    with suppress(FileNotFoundError):
        if not _is_directory(directory, name):
            _unlink(directory, name)
            return
        if _remove_shallow(directory, name, _SHALLOW):
            return
        with suppress(FileExistsError):
            os.mkdir(bin_at, 0o700)
        heap = os.open(bin_at, DIRECTORY)
        try:
            _move(directory, name, heap)
            while entries := os.listdir(heap):
                for entry in entries:
                    _flatten(heap, entry)
        finally:
            os.close(heap)
        os.rmdir(bin_at)


def remove_tree(path: Path) -> None:
    """Remove a whole tree, such as a workspace. Raises OSError if the system does not allow it."""
    with suppress(FileNotFoundError):
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            remove(parent, path.name, bin_at=path.with_name(f"{path.name}.bin"))
        finally:
            os.close(parent)


def open_directory(parent: int, name: str) -> int:
    """A descriptor of the directory ``name``, made readable and writable for its owner first if it was not.

    Raises OSError if it is no directory; a symbolic link to one is none.
    """
    try:
        fd = os.open(name, DIRECTORY, dir_fd=parent)
    except PermissionError:
        if not _is_directory(parent, name):
            raise NotADirectoryError(name) from None
        os.chmod(name, 0o755, dir_fd=parent)
        fd = os.open(name, DIRECTORY, dir_fd=parent)
    if not os.getuid():
        clear_flags(fd, IMMUTABLE_OR_APPEND)  # only root can set them, and they bind root too
    if os.fstat(fd).st_mode & 0o700 != 0o700:
        with suppress(PermissionError):
            os.fchmod(fd, 0o755)
    return fd


def clear_flags(fd: int, unwanted: int) -> None:
    """Take these flags (chattr) from an open file or directory, where its file system has any."""
    if sys.platform != "linux":
        return
    from fcntl import ioctl

    with suppress(OSError):
        flags = array("l", [0])
        ioctl(fd, _GET_FLAGS, flags)
        if flags[0] & unwanted:
            ioctl(fd, _SET_FLAGS, array("l", [flags[0] & ~unwanted]))


def reset_version(fd: int) -> None:
    """Set the number that some file systems keep for whoever owns a file or directory (chattr -v)."""
    if sys.platform == "linux":
        from fcntl import ioctl

        with suppress(OSError):
            ioctl(fd, _SET_VERSION, array("l", [0]))


def _remove_shallow(directory: int, name: str, depth: int) -> bool:
    """Remove a directory that is at most ``depth`` deep; returns whether that did it."""
    fd = open_directory(directory, name)
    try:
        for child in os.listdir(fd):
            if not _is_directory(fd, child):
                _unlink(fd, child)
            elif not depth or not _remove_shallow(fd, child, depth - 1):
                return False
    finally:
        os.close(fd)
    with suppress(OSError):
        os.rmdir(name, dir_fd=directory)
        return True
    return False


def _flatten(heap: int, entry: str) -> None:
    """Empty one directory of the heap, and remove it: files are unlinked, directories move up beside it."""
    fd = open_directory(heap, entry)
    try:
        for child in os.listdir(fd):
            if _is_directory(fd, child):
                _move(fd, child, heap)
            else:
                _unlink(fd, child)
    finally:
        os.close(fd)
    os.rmdir(entry, dir_fd=heap)


def _move(source: int, name: str, heap: int) -> None:
    os.close(open_directory(source, name))  # a move writes the directory's "..", which its own mode must allow
    fresh = secrets.token_hex(8)
    try:
        os.rename(name, fresh, src_dir_fd=source, dst_dir_fd=heap)
    except PermissionError:
        _unlock(source, name)
        os.rename(name, fresh, src_dir_fd=source, dst_dir_fd=heap)


def _unlink(directory: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=directory)
    except PermissionError:
        _unlock(directory, name)
        os.unlink(name, dir_fd=directory)


def _unlock(directory: int, name: str) -> None:
    """Take the immutable and append-only flags (which a run as root can set) from an entry and its directory."""
    clear_flags(directory, IMMUTABLE_OR_APPEND)
    with suppress(OSError):  # a link or socket can not be opened, and has no flags
        entry = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
        try:
            clear_flags(entry, IMMUTABLE_OR_APPEND)
        finally:
            os.close(entry)


def _is_directory(directory: int, name: str) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
