"""A C extension with a marked benchmark: every candidate is built, and what does not compile is said to be that."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.marked_project import Marked

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("gcc"), reason="needs a compiler"),
    pytest.mark.skipif(not find_spec("setuptools"), reason="needs setuptools"),
]

SOURCE = """\
#include <Python.h>
static PyObject *work(PyObject *self, PyObject *unused) { return PyLong_FromLong(37); }
static PyMethodDef methods[] = {{"work", work, METH_NOARGS, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "quick", "", -1, methods};
PyMODINIT_FUNC PyInit_quick(void) { return PyModule_Create(&module); }
"""
SETUP = "from setuptools import Extension, setup\nsetup(name='quick', ext_modules=[Extension('quick', ['quick.c'])])\n"
TEST = """\
import pytest

@pytest.mark.autoresearch(metric="steps", direction="lower", targets=["quick.c"]{more})
def test_steps(record_metric):
    import quick
    record_metric("steps", quick.work())
"""
BUILD = ', build="python setup.py build_ext --inplace"'


def edit(old: str, new: str) -> str:
    return f"s = open('quick.c').read(); open('quick.c', 'w').write(s.replace({old!r}, {new!r})); print('edit')"


@pytest.fixture
def extension(tmp_path: Path) -> Marked:
    project = Marked(tmp_path / "project", tmp_path / "home")
    project.write("quick.c", SOURCE)
    project.write("setup.py", SETUP)
    project.write(".gitignore", "*.so\nbuild/\n")
    project.run("python", "setup.py", "-q", "build_ext", "--inplace")
    return project


def test_every_candidate_is_measured_by_its_own_binary(extension: Marked) -> None:
    extension.test(TEST.format(more=BUILD), head="")
    done = extension.loop(agent=edit("37", "5"))
    assert [*extension.outcomes().values()] == [[(37.0, "keep"), (5.0, "keep")]], done.stdout + done.stderr
    done = extension.loop(agent=edit("(5);", "(5)"))
    assert "build: quick.c:2: error: expected" in done.stdout
    assert [*extension.outcomes().values()] == [[(37.0, "keep"), (5.0, "keep"), (0.0, "crash")]]


def test_without_a_build_it_is_refused_and_the_remedy_works(extension: Marked) -> None:
    extension.test(TEST.format(more=""), head="")
    done = extension.loop()
    assert done.returncode == 4
    assert 'write in the marker: build="python setup.py build_ext --inplace"' in done.stdout + done.stderr
    (built,) = extension.root.glob("*.so")
    extension.test(TEST.format(more=f", data=[{built.name!r}]"), head="")
    done = extension.loop()
    assert done.returncode == 4
    assert f"data: {built.name} is built from sources that may change (quick.c)" in done.stdout + done.stderr


def test_a_binary_in_the_commit_is_refused_before_the_first_run(extension: Marked) -> None:
    extension.write(".gitignore", "build/\n")
    extension.test(TEST.format(more=BUILD), head="")
    (built,) = extension.root.glob("*.so")
    done = extension.loop()
    assert done.returncode == 4 and not extension.outcomes()
    assert f"git rm --cached {built.name}, add to .gitignore and commit" in done.stdout + done.stderr


def test_a_build_that_fails_on_the_start_commit_is_named_as_that(extension: Marked) -> None:
    extension.write("quick.c", SOURCE.replace("return PyLong", "retrun PyLong"))
    extension.write("check.py", "import quick\n")
    extension.test(TEST.format(more=BUILD + ', guard=["python check.py"]'), head="")
    done = extension.loop()
    assert done.returncode == 1
    assert "the build fails on the start commit: quick.c:2: error:" in done.stdout
    assert "mend it and commit, or guard with what passes" not in done.stdout
