"""The same lists, at every level, for a user without rights: what protects root does not rest on being root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LISTS = ("test_forgeries.py", "test_bodies.py", "test_holdout.py", "test_pickles.py", "test_shadows.py")
BECOME = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")


def interpreter() -> str:
    """One that another user can start, with what the tests import."""
    for python in (sys.executable, "/usr/bin/python3"):
        # The file itself: a link to where nobody else may look is followed by the kernel, and by no sandbox.
        again = f"import subprocess; subprocess.run([{os.path.realpath(python)!r}, '-c', ''], check=True)"
        real = [*BECOME, python, "-c", again]  # started by that user, as a run is
        check = [*BECOME, python, "-c", "import pytest, hypothesis, git, yaml, markdown_it"]
        if all(subprocess.run(each, cwd="/", capture_output=True).returncode == 0 for each in (real, check)):
            return python
    pytest.skip("no interpreter with pytest that another user can read")


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="is about becoming another user")
@pytest.mark.parametrize("level", ["bwrap", "landlock", "process"])
def test_a_normal_user_is_protected_as_root_is(level: str) -> None:
    if not shutil.which("setpriv"):
        pytest.skip("needs setpriv")
    python = interpreter()
    with tempfile.TemporaryDirectory() as home:
        os.chown(home, 65534, 65534)
        done = subprocess.run(
            [
                *(*BECOME, python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "", "-k", level),
                *(f"--basetemp={home}/tests", f"--rootdir={HERE.parents[1]}"),
                *(str(HERE / name) for name in LISTS),
            ],
            cwd=HERE.parents[1],
            env={"HOME": home, "TMPDIR": home, "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert " passed" in done.stdout
