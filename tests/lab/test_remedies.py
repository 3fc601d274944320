"""Symptom → remedy: a table of what goes wrong in a sandbox and the one line that mends it, with no other beside it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from pytest_autoresearch.lab.lookups import Asked, Lookup
from pytest_autoresearch.lab.missing import Checkout
from pytest_autoresearch.lab.remedies import Symptoms, remedies
from pytest_autoresearch.protocol.model import Direction, Metric, Protocol

PROTOCOL = Protocol(goal="", metric=Metric("loss", Direction.LOWER), targets=(), run="python train.py")
FRONT = "write in the front matter: "
COMMIT = "is there but not committed, and a run sees committed files only: commit it"


@dataclass(frozen=True)
class Row:
    """A situation. ``files`` are laid out below the temporary directory: ``top/…`` is the repository, ``home/…`` HOME.

    ``asked`` are what the watch has seen, relative to the same place. Paths in ``log`` and ``line`` may use ``{root}``.
    """

    name: str
    log: str
    line: str | None
    files: Sequence[str] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    ignored: Sequence[str] = ()
    untracked: Sequence[str] = ()
    tracked: Sequence[str] = ("train.py",)
    submodules: Sequence[str] = ()
    asked: Sequence[tuple[str, Asked]] = ()
    protocol: Mapping[str, Any] = field(default_factory=dict)
    build: str | None = None


F, P, W, K = Asked.FILE, Asked.PROGRAM, Asked.WRITE, Asked.KEPT
DNS = "socket.gaierror: [Errno -3] Temporary failure in name resolution"
SYNC = "error: Failed to fetch: `https://pypi.org/simple/numpy/`\n  dns error: failed to lookup address information"
FETCH = "a run does not install packages: do it once in your own shell, with"

TABLE = [
    # what git ignores
    Row(
        "an environment that git ignores, by its interpreter",
        "bash: line 1: .venv/bin/python: No such file or directory",
        f"{FRONT}data: [.venv]",
        files=["top/.venv/pyvenv.cfg", "top/.venv/bin/python"],
        ignored=[".venv/"],
        asked=[("top/.venv/bin/python", P)],
    ),
    Row(
        "an environment that is sourced",
        "bash: line 1: .venv/bin/activate: No such file or directory",
        f"{FRONT}data: [.venv]",
        files=["top/.venv/bin/activate"],
        ignored=[".venv/", "train.log"],
    ),
    Row(
        "an environment under another name, without a watch",
        "bash: line 1: env39/bin/python: No such file or directory",
        f"{FRONT}data: [env39]",
        files=["top/env39/pyvenv.cfg", "top/env39/bin/python"],
        ignored=["env39/", "target/"],
    ),
    Row(
        "packages of node",
        "Error: Cannot find module 'left-pad'\nRequire stack:\n- /repo/bench.js",
        f"{FRONT}data: [node_modules]",
        files=["top/node_modules/left-pad/package.json"],
        ignored=["node_modules/", "dist/"],
        asked=[("top/node_modules/left-pad", F), ("top/node_modules", F)],
    ),
    Row(
        "packages of node as modules",
        "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'chalk' imported from /repo/bench.mjs",
        f"{FRONT}data: [node_modules]",
        files=["top/node_modules/chalk/package.json"],
        ignored=["node_modules/"],
    ),
    Row(
        "a program of the packages of node",
        "sh: 1: vitest: not found",
        "vitest is not on PATH, but there is node_modules/.bin/vitest: write that in the command, and "
        f"{FRONT}data: [node_modules]",
        files=["top/node_modules/.bin/vitest"],
        ignored=["node_modules/"],
    ),
    Row(
        "a launcher that would fetch the environment again",
        SYNC,
        f"{FRONT}data: [.venv]",
        files=["top/.venv/pyvenv.cfg"],
        ignored=[".venv/"],
        asked=[("top/.venv", F), ("top/.venv/pyvenv.cfg", F)],
    ),
    Row(
        "a launcher whose environment was never made",
        SYNC,
        f"{FETCH} uv sync (or pip install), then {FRONT}data: [.venv]",
    ),
    Row(
        "crates that were never fetched",
        "error: failed to get `rand` as a dependency of package `x`\n\nCould not resolve host: index.crates.io",
        f"{FETCH} cargo fetch",
    ),
    Row(
        "data that git ignores, named in the log",
        "FileNotFoundError: [Errno 2] No such file or directory: 'data/train.bin'",
        f"{FRONT}data: [data]",
        files=["top/data/train.bin", "top/big/x"],
        ignored=["data/", "big/"],
        asked=[("top/data/train.bin", F)],
    ),
    Row(
        "several ignored files beside a tracked one",
        "FileNotFoundError: [Errno 2] No such file or directory: 'data/train.bin'",
        f"{FRONT}data: [data]",
        files=["top/data/train.bin", "top/data/val.bin", "top/data/README"],
        ignored=["data/train.bin", "data/val.bin"],
        tracked=["train.py", "data/README"],
    ),
    Row(
        "data beside data that is declared",
        "OSError: b.npy not found",
        f"{FRONT}data: [a.npy, b.npy]",
        files=["top/a.npy", "top/b.npy"],
        ignored=["a.npy", "b.npy"],
        protocol={"data": ("a.npy",)},
    ),
    Row(
        "data that a script wants without a word",
        "loading …",
        f"{FRONT}data: [corpus]",
        files=["top/corpus/a.txt", "top/other/b"],
        ignored=["corpus/", "other/"],
        asked=[("home/.gitconfig", F), ("top/corpus/a.txt", F), ("home/.bashrc", F)],
    ),
    Row(
        "an error of the program's own",
        "Traceback (most recent call last):\nValueError: boom",
        None,
        files=["top/corpus/a.txt"],
        ignored=["corpus/"],
        asked=[("top/corpus/a.txt", F), ("home/.config/matplotlib", F)],
    ),
    Row("an error of a shell's own", "line 3: unbound variable", None, ignored=["data/"], files=["top/data/x"]),
    # what is not committed
    Row(
        "a helper that is not committed",
        "ModuleNotFoundError: No module named 'helper'",
        f"helper.py {COMMIT}",
        files=["top/helper.py", "top/notes.txt"],
        untracked=["helper.py", "notes.txt"],
        asked=[("top/helper.py", F)],
    ),
    Row(
        "a module of a package that is not committed, without a watch",
        "ModuleNotFoundError: No module named 'pkg.deep.tool'",
        f"src/pkg/deep/tool.py {COMMIT}",
        files=["top/src/pkg/deep/tool.py"],
        untracked=["src/pkg/deep/"],
    ),
    Row(
        "a script that is not committed",
        "bash: measure.sh: No such file or directory",
        f"measure.sh {COMMIT}",
        files=["top/measure.sh"],
        untracked=["measure.sh"],
    ),
    Row(
        "a marked test that is not committed",
        "ERROR: file or directory not found: tests/test_speed.py::test_speed",
        f"tests/test_speed.py {COMMIT}",
        files=["top/tests/test_speed.py"],
        untracked=["tests/test_speed.py"],
        protocol={"source": "tests/test_speed.py::test_speed"},
    ),
    Row(
        "data that is not committed",
        "FileNotFoundError: [Errno 2] No such file or directory: 'train.csv'",
        f"train.csv {COMMIT}, or {FRONT}data: [train.csv]",
        files=["top/train.csv"],
        untracked=["train.csv"],
    ),
    # what lies elsewhere
    Row(
        "data below HOME",
        "FileNotFoundError: [Errno 2] No such file or directory: '{root}/home/sets/mnist/train.csv'",
        f"{FRONT}data: [~/sets/mnist]",
        files=["home/sets/mnist/train.csv"],
        asked=[("home/sets/mnist/train.csv", F)],
    ),
    Row(
        "one file among a person's own",
        "cat: {root}/home/Downloads/train.csv: No such file or directory",
        f"{FRONT}data: [~/Downloads/train.csv]",
        files=["home/Downloads/train.csv", "home/Downloads/tax.pdf"],
    ),
    Row(
        "a model in the cache of its library",
        "OSError: We couldn't connect to 'https://huggingface.co' … LocalEntryNotFoundError: models--gpt2 not found",
        f"{FRONT}data: [~/.cache/huggingface/hub]",
        files=["home/.cache/huggingface/hub/models--gpt2/refs/main", "home/.cache/huggingface/token"],
        asked=[("home/.cache/huggingface/token", F), ("home/.cache/huggingface/hub/models--gpt2", F)],
    ),
    Row(
        "a credential",
        "PermissionError: no such file {root}/home/.aws/credentials",
        None,
        files=["home/.aws/credentials"],
        asked=[("home/.aws/credentials", F)],
    ),
    Row(
        "a tokenizer, which is no credential",
        "FileNotFoundError: No such file or directory: '{root}/home/models/bert/tokenizer.json'",
        f"{FRONT}data: [~/models/bert]",
        files=["home/models/bert/tokenizer.json"],
    ),
    Row(
        "a link out of the repository",
        "FileNotFoundError: [Errno 2] No such file or directory: 'data/a.csv'",
        f"{FRONT}data: [{{root}}/elsewhere/sets]",
        files=["elsewhere/sets/a.csv"],
        links={"top/data": "elsewhere/sets"},
        tracked=["train.py", "data"],
        asked=[("top/data/a.csv", F)],
    ),
    Row(
        "a submodule that is not checked out",
        "ModuleNotFoundError: No module named 'vendor.lib'",
        "the submodule vendor is not checked out: git submodule update --init vendor",
        files=["top/vendor/lib/x"],
        tracked=["train.py"],
        submodules=["vendor"],
        asked=[("top/vendor/lib", F)],
    ),
    # programs
    Row(
        "a tool below HOME that a script calls",
        "measure.sh: line 2: mytool: command not found",
        f"{FRONT}data: [~/tools/bin/mytool]",
        files=["home/tools/bin/mytool"],
        asked=[("home/tools/bin/mytool", P)],
    ),
    Row(
        "the same without a watch",
        "measure.sh: line 2: mytool: command not found",
        f"{FRONT}data: [~/tools/bin/mytool]",
        files=["home/tools/bin/mytool"],
    ),
    Row(
        "a program that another one starts",
        "FileNotFoundError: [Errno 2] No such file or directory: 'mytool'",
        f"{FRONT}data: [~/tools/bin/mytool]",
        files=["home/tools/bin/mytool"],
    ),
    Row(
        "a setting that direnv was allowed in HOME",
        "direnv: error /r/.envrc is blocked. Run `direnv allow` to approve its content",
        "a run knows no `direnv allow`: write `source .envrc && …` in the command instead of direnv",
    ),
    Row(
        "a program that is nowhere",
        "bash: line 1: uvx7: command not found",
        "uvx7 is not installed on this machine: install it, or write the command without it",
    ),
    Row(
        "a program that is not on PATH",
        "bash: line 1: othertool: command not found",
        "othertool is not on the PATH of the shell that started pytest: write ~/.local/bin/othertool in the command",
        files=["home/.local/bin/othertool"],
    ),
    Row(
        "a program of the ignored environment",
        "bash: line 1: accelerate7: command not found",
        "accelerate7 is not on PATH, but there is .venv/bin/accelerate7: write that in the command, and "
        f"{FRONT}data: [.venv]",
        files=["top/.venv/pyvenv.cfg", "top/.venv/bin/accelerate7"],
        ignored=[".venv/"],
    ),
    Row(
        "a package that another environment has",
        "ModuleNotFoundError: No module named 'numpy7'",
        f"numpy7 is in .venv: write .venv/bin/python in the command, and {FRONT}data: [.venv]",
        files=["top/.venv/pyvenv.cfg", "top/.venv/lib/python3.12/site-packages/numpy7/__init__.py"],
        ignored=[".venv/"],
    ),
    Row(
        "a package that is nowhere",
        "ModuleNotFoundError: No module named 'numpy7'",
        "numpy7 is not installed beside pytest: {python} -m pip install numpy7",
    ),
    # git, network, HOME
    Row(
        "git in the measurement",
        "fatal: not a git repository (or any of the parent directories): .git",
        f"{FRONT}git: throwaway",
    ),
    Row(
        "a version from git",
        "LookupError: setuptools-scm was unable to detect version for /repo.",
        f"{FRONT}git: throwaway",
        ignored=["data/"],
        files=["top/data/x"],
    ),
    Row(
        "git whose words were swallowed",
        "subprocess.CalledProcessError: Command '['git', 'describe', '--tags']' returned non-zero exit status 128.",
        f"{FRONT}git: throwaway",
    ),
    Row(
        "git that was asked by node",
        "Error: Command failed: git rev-parse HEAD\n    at checkExecSyncError",
        f"{FRONT}git: throwaway",
    ),
    Row(
        "a path below what git did not say",
        "FileNotFoundError: [Errno 2] No such file or directory: '/train.py'",
        f"{FRONT}git: throwaway",
        files=["top/train.py"],
        asked=[("top/.git", F)],
    ),
    Row(
        "a path that begins at the root for another reason",
        "FileNotFoundError: [Errno 2] No such file or directory: '/train.py'",
        None,
        files=["top/train.py"],
    ),
    Row(
        "tags that a throwaway repository has not",
        "fatal: No names found, cannot describe anything.",
        "the repository of `git: throwaway` has one commit and no tags: give what git would say under env:, or ask it "
        "for less (git describe --always)",
        protocol={"git_throwaway": True},
    ),
    Row(
        "an environment of tox",
        "bash: line 1: .tox/py312/bin/python: No such file or directory",
        f"{FRONT}data: [.tox]",
        files=["top/.tox/py312/pyvenv.cfg", "top/.tox/py312/bin/python"],
        ignored=[".tox/"],
        asked=[("top/.tox/py312/bin/python", P)],
    ),
    Row("no network", DNS, f"{FRONT}network: yes", ignored=["data/"], files=["top/data/x"]),
    Row("no network, curl", "curl: (6) Could not resolve host: example.org", f"{FRONT}network: yes"),
    Row("no network, node", "Error: getaddrinfo EAI_AGAIN example.org", f"{FRONT}network: yes"),
    Row("no network, go", "dial tcp: lookup example.org: Temporary failure in name resolution", f"{FRONT}network: yes"),
    Row("no network although there should be", DNS, None, protocol={"network": True}),
    Row(
        "results that HOME should keep",
        "cat: {root}/home/out/score: No such file or directory",
        f"{FRONT}caches: [~/out]",
        asked=[("home/out/score", K)],
    ),
    Row(
        "a directory of HOME that is written to",
        "bash: {root}/home/results/a.json: No such file or directory",
        f"{FRONT}caches: [~/results]",
        files=["home/results/old.json"],
        asked=[("home/results/a.json", W)],
    ),
    Row(
        "a file right in HOME",
        "",
        "what a run writes there is gone after it: let it write into the working directory instead",
        asked=[("home/score", K)],
    ),
    Row(
        "a write to data",
        "OSError: [Errno 30] Read-only file system: '{root}/top/data/cache.npy'",
        "data/cache.npy is read-only for a run: let it write elsewhere, or name a directory under caches:",
        protocol={"data": ("data",)},
        files=["top/data/x"],
        ignored=["data/"],
    ),
    Row(
        "a package that would be installed into a toolchain",
        "error: failed to open `{root}/home/.cargo/registry/cache/a.crate`: Read-only file system (os error 30)",
        f"{FETCH} cargo fetch",
    ),
    # compiled code
    Row(
        "an extension module that was built",
        "ModuleNotFoundError: No module named 'pkg._ext'",
        "pkg/_ext.cpython-311-x86_64-linux-gnu.so is built from sources, so every candidate has to build its own: "
        f"{FRONT}build: python setup.py build_ext --inplace",
        files=["top/pkg/_ext.cpython-311-x86_64-linux-gnu.so"],
        ignored=["pkg/_ext.cpython-311-x86_64-linux-gnu.so"],
        tracked=["train.py", "pkg/__init__.py", "pkg/_ext.c", "setup.py"],
        build="python setup.py build_ext --inplace",
    ),
    Row(
        "a name that only the built module has",
        "ImportError: cannot import name '_ext' from 'pkg' (/repo/pkg/__init__.py)",
        "pkg/_ext.abi3.so is built from sources, so every candidate has to build its own: "
        f"{FRONT}build: python setup.py build_ext --inplace",
        files=["top/pkg/_ext.abi3.so"],
        ignored=["pkg/_ext.abi3.so"],
        tracked=["train.py", "pkg/__init__.py"],
        build="python setup.py build_ext --inplace",
    ),
    Row(
        "a bundle of sources in TypeScript",
        "Error: Cannot find module '/work/top/dist/index.js'\n  code: 'MODULE_NOT_FOUND'",
        f"dist/index.js is built from sources, so every candidate has to build its own: {FRONT}build: npm run build",
        files=["top/dist/index.js"],
        ignored=["dist/"],
        tracked=["src/index.ts"],
        asked=[("top/dist/index.js", F)],
        build="npm run build",
    ),
    Row(
        "a program that was built",
        "bash: line 1: ./build/bench: No such file or directory",
        "build/bench is built from sources, so every candidate has to build its own: "
        f"{FRONT}build: cmake -S . -B build -DCMAKE_BUILD_TYPE=Release && cmake --build build",
        files=["top/build/bench"],
        ignored=["build/"],
        asked=[("top/build/bench", P)],
        build="cmake -S . -B build -DCMAKE_BUILD_TYPE=Release && cmake --build build",
    ),
    Row(
        "a script without the right to run",
        "bash: line 1: ./bench.sh: Permission denied",
        "bench.sh is not executable: git update-index --chmod=+x bench.sh, and commit",
        files=["top/bench.sh"],
        tracked=["train.py", "bench.sh"],
    ),
    Row(
        "a script with the line ends of Windows",
        "/usr/bin/env: 'bash\\r': No such file or directory\n/usr/bin/env: use -[v]S to pass options in shebang lines",
        "a script has the line ends of Windows: sed -i 's/\\r$//' it and commit (`*.sh text eol=lf` in .gitattributes)",
        files=["top/bench.sh"],
        tracked=["train.py", "bench.sh"],
    ),
    Row(
        "Docker",
        "docker: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        "a run is not given Docker's socket, which gives away the machine: write the command without docker",
    ),
    Row(
        "a service of this machine",
        "ConnectionRefusedError: [Errno 111] Connection refused",
        f"a run has a loopback of its own: if a service of this machine was meant, {FRONT}network: yes",
    ),
    Row("a service that is not there", "Connection refused (os error 111)", None, protocol={"network": True}),
    Row(
        "a log in a directory of the system",
        "FileNotFoundError: [Errno 2] No such file or directory: '/var/log/x.log'",
        "what a run writes there is gone after it: let it write into the working directory instead",
        asked=[("/var/log/x.log", W)],
    ),
    Row(
        "a binary whose build nobody knows",
        "bash: line 1: target/release/bench: No such file or directory",
        "target/release/bench is built from sources, so every candidate has to build its own: "
        f"{FRONT}build: the command that builds it",
        files=["top/target/release/bench"],
        ignored=["target/"],
    ),
]


@pytest.fixture
def told(tmp_path: Path) -> Callable[[Row], list[str]]:
    def tell(row: Row) -> list[str]:
        for place in ("top", "home"):
            (tmp_path / place).mkdir()
        for name in row.files:
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("")
            file.chmod(0o755 if "bin" in file.parts else 0o644)
        for name, target in row.links.items():
            (tmp_path / name).symlink_to(tmp_path / target)
        checkout = Checkout(
            protocol=replace(PROTOCOL, **row.protocol),
            top=tmp_path / "top",
            home=tmp_path / "home",
            ignored=row.ignored,
            untracked=row.untracked,
            tracked=frozenset(row.tracked),
            submodules=row.submodules,
            search=f"{tmp_path}/home/tools/bin:/usr/bin:/bin",
        )
        lookups = tuple(Lookup(tmp_path / path, asked) for path, asked in row.asked)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HOME", str(tmp_path / "home"))
            found = remedies(Symptoms(row.log.replace("{root}", str(tmp_path)), checkout, lookups, row.build))
        return [remedy.line.replace(str(tmp_path), "{root}") for remedy in found]

    return tell


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_symptom_has_this_remedy_and_no_other(row: Row, told: Callable[[Row], list[str]]) -> None:
    assert told(row) == ([] if row.line is None else [row.line.replace("{python}", sys.executable)])


def test_a_marked_test_is_told_the_arguments_of_its_marker(told: Callable[[Row], list[str]]) -> None:
    marked = {"source": "test_a.py::test_a", "data": ("a b",)}
    row = Row("", "No such file or directory: 'c'", "", files=["top/c"], ignored=["c"], protocol=marked)
    assert told(row) == ['write in the marker: data=["a b", "c"]']


def test_paths_are_written_as_seen_from_the_config(told: Callable[[Row], list[str]]) -> None:
    row = Row(
        "",
        "No such file or directory: '../common/data/x'",
        "",
        files=["top/exp/common/data/x"],
        ignored=["exp/common/data/"],
        protocol={"directory": PurePosixPath("exp/one")},
    )
    assert told(row) == [f"{FRONT}data: [../common/data]"]
