"""What the notebook costs: ``python -m benchmarks.notebook``.

Prints milliseconds per experiment early and late in a long session, of which CPU time, next to what one git process
and one synced file cost on this machine at that moment; then resume, rebuild and the size of ``.git``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.rebuilding import rebuild_table
from pytest_autoresearch.protocol.experiment import Change
from tests.notebook.diary import Diary, new_repository

SAMPLE = 60
"""Experiments that a median is taken of."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=3000, help="experiments; default 3000")
    parser.add_argument("--directory", type=Path, help="where the repository is made; default: a temporary directory")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.directory) as directory:
        root = new_repository(Path(directory) / "repository")
        print(f"{'':34} {'begin':>8} {'record':>8}   one git process, one synced file")
        cpu = _cpu()
        with Diary(root) as diary:
            diary.reach(10)
            _sample(diary, "at experiment 10", Path(directory))
            while len(diary.experiments) < args.count - SAMPLE:
                diary.experiment()
            _sample(diary, f"at experiment {args.count}", Path(directory))
        print(f"{'CPU time per experiment':34} {(_cpu() - cpu) / args.count * 1000:8.1f} ms")
        print(f"{'size of .git':34} {_disk_usage(root / '.git') / 1e6:8.1f} MB")
        print(f"{f'resume of {args.count}':34} {_seconds(lambda: Diary(root).__exit__()):8.2f} s")
        (root / "results.tsv").unlink()
        print(f"{'rebuild of results.tsv':34} {_seconds(lambda: _rebuild(root)):8.2f} s")


def _sample(diary: Diary, name: str, directory: Path) -> None:
    """Medians over the next experiments; the same thing is done every time."""
    begins, records, processes, files = [], [], [], []
    for _ in range(SAMPLE):
        number = len(diary.experiments)
        parent = diary.experiments[0].commit
        began = time.perf_counter()
        tree = diary.git.write_tree(parent, [Change("train.py", "file", data=f"RATE = {number}\n".encode())])
        diary.notebook.begin(number, tree=tree, parent=parent, description=f"set RATE to {number}")
        recorded = time.perf_counter()
        diary.record(number, tree, parent, keep=False, description=f"set RATE to {number}")
        ended = time.perf_counter()
        begins.append(recorded - began)
        records.append(ended - recorded)
        processes.append(_seconds(lambda: subprocess.run(["git", "--version"], capture_output=True, check=True)))
        files.append(_seconds(lambda: _synced_file(directory / "synced")))
    columns = [statistics.median(each) * 1000 for each in (begins, records, processes, files)]
    print(f"{name:34} {columns[0]:8.1f} {columns[1]:8.1f} ms   {columns[2]:.1f} ms, {columns[3]:.1f} ms")


def _rebuild(root: Path) -> None:
    with Git.discover(root) as git:
        rebuild_table(git, "demo")


def _synced_file(path: Path) -> None:
    path.unlink(missing_ok=True)
    with open(path, "wb") as out:
        out.write(b"x")
        out.flush()
        os.fsync(out.fileno())


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _cpu() -> float:
    """CPU seconds of this process and of the children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _disk_usage(directory: Path) -> int:
    """Bytes on the disk, whole blocks counted."""
    return sum(path.lstat().st_blocks * 512 for path in directory.rglob("*"))


if __name__ == "__main__":
    main()
