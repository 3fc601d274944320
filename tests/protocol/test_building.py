"""Compiled targets are built for every candidate, or the protocol is refused with the line that would build them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.protocol.building import builds, is_product, refuse_stale, shipped, suggested
from pytest_autoresearch.protocol.model import Direction, Metric, Protocol

PROTOCOL = Protocol(goal="", metric=Metric("seconds", Direction.LOWER), targets=(), run="python bench.py")
EXTENSION = "from setuptools import Extension, setup\nsetup(ext_modules=[Extension('p', ['p.c'])])\n"
WHEEL = "python -m pip wheel -q --no-deps --no-build-isolation -w .built . && python -m zipfile -e .built/*.whl"


def _backend(name: str) -> str:
    return f'[build-system]\nrequires = []\nbuild-backend = "{name}"\n'


@pytest.mark.parametrize(
    ("files", "target", "command"),
    [
        ({"setup.py": EXTENSION}, "p.c", "python setup.py build_ext --inplace"),
        (
            {"setup.py": "from mypyc.build import mypycify\nsetup(ext_modules=mypycify([]))"},
            "a.pyx",
            "python setup.py build_ext --inplace",
        ),
        (
            {"pyproject.toml": _backend("setuptools.build_meta") + "[[tool.setuptools.ext-modules]]\nname='p'\n"},
            "p.c",
            'python -c "import setuptools; setuptools.setup()" build_ext --inplace',
        ),
        ({"pyproject.toml": _backend("mesonpy"), "meson.build": "", "src/p/a.c": ""}, "src/p/a.c", f"{WHEEL} src"),
        ({"pyproject.toml": _backend("scikit_build_core.build"), "CMakeLists.txt": ""}, "p.cpp", f"{WHEEL} ."),
        (
            {"pyproject.toml": _backend("maturin") + "[tool.maturin]\npython-source = 'python'\n", "Cargo.toml": ""},
            "src/lib.rs",
            "maturin build --release --offline -o .built && python -m zipfile -e .built/*.whl python",
        ),
        ({"pyproject.toml": "[project]\ndependencies = ['cython']\n", "a.pyx": ""}, "a.pyx", "cythonize -i a.pyx"),
        ({"Cargo.toml": ""}, "src/main.rs", "cargo build --release"),
        ({"core/Cargo.toml": "", "README": ""}, "core/src/lib.rs", "cd core && cargo build --release"),
        ({"CMakeLists.txt": ""}, "a.cpp", "cmake -S . -B build -DCMAKE_BUILD_TYPE=Release && cmake --build build"),
        ({"meson.build": ""}, "a.c", "meson setup build && meson compile -C build"),
        ({"Makefile": ""}, "a.c", "make"),
        ({"go.mod": ""}, "a.go", "go build ./..."),
        ({"README": ""}, "a.c", None),
        ({"package.json": '{"scripts": {"test": "x", "build": "tsc"}}'}, "src/a.ts", "npm run build"),
        ({"package.json": '{"scripts": {"build": "vite build"}}', "yarn.lock": ""}, "src/a.tsx", "yarn run build"),
        ({"web/tsconfig.json": "", "README": ""}, "web/src/a.ts", "cd web && npx tsc"),
        ({"package.json": '{"scripts": {"test": "build"}}'}, "src/a.ts", None),
    ],
)
def test_the_repository_says_how_it_is_built(files: dict[str, str], target: str, command: str | None) -> None:
    assert suggested(files.get, files, target) == command


@pytest.mark.parametrize(
    ("command", "files", "does"),
    [
        ("cargo run -q --release", {}, True),
        ("RUSTFLAGS=x cargo +nightly bench", {}, True),
        ("make -j && ./bench", {}, True),
        ("gcc -O2 a.c -o a && ./a", {}, True),
        ("go test -bench .", {}, True),
        ("bash measure.sh", {"measure.sh": "set -e\ncc -O2 a.c\n./a.out"}, True),
        ("python bench.py", {"bench.py": "subprocess.run(['make', 'bench'])"}, True),
        ("python bench.py", {"bench.py": "subprocess.run('cargo build --release', shell=True)"}, True),
        ("python bench.py", {"bench.py": "import pyximport; pyximport.install()"}, True),
        ("python bench.py", {"bench.py": "# make sure that cc is fast\nimport p"}, False),
        ("./build/bench", {}, False),
        ("python -m pytest test_a.py::test_b", {"test_a.py": "import p"}, False),
        ("echo makeup", {}, False),
    ],
)
def test_a_run_that_builds_needs_no_build(command: str, files: dict[str, str], does: bool) -> None:
    assert builds([command], files.get) is does


@pytest.mark.parametrize(
    ("run", "data", "refused"),
    [
        ("node dist/index.js", (), True),
        ("node ./build/cli.mjs --fast", (), True),
        ("npm run bench", ("dist",), True),
        ("npm run build && node dist/index.js", (), False),
        ("npx tsc && node dist/index.js", (), False),
        ("npx tsx src/index.ts", (), False),
        ("npm run bench", ("sets",), False),
    ],
)
def test_a_bundle_that_nobody_builds_is_refused_like_a_binary(run: str, data: tuple[str, ...], refused: bool) -> None:
    files = {"package.json": '{"scripts": {"build": "tsc"}}', "src/index.ts": ""}
    protocol = replace(PROTOCOL, run=run, data=data)
    if refused:
        with pytest.raises(ConfigError, match="npm run build"):
            refuse_stale(protocol, ["src/index.ts"], files.get, files)
    else:
        refuse_stale(protocol, ["src/index.ts"], files.get, files)
    refuse_stale(protocol, ["src/index.js"], files.get, files)  # what is run as it stands


@pytest.mark.parametrize(
    ("path", "product"),
    [
        ("p/_a.cpython-311-x86_64-linux-gnu.so", True),
        ("build/bench", True),
        ("target/release/x", True),
        ("out/model.pt", False),
        ("data/a.bin", False),
        ("lib.rs", False),
    ],
)
def test_what_a_build_has_made_is_known(path: str, product: bool) -> None:
    assert is_product(path) is product


def test_a_compiled_target_that_nobody_builds_is_refused_with_the_line_that_does() -> None:
    files = {"setup.py": EXTENSION, "p.c": "", "bench.py": "import p"}
    with pytest.raises(
        ConfigError, match=r"p\.c is compiled.*\n.*front matter: build: python setup.py build_ext --inplace"
    ):
        refuse_stale(PROTOCOL, ["p.c"], files.get, files)
    marked = replace(PROTOCOL, source="t/test_a.py::test_b", directory=PurePosixPath("t"), run="python -m pytest")
    with pytest.raises(ConfigError, match=r'marker: build="python setup.py build_ext --inplace"'):
        refuse_stale(marked, ["p.c"], files.get, files)


def test_what_was_built_is_never_data() -> None:
    files = {"setup.py": EXTENSION, "p.c": "", "bench.py": ""}
    protocol = replace(PROTOCOL, data=("p.abi3.so",), build="make")
    with pytest.raises(ConfigError, match=r"data: p\.abi3\.so is built from sources that may change"):
        refuse_stale(protocol, ["p.c"], files.get, files)


@pytest.mark.parametrize(
    ("protocol", "targets"),
    [
        (replace(PROTOCOL, build="python setup.py build_ext --inplace"), ["p.c"]),
        (replace(PROTOCOL, run="make && ./p"), ["p.c"]),
        (PROTOCOL, ["bench.py"]),
        (replace(PROTOCOL, data=("other.so",)), ["bench.py"]),
    ],
)
def test_others_are_not(protocol: Protocol, targets: list[str]) -> None:
    files = {"setup.py": EXTENSION, "p.c": "", "bench.py": "import p"}
    refuse_stale(protocol, targets, files.get, files)


def test_a_source_that_is_only_read_is_nobodys_to_build() -> None:
    refuse_stale(PROTOCOL, ["src/main.rs"], {"src/main.rs": "", "bench.py": ""}.get, ["src/main.rs", "bench.py"])


@pytest.mark.parametrize(
    ("files", "targets", "found"),
    [
        ({"p.c": "", "p.cpython-311-x86_64-linux-gnu.so": "\x7fELF\0"}, ["p.c"], ["p.cpython-311-x86_64-linux-gnu.so"]),
        ({"p/_core.c": "", "p/core.pyd": ""}, ["p/_core.c"], ["p/core.pyd"]),
        ({"setup.py": "Extension('p._fast', ['a.c'])", "a.c": "", "p/_fast.abi3.so": ""}, ["a.c"], ["p/_fast.abi3.so"]),
        (
            {"Cargo.toml": '[package]\nname = "my-sum"\n', "src/lib.rs": "", "libmy_sum.so": ""},
            ["src/lib.rs"],
            ["libmy_sum.so"],
        ),
        ({"CMakeLists.txt": "add_executable(bench a.cc)", "a.cc": "", "build/bench": "\0"}, ["a.cc"], ["build/bench"]),
        ({"Makefile": "CC := gcc\nbin/run: a.c\n\tgcc a.c\n", "a.c": "", "bin/run": "\0"}, ["a.c"], ["bin/run"]),
        ({"a.c": "", "a.o": "\0", "a": "\0"}, ["a.c"], ["a", "a.o"]),
        ({"Main.java": "", "Main.class": ""}, ["Main.java"], ["Main.class"]),
        ({"p/m.py": "", "p/m.cpython-311-darwin.so": ""}, ["p/m.py"], ["p/m.cpython-311-darwin.so"]),
        # Nothing of it is made from a target.
        ({"p/m.py": "", "q/m.abi3.so": "", "p/m.dll": ""}, ["p/m.py"], []),
        (
            {"setup.py": "Extension('p', ['p.c'], libraries=['z'])", "p.c": "", "v/libz.so": "", "libz.a": ""},
            ["p.c"],
            [],
        ),
        ({"Makefile": "LIBS = v/libz.a\np: p.c v/libz.a\n\tcc p.c\n", "p.c": "", "v/libz.a": ""}, ["p.c"], []),
        ({"Makefile": "bench: a.c\n\tcc a.c\n", "a.c": "", "bench": "#!/bin/sh\nmake && ./a.out\n"}, ["a.c"], []),
        ({"mesh.c": "", "mesh.obj": "v 0 0 0\n", "gradle/wrapper/gradle-wrapper.jar": ""}, ["mesh.c"], []),
        ({"p.c": "", "p.cpython-311-x86_64-linux-gnu.so": "", "bench.py": ""}, ["bench.py"], []),
    ],
)
def test_what_the_commit_ships_is_told_from_what_others_built(
    files: dict[str, str], targets: list[str], found: list[str]
) -> None:
    assert shipped(targets, files.get, files) == found


def test_a_committed_product_of_a_target_is_refused_though_there_is_a_build() -> None:
    files = {"setup.py": EXTENSION, "p.c": "", "p.abi3.so": "\0", "m.py": "", "m.abi3.so": "\0"}
    with pytest.raises(
        ConfigError, match=r"p\.abi3\.so is built .*\n  git rm --cached p\.abi3\.so, add to \.gitignore and commit$"
    ):
        refuse_stale(replace(PROTOCOL, build="python setup.py build_ext --inplace"), ["p.c"], files.get, files)
    with pytest.raises(ConfigError, match=r"commit; write in the front matter: build: python setup\.py build_ext"):
        refuse_stale(PROTOCOL, ["p.c"], files.get, files)
    with pytest.raises(ConfigError, match=r"git rm --cached m\.abi3\.so"):
        refuse_stale(PROTOCOL, ["m.py"], files.get, files)
    nobody = {"p.c": "", "p.so": "\0"}
    with pytest.raises(ConfigError, match=r"git rm --cached p\.so.*; say how with build"):
        refuse_stale(PROTOCOL, ["p.c"], nobody.get, nobody)
