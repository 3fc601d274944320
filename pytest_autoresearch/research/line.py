"""The line of would-be keeps under ``grouped``: each is run on top of those ahead of it while these are being run.

Keeps come one after the other, and each is judged beside the incumbent. Of several that end within one run only one
would be, and the others would run again and again. In line the second is run on what the incumbent will be if the first
is kept, and so on: once the first is kept, the second's run on it has been made, and its trial begins with it. A trial
is opened when its base is the incumbent, so a record says what it would say without a line.
"""

from __future__ import annotations

from typing import NamedTuple


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
