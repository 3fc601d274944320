"""The ``knobs`` of a protocol: which literals a search turns, how far, and which it leaves alone. Pure.

People write a list, a mapping or a line of text; what is stored is one canonical line for each name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_autoresearch.patterns import regex

_NUMBER = r"[+-]?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = regex(rf"({_NUMBER})\s*(\.\.+|…|–|—|\bto\b|\band\b|\bbis\b|-|,|;)\s*({_NUMBER})", re.IGNORECASE)
_CHOICE = regex(r"[\w.+/ -]+")
_SCALES = {
    **dict.fromkeys(("log", "logarithmic", "loguniform", "log-uniform", "log_uniform", "logscale", "log-scale"), "log"),
    **dict.fromkeys(("linear", "lin", "uniform", "even", "evenly"), "linear"),
}
_IDLE = frozenset(
    {"between", "from", "in", "range", "int", "float", "scale", "one", "of", "choices", "choice", "either"}
)
_LISTING = regex(r"^\s*(?:(?:one|any) of|choices?|either|in)\b[\s:=]*", re.IGNORECASE)
_WORD = regex(r"[A-Za-z][\w-]*")
_LOWS, _HIGHS = ("low", "min", "minimum", "from", "lower"), ("high", "max", "maximum", "to", "upper")
_LISTS = ("choices", "values", "options", "one_of")
_EXCLUDING = ("exclude", "except", "not", "without", "leave")
_INCLUDING = ("include", "only", "names", "turn")
EXAMPLE = "write `name`, `name: lo..hi` or `name: a|b|c`"


@dataclass(frozen=True, slots=True)
class KnobRule:
    """One entry: a name or a glob of names, and what its literal may be. ``exclude``: it is left alone.

    ``scale`` is ``log``, ``linear`` or empty for what fits the name.
    """

    name: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    scale: str = ""
    exclude: bool = False

    def __str__(self) -> str:
        """What :func:`rule_of` reads back."""
        if self.exclude:
            return f"!{self.name}"
        if self.choices:
            return f"{self.name}: {'|'.join(self.choices)}"
        if self.low is None or self.high is None:
            return self.name
        return f"{self.name}: {self.low!r}..{self.high!r}{' ' * bool(self.scale)}{self.scale}"


def rule_of(entry: str) -> KnobRule:
    """One line understood: ``LR``, ``LR: 1e-4..1e-1 log``, ``LR = 1e-4 to 1e-1``, ``opt: adam|sgd``, ``!width``.

    Raises ValueError.
    """
    text = entry.strip()
    if not text.strip("!"):
        raise ValueError(f"an entry is empty; {EXAMPLE}")
    if text.startswith("!"):
        return KnobRule(text[1:].strip(), exclude=True)
    for sign in (":", "=", " in "):
        name, found, rest = (part.strip() for part in text.rpartition(sign))
        if found and name and rest and (rule := _ruled(name, rest)) is not None:
            return rule
    return KnobRule(text)


def _ruled(name: str, rest: str) -> KnobRule | None:
    """The rule that a name and what follows it make; None where that is part of the name."""
    if rest.lower() in ("yes", "true", "on"):
        return KnobRule(name)
    if rest.lower() in ("no", "false", "off"):
        return KnobRule(name, exclude=True)
    words = {word.lower() for word in _WORD.findall(rest)}
    scale = next((_SCALES[word] for word in sorted(words) if word in _SCALES), "")
    bare = _WORD.sub(lambda found: "" if found[0].lower() in _SCALES or found[0].lower() in _IDLE else found[0], rest)
    closed = bare.strip().startswith(("[", "(")) or bool(scale) or "between" in words or "from" in words
    bare = bare.strip().strip("[](){}").strip()
    pair = _RANGE.fullmatch(bare)
    if pair is not None and (pair[2].strip() not in (",", ";") or closed):
        low, high = (float(number.replace("_", "")) for number in (pair[1], pair[3]))
        if not low < high:
            raise ValueError(f"{name}: {rest!r} is no range; write `{name}: 0.001..0.1`, the lower bound first")
        return KnobRule(name, low, high, scale=scale)
    if ".." in bare:
        raise ValueError(f"{name}: {rest!r} is no range; write `{name}: 0.001..0.1`, the lower bound first")
    listed = _LISTING.sub("", rest, count=1).strip().strip("[](){}")
    separator = "|" if "|" in listed else "," if "," in listed else ""
    return KnobRule(name, choices=_choices(name, listed.split(separator))) if separator else None


def _choices(name: str, words: Sequence[str]) -> tuple[str, ...]:
    choices = tuple(
        word.strip().strip("'\"`") if word.strip()[:1] == word.strip()[-1:] else word.strip() for word in words
    )
    if not all(map(_CHOICE.fullmatch, choices)):
        raise ValueError(f"{name}: a choice that is empty or needs quoting; use letters, digits and ._+/-")
    return choices


def knob_entries(value: object) -> tuple[str, ...]:
    """The canonical entries of what people write below ``knobs``: a list, a mapping, a line. Raises ValueError."""
    return tuple(dict.fromkeys(str(rule) for rule in _rules(value)))


def _rules(value: object) -> Iterator[KnobRule]:
    if isinstance(value, Mapping):
        for name, said in value.items():
            yield from _keyed(str(name).strip(), said)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _rules(item)
    elif isinstance(value, str):
        whole = rule_of(value)
        if "," in value and whole.low is None and not whole.choices:
            yield from (rule_of(part) for part in value.split(",") if part.strip())
        else:
            yield whole
    else:
        raise ValueError(f"{value!r} is no name; {EXAMPLE}")


def _keyed(name: str, said: object) -> Iterator[KnobRule]:
    """A name and what a mapping says of it."""
    if name.lower() in _EXCLUDING or name.lower() in _INCLUDING:
        for rule in _rules(said if said is not None else ()):
            yield KnobRule(rule.name, exclude=True) if name.lower() in _EXCLUDING else rule
    elif said is None or said is True:
        yield KnobRule(name)
    elif said is False:
        yield KnobRule(name, exclude=True)
    elif isinstance(said, Mapping):
        yield _mapped(name, {str(key).lower(): value for key, value in said.items()})
    elif isinstance(said, (list, tuple)):
        texts = [str(item) for item in said]
        if len(texts) == 2 and all(re.fullmatch(_NUMBER, text) for text in texts):
            yield _ranged(name, texts[0], texts[1], "")
        else:
            yield KnobRule(name, choices=_choices(name, texts))
    else:
        worded = _ruled(name, str(said))
        if worded is None:
            raise ValueError(f"{name}: {str(said)[:60]!r} is neither a range nor choices; {EXAMPLE}")
        yield worded


def _mapped(name: str, said: Mapping[str, object]) -> KnobRule:
    """``{low: 1e-4, high: 1e-1, log: true}``, ``{choices: [a, b]}``, ``{range: 1e-4..1e-1}``."""
    for key in _LISTS:
        values = said.get(key)
        if isinstance(values, (list, tuple)):
            return KnobRule(name, choices=_choices(name, [str(value) for value in values]))
        if values is not None:
            listed = _ruled(name, str(values))
            if listed is not None:
                return listed
    scale = _SCALES.get(
        str(said.get("scale", said.get("distribution", ""))).lower(), "log" if said.get("log") is True else ""
    )
    if isinstance(said.get("range"), str):
        spanned = _ruled(name, f"{said['range']} {scale}")
        if spanned is not None:
            return spanned
    pair = said.get("range")
    ends = pair if isinstance(pair, (list, tuple)) and len(pair) == 2 else (None, None)
    low = next((said[key] for key in _LOWS if key in said), ends[0])
    high = next((said[key] for key in _HIGHS if key in said), ends[1])
    if low is None or high is None:
        raise ValueError(f"{name}: needs `low` and `high`, or `choices`; {EXAMPLE}")
    return _ranged(name, str(low), str(high), scale)


def _ranged(name: str, low: str, high: str, scale: str) -> KnobRule:
    rule = _ruled(name, f"{low}..{high} {scale}")
    if rule is None:
        raise ValueError(f"{name}: {low} and {high} are no numbers; {EXAMPLE}")
    return rule
