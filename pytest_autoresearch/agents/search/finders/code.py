"""Finds the knobs of other languages by what their sources bind and call, at the exact bytes where they stand. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from pytest_autoresearch.agents.search.finders.closing import EVALUATION, METRIC_ARITHMETIC, words_of
from pytest_autoresearch.agents.search.finders.declared import remark_of
from pytest_autoresearch.agents.search.knob import Knob, Rank, make_knob
from pytest_autoresearch.agents.search.literals import Value, parse_bool, parse_number
from pytest_autoresearch.agents.search.ranges import is_known
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.reading.door import read_source
from pytest_autoresearch.reading.luck import takes_seed
from pytest_autoresearch.reading.source import Binding, Kind, Source, Span, Token

_TYPED = regex(r"(?i)(?:_?(?:[iuf](?:8|16|32|64|128|size)|usize|isize)|u?l{1,2}u?|f|d|u)$")
_SHOWS = frozenset(
    "println print printf eprintln fprintf cout cat message log info Println Printf Print write writeln echo display"
    " console puts show @printf @show @info format format! print! sprintf Fprintf Sprintf append".split()
)
_STRUCTURE = frozenset("c vector list array Vec vec! zeros ones rep seq reshape size length len sleep exit".split())
_PURE = frozenset(
    "sqrt abs pow exp log mean sum min max float double float64 int round len length powi powf as_secs_f64 norm"
    " duration_cast count elapsed seconds".split()
)
_LONGEST_TABLE = 64
_FEW_CLOSED = 3


def code_knobs(file: str, data: bytes, metric: str = "") -> tuple[Knob, ...]:
    """Every number, flag or text that is bound to a name or given to a call, in order of place. Raises Unread."""
    source = read_source(file, data)
    finder = _Finder(file, data, source, _metric_tokens(source, metric))
    for binding in source.bindings:  # each field of a structure by its own name, before the name of the whole
        finder.bound(binding)
    for binding in source.bindings:
        finder.listed(binding)
    for call in source.calls:
        if call.name in _SHOWS or call.name in _STRUCTURE or len(call.arguments) > _LONGEST_TABLE:
            continue
        for argument in call.arguments:
            if not argument.name:
                finder.take(argument.value, call.name, Rank.LITERAL)
    return finder.done()


class _Finder:
    """Takes spans of tokens that are one literal."""

    def __init__(self, file: str, data: bytes, source: Source, metric: dict[int, str]) -> None:
        self.file, self.data, self.source, self.metric = file, data, source, metric
        self.found: dict[int, tuple[str, Rank, int, str, Value, str]] = {}

    def bound(self, binding: Binding) -> None:
        """The value of a name."""
        self.take(binding.value, binding.name, _rank(binding))

    def listed(self, binding: Binding) -> None:
        """The numbers of a list or of an expression, by the name that it is bound to."""
        span, rank = binding.value, _rank(binding)
        if span.high - span.low > 1 and span.high - span.low <= 2 * _LONGEST_TABLE:
            for at in range(span.low, span.high):
                if self.source.tokens[at].kind is Kind.NUMBER:
                    self.take(self._signed(at, span), binding.name, max(rank, Rank.NAMED))

    def _signed(self, at: int, span: Span) -> Span:
        tokens = self.source.tokens
        sign = at > span.low and tokens[at - 1].text == "-"
        before = tokens[at - 2] if at - 2 >= span.low else None
        unary = sign and (before is None or (before.kind is Kind.SIGN and before.text not in (")", "]")))
        return Span(at - 1 if unary else at, at + 1)

    def take(self, span: Span, name: str, rank: Rank) -> None:
        """A literal, with its sign and without the ending that says its type."""
        tokens = self.source.tokens[span.low : min(span.high, span.low + 3)]  # spans lie within each other
        sign = len(tokens) == 2 and tokens[0].text == "-" and tokens[1].kind is Kind.NUMBER
        if not tokens or not (len(tokens) == 1 or sign) or not name:
            return
        start, token = tokens[0].start, tokens[-1]
        if start in self.found:
            return
        literal = self.data[start : token.end].decode("utf-8", "replace")
        text = self._literal(token, literal)
        if text is None:
            return
        value, shown = text
        why = next((self.metric[at] for at in range(span.low, span.high) if at in self.metric), "")
        self.found[start] = name, rank, start, shown, value, why

    def _literal(self, token: Token, text: str) -> tuple[Value, str] | None:
        if token.kind is Kind.NUMBER:
            ending = _TYPED.search(text) if not text.lower().lstrip("-").startswith("0x") else None
            bare = text[: ending.start()] if ending else text
            number = parse_number(bare.replace(" ", ""))
            return None if number is None else (number, bare)
        if token.kind is Kind.NAME:
            truth = parse_bool(text) if text in ("true", "false", "TRUE", "FALSE") else None
            number = parse_number(text)  # a word of a shell
            return (truth, text) if truth is not None else (number, text) if number is not None else None
        if token.kind is Kind.TEXT and text[:1] in "\"'" and text[-1:] == text[:1] and "\\" not in text:
            return text[1:-1], text
        return None

    def done(self) -> tuple[Knob, ...]:
        """The knobs, each under a label of its own."""
        labels, knobs = Counter[str](), []
        for name, rank, start, shown, value, why in sorted(self.found.values(), key=lambda each: each[2]):
            labels[name] += 1
            label = name if labels[name] == 1 else f"{name}#{labels[name]}"
            knob = make_knob(self.file, label, start, shown, value, rank)
            declared = remark_of(self.data, knob.end, value, (b"//", b"#", b"/*"))
            knob = declared.bind(knob) if declared else knob
            knobs.append(knob._replace(closed=why) if why else knob)
        return tuple(knobs)


def _rank(binding: Binding) -> Rank:
    if binding.adds:
        return Rank.LITERAL
    return Rank.CONSTANT if binding.name.isupper() else Rank.DEFAULT if binding.at >= 0 else Rank.NAMED


# ── the metric's arithmetic ───────────────────────────────────────────────────────────────────────────────────────


def _metric_tokens(source: Source, metric: str) -> dict[int, str]:
    """Tokens that are the metric's arithmetic, or given to what seeds, evaluates or splits."""
    refused: dict[int, str] = {}
    by_name = defaultdict[str, list[Binding]](list)
    for binding in source.bindings:
        by_name[binding.name].append(binding)
        if words_of(binding.name) & EVALUATION and binding.value.low not in refused:
            refused |= dict.fromkeys(range(binding.value.low, binding.value.high), f"feeds {binding.name}")
    for call in source.calls:
        if words_of(call.name) & EVALUATION or takes_seed(call.name, call.owner):
            for argument in call.arguments:
                if argument.value.low in refused:
                    continue  # within another one
                refused |= dict.fromkeys(range(argument.value.low, argument.value.high), f"argument of {call.name}()")
    seen: set[str] = set()
    stack = list(_shown(source, metric))
    while stack:
        span = stack.pop()
        for at in range(span.low, span.high):
            token = source.tokens[at]
            if token.kind is Kind.NUMBER:
                refused.setdefault(at, METRIC_ARITHMETIC)
            elif token.kind is Kind.NAME and token.text not in seen and at not in source.defined:
                seen.add(token.text)
                stack += [b.value for b in by_name[token.text] if _is_arithmetic(source, b, by_name)]
    return refused


def _is_arithmetic(source: Source, binding: Binding, by_name: dict[str, list[Binding]]) -> bool:
    """Not where a model or data speak, nor a state that comes from itself, nor a rate that is shown beside."""
    span = binding.value
    if span.high - span.low > _LONGEST_TABLE:
        return False
    single = span.high - span.low == 1
    if single and is_known(binding.name):
        return False
    own = {name for name in source.names(span)}
    if binding.name in own or any(
        binding.name in source.names(b.value) for name in own for b in by_name[name][:_FEW_CLOSED]
    ):
        return False
    return not any(
        source.tokens[at].kind is Kind.NAME
        and at + 1 < span.high
        and source.tokens[at + 1].text == "("
        and not _is_pure(source.tokens[at].text)
        for at in range(span.low, span.high)
    )


def _is_pure(name: str) -> bool:
    return name.lower().rstrip("!") in _PURE


def _shown(source: Source, metric: str) -> Iterator[Span]:
    """What is printed under the metric's name: the rest of the call, or of the line."""
    name = metric.lower()
    for at, token in enumerate(source.tokens):
        if not name or token.kind is Kind.NUMBER or name not in token.text.lower():
            continue
        if token.kind is Kind.TEXT:
            line = token.end
            high = at + 1
            depth = 0
            while high < len(source.tokens) and high - at < 80:
                text = source.tokens[high].text
                depth += (text in "([{") - (text in ")]}") if len(text) == 1 else 0
                if depth < 0 or text in (";", "\n"):
                    break
                high += 1
            if high > at + 1 and line:
                yield Span(at + 1, high)
