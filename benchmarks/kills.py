"""Kill sessions with SIGKILL at random moments and count what was lost: ``python -m benchmarks.kills --count 1000``.

Every session is a process group of its own that writes experiments as fast as it can; after every kill the next start
must find rows 0..n-1, the branch where the ledger says and the table as the ledger reads.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.notebook.diary import Diary, assert_sound, ended_by, in_child, new_repository


@dataclass
class Counts:
    """What happened. ``pending`` sessions died with a proposal, which went on;"""

    killed: int = 0
    experiments: int = 0
    pending: int = 0


def kill_at_random(root: Path, *, kills: int, rng: random.Random, check_every: int = 25) -> Counts:
    """Kill ``kills`` sessions on one repository; AssertionError as soon as anything is lost."""
    counts = Counts()
    while counts.killed < kills:
        reached = counts.experiments
        child = in_child(lambda: _session(root, 10_000))
        time.sleep(rng.uniform(0, 0.4))  # the moment is what is drawn; nothing is waited for
        os.killpg(child, signal.SIGKILL) if _has_group(child) else os.kill(child, signal.SIGKILL)
        assert ended_by(child) == -signal.SIGKILL
        counts.killed += 1
        with Diary(root) as diary:
            assert len(diary.experiments) >= reached, "an experiment was lost"
            assert diary.notebook.notices == []
            counts.pending += diary.notebook.pending is not None
            counts.experiments = len(diary.experiments)
        if counts.experiments and counts.killed % check_every == 0:
            assert_sound(root)
    return counts


def _session(root: Path, count: int) -> None:
    with Diary(root) as diary:
        diary.reach(count)


def _has_group(child: int) -> bool:
    try:
        return os.getpgid(child) == child
    except ProcessLookupError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        root = new_repository(Path(directory) / "repository")
        counts = kill_at_random(root, kills=args.count, rng=random.Random(args.seed))
        with Diary(root) as diary:
            diary.reach(max(len(diary.experiments), 1) + 3)
        assert_sound(root)
    print(f"seed {args.seed}: {counts.killed} kills in {time.monotonic() - began:.0f} s, none lost anything")
    print(f"{counts.experiments} experiments recorded, {counts.pending} proposals went on under their number")


if __name__ == "__main__":
    main()
