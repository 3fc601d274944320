"""Whether an edit only moves a seed: luck is no improvement.

Two sources are compared with every seed taken out: what is given to a call that seeds, what is bound to a name that
says seed, and, by data flow on names, what is bound to a name that is read for nothing else.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import lru_cache

from pytest_autoresearch.patterns import regex
from pytest_autoresearch.reading.door import PYTHON, is_code, read_source
from pytest_autoresearch.reading.luck import CONVERSIONS, declares, only_draws, says_seed, sets_luck, takes_seed
from pytest_autoresearch.reading.notebook import read_notebook
from pytest_autoresearch.reading.settings import masked_calls, masked_flags, masked_settings
from pytest_autoresearch.reading.source import LARGEST, Binding, Call, Kind, Source, Span, Token, Unread

_SIGNS = frozenset("+ - * / // % ** ^ & | << >> ~ ( ) [ ] { } , . : :: -> ! ; @ < > ? ?? || && ${ :- $ ` == !=".split())
_RESERVED = frozenset("if else for while lambda await yield async function return new match case do switch".split())
_REMEMBERED = 100_000  # bytes of a file whose reading is remembered; it takes fifty times as much memory
_LONGEST = 512  # tokens of what may say a seed: each is looked at again where one stands within another
_MOST_ROUNDS = 8  # of a name that is bound to a name that is bound to a name …
_CELLS = {
    "julia": ".jl",
    "r": ".r",
    "rust": ".rs",
    "go": ".go",
    "java": ".java",
    "c++": ".cpp",
    "bash": ".sh",
    "javascript": ".js",
    "typescript": ".ts",
}
_FLAG = regex(r"--?[A-Za-z][\w.-]*")
_MODULES = frozenset(
    "random numpy torch os time jax tensorflow transformers lightning pytorch_lightning mlx cupy paddle keras".split()
)


def only_moves_seeds(path: str, before: bytes, after: bytes) -> bool:
    """Whether ``after`` differs from ``before`` in nothing but seeds. False where a file is not read."""
    if before == after:
        return False
    try:
        if path.lower().endswith(".ipynb"):
            return _only_in_notebook(before, after)
        if is_code(path):
            old = _read_again(path, before) if len(before) <= _REMEMBERED else read_source(path, before)
            return _only_seeds_differ(old, read_source(path, after))
        return masked_settings(path, before) == masked_settings(path, after) is not None and _differ(
            path, before, after
        )
    except Unread:
        return _only_seeds_differ_in_text(path, before, after)
    except Exception:  # what a reader stumbles over is a file without seeds, never the end of a session
        return False


@lru_cache(maxsize=4)
def _read_again(path: str, before: bytes) -> Source:
    """The incumbent's file, which every proposal is compared with."""
    return read_source(path, before)


def _only_in_notebook(before: bytes, after: bytes) -> bool:
    old, new = read_notebook(before), read_notebook(after)
    if old.language != new.language or _without_seeds(old.rest) != _without_seeds(new.rest):
        return False
    suffix = _CELLS.get(old.language, ".py" if old.language.startswith("python") else ".txt")
    path = f"cell{suffix}"
    joined = ["\n".join(cell.source for cell in notebook.cells).encode() for notebook in (old, new)]
    if joined[0] == joined[1]:
        return old.rest != new.rest
    return _only_seeds_differ(*(read_source(path, source) for source in joined))


def _without_seeds(rest: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    """Prose, and the lines of a cell that are for a shell or the kernel."""
    return [(kind, masked_flags(text, settings=True) if kind == "code" else text) for kind, text in rest]


def _only_seeds_differ(old: Source, new: Source) -> bool:
    if [token.text for token in old.tokens] == [token.text for token in new.tokens]:
        return False  # comments or layout only
    before, after = _Masked(old), _Masked(new)
    if before.rest() != after.rest():
        return False
    gone, come = before.seeds - after.seeds, after.seeds - before.seeds
    return bool(come) or any(kind != "name" for kind, _ in gone)  # to delete a name that nothing reads is a clean-up


@dataclass
class _Masked:
    """A source without its seeds. ``seeds`` are those, with what they are: of a call, of a name."""

    source: Source
    seeds: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.hidden: dict[int, int] = {}  # first token of what is taken out → the token after it
        self.dropped: dict[int, int] = {}
        self.counts: dict[int, int] = {}
        self.reads = _reads(self.source)
        self.calls_at = {(call.span.low, call.span.high): call for call in self.source.calls}
        for call in self.source.calls:
            self._take_call(call)
        for binding in self.source.bindings:
            if says_seed(binding.name):
                self._take_binding(binding)
            elif binding.name == "_" and "_" not in self.reads.by_name and self._draws(binding.value):
                if binding.statement is not None:
                    self._drop("draw", binding.statement)
        self._take_flags()
        self._follow_names()
        for span in self.source.imports:
            names = [token.text for token in self.source.tokens[span.low + 1 : span.high]]
            if names and names[0] in _MODULES:
                self.dropped[span.low] = span.high

    def rest(self) -> list[str]:
        """The texts of all tokens but the seeds."""
        rest, at = [], 0
        while at < len(self.source.tokens):
            if at in self.dropped:
                at = self.dropped[at]
            elif at in self.hidden:
                rest += ["«seed»"] * self.counts[at]
                at = self.hidden[at]
            else:
                rest.append(self._without_flags(self.source.tokens[at]))
                at += 1
        return rest

    def _without_flags(self, token: Token) -> str:
        """The token; a command line in it, or a word of one, without the value of a seed."""
        word = token.kind is Kind.NAME and "=" in token.text  # of a shell
        if token.kind is not Kind.TEXT and not token.text.startswith("-") and not word:
            return token.text
        masked = masked_flags(token.text, settings=word)
        if masked != token.text:
            self.seeds["call", token.text] += 1
        return masked

    def _take_call(self, call: Call) -> None:
        simple = all(self._is_simple(argument.value) for argument in call.arguments)
        if not takes_seed(call.name, call.owner):
            if call.statement is not None and simple and only_draws(call.name, call.owner):
                self._drop("draw", call.statement)
            else:
                self._take_named_in_text(call)
                self._take_named(call)
            return
        if call.statement is not None and simple and sets_luck(call.name, call.owner):
            self._drop("call", call.statement)
        inside = self._inside(call) if simple else None
        if inside is not None:  # all of them: whether one is given at all is luck, too
            self._drop("call", inside)
        for argument in call.arguments:
            self._hide("call", argument.value)

    def _take_named_in_text(self, call: Call) -> None:
        """``get("seed", 1)``, ``option("-s", "--seed", default=1)``, ``setattr(config, "seed", 1)``."""
        said = [
            at
            for at, argument in enumerate(call.arguments)
            if (at < 3 or argument.name == "dest") and self._says_seed(argument.value)
        ]
        if said and call.arguments[said[-1]].name == "dest":  # where it stands says nothing
            said = [-1]
        for argument in call.arguments[said[-1] + 1 :] if said else ():
            if argument.name in ("", "default", "default_value", "value"):
                self._hide("call", argument.value)

    def _inside(self, call: Call) -> Span | None:
        """What stands between the brackets of a call that ends with them, and is no more than its arguments."""
        tokens, end = self.source.tokens, call.span.high - 1
        closes = tokens[end].text
        if closes not in (")", "}") or not call.arguments or end - call.arguments[0].value.low > _LONGEST:
            return None
        low = call.arguments[0].value.low
        low -= 2 if call.arguments[0].name and low > 2 else 0
        return Span(low, end) if tokens[low - 1].text == {")": "(", "}": "{"}[closes] else None

    def _take_named(self, call: Call) -> None:
        """``fit(x, random_state=1)``: whether it is given at all is luck, too."""
        tokens = self.source.tokens
        for argument in call.arguments:
            low, high = argument.value.low - 2, argument.value.high
            if not says_seed(argument.name) or not self._is_simple(argument.value):
                continue
            if low < 1 or tokens[low].text != argument.name or tokens[low + 1].text != "=":
                continue
            if tokens[low - 1].text == ",":
                low -= 1
            elif tokens[high].text == ",":
                high += 1
            self._drop("call", Span(low, high))

    def _take_binding(self, binding: Binding) -> None:
        if not self._is_simple(binding.value):
            self._hide_declared(binding.value)
            self._hide_choices(binding.value)
            return
        count = self._count(binding.value)
        if binding.statement is not None and self._is_variable(binding) and count == 1:
            self._drop("name", binding.statement)
        self._hide("name", binding.value, count)

    def _count(self, span: Span) -> int:
        """How many seeds a list of literals holds: to try more of them is no luck."""
        tokens = self.source.tokens[span.low : span.high]
        numbers = [token.text for token in tokens if token.kind is Kind.NUMBER]
        if tokens[0].text == "range" and 2 * len(numbers) + 2 == len(tokens) and all(map(str.isdecimal, numbers)):
            return min(len(range(*map(int, numbers[:3]))), _LONGEST)
        is_list = tokens[0].text in ("[", "(") and tokens[-1].text in ("]", ")")
        return 1 + sum(token.text == "," for token in tokens[:-2]) if is_list else 1

    def _draws(self, span: Span) -> bool:
        call = self.calls_at.get((span.low, span.high))
        return (
            call is not None
            and only_draws(call.name, call.owner)
            and all(self._is_simple(argument.value) for argument in call.arguments)
        )

    def _hide_declared(self, span: Span) -> None:
        """``seed: int = Field(default=1)``, ``seed: int = typer.Option(1)``."""
        call = self.calls_at.get((span.low, span.high))
        if call is not None and declares(call.name):
            for at, argument in enumerate(call.arguments):
                if argument.name == "default" or (at == 0 and not argument.name):
                    self._hide("name", argument.value)

    def _hide_choices(self, span: Span) -> None:
        """The literals of ``1 if quick else 2`` and ``int(argv[1]) if argv else 2``, not those of calls."""
        tokens = self.source.tokens[span.low : min(span.high, span.low + _LONGEST)]
        if not any(token.text in ("if", "?") for token in tokens):
            return
        depth = 0
        for at, token in enumerate(tokens, span.low):
            depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
            if token.kind is Kind.NUMBER and depth == 0:
                self._hide("name", Span(at, at + 1))

    def _is_variable(self, binding: Binding) -> bool:
        return binding.at >= 0

    def _take_flags(self) -> None:
        """``["--seed", "1"]`` and, in a shell, ``--seed 1``."""
        tokens = self.source.tokens
        for at, token in enumerate(tokens[:-1]):
            word = token.text.strip("\"'`")
            if _FLAG.fullmatch(word) and says_seed(word):
                after = at + 1 + (tokens[at + 1].text == ",")
                if tokens[at + 1].text == "$" and after + 1 < len(tokens):
                    self._hide("call", Span(after, after + 2))
                if after < len(tokens) and tokens[after].kind in (Kind.NUMBER, Kind.TEXT):
                    if not _FLAG.fullmatch(tokens[after].text.strip("\"'`")):
                        self._hide("call", Span(after, after + 1))

    def _follow_names(self) -> None:
        """Names that are read in seeds and nowhere else hold seeds themselves, as do parameters."""
        by_name, calls = defaultdict[str, list[Binding]](list), defaultdict[str, list[Call]](list)
        for binding in self.source.bindings:
            by_name[binding.name].append(binding)
        for call in self.source.calls:
            calls[call.name].append(call)
        homes = defaultdict[str, list[tuple[str, int]]](list)
        for function, parameters in self.source.parameters.items():
            for position, name in enumerate(parameters):
                homes[name].append((function, position))
        known: set[str] = set()
        for _ in range(_MOST_ROUNDS):
            covered = self._covered()
            inside = {self.source.tokens[at].text for at in covered if at in self.reads.places}
            found = {name for name in inside - known if self.reads.by_name[name] <= covered}
            if not found:
                return
            known |= found
            for name in found:
                for binding in by_name[name]:
                    self._take_binding(binding)
                for function, position in homes[name]:
                    for call in calls[function]:
                        if position < len(call.arguments) and not call.arguments[position].name:
                            self._hide("call", call.arguments[position].value)

    def _covered(self) -> set[int]:
        return {at for taken in (self.hidden, self.dropped) for low, high in taken.items() for at in range(low, high)}

    def _drop(self, kind: str, span: Span) -> None:
        if span.low not in self.dropped:
            self.dropped[span.low] = span.high
            self.seeds[kind, self.source.text(span)] += 1

    def _hide(self, kind: str, span: Span, count: int = 1) -> None:
        if self._is_simple(span) and span.low not in self.hidden:
            self.hidden[span.low] = span.high
            self.counts[span.low] = count
            self.seeds[kind, self.source.text(span)] += 1

    def _says_seed(self, span: Span) -> bool:
        tokens = self.source.tokens[span.low : span.high]
        return len(tokens) == 1 and tokens[0].kind is Kind.TEXT and says_seed(tokens[0].text.strip("\"'`"))

    def _is_simple(self, span: Span) -> bool:
        """Whether an expression is made of literals, names and arithmetic: it says which seed, and does nothing."""
        if span.high - span.low > _LONGEST:
            return False
        tokens = self.source.tokens
        for at in range(span.low, span.high):
            token = tokens[at]
            called = at + 1 < len(tokens) and tokens[at + 1].text == "("
            if token.kind is Kind.SIGN and token.text not in _SIGNS:
                if token.text != "=" or at - 1 not in self.source.defined:  # a keyword of a call
                    return False
            if token.kind is Kind.NAME and (
                token.text in _RESERVED or (called and at + 1 < span.high and not _converts(token.text))
            ):
                return False
        return True


def _converts(name: str) -> bool:
    return name in CONVERSIONS or takes_seed(name, "random")


@dataclass(frozen=True)
class _Reads:
    places: set[int]
    by_name: dict[str, set[int]]


def _reads(source: Source) -> _Reads:
    """Where names are read: not where they are bound."""
    bound = {binding.at for binding in source.bindings if not binding.adds} | source.defined
    places = {at for at, token in enumerate(source.tokens) if token.kind is Kind.NAME and at not in bound}
    by_name = defaultdict[str, set[int]](set)
    for at in places:
        by_name[source.tokens[at].text].add(at)
    return _Reads(places, by_name)


# ── what has no reader ────────────────────────────────────────────────────────────────────────────────────────────


def _differ(path: str, before: bytes, after: bytes) -> bool:
    """Whether two settings files say different things: a remark is no seed."""
    old, new = (masked_settings(path, data, masks=False) for data in (before, after))
    return old != new


def _only_seeds_differ_in_text(path: str, before: bytes, after: bytes) -> bool:
    if max(len(before), len(after)) > LARGEST:
        return False
    if path.lower().endswith((*(PYTHON - {".pyx"}), ".ipynb")):  # Cython need not be Python
        return False
    try:
        old, new = before.decode(), after.decode()
    except UnicodeDecodeError:
        return False
    return masked_calls(masked_flags(old, settings=True)) == masked_calls(masked_flags(new, settings=True))
