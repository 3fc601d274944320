"""What the installed plugin costs a plain pytest: ratios against ``-p no:autoresearch``, in pairs within one run.

    python benchmarks/startup.py [PAIRS]

Allowed: 5 ms or 2 %, whichever is larger, for ``pytest --version`` and for an empty session. The figure is user plus
system time of the child, which other programs on the machine disturb less than the wall clock.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile

CASES = {"pytest --version": ("--version",), "an empty session": ("-p", "no:cacheprovider", "-q", ".")}


def cpu_seconds(arguments: tuple[str, ...], directory: str) -> float:
    """Processor time of one pytest."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=directory, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    with tempfile.TemporaryDirectory() as directory:
        for name, arguments in CASES.items():
            with_plugin, without = [], []
            for _ in range(pairs):
                with_plugin.append(cpu_seconds(arguments, directory))
                without.append(cpu_seconds(("-p", "no:autoresearch", *arguments), directory))
            added = statistics.median(a - b for a, b in zip(with_plugin, without, strict=True))
            base = statistics.median(without)
            allowed = max(0.005, 0.02 * base)
            print(
                f"{name}: {1000 * base:.0f} ms without, {1000 * added:+.1f} ms with the plugin "
                f"(ratio {statistics.median(with_plugin) / base:.3f}; allowed {1000 * allowed:.1f} ms)"
            )


if __name__ == "__main__":
    main()
