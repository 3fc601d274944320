"""A knob: one literal of a target file, where it stands and how it moves. Pure; finding knobs is for the rooms beside.

Every numeric knob has a coordinate in which equal steps are equally bold: a step of ``log(2)`` doubles a plain number,
its odds where the number is a probability, and adds one to the exponent of a power of two.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from enum import Enum, IntEnum
from typing import NamedTuple

from pytest_autoresearch.agents.search.literals import Value, parse_bool, parse_number, render
from pytest_autoresearch.patterns import regex

BY_NAME = "guessed from its name"
"""A range that says where people look, not where a value must stay."""


class Rank(IntEnum):
    """How likely a literal is a knob that matters, the most likely first."""

    CONSTANT = 0
    DEFAULT = 1
    NAMED = 2
    LITERAL = 3


class Scale(Enum):
    """How a knob moves."""

    LOG = "log"
    LOGIT = "logit"
    DISCOUNT = "discount"
    LINEAR = "linear"
    EXPONENT = "exponent"
    POWER_OF_TWO = "power of two"
    FLIP = "flip"
    CHOICE = "choice"


class Knob(NamedTuple):
    """One literal. ``label`` is unique in ``file``; ``start`` and ``end`` are byte offsets of ``text``.

    ``style`` is the literal whose notation other values take. ``prefix`` is what stands before the literal when it is
    shown (``2**``). ``low``, ``high`` and ``choices`` come from the protocol's ``knobs``, from what the source declares
    or from the name, and ``bounds`` says from which; without them a number has no bounds. ``closed`` says why the
    literal is not to be turned, in words for people: it is of the metric, of luck, of the data. A tuple, because a file
    may have ten thousand of them: a frozen dataclass takes four times as long to be made.
    """

    file: str
    label: str
    start: int
    end: int
    text: str
    value: Value
    rank: Rank
    scale: Scale
    style: str
    prefix: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    bounds: str = ""
    closed: str = ""

    @property
    def shown(self) -> str:
        """The value as descriptions give it."""
        return self.prefix + self.text

    def holding(self, value: Value) -> Knob:
        """The same knob with another value, in its style."""
        text = render(value, self.style)
        return self._replace(text=text, value=value, end=self.start + len(text.encode()))


# Below this, neighbouring integers differ enough to be tried: 8 layers may become 10. Above it, only sizes are powers.
_SMALLEST_POWER = 16
_PROBABILITY = regex(r"prob|beta|momentum|dropout|decay|(?:^|[._])ema(?:$|[._])", re.IGNORECASE)


LONGEST_NAME = 300
"""Characters of a label: it is made anew for each literal below a name, and a name may be as long as a file."""


def short(name: str) -> str:
    """A name or the way to one, as far as a label has room for it."""
    return name[:LONGEST_NAME]


def make_knob(file: str, label: str, start: int, text: str, value: Value, rank: Rank, *, prefix: str = "") -> Knob:
    """A knob with the scale that its name and value ask for."""
    label = "_".join(label.split())
    scale = Scale.EXPONENT if prefix else _scale(label, value)
    low = 0.0 if prefix == "1<<" else None  # a negative shift is an error
    return Knob(file, label, start, start + len(text.encode()), text, value, rank, scale, text, prefix, low)


def _scale(label: str, value: Value) -> Scale:
    if isinstance(value, bool):
        return Scale.FLIP
    if isinstance(value, str):
        return Scale.CHOICE
    if isinstance(value, int):
        power = value >= _SMALLEST_POWER and value & (value - 1) == 0
        return Scale.POWER_OF_TWO if power else Scale.LOG
    return Scale.LOGIT if 0 < value < 1 and _PROBABILITY.search(label) else Scale.LOG


def begun_with(knob: Knob, shown: str) -> Knob:
    """The knob, told which value the session began with, so that its history does not change what it is.

    All values of a number are written like the first one: then one value has one spelling, and the way back leads to
    the very state that was there before. What was no power of two when the session began does not become one.
    """
    first = value_of(knob, shown)
    if first is None or isinstance(first, (bool, str)):
        return knob
    same = knob.scale is Scale.EXPONENT or _scale(knob.label, first) is knob.scale
    return knob._replace(style=shown.removeprefix(knob.prefix), scale=knob.scale if same else Scale.LOG)


# ── moving ────────────────────────────────────────────────────────────────────────────────────────────────────────


def coordinate(knob: Knob, value: Value) -> float | None:
    """Where ``value`` lies on the knob's scale; None where it has no place (a flag, a choice, a zero)."""
    if isinstance(value, (bool, str)):
        return None
    if knob.scale is Scale.EXPONENT:
        return value * math.log(2)
    if knob.scale is Scale.LINEAR:
        assert knob.low is not None and knob.high is not None
        return (value - knob.low) / (knob.high - knob.low) * 4 * math.log(2)
    if knob.scale is Scale.LOGIT:
        return math.log(value / (1 - value)) if 0 < value < 1 else None
    if knob.scale is Scale.DISCOUNT:
        return -math.log(1 - value) if value < 1 else None
    return math.log(abs(value)) if value and abs(value) < math.inf else None


def value_at(knob: Knob, place: float) -> Value | None:
    """The value nearest to a coordinate that the knob can have, short enough to be read; None outside of floats."""
    if knob.scale is Scale.EXPONENT:
        return _within(knob, round(place / math.log(2)))
    if abs(place) > 700:
        return None
    if knob.scale is Scale.LOGIT:
        probability = _probability(place)
        return _within(knob, probability) if 0 < probability < 1 else None
    if knob.scale is Scale.DISCOUNT:
        return _within(knob, round(1 - _rounded(math.exp(-place)), 12))
    if knob.scale is Scale.LINEAR:
        assert knob.low is not None and knob.high is not None
        raw = knob.low + place / (4 * math.log(2)) * (knob.high - knob.low)
    elif knob.scale is Scale.POWER_OF_TWO:
        raw = 2.0 ** max(0, round(place / math.log(2)))
    else:
        raw = math.copysign(math.exp(place), _sign(knob.value))
    return _within(knob, _whole(raw) if isinstance(knob.value, int) else _rounded(raw))


def shifted(knob: Knob, factor: float) -> Value | None:
    """The value a step of ``factor`` away; None when there is no such other value."""
    place = coordinate(knob, knob.value)
    if place is None or knob.scale is Scale.CHOICE or not isinstance(knob.value, (int, float)):
        return None
    whole = math.log2(factor).is_integer()
    if knob.scale in (Scale.EXPONENT, Scale.POWER_OF_TWO) and not whole:
        return None
    if knob.scale is Scale.LOG and isinstance(knob.value, float) and whole:
        exact = float(f"{knob.value * factor:.12g}")  # doubling keeps every digit
        value: Value | None = _within(knob, exact) if math.isfinite(exact) else None
    else:
        value = value_at(knob, place + math.log(factor))
    if value == knob.value and isinstance(value, int) and knob.scale in (Scale.LOG, Scale.LINEAR):
        value = _within(knob, value + (1 if (factor > 1) == (value > 0) else -1))
    if value == knob.value or (value == 0 and knob.scale is Scale.LOG):
        return None
    return value


def _within(knob: Knob, value: float) -> int | float:
    """The value, pulled back to the bounds that it must not leave."""
    if knob.bounds == BY_NAME and knob.scale in (Scale.LOG, Scale.POWER_OF_TWO):
        return math.floor(value) if isinstance(knob.value, int) else float(value)
    if knob.low is not None and value < knob.low:
        value = knob.low
    if knob.high is not None and value > knob.high:
        value = knob.high
    return math.floor(value) if isinstance(knob.value, int) else float(value)


def _sign(value: Value) -> float:
    return -1.0 if isinstance(value, (int, float)) and value < 0 else 1.0


def _whole(value: float) -> int:
    """The nearest integer, a half upwards; without the noise that logarithms leave."""
    return math.floor(float(f"{value:.12g}") + 0.5)


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _probability(logit: float) -> float:
    """The probability with three significant digits on the side that is nearer to its bound."""
    if logit <= 0:
        return _rounded(math.exp(logit) / (1 + math.exp(logit)))
    return round(1 - _rounded(1 / (1 + math.exp(logit))), 12)


# ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────────


def splice(data: bytes, changes: Iterable[tuple[Knob, Knob]]) -> bytes:
    """The file with some literals replaced and every other byte as it was. Pairs are (found, wanted)."""
    pieces, end = [], len(data)
    for found, wanted in sorted(changes, key=lambda change: -change[0].start):
        pieces += [data[found.end : end], wanted.text.encode()]
        end = found.start
    return b"".join([data[:end], *reversed(pieces)])


def relocated(knobs: Iterable[Knob], changes: Iterable[tuple[Knob, Knob]]) -> tuple[Knob, ...]:
    """All knobs of a file, in order of place, as they would be found after :func:`splice`."""
    wanted = {found.start: new for found, new in changes}
    moved, shift = [], 0
    for knob in knobs:
        new = wanted.get(knob.start)
        if new is not None:
            at = knob.start + shift
            made = make_knob(knob.file, knob.label, at, new.text, new.value, knob.rank, prefix=knob.prefix)
            known = {name: getattr(knob, name) for name in ("low", "high", "choices", "bounds", "closed")}
            moved.append(made._replace(**known))
            shift += made.end - made.start - (knob.end - knob.start)
        else:
            moved.append(knob._replace(start=knob.start + shift, end=knob.end + shift) if shift else knob)
    return tuple(moved)


def value_of(knob: Knob, shown: str) -> Value | None:
    """The value that a description's text means for this knob, None if it can not be one."""
    text = shown.removeprefix(knob.prefix)
    if isinstance(knob.value, bool):
        return parse_bool(text)
    return text.strip("'\"") if isinstance(knob.value, str) else parse_number(text.replace(" ", ""))
