"""From the symptoms of a command that failed in the sandbox to the one line that mends it. Pure but for a look around.

The rules are asked in order and the first that knows an answer has the word: a wrong remedy beside the right one costs
people more than none.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from pytest_autoresearch.lab.complaints import (
    FETCHERS,
    MISSING,
    NO_GIT,
    NO_HISTORY,
    NO_MODULE,
    NO_NETWORK,
    NO_PROGRAM,
    NOT_EXECUTABLE,
    PLAIN,
    READ_ONLY,
    REFUSED,
    fetcher_of,
)
from pytest_autoresearch.lab.lookups import Asked, Lookup
from pytest_autoresearch.lab.missing import Checkout, Need, is_code
from pytest_autoresearch.lab.reach import SYSTEM
from pytest_autoresearch.patterns import regex

MOST_NEEDS = 4


@dataclass(frozen=True, slots=True)
class Remedy:
    """One line for people. ``key`` and ``value`` are what it sets in the protocol, empty where it is no setting."""

    line: str
    key: str = ""
    value: str = ""


@dataclass(frozen=True)
class Symptoms:
    """What is known of a failure: the command's words, what it was seen to miss, and the checkout beside it."""

    log: str
    checkout: Checkout
    lookups: Sequence[Lookup] = ()
    build: str | None = None
    """The command that would build the targets, as the repository's own files say."""

    @cached_property
    def all(self) -> tuple[Lookup, ...]:
        """What was missed, by the watch and by the words, each once and the latest last."""
        return tuple(dict.fromkeys((*spoken(self.log, self.checkout), *self.lookups)))

    def setting(self, key: str, value: str) -> Remedy:
        """The remedy that sets a key of the protocol, written where the protocol stands."""
        protocol = self.checkout.protocol
        listed = key in ("data", "caches")
        values = [*(getattr(protocol, key) if listed else ()), *(value.split(", ") if listed else [value])]
        if "::" in protocol.source:
            shown = json.dumps(values if listed else value, ensure_ascii=False)
            return Remedy(f"write in the marker: {key}={shown}", key, value)
        shown = f"[{', '.join(map(_yaml, values))}]" if listed else value
        return Remedy(f"write in the front matter: {key}: {shown}", key, value)


def remedies(symptoms: Symptoms) -> tuple[Remedy, ...]:
    """What to do about it, most often one line; empty where the words tell no more than the person reads in them."""
    for rule in _RULES:
        found = tuple(rule(symptoms))
        if found:
            return found
    return ()


Rule = Callable[[Symptoms], Iterator[Remedy]]

_PATHS = regex(
    r"""(?:(?<=[\s'"`(=:\[<‘“])|^)(~?[\w.+@%$-]*(?:/[\w.+@%=,$-]+)+/?|[\w+@%-]+(?:\.[\w+-]+)+|\.?[\w-]+)""",
    re.MULTILINE,
)
_EXCEPTION = regex(r"^[ \t]*(?:E[ \t]+)?[A-Za-z_][\w.]*(?:Error|Exception)\b(?!.*No such file)", re.MULTILINE)


def spoken(log: str, checkout: Checkout) -> Iterator[Lookup]:
    """The paths that a log complains of, modules included, as far as the machine has them and a run does not."""
    here = checkout.top / checkout.protocol.directory
    for line in log.splitlines():
        if MISSING.search(line):
            for word in _PATHS.findall(line):
                path = Path(os.path.normpath(here / os.path.expanduser(word.rstrip(".,:;"))))
                if _is_missed(path, checkout):
                    yield Lookup(path)
    for found in NO_MODULE.finditer(log):
        for path in _modules(found, here, checkout):
            if _is_missed(path, checkout):
                yield Lookup(path)


def _is_missed(path: Path, checkout: Checkout) -> bool:
    if not os.path.lexists(path):
        return False
    if not path.is_relative_to(checkout.top):
        return path.is_relative_to(checkout.home) or (len(path.parts) > 2 and not any(map(path.is_relative_to, SYSTEM)))
    inside = path.relative_to(checkout.top).as_posix()
    return inside != "." and checkout.covering(inside, checkout.tracked) is None


def _modules(found: re.Match[str], here: Path, checkout: Checkout) -> Iterator[Path]:
    """Where a module that could not be imported may lie in the checkout."""
    if found["node"]:
        name = found["node"]
        yield Path(os.path.normpath(here / name))
        yield from (Path(f"{here / name}{suffix}") for suffix in (".js", ".mjs", ".cjs", ".ts", ".json"))
        around = (place for place in (here, *here.parents) if checkout.top in (place, *place.parents))
        yield from (place / "node_modules" / name for place in around)
        return
    dotted = found["python"] or f"{found['parent']}.{found['name']}"
    place = PurePosixPath(*dotted.split("."))
    for root in dict.fromkeys((here, here / "src", checkout.top, checkout.top / "src")):
        yield root / f"{place}.py"
        yield root / place
        yield from sorted((root / place.parent).glob(f"{place.name}.*.so")) if (root / place.parent).is_dir() else ()


# ---------------------------------------------------------------------------------------------------------------- rules


def _plain(symptoms: Symptoms) -> Iterator[Remedy]:
    yield from (Remedy(line) for words, line in PLAIN if words.search(symptoms.log))
    for found in NOT_EXECUTABLE.finditer(symptoms.log):
        path = os.path.normpath(symptoms.checkout.protocol.directory / found["path"])
        if path in symptoms.checkout.tracked and not os.access(symptoms.checkout.top / path, os.X_OK):
            yield Remedy(f"{path} is not executable: git update-index --chmod=+x {path}, and commit")
            return


def _git(symptoms: Symptoms) -> Iterator[Remedy]:
    checkout = symptoms.checkout
    if checkout.protocol.git_throwaway:
        if NO_HISTORY.search(symptoms.log):
            yield Remedy(
                "the repository of `git: throwaway` has one commit and no tags: give what git would say under env:, "
                "or ask it for less (git describe --always)"
            )
    elif NO_GIT.search(symptoms.log) or _is_below_nothing(symptoms):
        yield symptoms.setting("git", "throwaway")


def _named_paths(symptoms: Symptoms) -> Iterator[Remedy]:
    """What was missed and is named in the words."""
    named = [lookup for lookup in symptoms.all if _is_named(lookup, symptoms)]
    yield from _for_needs(symptoms, _needs(symptoms, named))


def _environment(symptoms: Symptoms) -> Iterator[Remedy]:
    """A launcher that misses its environment goes to the network, or finds no module: the environment is there."""
    if not (NO_NETWORK.search(symptoms.log) or NO_MODULE.search(symptoms.log)):
        return
    checkout = symptoms.checkout
    places = [checkout.top / path for path in checkout.environments]
    asked = [
        place
        for place in places
        if any(lookup.path.is_relative_to(place) or place.is_relative_to(lookup.path) for lookup in symptoms.lookups)
    ]
    fetched = [folder for words, _, folders in FETCHERS if words.search(symptoms.log) for folder in folders]
    asked = asked or [place for place in places if place.name in fetched]
    yield from _for_needs(symptoms, _needs(symptoms, [Lookup(place) for place in asked]))


def _kept(symptoms: Symptoms) -> Iterator[Remedy]:
    """What one command leaves in HOME is not there for the next."""
    kept = [lookup for lookup in symptoms.lookups if lookup.asked in (Asked.KEPT, Asked.WRITE)]
    yield from _for_needs(symptoms, _needs(symptoms, kept))
    if kept and not _needs(symptoms, kept):
        yield Remedy("what a run writes there is gone after it: let it write into the working directory instead")


def _read_only(symptoms: Symptoms) -> Iterator[Remedy]:
    """A run wrote to what is read-only for it."""
    checkout = symptoms.checkout
    for line in symptoms.log.splitlines():
        if not READ_ONLY.search(line):
            continue
        paths = [Path(os.path.expanduser(word)) for word in _PATHS.findall(line) if word.startswith(("/", "~"))]
        path = next((path for path in paths if len(path.parts) > 2), None)
        if path is None:
            yield Remedy("the run writes to what it may only read: let it write where it works, or to caches:")
        elif path.is_relative_to(checkout.top):
            inside = path.relative_to(checkout.top).as_posix()
            yield Remedy(f"{inside} is read-only for a run: let it write elsewhere, or name a directory under caches:")
        elif fetcher := fetcher_of(path, checkout.home):
            yield Remedy(f"a run does not install packages: do it once in your own shell, with {fetcher}")
        else:
            yield symptoms.setting("caches", checkout.shown(path if path.is_dir() else path.parent))
        return


def _network(symptoms: Symptoms) -> Iterator[Remedy]:
    if not NO_NETWORK.search(symptoms.log):
        return
    for words, fetcher, folders in FETCHERS:
        if words.search(symptoms.log):
            then = f", then {symptoms.setting('data', folders[0]).line}" if folders else ""
            yield Remedy(f"a run does not install packages: do it once in your own shell, with {fetcher}{then}")
            return
    if not symptoms.checkout.protocol.network:
        yield symptoms.setting("network", "yes")


def _refused(symptoms: Symptoms) -> Iterator[Remedy]:
    """Last of all: it may be the run's own server that is not there."""
    if REFUSED.search(symptoms.log) and not symptoms.checkout.protocol.network:
        line = symptoms.setting("network", "yes").line
        yield Remedy(f"a run has a loopback of its own: if a service of this machine was meant, {line}")


def _program(symptoms: Symptoms) -> Iterator[Remedy]:
    """A program that is not there: where it is, or that it is nowhere. What direnv was allowed stands in HOME."""
    if re.search(r"direnv: error \S{1,400}\.envrc is blocked", symptoms.log):
        yield Remedy("a run knows no `direnv allow`: write `source .envrc && …` in the command instead of direnv")
        return
    names = [n for p in NO_PROGRAM for m in p.finditer(symptoms.log) for n in m.groupdict().values() if n]
    for name in dict.fromkeys(names):
        checkout, base = symptoms.checkout, PurePosixPath(name).name
        if "/" in name or name.isdigit() or "." in name.strip("."):
            continue
        found = shutil.which(name, path=checkout.search)
        elsewhere = [place / base for place in _likely_places(checkout) if (place / base).is_file()]
        if found is not None:
            need = checkout.need(Lookup(Path(found).absolute(), Asked.PROGRAM))
            yield from _for_needs(symptoms, [need] if need else [])
        elif elsewhere:
            where = checkout.shown(elsewhere[0])
            if elsewhere[0].is_relative_to(checkout.top):
                environment = checkout.covering(elsewhere[0].relative_to(checkout.top).as_posix(), checkout.ignored)
                line = symptoms.setting("data", checkout.relative(environment or where)).line
                yield Remedy(f"{name} is not on PATH, but there is {where}: write that in the command, and {line}")
            else:
                yield Remedy(
                    f"{name} is not on the PATH of the shell that started pytest: write {where} in the command"
                )
        else:
            yield Remedy(f"{name} is not installed on this machine: install it, or write the command without it")
        return


def _module(symptoms: Symptoms) -> Iterator[Remedy]:
    """A Python module that the interpreter of pytest lacks."""
    for found in NO_MODULE.finditer(symptoms.log):
        dotted = found["python"]
        if not dotted:
            continue
        package, checkout = dotted.partition(".")[0], symptoms.checkout
        for place in checkout.environments:
            if any((checkout.top / place).glob(f"lib/python3*/site-packages/{package}*")):
                python = f"{checkout.relative(place)}/bin/python"
                line = symptoms.setting("data", checkout.relative(place)).line
                yield Remedy(f"{package} is in {checkout.relative(place)}: write {python} in the command, and {line}")
                return
        if not checkout.has_package(package):
            yield Remedy(f"{package} is not installed beside pytest: {sys.executable} -m pip install {package}")
        return


def _changed(symptoms: Symptoms) -> Iterator[Remedy]:
    """A file that the words name has changes that a run does not see."""
    top = f"{symptoms.checkout.top}/"
    for path in dict.fromkeys(word.removeprefix(top) for word in _PATHS.findall(symptoms.log)):
        if path in symptoms.checkout.changed:
            yield Remedy(f"{path} has changes that are not committed, and a run sees what is committed: commit them")
            return


def _silent(symptoms: Symptoms) -> Iterator[Remedy]:
    """Where no words explain the end, what was missed last is the likeliest cause."""
    checkout = symptoms.checkout
    if _EXCEPTION.search(symptoms.log):
        return
    for lookup in reversed(symptoms.lookups):
        needs = _needs(symptoms, [lookup]) if _is_telling(lookup.path, checkout) else []
        if needs:
            yield from _for_needs(symptoms, needs)
            return


_RULES: tuple[Rule, ...] = (
    _plain,
    _git,
    _named_paths,
    _environment,
    _kept,
    _read_only,
    _network,
    _program,
    _module,
    _refused,
    _changed,
    _silent,
)

# -------------------------------------------------------------------------------------------------------------- helpers


def _needs(symptoms: Symptoms, lookups: Sequence[Lookup]) -> list[Need]:
    needs = (symptoms.checkout.need(lookup) for lookup in lookups)
    return list(dict.fromkeys(need for need in needs if need is not None))


def _for_needs(symptoms: Symptoms, needs: Sequence[Need]) -> Iterator[Remedy]:
    """One line for each kind of need, what is named first first."""
    by_kind: dict[str, list[str]] = {}
    for need in needs:
        by_kind.setdefault(need.kind, []).append(need.path)
    for kind, paths in by_kind.items():
        outer = [p for p in paths if not any(p != q and p.startswith(f"{q.rstrip('/')}/") for q in paths)][:MOST_NEEDS]
        if kind == "build":
            yield _for_product(symptoms, outer[0])
        elif kind == "commit":
            yield from _for_uncommitted(symptoms, outer)
        elif kind == "submodule":
            yield Remedy(f"the submodule {outer[0]} is not checked out: git submodule update --init {outer[0]}")
        else:
            yield symptoms.setting(kind, ", ".join(dict.fromkeys(", ".join(outer).split(", "))))


def _for_uncommitted(symptoms: Symptoms, paths: Sequence[str]) -> Iterator[Remedy]:
    for path in paths:
        line = f"{path} is there but not committed, and a run sees committed files only: commit it"
        yield Remedy(line if is_code(path) else f"{line}, or {symptoms.setting('data', path).line}")


def _for_product(symptoms: Symptoms, path: str) -> Remedy:
    """What was built is built again for every candidate, or each would be measured by the same binary."""
    command = symptoms.build or "the command that builds it"
    told = symptoms.setting("build", command)
    line = f"{path} is built from sources, so every candidate has to build its own: {told.line}"
    return Remedy(line, told.key, told.value)


def _yaml(path: str) -> str:
    """A path as an entry of a list in YAML."""
    return path if re.fullmatch(r"[\w.~/][\w./~+@ -]*", path) else json.dumps(path, ensure_ascii=False)


def _is_telling(path: Path, checkout: Checkout) -> bool:
    """Whether a missed path says something without words: every program looks for settings in HOME."""
    if path.is_relative_to(checkout.top):
        return True
    return path.is_relative_to(checkout.home) and not path.relative_to(checkout.home).parts[0].startswith(".")


def _is_below_nothing(symptoms: Symptoms) -> bool:
    """Whether git was looked for and a path of the checkout then began at the root: what git said was empty."""
    top = symptoms.checkout.top
    if not any(lookup.path == top / ".git" for lookup in symptoms.lookups):
        return False
    paths = [word.rstrip(".,:;") for word in _PATHS.findall(_complaints(symptoms.log)) if word.startswith("/")]
    return any(not os.path.lexists(path) and os.path.lexists(f"{top}{path}") for path in paths)


def _is_named(lookup: Lookup, symptoms: Symptoms) -> bool:
    """Whether the words are about this path: in full, by its name, or as the module that it is."""
    log, path, checkout = symptoms.log, lookup.path, symptoms.checkout
    if str(path) in log or (path.is_relative_to(checkout.home) and f"~/{path.relative_to(checkout.home)}" in log):
        return True
    if re.search(rf"(?<![\w.-]){re.escape(path.name)}(?![\w-])", _complaints(log)):
        return True
    for found in NO_MODULE.finditer(log):
        if found["node"] and found["node"] in path.parts:
            return True
        dotted = (found["python"] or f"{found['parent']}.{found['name']}").split(".")
        if path.name.partition(".")[0] in dotted and not found["node"]:
            return True
    return False


def _complaints(log: str) -> str:
    return "\n".join(line for line in log.splitlines() if MISSING.search(line))


def _likely_places(checkout: Checkout) -> list[Path]:
    below = ".local/bin bin .cargo/bin go/bin .bun/bin .deno/bin .pyenv/shims .asdf/shims .pixi/bin".split()
    inside = [checkout.top / place / "bin" for place in checkout.environments]
    modules = [checkout.top / place / ".bin" for place in checkout.environments]
    return [*inside, *modules, *(checkout.home / place for place in below), Path("/usr/local/bin"), Path("/snap/bin")]
