"""A new file never stands before what an honest program would import, and hinders no other new file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from pytest_autoresearch.protocol.model import Direction, Metric, PathRule, Protocol
from pytest_autoresearch.protocol.scope import resolve_paths
from pytest_autoresearch.protocol.shadowing import python_paths
from tests.cost import seconds

TRACKED = (
    *("grader.py", "labels.py", "data.json", "train.py", "Makefile", "autoresearch.config.md", "src/nets/__init__.py"),
    *("src/nets/core.py", "src/nets/labels.py", "src/nets/ops/__init__.py", "src/other.py", "tests/test_a.py"),
    *("tests/util.py", "tools/__init__.py", "tools/__main__.py", "tools/score.py", "space/part.py", "web/labels.json"),
    *("bench/__init__.py", "bench/grade.py", "vendored/yaml/__init__.py", "google/own/x.py", "stubs/thing.pyi"),
)


def refusals(paths: Sequence[str], *, extract: str = "python grader.py", **more: object) -> list[str | None]:
    protocol = Protocol(
        goal="",
        metric=Metric("x", Direction.LOWER, extract=extract),
        targets=(PathRule("."),),
        readonly=tuple(PathRule(path) for path in TRACKED if not path.startswith(("train", "space"))),
        run="python train.py",
    )
    protocol = replace(protocol, **more)  # type: ignore[arg-type]
    scope = resolve_paths(protocol, TRACKED, installed=["sklearn", "google"], roots=["bench2"])
    return [scope.refusal(path, "file") for path in paths]


@pytest.mark.parametrize(
    "path",
    [
        *("statistics.py", "json/__init__.py", "json/decoder.py", "re.abi3.so", "math.cpython-313-x86_64-linux-gnu.so"),
        *("random.pyc", "iniconfig.py", "pluggy/__init__.py", "sklearn/metrics.py", "sklearn.py", "argcomplete.py"),
        *("tests/json.py", "tests/pluggy.py", "src/statistics.py", "src/statistics/__init__.py", "new/dir/random.py"),
        *("src/nets/fresh/random.py", "tools/json.py", "tests/fresh/iniconfig/__init__.py", "google/cloud/x.py"),
        "google.py",
        *("labels/__init__.py", "labels.so", "labels.pyi", "src/nets/labels/__init__.py", "src/nets/labels.abi3.so"),
        *("src/labels.py", "tests/labels/__init__.py", "util.py", "src/util.py", "space/util.py", "other.py"),
        *("evil-1.0.dist-info/entry_points.txt", "x.egg-info/entry_points.txt", "src/Evil.DIST-INFO/RECORD"),
        *("lib/node_modules/lodash/index.js", "web/labels.js", "web/labels/index.js", "web/labels.ts"),
        *("GNUmakefile", "sub/gnumakefile", ".coveragerc", "src/.env", "package.json", "pyvenv.cfg", "go.work"),
        *("build.rs", "crate/.cargo/config.toml", "Project.toml", "rust-toolchain", "jest.config.js", "tsconfig.json"),
        *(
            "setup.py",
            "CMakeLists.txt",
            ".mvn/jvm.config",
            "vendor/modules.txt",
            "x.egg-link/part.py",
            "src/__init__.py",
        ),
        *("sitecustomize.py", "src/usercustomize/__init__.py", "x.pth", "pytest/__init__.py", "src/conftest.py"),
    ],
)
def test_a_new_file_takes_no_name_that_is_found_elsewhere(path: str) -> None:
    assert refusals([path]) != [None]


@pytest.mark.parametrize(
    "path",
    [
        *("model.py", "src/nets/random.py", "src/nets/types.py", "src/nets/ops/statistics.py", "src/fresh/__init__.py"),
        *("src/fresh/deep.py", "tests/test_json.py", "tests/__init__.py", "space/__init__.py", "space/more.py"),
        *("data.py", "data/x.csv", "json.txt", "statistics.md", "random/notes.txt", "notes.json", "web/other.js"),
        *("vendored/yaml/tokens.py", "src/nets/util.py", "src/nets/labels.json", "things.pyi", "train/notes.md"),
        *("html.html", "src/types.d.ts", "csv.csv", "a.b/model.py", "google/own/y.py"),
    ],
)
def test_other_new_files_are_welcome(path: str) -> None:
    assert refusals([path]) == [None]


def test_a_package_is_imported_from_where_a_command_starts_in_it() -> None:
    paths = ["bench/random.py"]
    assert refusals(paths) == [None]
    for extract in (
        "python bench/grade.py",
        "cd bench && python -m grade",
        "PYTHONPATH=x:bench python -c 'import grade'",
    ):
        assert refusals(paths, extract=extract) != [None], extract
    assert refusals(paths, guard=("python bench/grade.py",)) != [None]
    assert refusals(paths, env={"PYTHONPATH": "x:bench"}) != [None]
    assert refusals(paths, build="cd bench; make") != [None]


@pytest.mark.parametrize(
    ("ini", "places"),
    [
        ("[pytest]\npythonpath = src bench/\n", {"src", "bench"}),
        ("[pytest]\npythonpath =\n    src\n    bench\naddopts = -q\n", {"src", "bench"}),
        ('[tool.pytest.ini_options]\npythonpath = ["src", "bench"]\ntestpaths = ["t"]\n', {"src", "bench"}),
        ('[tool.pytest.ini_options]\npythonpath = [\n  "src",\n  "bench",\n]\ntestpaths = ["t"]\n', {"src", "bench"}),
        ("[pytest]\npythonpath = .\n", {"."}),
        ("[pytest]\n", set()),
    ],
)
def test_the_python_path_of_a_configuration_is_found(ini: str, places: set[str]) -> None:
    assert set(python_paths(ini)) == places


@pytest.mark.parametrize("text", ["\n", "pythonpath=", " ", "pythonpath=\n a", "\tpythonpath = ["])
def test_a_long_configuration_takes_no_time(text: str) -> None:
    assert seconds(lambda: list(python_paths(text * 30_000)), tries=1) < 2.0


def test_the_reason_says_what_would_have_been_hidden() -> None:
    statistics, labels, util = refusals(["statistics.py", "labels.so", "src/util.py"])
    assert statistics is not None and "the module statistics, which is imported from elsewhere" in statistics
    assert labels is not None and labels.endswith("in place of labels.py")
    assert util is not None and re.search(r"the name of tests/util\.py: choose another one", util)
