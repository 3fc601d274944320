"""docs/extending.md keeps its word: what it names can be imported, and what it shows runs."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest

from tests.conftest import Project

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "extending.md").read_text("utf-8")
MODULES = dict(re.findall(r"^\| `(pytest_autoresearch[\w.]*)` \| (.*) \|$", PAGE, re.MULTILINE))
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
IMPORT = re.compile(r"^from (pytest_autoresearch[\w.]*) import (.+)$", re.MULTILINE)
HOOK = next(block for block in BLOCKS if "optionalhook" in block)


@pytest.mark.parametrize("name", MODULES)
def test_what_is_named_as_public_is_there(name: str) -> None:
    names = re.findall(r"`(\w+)`", MODULES[name])
    assert names and [each for each in names if not hasattr(importlib.import_module(name), each)] == []


def test_examples_import_only_what_is_named_as_public() -> None:
    for page in DOCS.glob("*.md"):
        for module, names in IMPORT.findall(page.read_text("utf-8")):
            assert set(names.split(", ")) <= set(re.findall(r"`(\w+)`", MODULES.get(module, ""))), page.name


@pytest.mark.parametrize("plugin", [(), ("-p", "pytest_autoresearch.plugin")])
@pytest.mark.parametrize("marked", [True, False])
def test_a_marked_hook_in_a_conftest_needs_no_plugin(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, plugin: tuple[str, ...], marked: bool
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest(HOOK if marked else HOOK.replace("@pytest.hookimpl(optionalhook=True)\n", ""))
    pytester.makepyfile("def test_passes(): pass")
    done = pytester.runpytest_subprocess(*plugin)
    assert done.ret == (0 if marked or plugin else 3), done.stdout.str() + done.stderr.str()


@pytest.mark.slow
def test_the_observer_and_the_reader_run(project: Project) -> None:
    observer, reader = BLOCKS[-2:]
    project.write("conftest.py", observer)
    project.commit("an observer")
    done = project.pytest("--autoresearch", "--autoresearch-experiments=3", "-s")
    assert done.returncode == 0, done.stdout + done.stderr
    kept = [row for row in project.table()[1:] if row[2] == "keep"]
    assert f"0 {kept[0][3]} {float(kept[0][1])}" in done.stdout
    shown = reader.replace("examples/quickstart/results.tsv", "results.tsv") + "print(best)"
    read = project.run(sys.executable, "-c", shown)
    assert float(read.stdout) == min(float(row[1]) for row in kept), read.stderr
