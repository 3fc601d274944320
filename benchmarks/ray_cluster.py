"""How full the slots of a Ray cluster are, beside as many slots of this machine without Ray.

    python benchmarks/ray_cluster.py [EXPERIMENTS] [SECONDS]

A cluster of two nodes on this machine, two slots each; runs sleep for SECONDS (2), proposals take no time. Told is the
share of the slots' time inside runs. Allowed: 90 % of what the slots of this machine have.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.scale import filled

SLOTS = 4
AGENT = """\
from pytest_autoresearch.agents.base import Proposal

class Counting:
    name, concurrent = "counting", True

    def propose(self, briefing, desk):
        desk.write("train.py", f"X = {briefing.number}\\n".encode())
        return Proposal(f"number {briefing.number}")

def pytest_autoresearch_agent(settings):
    return Counting() if settings.name == "counting" else None
"""


def two_nodes() -> Any:
    """The cluster, each node of half the slots; Ray waits for one for 30 s, which a busy machine takes now and then."""
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    for _ in range(10):
        try:
            cluster.add_node(num_cpus=SLOTS // 2, object_store_memory=80 * 2**20)
        except Exception as error:
            print(f"a node did not start: {error}", file=sys.stderr)
        if len(cluster.list_all_nodes()) == 2:
            return cluster
    raise SystemExit("no cluster starts here")


def main() -> None:
    experiments = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 2.0
    with tempfile.TemporaryDirectory(prefix="ar-", dir="/tmp") as directory:
        room = Path(directory)
        (room / "home").mkdir()
        os.environ.update(HOME=str(room / "home"), RAY_TMPDIR=directory, RAY_worker_niceness="0")
        os.environ["RAY_agent_register_timeout_ms"] = "200000"  # on a busy machine Ray gives up on its own agent
        asked, files = (SLOTS, experiments, seconds, "--autoresearch-agent=counting"), {"conftest.py": AGENT}
        (room / "here").mkdir()
        (room / "there").mkdir()
        here = filled(room / "here" / "repository", *asked, files=files)
        print(f"{SLOTS} slots of this machine {here:6.1%} of the time inside runs", flush=True)
        cluster = two_nodes()
        try:
            options = ("--autoresearch-executor=ray", f"--autoresearch-address={cluster.address}")
            there = filled(room / "there" / "repository", *asked, *options, files=files)
        finally:
            cluster.shutdown()
        print(f"{SLOTS} slots on two nodes    {there:6.1%}", flush=True)


if __name__ == "__main__":
    main()
