"""Numbers with a meaning, as people write them: percentages, bounds, memory, limits. Text in, values out.

Every refusal is a ValueError that says what is right.
"""

from __future__ import annotations

import re
from decimal import Decimal

from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.durations import format_float, parse_float, plain_text
from pytest_autoresearch.protocol.model import Amount, Direction, Limit, Metric

Bounds = tuple[float | None, float | None]

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?"
_BOUND = rf"({_NUMBER}|[+-]?inf)"
_AT_LEAST, _AT_MOST = (">", ">=", "≥"), ("<", "<=", "≤")
_MEGABYTES = {"": 1.0, "b": 1e-6, "k": 1e-3, "m": 1.0, "g": 1e3, "t": 1e6}
_MEBIBYTES = {"k": 2**10 / 1e6, "m": 2**20 / 1e6, "g": 2**30 / 1e6, "t": 2**40 / 1e6}


def parse_amount(text: str) -> Amount:
    """A size of 0 or more: ``0.001``, or ``0.5%`` of the level it is measured against."""
    plain = plain_text(text)
    relative = plain.endswith("%")
    value = parse_float(plain[:-1] if relative else plain)
    if value < 0 or plain.startswith("-"):
        raise ValueError(f"`{plain}` is negative")
    return Amount(percent(plain[:-1].strip()), relative=True) if relative else Amount(value)


def format_amount(amount: Amount) -> str:
    """What :func:`parse_amount` reads back exactly."""
    if not amount.relative:
        return format_float(amount.value)
    return f"{(Decimal(repr(amount.value)) * 100).normalize():f}%"


def percent(number: str) -> float:
    """The fraction that a number of percent is, without binary rounding on the way."""
    return float(Decimal(number) / 100)


def parse_target(text: str) -> float:
    """The level to reach, in the metric's own unit: ``0.9``, ``< 0.9``, ``>= 93``."""
    plain = plain_text(text)
    found = re.match(rf"(?:>=|<=|[<>≥≤=~≈])?\s*({_NUMBER})(?![\w.%])", plain, re.ASCII)
    if not found:
        if re.match(rf"(?:>=|<=|[<>≥≤=~≈])?\s*{_NUMBER}\s*%", plain):
            raise ValueError(f"`{plain[:60]}` is in percent; write the number that the metric prints, `0.93` or `93`")
        raise ValueError(f"`{plain[:60]}` is not a number; write the level to reach, like `0.9`")
    return parse_float(found[1])


def parse_bounds(text: str) -> Bounds:
    """The lowest and highest believable value: ``0 to 1``, ``0..1``, ``[0, 1]``, ``>= 0``, ``0 <= x <= 1``."""
    plain = plain_text(text).replace("−", "-")
    pair = re.match(
        rf"(?:between(?=\s))?\s*(?:[\[(]\s*)?{_BOUND}\s*(?:,|;|\.\.+|…|to|and|bis|und|至|到|–|—|-|~)\s*{_BOUND}\s*[\])]?(?![\w.])",
        plain,
    )
    chain = re.match(rf"{_BOUND}\s*(?:<=?|≤)\s*[A-Za-z_]\w*\s*(?:<=?|≤)\s*{_BOUND}", plain)
    single = re.match(rf"(?:[A-Za-z_]\w*\s*)?(>=|<=|[<>≥≤])\s*({_NUMBER})", plain)
    if pair or chain:
        low, high = (pair or chain).groups()  # type: ignore[union-attr]
        bounds = (_finite_or_none(low), _finite_or_none(high))
    elif single:
        value = parse_float(single[2])
        bounds = (value, None) if single[1] in _AT_LEAST else (None, value)
    else:
        raise ValueError(f"`{plain[:60]}` is no range; write `0 to 1`, `>= 0` or `<= 100`")
    if bounds[0] is not None and bounds[1] is not None and bounds[0] >= bounds[1]:
        raise ValueError(f"`{plain[:60]}`: the lower bound is not below the upper one")
    return bounds


def format_bounds(bounds: Bounds) -> str:
    """What :func:`parse_bounds` reads back exactly; empty for no bounds."""
    low, high = bounds
    if low is not None and high is not None:
        return f"{format_float(low)} to {format_float(high)}"
    if low is not None:
        return f">= {format_float(low)}"
    return "" if high is None else f"<= {format_float(high)}"


def parse_memory(text: str) -> float:
    """Megabytes: ``512`` (megabytes), ``512 MB``, ``2GB``, ``1.5 GiB``."""
    plain = plain_text(text)
    found = re.fullmatch(rf"({_NUMBER})\s*(?:([kmgt]?)(i?)b?)", plain, re.IGNORECASE)
    unit = (found[2] if found else "").lower()
    factor = None
    if found:
        factor = _MEBIBYTES.get(unit) if found[3] else _MEGABYTES["b" if plain[-1:] in "bB" and not unit else unit]
    megabytes = 0.0 if found is None or factor is None else parse_float(found[1]) * factor
    if not 0.0 < megabytes < 1e12:
        raise ValueError(f"`{plain[:60]}` is no size of memory; write `512 MB` or `2 GiB`")
    return megabytes


def parse_limit(text: str) -> Limit:
    """A bound on a secondary metric: ``peak_mb <= 512``, ``accuracy >= 0.9``."""
    found = re.fullmatch(rf"([A-Za-z_][\w./@%-]*)\s*(<=|>=|[<>≤≥])\s*({_NUMBER})", plain_text(text))
    if not found:
        bare = re.fullmatch(rf"(.*[<>=≤≥]\s*{_NUMBER})\s*[A-Za-zµ]+(?:/\w+)?", text.strip()[:60])
        rest = f"`{bare[1]}`, in the unit that the run reports" if bare else "`peak_mb <= 512`"
        raise ValueError(f"`{text.strip()[:60]}` is no limit; write {rest}")
    value = parse_float(found[3])
    return Limit(found[1], at_most=value) if found[2] in _AT_MOST else Limit(found[1], at_least=value)


def _finite_or_none(text: str) -> float | None:
    return None if text.endswith("inf") else parse_float(text)


_SHARES = regex(
    r"(?:^|[_./ -])(?:acc(?:uracy)?|f1|auc|auroc|precision|recall|pass_rate|success_rate|coverage|r2)(?:$|[_./ -])"
)


def saturated(metric: Metric, level: float | None) -> str:
    """What to say of a baseline that nothing can beat: it stands at its bound, or is a share of 1; empty if it can."""
    if level is None:
        return ""
    low, high = metric.bounds
    best = high if metric.direction is Direction.HIGHER else low
    is_full = best is None and metric.direction is Direction.HIGHER and level == 1.0
    is_share = is_full and _SHARES.search(metric.name.lower()) is not None
    if is_share or (best is not None and not metric.direction.better(best, level)):
        why = "a share can be no larger" if is_share else "its bounds allow nothing better"
        return f"{metric.name} is saturated at {level:g}: {why}; choose a harder test, or a metric that has room"
    return ""
