"""From a path that a run missed to the line of the protocol that would show it. Pure but for looking at the machine."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from pytest_autoresearch.lab.lookups import Asked, Lookup
from pytest_autoresearch.lab.programs import needed_by
from pytest_autoresearch.lab.reach import SYSTEM
from pytest_autoresearch.lab.workspace import LITTER
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.building import TRANSPILED, is_bundle, is_compiled, is_product
from pytest_autoresearch.protocol.model import Protocol

_NEVER = LITTER | {".idea", ".vscode", ".DS_Store", "run.log"}
_ENVIRONMENT_MARKS = ("pyvenv.cfg", "conda-meta", "bin/activate", ".package-lock.json", ".modules.yaml")
_CREDENTIAL = regex(
    r"(?i)(?:^|/)(?:\.ssh|\.gnupg|\.aws|\.azure|\.kube|\.docker|\.netrc|\.npmrc|\.pypirc|\.git-credentials|\.gitconfig"
    r"|gcloud|gh|(?:[^/]*[._-])?(?:credentials?|tokens?|secrets?|passwords?|auth|api_?keys?)(?:\.\w+)?|id_[a-z0-9]+"
    r"|keyrings?|\.env)(?:/|$)"
)
_PERSONAL = frozenset(
    "Downloads Documents Desktop Pictures Music Videos Library projects src code work repos git".split()
)
_SETS = (
    *(".cache/huggingface/hub", ".cache/huggingface/datasets", ".cache/torch/hub", ".cache/torch"),
    *(".cache/kagglehub", ".cache/pooch", "nltk_data", "scikit_learn_data", ".keras", "tensorflow_datasets"),
)
"""What libraries fetch into HOME, as far as the whole of it holds no credential."""
_CODE = frozenset(
    ".py .pyi .ipynb .sh .bash .js .mjs .cjs .ts .jl .r .R .lua .rb .pl .yaml .yml .toml .json .cfg .ini .md".split()
)


@dataclass(frozen=True, slots=True)
class Need:
    """What would have to be there. ``kind`` is ``data``, ``caches``, ``commit``, ``build`` or ``submodule``.

    ``path`` as the protocol writes it, relative to its directory, absolute, or from ``~``.
    """

    kind: str
    path: str


@dataclass(frozen=True)
class Checkout:
    """What the person has beside what a run sees. Listed paths are relative to ``top``, directories end in a slash."""

    protocol: Protocol
    top: Path
    home: Path
    ignored: Sequence[str] = ()
    untracked: Sequence[str] = ()
    changed: Collection[str] = ()
    tracked: Collection[str] = ()
    submodules: Collection[str] = ()
    search: str = ""

    def need(self, lookup: Lookup) -> Need | None:
        """What a missed path asks for; None where it is nobody's business, or nothing that should be shown."""
        path = lookup.path
        if path.is_relative_to(self.top):
            return self._inside(path.relative_to(self.top).as_posix())
        if _CREDENTIAL.search(path.as_posix()) or path in (self.home, *self.home.parents):
            return None
        if lookup.asked in (Asked.WRITE, Asked.KEPT):
            is_system = any(map(path.is_relative_to, (*SYSTEM, "/var", "/run", "/dev", "/proc", "/sys")))
            return None if is_system or path.parent == self.home else Need("caches", self.shown(path.parent))
        if lookup.asked is Asked.PROGRAM or (path.is_file() and os.access(path, os.X_OK) and "bin" in path.parts):
            needed = needed_by(str(path), search=self.search, top=self.top) or (path,)
            return Need("data", ", ".join(self.shown(each) for each in needed))
        return Need("data", self.shown(self._set_around(path)))

    def shown(self, path: Path) -> str:
        """A path of the machine as the protocol writes it."""
        if path.is_relative_to(self.top):
            return self.relative(path.relative_to(self.top).as_posix())
        return f"~/{path.relative_to(self.home)}" if path.is_relative_to(self.home) else str(path)

    def relative(self, path: str) -> str:
        """A path relative to the top as seen from the protocol's directory."""
        return posixpath.relpath(path, self.protocol.directory.as_posix())

    def is_environment(self, path: str) -> bool:
        """Whether an ignored directory holds programs or libraries that a tool has installed."""
        name = PurePosixPath(path).name
        if name in ("node_modules", ".venv", "venv", ".pixi", ".conda", "__pypackages__"):
            return True
        return any((self.top / path / mark).exists() for mark in _ENVIRONMENT_MARKS)

    @cached_property
    def environments(self) -> tuple[str, ...]:
        """The ignored environments, relative to the top."""
        return tuple(path.rstrip("/") for path in self.ignored if path.endswith("/") and self.is_environment(path))

    def covering(self, path: str, among: Collection[str]) -> str | None:
        """The entry of a listing that ``path`` is or lies in, without its slash."""
        for step in (path, *map(str, PurePosixPath(path).parents)):
            if step in among or f"{step}/" in among:
                return step
        return None

    def has_package(self, package: str) -> bool:
        """Whether the repository has a module of that name itself: then pip is the wrong address."""
        names = (f"{package}.py", package, f"src/{package}", f"src/{package}.py")
        return any(
            (place / name).exists() for place in (self.top, self.top / self.protocol.directory) for name in names
        )

    def _inside(self, path: str) -> Need | None:
        if not _NEVER.isdisjoint(PurePosixPath(path).parts) or path.endswith((".pyc", ".egg-info")):
            return None
        if (entry := self.covering(path, self.ignored)) is not None:
            is_built = is_product(path) or (is_bundle(path) and self._is_transpiled)
            if is_built and not self.is_environment(entry):
                return Need("build", self.relative(path))
            return None if self._declared(entry) else Need("data", self.relative(self._grouped(entry)))
        if (entry := self.covering(path, self.untracked)) is not None:
            return Need("commit", self.relative(path if not (self.top / path).is_dir() else entry))
        if (entry := self.covering(path, self.submodules)) is not None:
            return Need("submodule", entry)
        for step in (path, *map(str, PurePosixPath(path).parents)):
            link = self.top / step
            if step in self.tracked and link.is_symlink() and not link.resolve().is_relative_to(self.top):
                return Need("data", self.shown(link.resolve()))
        return None

    @cached_property
    def _is_transpiled(self) -> bool:
        return any(PurePosixPath(path).suffix in TRANSPILED for path in self.tracked)

    def _declared(self, entry: str) -> bool:
        named = {declared.strip("/") for declared in (*self.protocol.data, *self.protocol.caches)}
        return self.relative(entry) in named

    def _grouped(self, entry: str) -> str:
        """Of several ignored files in one directory the directory: a run that wants one of them wants its siblings."""
        parent = str(PurePosixPath(entry).parent)
        beside = [path for path in self.ignored if str(PurePosixPath(path).parent) == parent]
        products = any(is_product(path) or not _NEVER.isdisjoint(PurePosixPath(path).parts) for path in beside)
        return parent if parent != "." and len(beside) > 1 and not products else entry

    def _set_around(self, path: Path) -> Path:
        """The directory of a file outside of the repository, unless that is more than a set of data."""
        if path.is_relative_to(self.home):
            inside = path.relative_to(self.home)
            for known in _SETS:
                if inside.is_relative_to(known):
                    return self.home / known
            if path.is_dir():
                return path
            parent = inside.parent
            too_broad = len(parent.parts) == 1 and (parent.name in _PERSONAL or parent.name.startswith("."))
            return path if not parent.parts or too_broad else path.parent
        is_broad = len(path.parent.parts) < 3 or not path.is_file()
        return path if is_broad else path.parent


def is_code(path: str) -> bool:
    """Whether a file that is not committed is one to commit, and not data."""
    return PurePosixPath(path).suffix in _CODE or is_compiled(path)
