"""A candidate hides what it costs in processes that nobody waits for; the kernel tells a waiting parent only."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_autoresearch.protocol.experiment import Role
from tests.attacks.test_holdout import LEVELS, SCORED, measure

WORK = """
    import signal
    def work():
        began = time.process_time()
        while time.process_time() - began < 0.6: pass
        pathlib.Path("done.txt").touch()
"""
WAIT = """
    while not os.path.exists("done.txt"): time.sleep(0.01)
    time.sleep(0.5)
    os._exit(0)
"""
HIDES = {
    "nobody is told of its end (SIGCHLD ignored)": """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    if os.fork() == 0: work(); time.sleep(0.3); os._exit(0)
""",
    "it is there when the run ends": """
    if os.fork() == 0: work(); time.sleep(60)
""",
    "a daemon": """
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0: work(); time.sleep(60)
        os._exit(0)
""",
}


@pytest.mark.parametrize("hides", HIDES.values(), ids=[*HIDES])
@pytest.mark.parametrize("level", LEVELS)
def test_work_in_a_process_that_nobody_waits_for_counts(level: str, hides: str, tmp_path: Path) -> None:
    measured = measure(tmp_path, level, f"{WORK}{hides}{WAIT}", role=Role.CANDIDATE, holdout=SCORED)
    assert measured.failure is None, measured
    assert measured.cpu_time is not None and 0.55 < measured.cpu_time < 5, measured.cpu_time
