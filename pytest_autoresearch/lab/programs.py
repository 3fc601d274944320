"""Which paths of the machine a command names, so that a sandbox can show them: programs with what they need, and data.

Only what people wrote is looked at (a protocol's command, an agent's program), never a prompt or a candidate's text.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from pytest_autoresearch.patterns import regex

_ABSOLUTE = regex(r"""(?<![\w./~$}])~?(?:/[\w.@%+,:=-]+)+""")
_QUOTED = regex(r"""(["'])(~?/[^"'\n]+)\1""")
_PROGRAM = regex(r"(?:^|[;&|(\n])[^\S\n]*(?:\w+=\S*[^\S\n]+)*([\w./~+-]+)")
_TOO_BROAD = frozenset("/ /home /root /etc /proc /sys /dev /run /var /tmp /mnt /media /srv /usr /opt /Users".split())
_DECIDED = ("/usr", "/bin", "/sbin", "/lib", "/opt", "/dev", "/proc", "/sys")  # the sandbox alone says what is shown
_LONGEST_COMMAND = 5_000  # characters; more is no command that a person wrote
MOST_LINKS = 40  # as Linux has it
_MOST_STEPS = 6  # a program, its interpreter, that one's environment …


def chain(path: Path) -> list[Path]:
    """The path, where it leads if it is a link, and so on: all have to be there for it to be followed."""
    places = [path]
    while places[-1].is_symlink() and len(places) <= MOST_LINKS:
        places.append(Path(os.path.normpath(places[-1].parent / os.readlink(places[-1]))))
    return places


@lru_cache(maxsize=64)
def named_in(command: str, *, search: str, top: Path) -> tuple[Path, ...]:
    """Existing paths outside the repository that a shell command names: absolute ones, and its programs."""
    command = command[:_LONGEST_COMMAND]
    words = dict.fromkeys(_PROGRAM.findall(command))
    programs = [path for word in words for path in _needed_by(word, search, _MOST_STEPS)]
    quoted = (text for _, text in _QUOTED.findall(command))
    named = (Path(text).expanduser() for text in (*_ABSOLUTE.findall(command), *quoted))
    files = [path for path in named if path.exists() for path in (path, *_environment_of(path))]
    return _shown(top, [*programs, *files])


@lru_cache(maxsize=64)
def needed_by(program: str, *, search: str, top: Path) -> tuple[Path, ...]:
    """Where a program and what starts it lie: itself, what it links to, its interpreter, their environments."""
    return _shown(top, [*_needed_by(program, search, _MOST_STEPS)])


def _needed_by(program: str, search: str, steps: int) -> Iterator[Path]:
    place = shutil.which(os.path.expanduser(program), path=search)
    if place is None or not steps:
        return
    yield Path(place).absolute()
    for path in chain(Path(place).absolute()):
        yield from _environment_of(path)
    real = Path(place).resolve()
    yield real
    yield from _environment_of(real)
    for interpreter in _interpreters(real):
        yield from _needed_by(interpreter, search, steps - 1)


def _environment_of(path: Path) -> Iterator[Path]:
    """The virtual environment, Node package tree or interpreter installation that a program belongs to."""
    modules = [parent for parent in path.parents if parent.name == "node_modules"]
    if modules:
        yield modules[-1]
    prefix = path.parent.parent
    if path.parent.name != "bin":
        return
    if (prefix / "pyvenv.cfg").exists():
        yield prefix
        for base in (*chain(prefix / "bin" / "python"), (prefix / "bin" / "python").resolve()):
            if not base.is_relative_to(prefix):
                yield from _environment_of(base)
    elif (prefix / "conda-meta").exists() or any((prefix / "lib").glob("python3.*/os.py")):
        yield prefix
    elif (prefix / "lib" / "node_modules").exists():
        yield prefix


def _interpreters(script: Path) -> Iterator[str]:
    """What a ``#!`` line starts."""
    try:
        with script.open("rb") as file:
            line = file.readline(256)
    except OSError:
        return
    if line.startswith(b"#!"):
        words = line[2:].decode("utf-8", "replace").split()
        yield from (word for word in words[:3] if not word.startswith("-"))


def _shown(top: Path, paths: list[Path]) -> tuple[Path, ...]:
    """Without what is too broad to show, what is shown anyway, and what lies in a directory of the list."""
    home = Path.home()
    narrow = {
        path: None
        for path in paths
        if str(path) not in _TOO_BROAD
        and path != home
        and not path.is_relative_to(top)
        and not top.is_relative_to(path)
        and not any(path.is_relative_to(place) for place in _DECIDED)
    }
    return tuple(path for path in narrow if narrow.keys().isdisjoint(path.parents))
