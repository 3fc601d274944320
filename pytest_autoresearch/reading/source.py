"""What a reader of any language finds in a source: its tokens, and where names are bound and functions are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

LARGEST = 1_000_000  # bytes; what is larger is data


class Unread(Exception):
    """A source that is not read; its text says why, in words for people, and fits behind ``FILE is not read: ``."""


class Kind(Enum):
    """What a token is; comments are none."""

    NAME = "name"
    NUMBER = "number"
    TEXT = "text"
    SIGN = "sign"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of source. ``start`` and ``end`` are byte offsets in the file, or in the cell of a notebook."""

    kind: Kind
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens from ``low`` up to and without ``high``."""

    low: int
    high: int

    def holds(self, at: int) -> bool:
        return self.low <= at < self.high


@dataclass(frozen=True, slots=True)
class Binding:
    """A name that is given a value: variable, constant, field, default, key, keyword of a call.

    ``statement`` is the whole statement where it is nothing else; ``at`` the token of the name, -1 where the name is
    no token of its own; ``adds``: what was there is part of the new value.
    """

    name: str
    value: Span
    at: int = -1
    statement: Span | None = None
    adds: bool = False


@dataclass(frozen=True, slots=True)
class Argument:
    value: Span
    name: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """``owner.name(arguments)``; ``owner`` as it is written, or what an import says that it stands for."""

    name: str
    owner: str
    arguments: Sequence[Argument]
    span: Span
    statement: Span | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One source. ``parameters`` of functions by name; ``imports`` are statements that only make a module known."""

    tokens: Sequence[Token]
    bindings: Sequence[Binding] = ()
    calls: Sequence[Call] = ()
    parameters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    defined: frozenset[int] = frozenset()
    """Tokens that give a parameter its name, or a keyword of a call: they read nothing."""
    imports: Sequence[Span] = ()

    def text(self, span: Span) -> str:
        """The tokens of a span, separated by blanks."""
        return " ".join(token.text for token in self.tokens[span.low : span.high])

    def names(self, span: Span) -> Iterator[str]:
        """The names that are read in a span."""
        for at in range(span.low, span.high):
            if self.tokens[at].kind is Kind.NAME and at not in self.defined:
                yield self.tokens[at].text


class Index:
    """Finds the tokens that lie in a range of bytes."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._starts = {token.start: at for at, token in enumerate(tokens)}
        self._ends = {token.end: at + 1 for at, token in enumerate(tokens)}

    def first(self, start: int) -> Span | None:
        """The one token that starts at a byte."""
        low = self._starts.get(start)
        return None if low is None else Span(low, low + 1)

    def span(self, start: int, end: int) -> Span | None:
        """The tokens from one byte to another; None where none begins or ends there."""
        low, high = self._starts.get(start), self._ends.get(end)
        return None if low is None or high is None or low >= high else Span(low, high)
