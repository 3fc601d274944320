"""The same lists, at every level, for a user without rights: what protects root does not rest on being root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LISTS = ("test_forgeries.py", "test_bodies.py", "test_holdout.py", "test_pickles.py", "test_shadows.py")
BECOME = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")


@pytest.fixture(scope="module")
def interpreter() -> Iterator[str]:
    """One that another user can start, with what the tests import: this one, or one made of the system's."""
    with tempfile.TemporaryDirectory() as place:
        found = next((python for python in (sys.executable, "/usr/bin/python3") if can_start(python)), None)
        python = found or made(Path(place))
        if not can_start(python):
            pytest.skip("no interpreter that another user can read, and none could be made of /usr/bin/python3")
        yield python


def can_start(python: str) -> bool:
    """Whether another user can start it, also from within, and import what the tests do."""
    # The file itself: a link to where nobody else may look is followed by the kernel, and by no sandbox.
    again = f"import subprocess; subprocess.run([{os.path.realpath(python)!r}, '-c', ''], check=True)"
    real = [*BECOME, python, "-c", again]  # started by that user, as a run is
    check = [*BECOME, python, "-c", "import pytest, hypothesis, git, yaml, markdown_it"]
    return all(succeeds(each) for each in (real, check))


def succeeds(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, cwd="/", capture_output=True).returncode == 0
    except OSError:
        return False


def made(place: Path) -> str:
    """An environment of the system's interpreter with the product and its tests' packages, by uv where there is one."""
    place.chmod(0o755)
    environment, product = str(place / "venv"), f"{HERE.parents[1]}[test]"
    python = f"{environment}/bin/python"
    make, install = ["/usr/bin/python3", "-m", "venv", environment], [python, "-m", "pip", "install", "-q"]
    if shutil.which("uv"):  # seconds instead of a minute
        make, install = ["uv", "venv", "-q", "-p", "/usr/bin/python3", environment], ["uv", "pip", "install", "-q"]
        install += ["--python", python]
    if succeeds(make):
        succeeds([*install, "-e", product])
    return python


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="is about becoming another user")
@pytest.mark.parametrize("level", ["bwrap", "landlock", "process"])
def test_a_normal_user_is_protected_as_root_is(level: str, interpreter: str) -> None:
    plugins = ("-p", "pytest_autoresearch.plugin", "-p", "pytest_timeout", "-p", "_hypothesis_pytestplugin")
    with tempfile.TemporaryDirectory() as home:
        os.chown(home, 65534, 65534)
        done = subprocess.run(
            [
                *(*BECOME, interpreter, "-m", "pytest", "-q", "-m", "", "-k", level),
                *("--disable-plugin-autoload", *plugins, "-p", "no:cacheprovider"),
                *(f"--basetemp={home}/tests", f"--rootdir={HERE.parents[1]}"),
                *(str(HERE / name) for name in LISTS),
            ],
            cwd=HERE.parents[1],
            env={"HOME": home, "TMPDIR": home, "PATH": os.environ["PATH"], "PYTHONPYCACHEPREFIX": f"{home}/pycache"},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert " passed" in done.stdout
