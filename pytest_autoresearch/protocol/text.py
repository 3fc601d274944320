"""One line of Markdown at a time: code spans, `key: value` fields, values and the remarks behind them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pytest_autoresearch.patterns import regex

_SPAN = regex(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_EMPHASISED_FIELD = regex(
    r"(\*\*|__|`|\*|_)(?P<key>[^*`]{1,60}?)[:：]?\s*\1\s*(?:[:：=–—-]\s*|$)(?P<value>.*)", re.DOTALL
)
_COLON_INSIDE = regex(r"(\*\*|__|\*|_)(?P<key>[^*`]{1,60}?)[:：]\s*\1\s*(?P<value>.*)", re.DOTALL)
_PLAIN_FIELD = regex(r"(?P<key>[^:：=`*<>\"'$|]{1,60}?)\s*[:：=]\s*(?P<value>.*)", re.DOTALL)
_REMARK = regex(r"(?<!\s)\s+(?:-{1,3}>?|–|—|→|=>|#)\s+|(?:(?<!\s)\s+)?(?:——+\s*|（)|(?<!\s)\s+\(")
_BLOCK_START = regex(r"(?P<number>\d{0,9})(?=[-+*#>`~=_|<\[\\.)])")
_ESCAPED_START = regex(r"(\d{0,9})\\(?=[-+*#>`~=_|<\[\\.)])")
_TASK_BOX = regex(r"^(?:\[[ xX]\]\s+)+")
_SYMBOLS = regex(r"^(?:[^\w\s\x00-\x7f]+\s+)+")
_PLACEHOLDER = regex(r"<[^<>\w]*\w[^<>]*>|\[[A-Z_ ]+\]|…|\.\.\.|TODO|TBD")


class Span(NamedTuple):
    """A piece of inline code and where it stands."""

    start: int
    end: int
    code: str


class Valued(NamedTuple):
    """A value and the remark that followed it."""

    value: str
    remark: str = ""


def one_line(text: str) -> str:
    """A text on one line, without HTML comments."""
    return " ".join(replace_comments(text, lambda _: " ").split())


def replace_comments(text: str, instead: Callable[[str], str]) -> str:
    """A text whose HTML comments are replaced, in one pass: what a replacement leaves forms no new comment."""
    pieces, place = [], 0
    while (start := text.find("<!--", place)) != -1 and (end := text.find("-->", start + 4)) != -1:
        pieces += [text[place:start], instead(text[start : end + 3])]
        place = end + 3
    return "".join([*pieces, text[place:]])


def spans(text: str) -> Iterator[Span]:
    """The inline code of a text."""
    for found in _SPAN.finditer(text):
        code = found[2]
        if code.strip() and code[0] == code[-1] == " ":
            code = code[1:-1]
        yield Span(found.start(), found.end(), code)


def span_of(code: str) -> str:
    """Inline code that :func:`spans` reads back as ``code``."""
    fence = "`" * (max((len(run) for run in re.findall("`+", code)), default=0) + 1)
    pad = " " if code[:1] in ("`", " ") or code[-1:] in ("`", " ") else ""
    return f"{fence}{pad}{code}{pad}{fence}"


def field_of(line: str) -> tuple[str, str] | None:
    """Key and value of ``**Key**: value``, ``**Key:** value``, ``Key: value`` or ``Key = value``, after any emoji."""
    line = _SYMBOLS.sub("", line)
    for pattern in (_COLON_INSIDE, _EMPHASISED_FIELD, _PLAIN_FIELD):
        found = pattern.match(line)
        if found and found["key"].strip():
            return found["key"].strip(), found["value"].strip()
    return None


def bold_field_of(line: str) -> tuple[str, str] | None:
    """The same, for keys in bold only."""
    return field_of(line) if _SYMBOLS.sub("", line).startswith(("**", "__")) else None


def valued(text: str) -> Valued:
    """A value in inline code or bare, and the remark after ` - `, ` — ` or `(`."""
    line = one_line(text)
    first = next(spans(line), None)
    if first is not None and not line[: first.start].strip("*_ "):
        return Valued(first.code.strip(), remark_of(line[first.end :].lstrip("*_")))
    cut = _REMARK.search(line)
    if cut is None:
        return Valued(without_emphasis(unescaped(line)))
    return Valued(without_emphasis(unescaped(line[: cut.start()])), remark_of(line[cut.start() :]))


def remark_of(rest: str) -> str:
    """What stands behind a value, without the separator or the brackets around it."""
    rest = rest.strip()
    separated = re.match(r"(?:—|–|-{1,3}>?|→|=>|:|：|#|——)\s+(.*)", rest)
    if separated:
        return separated[1].strip()
    if re.fullmatch(r"\([^()]*\)|（[^（）]*）", rest):
        return rest[1:-1].strip()
    return rest.strip(",;. ")


def without_emphasis(text: str) -> str:
    """A text without the asterisks or underscores around all of it."""
    found = re.fullmatch(r"\s*(\*\*|__|\*|_)(?=\S)(.+?)(?<=\S)\1\s*", text)
    return found[2].strip() if found and found[1] not in found[2] else text.strip()


def unescaped(text: str) -> str:
    r"""A bare text as Markdown shows it: ``val\_bpb`` is ``val_bpb``."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)


def escape_start(line: str) -> str:
    """A line that Markdown reads as text, whatever it begins with; :func:`unescape_start` takes it back."""
    found = _BLOCK_START.match(line)
    return f"{found['number']}\\{line[found.end('number') :]}" if found else line


def unescape_start(line: str) -> str:
    """See :func:`escape_start`."""
    return _ESCAPED_START.sub(r"\1", line, count=1) if _ESCAPED_START.match(line) else line


def without_box(text: str) -> str:
    """An entry of a list without the box of a task list before it."""
    return _TASK_BOX.sub("", text, count=1)


def is_placeholder(text: str) -> bool:
    """Whether a value is still what a template put there: ``<metric name>``."""
    return _PLACEHOLDER.fullmatch(text.strip()) is not None


def quoted(text: str) -> str:
    """A short piece of the user's text for a message."""
    line = " ".join(text.split())
    return f"`{line}`" if len(line) <= 72 else f"`{line[:71]}…`"
