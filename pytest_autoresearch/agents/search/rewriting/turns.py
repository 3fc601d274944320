"""When the embedded agent rewrites code, and what it tries next. Pure but for the desk that it reads.

Speed first where the metric is a time and tests guard the targets: each of the few rewrites is tried once. Simpler code
every fifteenth turn, and where the search has nothing left. A statement that does something goes only where tests guard
and no target names the metric: what computes it is never shortened.
"""

from __future__ import annotations

from collections.abc import Iterator

from pytest_autoresearch.agents.base import Briefing, Desk
from pytest_autoresearch.agents.search.rewriting import Rewrite, sources
from pytest_autoresearch.agents.search.rewriting.linted import linted
from pytest_autoresearch.agents.search.rewriting.simpler import simpler
from pytest_autoresearch.agents.search.rewriting.speed import faster, is_time

SIMPLER_TURN = 15


def speed_rewrites(briefing: Briefing, desk: Desk) -> Iterator[Rewrite]:
    """What may make the targets faster and was not tried; nothing where the metric is no time or nothing guards."""
    protocol = briefing.protocol
    if protocol.guard and is_time(protocol.metric.name):
        for source in sources([(target, desk.read(target)) for target in desk.targets]):
            yield from _untried(faster(source), briefing)


def simplifications(briefing: Briefing, desk: Desk) -> Iterator[Rewrite]:
    """What may go and was not tried."""
    files = [(target, desk.read(target)) for target in desk.targets]
    named = any(briefing.protocol.metric.name.encode() in data for _, data in files)
    for source in sources(files):
        yield from _untried(simpler(source, guarded=bool(briefing.protocol.guard) and not named), briefing)
        yield from _untried(linted(source, desk), briefing)


def _untried(rewrites: Iterator[Rewrite], briefing: Briefing) -> Iterator[Rewrite]:
    """Those whose words no record has."""
    said = {experiment.description for experiment in briefing.history}
    for rewrite in rewrites:
        if rewrite.what not in said:
            said.add(rewrite.what)
            yield rewrite
