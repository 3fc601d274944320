"""What to try next, one strategy a file. Pure: knobs, their trials and a seed in; suggestions out, the best first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol as Interface

from pytest_autoresearch.agents.search.space import Space
from pytest_autoresearch.agents.search.trials import Trials


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Values for some knobs, and one honest sentence: why these. What is not named stays what it is.

    ``joint``: several knobs that gain only together, each of which was tried alone. Other suggestions that turn more
    than one knob are probes. Where it is not ``hopeful``, it is made for want of anything better.
    """

    values: Mapping[str, str]
    why: str
    joint: bool = False
    hopeful: bool = True


def turned_alone(in_flight: Sequence[Mapping[str, str]]) -> set[str]:
    """The knobs of steps that are under way: of two gains of one knob one would be lost. A probe is never a gain."""
    return {name for values in in_flight if len(values) == 1 for name in values}


class Strategy(Interface):
    """One way to search. Holds nothing but caches: the same arguments give the same suggestions from a fresh object."""

    name: str

    def ask(
        self, space: Space, trials: Trials, in_flight: Sequence[Mapping[str, str]], seed: int
    ) -> Iterator[Suggestion]:
        """What may be tried next, the most promising first; nothing where everything was tried.

        ``in_flight`` are the values of states that are being measured now.
        """

    def plan(self, space: Space) -> str:
        """What people should know before it starts; empty where there is nothing to say."""
