"""Which files a candidate may change: targets and read-only files, looked up in the start commit. Pure.

Paths go in relative to the protocol's directory and come out relative to the repository's top.
"""

from __future__ import annotations

import difflib
import os
import posixpath
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import NoReturn

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.discover import CONFIG
from pytest_autoresearch.protocol.globs import is_glob, matches
from pytest_autoresearch.protocol.model import PathRule, Protocol
from pytest_autoresearch.protocol.scripts import scripts_of
from pytest_autoresearch.protocol.shadowing import Shadowing

PROTECTED = (
    *(".gitattributes", ".gitmodules", ".gitignore"),
    *("conftest.py", "pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml"),
    *("tox.ini", "setup.cfg", "pyproject.toml"),
    *("mypy.ini", ".mypy.ini", "ruff.toml", ".ruff.toml", ".flake8"),
    *("*.pth", "sitecustomize.py", "usercustomize.py", "pytest.py"),
)
"""Names that change how a run or its tests are carried out; targets only when they are named exactly."""

_IMPORTED_AT_START = ("sitecustomize", "usercustomize", "pytest")  # as packages and extension modules too

LOCKS = (
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "Pipfile.lock",
    "pylock.toml",
    "pylock.*.toml",
    "pixi.lock",
    "conda-lock.yml",
)
"""What pins the packages that the harness itself runs with."""

OWN_LOCK = ".github/autoresearch.lock"
"""What the workflows of ``init --github`` install."""

_LOCKS_FOLDED = tuple(name.casefold() for name in LOCKS)

NO_TARGET = "is no target file"
"""How a refusal ends that says nothing else against a file."""

OUTPUTS = ("run.log", "results.tsv")

SEARCHED = 2_000
"""Files that a misspelt path is compared with."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern, relative to the top. ``is_directory``: everything below it."""

    pattern: str
    is_directory: bool
    is_exact: bool

    def covers(self, path: str) -> bool:
        if self.is_exact:
            return path == self.pattern
        if self.is_directory:
            return self.pattern in ("", ".") or path.startswith(self.pattern + "/")
        return matches(self.pattern, path)


@dataclass(frozen=True, slots=True)
class Scope:
    """``targets``: tracked files that a candidate may change, sorted; ``readonly``: tracked files that are named so.

    ``scripts``: the tracked files that the extract commands execute; ``checks``: the shell scripts of the guards alone;
    ``hidden`` and ``given``: where the holdout's files and the data lie, paths and patterns; ``shadowing``: what new
    files may not be.
    All paths are POSIX and relative to the repository's top.
    """

    targets: tuple[str, ...]
    readonly: frozenset[str]
    config: str
    directory: str
    target_rules: tuple[Rule, ...]
    readonly_rules: tuple[Rule, ...]
    scripts: frozenset[str] = frozenset()
    checks: frozenset[str] = frozenset()
    hidden: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    shadowing: Shadowing | None = None

    def admits(self, path: str) -> bool:
        """Whether a candidate may change, add or delete this file."""
        return self.refusal(path, "file") is None

    def refusal(self, path: str, kind: str) -> str | None:
        """Why a candidate may not make this change, None if it may. ``kind`` as in :class:`Change`."""
        if kind not in ("file", "deleted"):
            return f"{path} is {_KINDS.get(kind, 'no regular file')}"
        if any(rule.covers(path) for rule in self.readonly_rules):
            return f"{path} is read-only"
        if part := self.part_of_protocol(path):
            return f"{path} is {part}, which is never a target"
        if any(rule.is_exact and rule.covers(path) for rule in self.target_rules):
            return None
        if is_protected(path):
            return f"{path} is protected: it counts as a target only when it is named exactly"
        if any(_lies_at(path, place) for place in self.given):
            return f"{path} is declared as data: it counts as a target only when it is named exactly"
        if posixpath.dirname(path) == self.directory and posixpath.basename(path) in OUTPUTS:
            return f"{path} is written by the harness"
        if not any(rule.covers(path) for rule in self.target_rules):
            return f"{path} {NO_TARGET}"
        return None if self.shadowing is None else self.shadowing.refusal(path)

    def part_of_protocol(self, path: str) -> str | None:
        """As what a file says how candidates are measured and judged; None for one that does not."""
        folded = path.casefold()
        parts = folded.split("/")
        if folded == self.config.casefold():
            return "the protocol itself"
        if parts[-1] == CONFIG:
            return "a session's protocol"
        if any(folded == script.casefold() for script in self.scripts):
            return "the extract command's script"
        if any(folded == script.casefold() for script in self.checks):
            return "the guard's script"
        if any(_lies_at(path, place) for place in self.hidden):
            return "the holdout's"
        if parts[:2] in ([".github", "workflows"], [".github", "actions"]):
            return "a workflow"
        is_lock = folded == OWN_LOCK or _name_matches(parts[-1], _LOCKS_FOLDED)
        return "the harness's lock file" if is_lock else None


def _lies_at(path: str, place: str) -> bool:
    """Whether a path is this one, below it, or meant by it as a pattern; in any spelling of a file system's."""
    folded, at = path.casefold(), place.casefold()
    return folded == at or folded.startswith(f"{at}/") or (is_glob(at) and matches(at, folded))


_KINDS = {"symlink": "a symbolic link", "directory": "a directory", "special": "a device, pipe or socket"}


def is_protected(path: str) -> bool:
    """Whether a path is only a target when named exactly, whatever glob or directory it falls under."""
    parts = path.lower().split("/")  # there are file systems that do not tell CONFTEST.PY from conftest.py
    return (
        ".git" in parts
        or parts[0] == ".github"
        or _name_matches(parts[-1], PROTECTED)
        or any(part.partition(".")[0] in _IMPORTED_AT_START for part in parts)
    )


def resolve_paths(
    protocol: Protocol, tracked: Collection[str], *, installed: Collection[str] = (), roots: Collection[str] = ()
) -> Scope:
    """The scope of a protocol, where ``tracked`` are the files of the start commit, relative to the top.

    ``installed``: the names that the machine's interpreters import from elsewhere; ``roots``: directories that are
    known to be imported from, beside those that the protocol's commands tell.
    """
    resolver = _Resolver(protocol, tracked)
    resolver.refuse_missing_guards()
    return resolver.scope(installed, roots)


def retargeted(protocol: Protocol, targets: Collection[str], *, base: Path, top: Path) -> Protocol:
    """The protocol with other targets, given relative to ``base`` (where the command was typed)."""
    try:
        local = [localised(str(base / target), top=top, directory=protocol.directory) for target in targets]
    except ValueError as error:
        raise ConfigError(f"--autoresearch-targets: {error}", remedy="name paths inside of the repository") from None
    origins = {name: line for name, line in protocol.origins.items() if not name.startswith("targets")}
    return replace(protocol, targets=tuple(PathRule(path) for path in local), origins=origins)


def reguarded(protocol: Protocol, guard: Collection[str], *, base: Path, top: Path) -> Protocol:
    """The protocol with other guards; paths among them, given relative to ``base``, as its directory sees them."""

    def local(entry: str) -> str:
        path, sep, test = entry.partition("::")
        if not (base / path).exists() or entry.startswith("-"):
            return entry  # a command, or options of pytest
        try:
            return localised(str(base / path), top=top, directory=protocol.directory) + sep + test
        except ValueError as error:
            raise ConfigError(f"--autoresearch-guard: {error}", remedy="name tests inside of the repository") from None

    return replace(protocol, guard=tuple(map(local, guard)))


def localised(path: str, *, top: Path, directory: PurePosixPath) -> str:
    """A path of the machine as seen from ``directory``; ValueError when it lies outside of the repository."""
    plain = os.path.normpath(path)
    real = os.path.join(os.path.realpath(os.path.dirname(plain)), os.path.basename(plain))
    for place, base in ((plain, os.path.abspath(top)), (real, os.path.realpath(top))):
        inside = os.path.relpath(place, base)
        if inside != ".." and not inside.startswith("../"):
            local = posixpath.relpath(inside, str(directory))
            return local + "/" if path.endswith("/") else local
    raise ValueError(f"`{path}` lies outside of the repository {top}")


class _Resolver:
    def __init__(self, protocol: Protocol, tracked: Collection[str]) -> None:
        self._protocol, self._files = protocol, frozenset(tracked)
        self._directories = {parent for path in self._files for parent in _parents(path)}
        self._file = protocol.source.partition("::")[0]

    def scope(self, installed: Collection[str], roots: Collection[str]) -> Scope:
        readonly = [self._rule(rule, "readonly", n) for n, rule in enumerate(self._protocol.readonly)]
        targets = [self._rule(rule, "targets", n) for n, rule in enumerate(self._protocol.targets)]
        directory = str(self._protocol.directory)
        scope = Scope(
            targets=(),
            readonly=frozenset(path for rule in readonly for path in self._covered(rule)),
            config=self._file,
            directory="" if directory == "." else directory,
            target_rules=tuple(targets),
            readonly_rules=tuple(readonly),
            scripts=self._scripts(),
            checks=self._checks(),
            hidden=tuple(self._places([*held.files, *held.inputs] if (held := self._protocol.holdout) else [])),
            given=tuple(self._places(self._protocol.data)),
        )
        admitted = {path for n, rule in enumerate(targets) for path in self._admitted(rule, n, scope)}
        scope = replace(scope, targets=tuple(sorted(admitted)))
        if all(rule.is_exact for rule in targets):
            return scope  # nothing new is admitted
        imported = {*roots, *self._roots()}
        shadowing = Shadowing.of(self._files, targets=scope.targets, roots=imported, installed=installed)
        return replace(scope, shadowing=shadowing)

    def _roots(self) -> Iterator[str]:
        """The directories that the protocol's commands start in, and those of the programs that they start."""
        protocol, directory = self._protocol, str(self._protocol.directory)
        commands = (protocol.run, protocol.build, protocol.metric.extract, *protocol.guard)
        hidden = protocol.holdout
        own = (hidden.run, hidden.extract, hidden.score) if hidden is not None else ()
        for command in filter(None, (*commands, *own, *(limit.extract for limit in protocol.limits))):
            yield from map(posixpath.dirname, scripts_of(command, self._files, directory))
            named = re.findall(r"\b(?:(?:cd|pushd)\s+|PYTHONPATH=)[\"']?([\w./:-]+)", command)
            yield from (_beside(directory, place) for word in named for place in word.split(":"))
        search = protocol.env.get("PYTHONPATH", "").split(os.pathsep)
        yield from (_beside(directory, place) for place in ("", *search))

    def _scripts(self) -> frozenset[str]:
        protocol, held = self._protocol, self._protocol.holdout
        extracts = [protocol.metric.extract, *(limit.extract for limit in protocol.limits)]
        extracts += [held.extract, held.score] if held is not None else []
        found = (scripts_of(extract, self._files, str(protocol.directory)) for extract in extracts if extract)
        return frozenset().union(*found)

    def _checks(self) -> frozenset[str]:
        """The shell scripts that only guards execute; a guard that starts a target's own program checks that one."""
        directory, protocol = str(self._protocol.directory), self._protocol
        found = (scripts_of(guard, self._files, directory) for guard in protocol.guard)
        measured = scripts_of(protocol.run, self._files, directory) if protocol.run else ()
        return frozenset(path for path in set().union(*found).difference(measured) if path.endswith((".sh", ".bash")))

    def _places(self, texts: Iterable[str]) -> Iterator[str]:
        """Declared paths relative to the top; what lies outside of the repository can be no target anyway."""
        for text in texts:
            place = posixpath.normpath(posixpath.join(str(self._protocol.directory), text))
            if not text.startswith(("/", "~")) and place != "." and not place.startswith("../"):
                yield place

    def _covered(self, rule: Rule) -> list[str]:
        return [rule.pattern] if rule.is_exact else [path for path in self._files if rule.covers(path)]

    def _rule(self, rule: PathRule, field: str, n: int) -> Rule:
        """Make one pattern relative to the top, and see that it means something."""
        line = self._protocol.origins.get(f"{field}[{n}]")
        what = "target" if field == "targets" else "read-only file"
        if rule.pattern.startswith("/"):
            self._fail(f"`{rule.pattern}` is no path inside of the repository", line, "name it relative to the config")
        top = posixpath.normpath(posixpath.join(str(self._protocol.directory), rule.pattern))
        if top == ".." or top.startswith("../"):
            self._fail(f"`{rule.pattern}` leads out of the repository", line, "name a path inside of the repository")
        if top in self._files:
            return Rule(top, is_directory=False, is_exact=True)
        if top == "." or top in self._directories:
            return Rule(top, is_directory=True, is_exact=False)
        if is_glob(top):
            if not any(matches(top, path) for path in self._files):
                self._fail(f"`{rule.pattern}` matches no file of the start commit", line, self._remedy(top, field))
            return Rule(top, is_directory=False, is_exact=False)
        self._fail(f"the {what} `{rule.pattern}` is not in the start commit", line, self._remedy(top, field))

    def refuse_missing_guards(self) -> None:
        """A guard that can only be tests and is not there would be a command that is not found, or no guard at all."""
        for guard in (path for entry in self._protocol.guard for path in _tests_of(entry)):
            top = posixpath.normpath(posixpath.join(str(self._protocol.directory), guard.partition("::")[0]))
            if top not in self._files and top not in self._directories and top != ".":
                line = self._protocol.origins.get("guard")
                self._fail(f"the guard `{guard}` is not in the start commit", line, self._remedy(top, "readonly"))

    def _remedy(self, top: str, field: str) -> str:
        """What to do about a pattern that means no file; names the file that was probably meant."""
        if re.search(r"\{[^{}]*,[^{}]*\}", top):
            return "braces are not expanded: write an entry for each"
        name = posixpath.basename(top.replace("\\", "/").rstrip(".")).rpartition(" ")[2].lower()
        alike = sorted((path for path in self._files if posixpath.basename(path).lower() == name), key=len)
        near = alike or difflib.get_close_matches(top, sorted(self._files)[:SEARCHED], n=1, cutoff=0.8)
        if not near:
            return _MISSING[field]
        local = posixpath.relpath(near[0], str(self._protocol.directory))
        return f"did you mean `{local}`? Else {_MISSING[field]}"

    def _admitted(self, rule: Rule, n: int, scope: Scope) -> list[str]:
        """The tracked files that a target lets a candidate change; a target without any is an error."""
        covered = self._covered(rule)
        admitted = [path for path in covered if scope.admits(path)]
        if not admitted:
            line, pattern = self._protocol.origins.get(f"targets[{n}]"), self._protocol.targets[n].pattern
            part = scope.part_of_protocol(covered[0]) if rule.is_exact and covered else None
            if part is not None:
                self._fail(f"`{pattern}` is {part}, which is never a target", line, _LEAVE_OUT)
            if scope.readonly.issuperset(covered):
                self._fail(f"`{pattern}` is a target and read-only", line, "remove it from one of the two lists")
            if all(scope.part_of_protocol(path) for path in covered):
                self._fail(f"`{pattern}` covers only what is never a target", line, _LEAVE_OUT)
            self._fail(
                f"`{pattern}` covers only protected files", line, "name each of them exactly to make it a target"
            )
        return admitted

    def _fail(self, message: str, line: int | None, remedy: str) -> NoReturn:
        raise ConfigError(message, file=self._file, line=line, remedy=remedy)


_LEAVE_OUT = "take it off the list: a candidate must not say how it is measured"

_ONLY_TESTS = regex(r"(?!-)[^\s]{1,200}(?:\.py|/|::[^\s]{1,200})")
_PYTEST = regex(r"(?:uv run )?(?:python3? -m )?pytest ([\w./: =-]{1,1000})")
_MISSING = {
    "targets": "commit it first; sessions start from the commit that is checked out",
    "readonly": "commit it first; a file that git does not track is named in the front matter, under `data:`",
}


def _tests_of(guard: str) -> list[str]:
    """The paths that a guard names as tests: the entry itself, or what pytest is plainly called with."""
    if _ONLY_TESTS.fullmatch(guard):
        return [guard]
    called = _PYTEST.fullmatch(guard)
    words = called[1].split() if called else []
    last = ["", *words]
    return [
        word for word, before in zip(words, last, strict=False) if before[:1] != "-" and _ONLY_TESTS.fullmatch(word)
    ]


def _beside(directory: str, place: str) -> str:
    path = posixpath.normpath(posixpath.join(directory, place))
    return "" if path == "." else path


def _parents(path: str) -> Iterable[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _name_matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(matches(pattern, name) if is_glob(pattern) else name == pattern for pattern in patterns)
