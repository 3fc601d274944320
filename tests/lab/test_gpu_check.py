"""The check for a machine with a GPU, tried where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECK = Path(__file__).parents[2] / "benchmarks" / "gpu_check.sh"


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
def test_the_check_for_gpus_runs_to_its_end_in_a_rehearsal() -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("AUTORESEARCH_")}
    done = subprocess.run(
        ["bash", CHECK, "--rehearse"],
        env={**env, "PYTHON": sys.executable, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": PLUGINS},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all of it holds, in a rehearsal" in done.stdout


PLUGINS = "pytest_autoresearch.plugin,pytest_timeout"
