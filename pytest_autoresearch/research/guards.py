"""Guards as shell commands, and what their output says of the tests that failed. Pure; runs nothing.

A guard is whatever has to stay green: a path or node id of tests, options that select some of them (``-m smoke``),
the word ``affected`` for the whole suite after the tests that are likely to fail, or any command.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from pytest_autoresearch.errors import LabError
from pytest_autoresearch.lab.telling import telling_line
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.text import one_line

AFFECTED = "affected"
PRIVATE_CACHE = '-o cache_dir="$(mktemp -d)"'
"""Gives a pytest its cache, but none that another run has filled."""

_START = (
    "import sys; kept = sys.path[:]; sys.path[:] = filter(None, kept); import pytest; "
    "sys.path[:] = kept; sys.argv[0] = 'pytest'; sys.exit(pytest.console_main())"
)
PYTEST = f'python -c "{_START}"'
"""``python -m pytest``, but pytest and what it needs are imported before the candidate's directory is looked into."""

MOST_NAMED = 20
INI_FILES = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
_SUMMARY = regex(r"\b\d+ (?:passed|skipped|xfailed|xpassed|deselected)\b", re.IGNORECASE)
_SUMMARY_LINES = 40
_FAILED = regex(r"(?:FAILED|ERROR) (?P<test>\S.*?)(?: - (?P<why>.*))?$")


@dataclass(frozen=True, slots=True)
class Suite:
    """Where guards run: ``directory`` is the protocol's, relative to the top; ``files`` those of the start commit.

    ``options`` are added to every pytest.
    """

    directory: str
    files: Collection[str]
    options: tuple[str, ...] = ()

    def commands(self, guard: str, *, fail_fast: bool, first: Sequence[str] = ()) -> list[str]:
        """What to run for one guard, one after the other. ``first``: tests that ``affected`` begins with."""
        if guard == AFFECTED:
            runs = ([" ".join(map(shlex.quote, first))] if first else []) + [""]
            root = posixpath.relpath(self.root, self.directory)
            start = "" if root == "." else f"cd {shlex.quote(root)} && "
            return [start + self._pytest(selection, fail_fast=fail_fast) for selection in runs]
        if not self.is_for_pytest(guard):
            return [guard]
        return [self._pytest(guard if guard.startswith("-") else shlex.quote(guard), fail_fast=fail_fast)]

    def is_for_pytest(self, guard: str) -> bool:
        """Whether it is tests, and no command of the user's."""
        return guard == AFFECTED or guard.startswith("-") or "::" in guard or self._exists(guard)

    def _pytest(self, selection: str, *, fail_fast: bool) -> str:
        words = [
            f"{PYTEST} --verbosity=-1 -r fE --color=no",
            *(["-x"] if fail_fast else []),
            *self.options,
            PRIVATE_CACHE,
            selection,
        ]
        return " ".join(word for word in words if word)

    def has(self, test: str) -> bool:
        """Whether the file of a node id, relative to the root, is there."""
        return posixpath.normpath(posixpath.join(self.root, test.partition("::")[0])) in self.files

    def _exists(self, guard: str) -> bool:
        place = posixpath.normpath(posixpath.join(self.directory, guard))
        return place in self.files or any(path.startswith(f"{place}/") for path in self.files)

    @property
    def root(self) -> str:
        """Where the whole suite is run: the nearest directory upwards that configures pytest, else the top."""
        place = posixpath.normpath(self.directory)
        while place not in (".", ""):
            if any(posixpath.join(place, name) in self.files for name in INI_FILES):
                return place
            place = posixpath.dirname(place)
        return "."


def suite_of(protocol: Protocol, files: Collection[str], workers: int | None) -> Suite:
    """Where the guards of a protocol run, with the plugins of this interpreter, which is theirs too.

    ``workers`` more than 1: pytest-xdist spreads the tests of a guard; LabError when it is not installed.
    """
    options = ["--no-cov"] if find_spec("pytest_cov") else []  # a part of a suite has no coverage to fail under
    if workers is not None and workers > 1:
        if not find_spec("xdist"):
            raise LabError("guard_workers needs pytest-xdist\n  install it, or leave guard_workers out")
        options += ["-n", str(workers)]
    return Suite(protocol.directory.as_posix(), files, tuple(options))


def failed_tests(output: str) -> dict[str, str]:
    """The tests that a pytest's short summary names, with the first words of why."""
    found = (_FAILED.match(line) for line in _lines(output))
    return {match["test"]: match["why"] or "" for match in found if match}


def has_summary(output: str) -> bool:
    """Whether a pytest came to its end: code under test that leaves with status 0 on the way is no success."""
    return any(map(_SUMMARY.search, _lines(output)[-_SUMMARY_LINES:]))


def failure_words(guard: str, output: str, *, timed_out: bool) -> str:
    """One line: the guard and the first test that failed in it, or its last words."""
    if timed_out:
        return f"{guard}: timed out"
    for test, why in failed_tests(output).items():
        return f"{guard}: FAILED {test} - {why}" if why else f"{guard}: FAILED {test}"
    return f"{guard}: {(_lines(output) or ['failed'])[-1]}"


def blamed(details: Iterable[str]) -> list[str]:
    """The tests that failed in guards, from the details of experiments, each once and the latest first."""
    found = [match["test"] for detail in details if (match := _FAILED.search(detail)) and "::" in match["test"]]
    return list(dict.fromkeys(reversed(found)))


START = "the start commit"


def start_fails(
    guard: str,
    output: str,
    remedies: Sequence[str] = (),
    *,
    timed_out: bool,
    where: str = START,
    mend: str = "a guard has to be green to begin with: mend it and commit, or guard with what passes",
) -> str:
    """What to say of a guard that fails before anything was changed. ``remedies``: what its sandbox lacks.

    ``where`` is the commit in words, ``mend`` what to do without a remedy.
    """
    named = [f"{test} - {why}" if why else test for test, why in failed_tests(output).items()] or _lines(output)[-5:]
    lines = ["it timed out"] if timed_out else named[:MOST_NAMED]
    more = [f"and {len(named) - MOST_NAMED} more"] if len(named) > MOST_NAMED else []
    return "\n".join(
        [
            f"the guard `{guard}` fails on {where}, before any change:",
            *(f"    {line}" for line in (*lines, *more)),
            *(f"  {line}" for line in remedies or (mend,)),
        ]
    )


def build_fails(build: str, output: str, remedies: Sequence[str] = (), *, where: str = START) -> str:
    """What to say where a guard has nothing to run in, since the build before it failed."""
    told = telling_line(output.encode()) or "it ended without a word"
    return "\n".join(
        [
            f"the build fails on {where}: {told}",
            f"  command: {build}",
            *(f"    {line}" for line in _lines(output)[-5:]),
            *(f"  {line}" for line in remedies),
        ]
    )


def _lines(output: str) -> list[str]:
    return [words for line in output.splitlines() if (words := one_line(line))]
