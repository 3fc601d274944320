"""What the lab costs: each level over a plain spawn, a gigabyte of output, and how exactly a timeout is kept.

Run ``python benchmarks/lab.py``. Times are medians; compare the ratios, not the milliseconds, between machines.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pytest_autoresearch.lab.bwrap import BwrapSandbox, find_program
from pytest_autoresearch.lab.command import Command, Ending
from pytest_autoresearch.lab.landlock import LandlockSandbox, version
from pytest_autoresearch.lab.plain import PlainSandbox
from pytest_autoresearch.lab.process import execute
from pytest_autoresearch.lab.sandbox import choose
from pytest_autoresearch.lab.view import Sandbox, View

RUNS = 40


def median_ms(work: Callable[[], object], runs: int = RUNS) -> float:
    work()
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def command(*argv: str, cwd: Path, timeout: float = 60.0, grace: float = 0.5) -> Command:
    return Command(argv, cwd, {"PATH": os.defpath}, timeout, grace=grace)


def confined(sandbox: Sandbox, view: View, wanted: Command) -> Ending:
    with sandbox.wrap(wanted, view) as inner:
        return execute(inner).ending


def cost_of_levels(view: View) -> None:
    plain = median_ms(lambda: subprocess.run(["/bin/true"], check=True))
    python = median_ms(lambda: subprocess.run([sys.executable, "-S", "-I", "-c", ""], check=True))
    print(f"plain spawn of /bin/true       {plain:7.2f} ms     1.0x   (python -S -I: {python:.1f} ms)")
    wanted = command("/bin/true", cwd=view.shown_at)
    rows: list[tuple[str, Callable[[], object]]] = [("execute, no sandbox", lambda: execute(wanted))]
    for level in levels():
        rows.append((f"level {level.level}", lambda level=level: confined(level, view, wanted)))  # type: ignore[misc]
    for name, work in rows:
        taken = median_ms(work)
        print(f"{name:30} {taken:7.2f} ms {taken / plain:7.1f}x   {taken - plain:+.1f} ms a run")


def levels() -> list[Sandbox]:
    program = find_program()
    found: list[Sandbox] = [BwrapSandbox(program)] if program else []
    return [*found, *([LandlockSandbox()] if version() >= 6 else []), PlainSandbox()]


def cost_of_output(view: View) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    outcome = execute(command("head", "-c", str(1 << 30), "/dev/zero", cwd=view.workspace))
    taken = time.perf_counter() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert outcome.total_bytes == 1 << 30
    kept = len(outcome.stdout)
    print(f"1 GiB of output                {taken:7.2f} s      {grown:.1f} MB more memory, {kept} bytes kept")


def accuracy_of_timeouts(view: View) -> None:
    deaf = ("bash", "-c", "trap '' TERM; while true; do sleep 0.05; done")
    for level in levels():
        late = []
        for _ in range(5):
            began = time.monotonic()
            assert confined(level, view, command(*deaf, cwd=view.shown_at, timeout=0.5)) is Ending.TIMEOUT
            late.append(time.monotonic() - began - 1.0)
        middle, worst = 1000 * statistics.median(late), 1000 * max(late)
        print(f"timeout + grace, {level.level:13} {middle:+7.1f} ms     worst {worst:+.1f} ms")


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        top = Path(directory).resolve()
        for name in ("workspace", "shown", "scratch"):
            (top / name).mkdir()
        view = View(top / "workspace", top / "shown", top / "scratch")
        cost_of_levels(view)
        print(f"self-test and choice           {median_ms(lambda: choose('auto', scratch=view.scratch), 5):7.2f} ms")
        cost_of_output(view)
        accuracy_of_timeouts(view)


if __name__ == "__main__":
    main()
