"""Which of the literals that were found are turned: those in the protocol's ``knobs``, else the likely ones. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from pytest_autoresearch.agents.search.finders.closing import WITHIN_ARITHMETIC, may_be_opened
from pytest_autoresearch.agents.search.knob import Knob, Rank, Scale
from pytest_autoresearch.agents.search.literals import parse_number
from pytest_autoresearch.agents.search.ranges import is_known, ranged, tail_of
from pytest_autoresearch.errors import AgentError
from pytest_autoresearch.protocol.knobs import KnobRule, rule_of

BY_PROTOCOL = "from `knobs`"
_LEFT_OUT = "left out by `knobs`"
_NOT_NAMED = "not among the `knobs`"
_SECOND = frozenset({"eps", "epsilon", "alpha"})  # known names that seldom decide


def choose(knobs: Iterable[Knob], wanted: Iterable[str] = (), moved: Collection[str] = ()) -> tuple[Knob, ...]:
    """The knobs to turn, the most likely first, each with the range that is known of it.

    ``wanted`` are entries of the protocol's ``knobs``: where one names a literal, only those are turned, in that order;
    what is left out (``!name``) is not. A name is a label, its last part, or a glob of them, perhaps after ``file:``.
    0, 1 and -1 are structure rather than size: without a known name or an UPPER_CASE one they are left alone, unless
    they are named or were reached by a move (``moved`` has labels). Raises AgentError for an entry that names nothing,
    or what must not be turned.
    """
    return tuple(knob for knob in judged(knobs, wanted, moved) if not knob.closed)


def judged(knobs: Iterable[Knob], wanted: Iterable[str] = (), moved: Collection[str] = ()) -> tuple[Knob, ...]:
    """All knobs in that order, those that are turned first; the rest says in ``closed`` why it is not."""
    found, rules = list(knobs), [_rule(entry) for entry in wanted]
    left_out = {_key(knob) for rule in rules if rule.exclude for knob in _named(rule, found)}
    naming = [rule for rule in rules if not rule.exclude]
    if naming:
        chosen = _by_rules(naming, found, left_out)
    else:
        usual = [_told(ranged(knob), _objection(knob, moved)) for knob in found if _key(knob) not in left_out]
        chosen = {_key(knob): knob for knob in sorted(usual, key=_likelihood) if not knob.closed}
    rest = [knob for knob in found if _key(knob) not in chosen]
    other = _NOT_NAMED if naming else "a text without known choices"
    closed = (_told(knob, _LEFT_OUT if _key(knob) in left_out else _objection(knob, moved) or other) for knob in rest)
    return (*chosen.values(), *closed)


def _told(knob: Knob, why: str) -> Knob:
    """The knob, closed for this reason."""
    return knob if knob.closed == why else knob._replace(closed=why)


def _by_rules(
    rules: Sequence[KnobRule], found: Sequence[Knob], left_out: Collection[tuple[str, str]]
) -> dict[tuple[str, str], Knob]:
    bound: dict[tuple[str, str], Knob] = {}
    for rule in rules:
        matches = [knob for knob in _named(rule, found) if _key(knob) not in left_out]
        opened = [knob for knob in matches if not knob.closed or (_is_exact(rule, knob) and may_be_opened(knob.closed))]
        if matches and not opened and any(_is_exact(rule, knob) for knob in matches):
            raise AgentError(f"knobs: {rule.name} is closed ({matches[0].closed}); leave it out of `knobs`")
        movable = [
            knob for knob in opened if knob.scale is not Scale.CHOICE or _says_more(rule) or ranged(knob).choices
        ]
        if opened and not movable:
            said = f"{rule.name} is the text {opened[0].text}"
            raise AgentError(f"knobs: {said}; say what it may be: `{rule.name}: a|b|c`")
        for knob in movable:
            bound.setdefault(_key(knob), _bind(rule, knob)._replace(rank=Rank.CONSTANT, closed=""))
    return bound


def _key(knob: Knob) -> tuple[str, str]:
    return knob.file, knob.label


def _objection(knob: Knob, moved: Collection[str]) -> str:
    """Why a literal is not turned when nobody names it."""
    if knob.closed and not (knob.closed == WITHIN_ARITHMETIC and knob.label in moved):
        return knob.closed
    if knob.scale is Scale.CHOICE:
        return "" if ranged(knob).choices else "a text without known choices: `knobs` can say them"
    if knob.scale in (Scale.FLIP, Scale.EXPONENT) or knob.value not in (0, 1, -1) or knob.label in moved:
        return ""
    structure = isinstance(knob.value, int) and knob.rank is not Rank.CONSTANT and knob.value != 1
    if is_known(knob.label) or not (knob.rank > Rank.DEFAULT or structure):
        return ""
    return "0, 1 or -1 without a known name: structure rather than size"


def _likelihood(knob: Knob) -> tuple[int, int]:
    """Constants first, then known names, other defaults, the rest."""
    weak = "#" in knob.label or tail_of(knob.label) in _SECOND
    if knob.rank is Rank.CONSTANT and not weak:
        return -1, 0
    return int(knob.rank) + weak + (-1 if is_known(knob.label) else 1), int(knob.rank)


def _named(rule: KnobRule, found: Sequence[Knob]) -> list[Knob]:
    matches = [
        knob for knob in found if any(form == rule.name or fnmatchcase(form, rule.name) for form in _forms(knob))
    ]
    if not matches:
        loose = [knob for knob in found if _loose(rule.name) in map(_loose, _forms(knob))]
        matches = loose if len({knob.label for knob in loose}) == 1 else []
    if not matches:
        close = get_close_matches(rule.name, [form for knob in found for form in _forms(knob)[:2]], 3, 0.5)
        hint = (
            f"did you mean {' or '.join(dict.fromkeys(close))}?" if close else "name a constant, a default or a setting"
        )
        raise AgentError(f"knobs: no literal is named {rule.name!r} in the target files; {hint}")
    return matches


def _forms(knob: Knob) -> tuple[str, str, str]:
    return knob.label, knob.label.rpartition(".")[2], f"{knob.file}:{knob.label}"


def _loose(name: str) -> str:
    """A name as people remember it: ``batch-size`` is ``batch_size``, ``LR`` is ``--lr``."""
    return name.lower().lstrip("-").replace("-", "_")


def _is_exact(rule: KnobRule, knob: Knob) -> bool:
    return rule.name in _forms(knob) or _loose(rule.name) in map(_loose, _forms(knob))


def _says_more(rule: KnobRule) -> bool:
    return rule.low is not None or bool(rule.choices)


def _rule(entry: str) -> KnobRule:
    try:
        return rule_of(entry)
    except ValueError as error:
        raise AgentError(f"knobs: {error}") from error


def _bind(rule: KnobRule, knob: Knob) -> Knob:
    """The knob under a rule."""
    number = isinstance(knob.value, (int, float)) and not isinstance(knob.value, bool)
    if rule.choices:
        if number and any(parse_number(choice) is None for choice in rule.choices):
            raise AgentError(f"knobs: {knob.label} is a number, {'|'.join(rule.choices)} are not; give numbers")
        return knob._replace(scale=Scale.CHOICE, choices=rule.choices, bounds=BY_PROTOCOL)
    if rule.low is None or rule.high is None:
        return ranged(knob)
    if not number:
        raise AgentError(f"knobs: {knob.label} is {knob.text}, which has no range; write `{rule.name}: a|b|c`")
    low, high = rule.low, rule.high
    knob = knob._replace(bounds=BY_PROTOCOL)
    if rule.scale == "linear" or (low <= 0 and knob.scale is not Scale.EXPONENT):
        return knob._replace(low=low, high=high, scale=Scale.LINEAR)
    if rule.scale == "log" and knob.scale is not Scale.EXPONENT:
        knob = knob._replace(scale=Scale.LOG)
    low, high = _bounds(knob, rule.low, rule.high)
    if low > high and knob.scale is Scale.POWER_OF_TWO:  # a range without one is about whole numbers
        knob = knob._replace(scale=Scale.LOG)
        low, high = _bounds(knob, rule.low, rule.high)
    if low > high:
        raise AgentError(f"knobs: {knob.label} is a whole number, and none is in {rule.low:g}..{rule.high:g}")
    return knob._replace(low=low, high=high)


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
