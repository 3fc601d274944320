"""However a project is laid out, built and installed: the candidate is what is measured, never the checkout."""

from __future__ import annotations

import shutil
import site
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.marked_project import MODEL, Marked, marked_project

pytestmark = pytest.mark.slow  # every test is a session or two of a real pytest

FROM_37_TO_5 = [[(37.0, "keep"), (5.0, "keep")]]


def change(target: str) -> str:
    """An agent that makes the loss smaller in ``target``, as seen from the test's directory."""
    return f"s = open('{target}').read(); open('{target}', 'w').write(s.replace('8.0', '4.0')); print('halve')"


def recording(module: str, target: str, **arguments: str) -> str:
    more = "".join(f", {name}={value!r}" for name, value in arguments.items())
    return (
        f"import pytest\nimport {module} as model\n"
        f"@pytest.mark.autoresearch(metric='loss', direction='lower', targets=['{target}']{more})\n"
        "def test_loss(record_metric):\n    record_metric('loss', model.loss())\n"
    )


@pytest.fixture
def marked(tmp_path: Path) -> Marked:
    project = marked_project(tmp_path)
    (project.root / "model.py").unlink()
    (project.root / "test_loss.py").unlink()
    return project


@pytest.mark.parametrize(
    ("path", "module", "pythonpath"),
    [
        ("src/pkg/model.py", "pkg.model", "src"),
        ("lib/spread/part/model.py", "spread.part.model", "lib"),
    ],
    ids=["src layout", "namespace package"],
)
def test_a_package_is_imported_from_the_candidate(marked: Marked, path: str, module: str, pythonpath: str) -> None:
    marked.write("pytest.ini", f"[pytest]\npythonpath = {pythonpath}\n")
    marked.write(path, MODEL)
    if "src" in path:
        marked.write("src/pkg/__init__.py", "")
    marked.test(recording(module, f"../{path}"), head="", name="tests/test_loss.py")
    done = marked.loop("tests/test_loss.py", agent=change(f"../{path}"))
    assert list(marked.outcomes().values()) == FROM_37_TO_5, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("how", "isolation"),
    [
        ("path file", "auto"),
        ("import hook", "none"),
        pytest.param("path file", "none", marks=pytest.mark.slow),
        pytest.param("import hook", "auto", marks=pytest.mark.slow),
    ],
)
def test_an_editable_install_leads_to_the_candidate(marked: Marked, how: str, isolation: str) -> None:
    marked.write("pytest.ini", "[pytest]\n")
    marked.write("src/pkg/__init__.py", "")
    marked.write("src/pkg/model.py", MODEL)
    marked.test(recording("pkg.model", "../src/pkg/model.py"), head="", name="tests/test_loss.py")
    python = installed(marked, hook=how == "import hook")
    marked.python = str(python)
    done = marked.loop(
        "tests/test_loss.py", f"--autoresearch-isolation={isolation}", agent=change("../src/pkg/model.py")
    )
    assert list(marked.outcomes().values()) == FROM_37_TO_5, done.stdout + done.stderr
    by_hand = marked.run(str(python), "-c", "import pkg.model; print(pkg.model.__file__)")
    assert by_hand.stdout.strip() == str(marked.root / "src/pkg/model.py")


def installed(marked: Marked, *, hook: bool) -> Path:
    """The interpreter of a virtual environment into which the project's src is installed editable."""
    place = marked.home.parent / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(place)}))
    (packages / "others.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    source = Path(__file__).parents[1]
    (packages / "own.pth").write_text(f"{source}\n")
    if not hook:
        (packages / "__editable__.pkg.pth").write_text(f"{marked.root / 'src'}\n")
        return place / "bin" / "python"
    (packages / "__editable__.pkg.pth").write_text(
        "import __editable___pkg_finder; __editable___pkg_finder.install()\n"
    )
    (packages / "__editable___pkg_finder.py").write_text(
        f"MAPPING: dict[str, str] = {{'pkg': {str(marked.root / 'src/pkg')!r}}}\n"
        "import sys\n"
        "from importlib.machinery import PathFinder\n"
        "class Finder:\n"
        "    @classmethod\n"
        "    def find_spec(cls, name, path=None, target=None):\n"
        "        return PathFinder.find_spec(name, [MAPPING[name].rpartition('/')[0]]) if name in MAPPING else None\n"
        "def install():\n    sys.meta_path.append(Finder)\n"
    )
    return place / "bin" / "python"


EXTENSION = """\
#include <Python.h>

static PyObject *loss(PyObject *self, PyObject *none) {
    double rate = 8.0;
    return PyFloat_FromDouble((rate - 2) * (rate - 2) + 1);
}

static PyMethodDef methods[] = {{"loss", loss, METH_NOARGS, ""}, {NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "fast", "", -1, methods};
PyMODINIT_FUNC PyInit_fast(void) { return PyModule_Create(&module); }
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_a_compiled_extension_is_built_again_for_every_candidate(marked: Marked) -> None:
    include = Path(sysconfig.get_paths()["include"])
    if not (include / "Python.h").exists():
        pytest.skip("there are no headers of Python")
    marked.write(".gitignore", "*.so\n")
    marked.write("fast.c", EXTENSION)
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    build = f"cc -shared -fPIC -I{include} -o fast{suffix} fast.c"
    marked.test(recording("fast", "fast.c", build=build), head="")
    marked.run("bash", "-c", build)  # what the checkout has, and collection imports
    done = marked.loop("test_loss.py", agent=change("fast.c"))
    assert list(marked.outcomes().values()) == FROM_37_TO_5, done.stdout + done.stderr

    broken = "open('fast.c', 'a').write('no C')"
    failed = marked.loop("test_loss.py", agent=broken)
    assert "build: " in failed.stdout and "error" in failed.stdout, failed.stdout
