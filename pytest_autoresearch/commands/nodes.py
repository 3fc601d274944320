"""What the nodes of a Ray cluster offer a session, for ``doctor``."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_autoresearch.commands.findings import Finding, Health
from pytest_autoresearch.errors import LabError
from pytest_autoresearch.lab.executors.ray.cluster import Cluster, joined
from pytest_autoresearch.lab.executors.ray.seats import Needs, Node
from pytest_autoresearch.lab.sandbox import WEAK
from pytest_autoresearch.protocol.model import Options
from pytest_autoresearch.protocol.settings import Settings

NICE = "start Ray there with RAY_worker_niceness=0, so that runs are what they are without Ray"


def offered(options: Options, settings: Settings) -> Iterator[Finding]:
    """One finding a node, and how many slots there are."""
    try:
        with joined(settings.address, Needs(**(options.ray or {})), settings.isolation) as cluster:
            cluster.survey()
            yield from _slots(cluster, settings)
            for node in cluster.nodes:
                yield _said_of(node, strict=settings.isolation == "strict")
    except LabError as error:
        what, _, remedy = str(error).partition("\n")
        yield Finding("cluster", Health.BAD, what, remedy.strip())


def _slots(cluster: Cluster, settings: Settings) -> Iterator[Finding]:
    try:
        slots = cluster.choose(settings.workers)
    except LabError as error:
        what, _, remedy = str(error).partition("\n")
        yield Finding("cluster", Health.BAD, what, remedy)
        return
    several = "" if slots == 1 else "s"
    yield Finding("cluster", Health.OK, f"{slots} slot{several} of {cluster.words}", "\n".join(cluster.left_out()))


def _said_of(node: Node, *, strict: bool) -> Finding:
    topic = f"node {node.name}"
    report = node.report
    if report is None:
        return Finding(topic, Health.NOTE, f"{node.address}: {node.trouble}")
    remedies = [node.trouble, *report.refused, *([NICE] if report.niceness else [])]
    is_fit = not node.trouble and not (strict and report.isolation in WEAK)
    text = (
        f"{node.address}: {node.seats} slots; {report.processor}, {report.cores} cores, {report.memory / 2**30:.0f} GB;"
        f" GPUs: {', '.join(report.gpus) or 'none'}; isolation {report.isolation}; Python {report.python},"
        f" pytest-autoresearch {report.package}; {report.free / 2**30:.0f} GB of disk free"
    )
    remedy = "\n".join(filter(None, remedies))
    return Finding(topic, Health.OK if is_fit and not remedy else Health.NOTE, text, remedy)
