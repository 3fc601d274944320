"""Reads R by its tokens: the Python index has no package of its grammar, and its words are simple to split."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_autoresearch.patterns import regex
from pytest_autoresearch.reading.source import Argument, Binding, Call, Kind, Source, Span, Token, Unread

_WORD = regex(
    r"""(?P<skip>[ \t\r\f]+|\#[^\n]*)
    |(?P<raw>[rR](?P<quote>["'])(?P<dashes>-*)(?P<open>[(\[{]))
    |(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<number>0[xX][0-9a-fA-F]+L?|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?[Li]?)
    |(?P<name>`[^`\n]*`|[^\W\d_][\w.]*|\.[\w.]*)
    |(?P<sign><<-|->>|<-|->|:::|::|\|>|%[^%\n]*%|[=!<>]=|&&|\|\||.|\n)""",
    re.VERBOSE | re.DOTALL,
)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_ASSIGNS = frozenset({"<-", "<<-", "="})


def read_r(data: bytes) -> Source:
    """What is bound and called in a script. Raises Unread for what is not UTF-8 or has brackets that do not match."""
    try:
        tokens = list(_tokens(data.decode()))
    except UnicodeDecodeError as error:
        raise Unread("not UTF-8") from error
    pairs = _pairs(tokens)
    ends = _ends(tokens, pairs)
    bindings, calls, parameters, defined = [], [], {}, set[int]()
    for at, token in enumerate(tokens):
        following = tokens[at + 1].text if at + 1 < len(tokens) else ""
        if token.kind is Kind.NAME and following == "(" and at + 1 in pairs:
            arguments, named = _arguments(tokens, pairs, at + 1)
            defined |= named
            if token.text == "function":
                names = [tokens[a.value.low].text if not a.name else a.name for a in arguments]
                defined |= {argument.value.low for argument in arguments if not argument.name}
                if at > 1 and tokens[at - 1].text in _ASSIGNS:
                    parameters[tokens[at - 2].text] = names
            else:
                start = at - 2 if at > 1 and tokens[at - 1].text in ("::", ":::") else at
                span = Span(start, pairs[at + 1] + 1)
                owner = tokens[start].text if start < at else ""
                calls.append(Call(token.text, owner, arguments, span, _alone(tokens, span)))
            bindings += [Binding(a.name, a.value) for a in arguments if a.name]
        elif token.kind in (Kind.NAME, Kind.TEXT) and following in _ASSIGNS and at not in defined:
            value = Span(at + 2, ends[at + 2])
            if value.low < value.high:
                bindings.append(Binding(token.text.strip("\"'`"), value, at, _alone(tokens, Span(at, value.high))))
        elif token.text == "->" and at > 0 and tokens[at - 1].kind is not Kind.SIGN and following:
            bindings.append(Binding(following.strip("\"'`"), Span(at - 1, at), at + 1))
    return Source(tokens, bindings, calls, parameters, frozenset(defined))


def _tokens(text: str) -> Iterator[Token]:
    place, at = 0, 0
    while place < len(text):
        found = _WORD.match(text, place)
        if found is None:
            raise Unread("a text in it never ends")
        end = found.end()
        if found["raw"]:
            closing = _CLOSING[found["open"]] + found["dashes"] + found["quote"]
            end = text.find(closing, end) + len(closing)
            if end < len(closing):
                raise Unread("a text in it never ends")
        piece = text[place:end]
        size = len(piece.encode())
        if not found["skip"]:
            kind = Kind.TEXT if found["raw"] or found["text"] else Kind.NUMBER if found["number"] else Kind.SIGN
            yield Token(Kind.NAME if found["name"] else kind, piece, at, at + size)
        place, at = end, at + size


def _pairs(tokens: list[Token]) -> dict[int, int]:
    """Each opening bracket with its closing one."""
    pairs, stack = {}, list[int]()
    for at, token in enumerate(tokens):
        if token.kind is Kind.SIGN and token.text in _CLOSING:
            stack.append(at)
        elif token.kind is Kind.SIGN and token.text in (")", "]", "}"):
            if not stack or _CLOSING[tokens[stack[-1]].text] != token.text:
                raise Unread("its brackets do not match")
            pairs[stack.pop()] = at
    if stack:
        raise Unread("its brackets do not match")
    return pairs


def _arguments(tokens: list[Token], pairs: dict[int, int], opening: int) -> tuple[list[Argument], set[int]]:
    """The arguments between two brackets, and the tokens that name them."""
    arguments, named, start, at = list[Argument](), set[int](), opening + 1, opening + 1
    while at <= pairs[opening]:
        if at == pairs[opening] or tokens[at].text == ",":
            low = start
            while low < at and tokens[low].text == "\n":
                low += 1
            high = at
            while high > low and tokens[high - 1].text == "\n":
                high -= 1
            if high - low > 2 and tokens[low + 1].text == "=":
                named.add(low)
                arguments.append(Argument(Span(low + 2, high), tokens[low].text.strip("\"'`")))
            elif high > low:
                arguments.append(Argument(Span(low, high)))
            start = at + 1
        at = pairs.get(at, at) + 1
    return arguments, named


def _ends(tokens: list[Token], pairs: dict[int, int]) -> list[int]:
    """Where the expression ends that begins at each token: its line, outside of brackets."""
    ends = [len(tokens)] * (len(tokens) + 1)
    for at in range(len(tokens) - 1, -1, -1):
        stops = tokens[at].text in ("\n", ";", ",", ")", "}", "]")
        ends[at] = at if stops else ends[pairs.get(at, at) + 1]
    return ends


def _alone(tokens: list[Token], span: Span) -> Span | None:
    """The statement that a span is all of, with the line end."""
    before = tokens[span.low - 1].text if span.low else "\n"
    after = tokens[span.high].text if span.high < len(tokens) else ""
    if before not in ("\n", ";", "{") or after not in ("", "\n", ";"):
        return None
    return Span(span.low, span.high + 1 if after else span.high)
