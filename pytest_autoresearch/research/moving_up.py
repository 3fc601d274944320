"""What a would-be keep does while others stand ahead of it in line: it is run on what they will leave."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_autoresearch.protocol.experiment import Role
from pytest_autoresearch.research.work import Await, Script

if TYPE_CHECKING:
    from pytest_autoresearch.research.candidate import Candidate, Ruling
    from pytest_autoresearch.research.case import Case
    from pytest_autoresearch.research.session import Research

FIRST_PAIR = 0  # the seed of a candidate's first run, where seeds are paired
LINE_SEED = 6_000_000  # the seed of that run where they are not: no run that it is compared with has it


def moved_up(research: Research, case: Case, candidate: Candidate) -> Script[tuple[Candidate, Ruling | None]]:
    """The candidate on the incumbent, when nobody is ahead of it any more; or why it can not be there.

    Meanwhile its first run is made on what the incumbent will be if those ahead of it are kept.
    """
    line, number, ruling, tree = research.line, case.number, None, ""
    while (ahead := line.ahead(number)) is not None:
        in_vain(case)
        there = None if ahead.tree is None else research.merged(case, candidate, onto=ahead.tree)
        line.join(number, None if there is None else there.tree)
        if there is not None:
            tree = there.tree
            words = f"candidate run on top of {ahead.number:04d}, which is not decided"
            research.phase(number, words, budget=research.runs.budget)
            pair = FIRST_PAIR if research.protocol.paired_seeds else None
            case.made = [(yield from research.runs.of_case(case, there.state, Role.CANDIDATE, LINE_SEED, pair=pair))]
        if line.ahead(number) == ahead:
            research.phase(number, f"until {ahead.number:04d} is decided")
            yield Await(partial(line.has_moved, number, ahead))
    if research.is_stale(case):
        candidate, ruling = research.carried(case, candidate)
        if ruling is None:
            research.announce(case, candidate)
            if number in line:
                line.join(number, candidate.tree)
    if ruling is not None or candidate.tree != tree:
        in_vain(case)
    return candidate, ruling


def in_vain(case: Case) -> None:
    """A run on a state that did not come to be: it stays in the record."""
    case.earlier, case.made = [*case.earlier, *case.made], []
