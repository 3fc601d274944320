"""The line of would-be keeps under ``grouped``: each is run on top of those ahead of it while these are being run.

Keeps come one after the other, and each is judged beside the incumbent. Of several that end within one run only one
would be, and the others would run again and again. In line the second is run on what the incumbent will be if the first
is kept, and so on: once the first is kept, the second's run on it has been made, and its trial begins with it. A trial
is opened when its base is the incumbent, so a record says what it would say without a line.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pytest_autoresearch.protocol.experiment import Role
from pytest_autoresearch.research.work import Await, Script

if TYPE_CHECKING:
    from pytest_autoresearch.research.candidate import Candidate, Ruling
    from pytest_autoresearch.research.case import Case
    from pytest_autoresearch.research.session import Research


FIRST_PAIR = 0  # the seed of a candidate's first run, where seeds are paired


class Ahead(NamedTuple):
    """Whose turn is before, and the tree of the incumbent if it is kept; None where that is not known."""

    number: int
    tree: str | None


class Line:
    """Those who would be kept, in the order in which they are judged; by the numbers of their experiments."""

    def __init__(self) -> None:
        self._trees: dict[int, str | None] = {}

    def join(self, number: int, tree: str | None) -> None:
        """Stand at the end, or where one stands, with this tree."""
        self._trees[number] = tree

    def leave(self, number: int) -> None:
        """Be kept, or discarded, or begin anew elsewhere."""
        self._trees.pop(number, None)

    def __contains__(self, number: int) -> bool:
        return number in self._trees

    def ahead(self, number: int) -> Ahead | None:
        """The one just ahead; None for the first, and for one who does not stand in line."""
        before = None
        for each in self._trees.items() if number in self._trees else ():
            if each[0] == number:
                break
            before = Ahead(*each)
        return before

    def has_moved(self, number: int, ahead: Ahead) -> bool:
        """Whether somebody else than then is just ahead of it, or nobody, or the same one with another tree."""
        return self.ahead(number) != ahead


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
            case.made = [(yield from research.runs.of_case(case, there.state, Role.CANDIDATE, 0, pair=pair))]
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
