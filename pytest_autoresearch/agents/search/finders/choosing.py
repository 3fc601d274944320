"""Which of the literals that were found are turned: those in the protocol's ``knobs``, else the likely ones. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase

from pytest_autoresearch.agents.search.knob import Knob, Rank, Scale
from pytest_autoresearch.agents.search.literals import parse_number
from pytest_autoresearch.errors import AgentError

_CHOICE = re.compile(r"[\w.+/ -]+")


def choose(knobs: Iterable[Knob], wanted: Iterable[str] = (), moved: Collection[str] = ()) -> tuple[Knob, ...]:
    """The knobs to turn, the most likely first: those that ``wanted`` names, else every literal that may be one.

    An entry is ``name``, ``name: lo..hi`` or ``name: a|b|c``; a name is a label, its last part, or a glob of either,
    with or without ``file:``. 0, 1 and -1 are structure rather than size: they are left alone unless they are named,
    were reached by a move (``moved`` has labels) or, being 1.0, are a named constant. Raises AgentError for an entry
    that names nothing or is no such entry.
    """
    found, rules = list(knobs), [_rule(entry.strip()) for entry in wanted]
    if not rules:
        return tuple(sorted((knob for knob in found if _may_matter(knob, moved)), key=lambda knob: knob.rank))
    bound: dict[tuple[str, str], Knob] = {}
    for rule in rules:
        matches = [knob for knob in found if _names(rule.name, knob)]
        if not matches:
            close = get_close_matches(rule.name, [knob.label for knob in found], 3, 0.5)
            hint = f"did you mean {' or '.join(close)}?" if close else "name a constant, a default or a setting"
            raise AgentError(f"knobs: no literal is named {rule.name!r} in the target files; {hint}")
        movable = [knob for knob in matches if knob.scale is not Scale.CHOICE or rule.says_more]
        if not movable:
            said = f"{rule.name} is the text {matches[0].text}"
            raise AgentError(f"knobs: {said}; say what it may be: `{rule.name}: a|b|c`")
        for knob in movable:
            bound.setdefault((knob.file, knob.label), replace(rule.bind(knob), rank=Rank.CONSTANT))
    return tuple(bound.values())


def _may_matter(knob: Knob, moved: Collection[str]) -> bool:
    if knob.scale is Scale.CHOICE:
        return False
    if knob.scale in (Scale.FLIP, Scale.EXPONENT) or knob.value not in (0, 1, -1) or knob.label in moved:
        return True
    return isinstance(knob.value, float) and knob.value != 0 and knob.rank is Rank.CONSTANT


def _names(name: str, knob: Knob) -> bool:
    forms = knob.label, knob.label.rpartition(".")[2], f"{knob.file}:{knob.label}"
    return any(form == name or fnmatchcase(form, name) for form in forms)


@dataclass(frozen=True, slots=True)
class _Rule:
    """One entry of ``knobs``, understood."""

    name: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def says_more(self) -> bool:
        """Whether it is more than a name."""
        return self.low is not None or bool(self.choices)

    def bind(self, knob: Knob) -> Knob:
        """The knob under this rule."""
        number = isinstance(knob.value, (int, float)) and not isinstance(knob.value, bool)
        if self.choices:
            if number and any(parse_number(choice) is None for choice in self.choices):
                raise AgentError(f"knobs: {knob.label} is a number, {'|'.join(self.choices)} are not; give numbers")
            return replace(knob, scale=Scale.CHOICE, choices=self.choices)
        if self.low is None or self.high is None:
            return knob
        if not number:
            raise AgentError(f"knobs: {knob.label} is {knob.text}, which has no range; write `{self.name}: a|b|c`")
        if self.low < 0 < self.high or (knob.value == 0 and self.low <= 0 <= self.high):
            return replace(knob, low=self.low, high=self.high, scale=Scale.LINEAR)
        low, high = _bounds(knob, self.low, self.high)
        if low > high and knob.scale is Scale.POWER_OF_TWO:  # a range without one is about whole numbers
            knob = replace(knob, scale=Scale.LOG)
            low, high = _bounds(knob, self.low, self.high)
        if low > high:
            raise AgentError(f"knobs: {knob.label} is a whole number, and none is in {self.low:g}..{self.high:g}")
        return replace(knob, low=low, high=high)


def _bounds(knob: Knob, low: float, high: float) -> tuple[float, float]:
    """The bounds in what the literal itself counts: exponents, powers of two, whole numbers."""
    if knob.scale is Scale.EXPONENT and low > 0:
        base = 10 if knob.prefix.startswith("10") else 2
        low, high = math.log(low, base), math.log(high, base)
    if knob.scale is Scale.POWER_OF_TWO and low > 0:
        return 2.0 ** math.ceil(math.log2(low)), 2.0 ** math.floor(math.log2(high))
    if isinstance(knob.value, int):
        return float(math.ceil(low - 1e-9)), float(math.floor(high + 1e-9))
    return low, high


def _rule(entry: str) -> _Rule:
    if not entry:
        raise AgentError("knobs: an entry is empty; write `name`, `name: lo..hi` or `name: a|b|c`")
    name, _, rest = (part.strip() for part in entry.rpartition(":"))
    if not name or not (".." in rest or "|" in rest):
        return _Rule(entry)
    if "|" in rest:
        choices = tuple(part.strip() for part in rest.split("|"))
        if not all(map(_CHOICE.fullmatch, choices)):
            raise AgentError(
                f"knobs: {entry!r} has a choice that is empty or needs quoting; use letters, digits and ._+/-"
            )
        return _Rule(name, choices=choices)
    low, high = (parse_number(part.strip()) for part in rest.split("..", 1))
    if low is None or high is None or low >= high:
        raise AgentError(f"knobs: {entry!r} is no range; write `{name}: 0.001..0.1`, the lower bound first")
    return _Rule(name, float(low), float(high))
