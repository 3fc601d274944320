"""Packages of other people, as PyPI has them: their own benchmark is the metric, their own tests are the guard.

What they ship is fast already. So each start commit has one function slowed down, by a change that all tests pass, and
its benchmark marked as docs/pytest.md says. The true speed-up is then what the package ships.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Project

Edits = Mapping[str, str]  # what is replaced by what

CHECKOUT = Path(__file__).parents[2]
UV = shutil.which("uv")  # installs in seconds what takes pip half a minute
QUICK = ("--benchmark-max-time=0.1", "--benchmark-min-rounds=2")  # options of theirs, which every run gets too
AGENT = """\
import json, os, pathlib, sys
proposal = json.loads(pathlib.Path(sys.argv[1]).read_text())[int(os.environ["AUTORESEARCH_EXPERIMENT"]) - 1]
target = pathlib.Path(sys.argv[2])
text = target.read_text()
for old, new in proposal["edits"].items():
    assert old in text, old
    text = text.replace(old, new)
target.write_text(text)
print(proposal["description"])
"""


@dataclass(frozen=True, slots=True)
class Package:
    """A package, the test of its own that measures ``target``, and what is proposed. Paths are relative to its top."""

    name: str
    version: str
    benchmark: str  # node id of what is run
    target: str
    guard: tuple[str, ...]
    caught_by: str  # the test that fails for the wrong change
    slow: Edits
    wrong: Edits  # from the slow state, like all of them
    neutral: Edits
    needs: tuple[str, ...] = ()
    marker: str = ""

    @property
    def fast(self) -> Edits:
        return {new: old for old, new in self.slow.items()}


PLUGGY = Package(
    "pluggy",
    "1.7.0",
    benchmark="testing/benchmark.py::test_varnames[plain_function]",
    target="src/pluggy/_decorators.py",
    guard=("testing",),
    caught_by="test_helpers.py::test_varnames_keyword_only",
    slow={"= code.co_varnames[: code.co_argcount]": "= tuple(inspect.getargs(code).args[: code.co_argcount])"},
    wrong={
        "= tuple(inspect.getargs(code).args[: code.co_argcount])": (
            "= code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]"
        )
    },
    neutral={"_is_class_method": "_is_of_a_class"},
)
"""The pytest that measures is itself run by the candidate."""

FASTJSONSCHEMA = Package(
    "fastjsonschema",
    "2.22.3",
    benchmark="tests/benchmarks/test_benchmark.py::test_benchmark_ok_values",
    target="fastjsonschema/draft06.py",
    guard=("tests/test_fast_fail.py", "tests/test_composition.py"),
    caught_by="test_fast_fail.py::test_captures_all_errors",
    slow={"if not isinstance({variable}, ({})){}:": "if not any(isinstance({variable}, kind) for kind in ({},)){}:"},
    wrong={
        "        with self.l('if not any(isinstance({variable}, kind) for kind in ({},)){}:'": (
            "        if 'number' in types or 'integer' in types:\n"
            "            return\n"
            "        with self.l('if not isinstance({variable}, ({})){}:'"
        )
    },
    neutral={"python_types": "kinds"},
    marker=", aggregate='geomean'",
)
"""No ini file, and one metric over four parameter sets. What is timed is the code that the target generates."""

BEFORE, AFTER = "    spend_complexity_budget(rule_context, 2)\n", "    field_info1 = get_field_info(field_details1)\n"
SIMPLE_LEAF = """\
    if (
        field_details1.is_simple_leaf
        and field_details2.is_simple_leaf
        and type1 is type2
        and node1.name.value == node2.name.value
    ):
        return None
"""
ANY_LEAF = SIMPLE_LEAF.replace("        and node1.name.value == node2.name.value\n", "")

GRAPHQL = Package(
    "graphql-core",
    "3.3.2",
    benchmark="tests/benchmarks/test_repeated_fields.py::test_many_repeated_fields",
    target="src/graphql/validation/rules/overlapping_fields_can_be_merged.py",
    guard=("tests/validation/test_overlapping_fields_can_be_merged.py",),
    caught_by="test_overlapping_fields_can_be_merged.py::",
    slow={BEFORE + SIMPLE_LEAF + AFTER: BEFORE + AFTER},
    wrong={BEFORE + AFTER: BEFORE + ANY_LEAF + AFTER},
    neutral={"parent_type1": "parent_of_1"},
    needs=("anyio", "pytest-describe"),
)
"""``--benchmark-disable`` in addopts, tests that import each other relatively, options of its conftest.py."""


def _succeed(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=900)


class Upstream(Project):
    """The unpacked sdist as a repository, installed editable into an environment with this plugin."""

    def __init__(self, package: Package, directory: Path) -> None:
        self.package = package
        self.python = str(directory / "venv" / "bin" / "python")
        super().__init__(directory / package.name, directory / "home")
        subprocess.run([sys.executable, "-m", "venv", str(directory / "venv")], check=True)
        self._unpack(directory / "sdist")
        self._install("-e", str(self.root), str(CHECKOUT), "pytest-benchmark", *package.needs)
        self._prepare()

    @property
    def pytest_command(self) -> list[str]:
        return [self.python, "-m", "pytest"]

    def _unpack(self, directory: Path) -> None:
        package = self.package
        wanted = ("--no-deps", "--no-binary", package.name, f"{package.name}=={package.version}")
        try:
            self._pip("download", "-d", str(directory), *wanted)
        except subprocess.CalledProcessError as error:
            if "No matching distribution" not in error.stderr:
                raise
            pytest.skip(f"PyPI can not be reached, or has no sdist of {package.name} {package.version}")
        with tarfile.open(next(directory.iterdir())) as archive:
            for member in archive.getmembers():
                member.name = member.name.partition("/")[2]
                if member.name:
                    archive.extract(member, self.root, filter="data")

    def _install(self, *words: str) -> None:
        """By pip where there is no uv, and where only pip knows the way to an index."""
        if UV is not None:
            with suppress(subprocess.CalledProcessError):
                return _succeed(UV, "pip", "install", "-q", "--compile-bytecode", "--python", self.python, *words)
        self._pip("install", *words)

    def _pip(self, *words: str) -> None:
        _succeed(self.python, "-m", "pip", "-q", "--disable-pip-version-check", *words)

    def _prepare(self) -> None:
        """Commit what was shipped, then the start: its benchmark marked, one function slower."""
        self.write(".gitignore", "*.egg-info\n__pycache__\n.pytest_cache\n.benchmarks\n*.so\nbuild/\n")
        self.commit("as shipped")
        package = self.package
        file, _, test = package.benchmark.partition("::")
        up = "../" * file.count("/")
        marker = (
            f"@pytest.mark.autoresearch(metric='benchmark.min', targets=['{up}{package.target}'], "
            f"guard={[up + guard for guard in package.guard]}{package.marker})\n"
        )
        definition = f"def {test.partition('[')[0]}("
        self.replace(file, {definition: marker + definition})
        self.write(file, "import pytest\n" + (self.root / file).read_text(encoding="utf-8"))
        self.replace(package.target, package.slow)
        self.commit("mark the benchmark; a slower function")

    def replace(self, name: str, edits: Edits) -> None:
        text = (self.root / name).read_text(encoding="utf-8")
        for old, new in edits.items():
            assert old in text, f"{name}: {old}"
            text = text.replace(old, new)
        self.write(name, text)

    def loop(self, *proposals: tuple[str, Edits]) -> subprocess.CompletedProcess[str]:
        """As many experiments as proposals on the package's benchmark, at the best isolation there is."""
        script, plan = self.home / "agent.py", self.home / "proposals.json"
        script.write_text(AGENT)
        plan.write_text(json.dumps([{"description": says, "edits": edits} for says, edits in proposals]))
        up = "../" * self.package.benchmark.partition("::")[0].count("/")
        return self.pytest(
            "--autoresearch",
            self.package.benchmark,
            "--autoresearch-tag=real",
            f"--autoresearch-experiments={len(proposals)}",
            "--autoresearch-judge=certified",
            f"--autoresearch-agent=command:{self.python} {script} {plan} {up}{self.package.target}",
            *QUICK,
            timeout=1_200,
        )

    def experiments(self) -> list[dict[str, Any]]:
        """What the session says of its experiments, the baseline first."""
        said = self.run(self.python, "-m", "pytest_autoresearch.cli", "log", "--tag=real", "--json")
        found: list[dict[str, Any]] = json.loads(said.stdout)["experiments"]
        return found

    def state(self) -> tuple[str, ...]:
        """Everything of the repository that is its owner's."""
        index = (self.root / ".git" / "index").read_bytes().hex()
        return (
            self.git("rev-parse", "HEAD"),
            self.git("symbolic-ref", "HEAD"),
            self.git("rev-parse", "main"),
            self.git("stash", "list"),
            self.git("status", "--porcelain", "--ignored=no"),
            self.git("ls-files", "--stage"),
            index,
        )

    def by_hand(self, branch: str) -> float:
        """Seconds of the quickest round on a branch, pytest-benchmark alone."""
        self.git("checkout", "-q", branch)
        report = self.home / "benchmark.json"
        done = self.pytest("-q", self.package.benchmark, "--benchmark-enable", *QUICK, f"--benchmark-json={report}")
        assert done.returncode == 0, done.stdout
        return min(float(each["stats"]["min"]) for each in json.loads(report.read_text())["benchmarks"])


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("package", [PLUGGY, FASTJSONSCHEMA, GRAPHQL], ids=lambda package: str(package.name))
def test_a_real_package_keeps_what_is_faster_and_right(package: Package, tmp_path: Path) -> None:
    upstream = Upstream(package, tmp_path)
    before = upstream.state()

    done = upstream.loop(
        ("fast but wrong", package.wrong), ("neither faster nor slower", package.neutral), ("as shipped", package.fast)
    )

    assert done.returncode == 0, done.stdout + done.stderr
    baseline, wrong, neutral, right = upstream.experiments()
    assert [each["status"] for each in (baseline, wrong, neutral, right)] == ["keep", "discard", "discard", "keep"], (
        done.stdout
    )
    assert wrong["reason"] == "guard" and "FAILED " in wrong["detail"] and package.caught_by in wrong["detail"], wrong
    assert neutral["reason"] in ("worse", "noise"), neutral
    assert right["reason"] == "improved", right

    assert upstream.state() == before
    assert upstream.git("diff", "--name-only", "main", "autoresearch/real") == package.target
    slow, fast = (upstream.by_hand(branch) for branch in ("main", "autoresearch/real"))
    assert fast < slow, (fast, slow)
