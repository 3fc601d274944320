"""How little an extract command is given: what a run left may be code, and a grader that unpickles it runs that code.

By itself it may read the workspace and write a private /tmp. What the baseline shows it to need beyond that it is given
for all runs of the session: the workspace on Python's module path, a workspace that it can write, the caches.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from pytest_autoresearch.lab.importing import names_elsewhere
from pytest_autoresearch.lab.job import Site
from pytest_autoresearch.lab.metrics import Reading
from pytest_autoresearch.patterns import regex

MODULES, WRITE, CACHES = "modules", "write", "caches"
ALL = frozenset({MODULES, WRITE, CACHES})

_WAYS = (frozenset[str](), frozenset({MODULES}), frozenset({WRITE}), frozenset({MODULES, WRITE}))
_OTHER_INTERPRETERS = regex(r"\b(?:uvx?|poetry|pdm|pipenv|hatch|conda|mamba|pixi|tox|nox|pytest)\b|/python")


class Extraction:
    """One extract command of a session. ``granted``: what it was found to need, None while that is not known."""

    def __init__(self, command: str, site: Site, granted: frozenset[str] | None) -> None:
        self.command, self._site, self.granted = command, site, granted

    def read(self, run: Callable[[frozenset[str]], Reading], state: Collection[str], *, learns: bool) -> Reading:
        """What it says. ``run`` runs it with what is granted; ``learns``: the baseline shows what that has to be.

        The least that gives the number that it gives with everything is enough. ``state``: the paths of the state.
        """
        if self.granted is not None or not learns:
            return run(ALL if self.granted is None else self.granted)
        for way in self._ways(state):
            reading = run(way)
            if reading.value is not None:
                everything = run(ALL)
                self.granted = way if everything.value == reading.value else ALL
                return everything
        self.granted = ALL
        return run(ALL)

    def _ways(self, state: Collection[str]) -> list[frozenset[str]]:
        """What may be enough, the least first.

        Where a module of the repository is installed as well, or the interpreter is another than ours, the workspace
        stays on the module path: the installed copy would be measured, and give the same number at the baseline.
        """
        names = {part.partition(".")[0] for path in state if path.endswith((".py", ".so")) for part in path.split("/")}
        stays = _OTHER_INTERPRETERS.search(self.command) or names & names_elsewhere([], top=self._site.top)
        return [way for way in _WAYS if MODULES in way or not stays]
