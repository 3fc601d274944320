"""What the installed plugin costs a plain pytest: ratios against ``-p no:autoresearch``, in pairs within one run.

    python benchmarks/startup.py [PAIRS]

Allowed: 5 ms or 2 %, whichever is larger, for ``pytest --version`` and for an empty session. Two figures: user plus
system time of the child, as the median of the pairs with its 95 % interval (sign test), and, where valgrind is
installed, the share of instructions, which no other program disturbs.
"""

from __future__ import annotations

import math
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile

CASES = {"pytest --version": ("--version",), "an empty session": ("-p", "no:cacheprovider", "-q", ".")}
WITHOUT = ("-p", "no:autoresearch")


def start(arguments: tuple[str, ...], directory: str, before: tuple[str, ...] = ()) -> str:
    """Runs one pytest to its end; what it said."""
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": ""}
    command = [*before, sys.executable, "-m", "pytest", *arguments]
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def cpu_seconds(arguments: tuple[str, ...], directory: str) -> float:
    """Processor time of one pytest."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start(arguments, directory)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def instructions(arguments: tuple[str, ...], directory: str) -> int:
    """How many instructions one pytest executes, as callgrind counts them."""
    said = start(arguments, directory, ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"))
    found = re.search(r"Collected : (\d+)", said)
    assert found, said
    return int(found[1])


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    with tempfile.TemporaryDirectory() as directory:
        for name, arguments in CASES.items():
            cpu_seconds(arguments, directory)  # fills the caches
            added, base = [], []
            for _ in range(pairs):
                base.append(cpu_seconds((*WITHOUT, *arguments), directory))
                added.append(cpu_seconds(arguments, directory) - base[-1])
            low = max(int(pairs / 2 - 0.98 * math.sqrt(pairs)), 0)
            ordered, allowed = sorted(added), max(0.005, 0.02 * statistics.median(base))
            print(
                f"{name}: {1000 * statistics.median(base):.0f} ms without, {1000 * statistics.median(added):+.1f} ms "
                f"with the plugin (95 %: {1000 * ordered[low]:+.1f} to {1000 * ordered[-1 - low]:+.1f}; "
                f"allowed {1000 * allowed:.1f})"
            )
            if shutil.which("valgrind"):
                ratio = instructions(arguments, directory) / instructions((*WITHOUT, *arguments), directory)
                print(f"{name}: {100 * (ratio - 1):+.2f} % instructions")


if __name__ == "__main__":
    main()
