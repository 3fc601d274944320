"""Words and numbers in the form that commits and tables can carry. Pure; knows no git and no files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.experiment import Experiment, Role, Status
from pytest_autoresearch.text import clean, one_line

SUBJECT_LENGTH = 200
"""Characters of a commit's subject, and of the description column in results.tsv."""

# `Word-word:` begins a trailer (git-interpret-trailers(1): blanks may stand before the colon); in one word it is prose.
_TRAILER = regex(r"^[ \t]*[A-Za-z0-9]+(?:-[A-Za-z0-9]*)+(?=[ \t]*[:：])", re.MULTILINE)
# git-mailinfo(1) and git-interpret-trailers(1) take the text after such a line for a patch, or for no text.
_DIVIDER = regex(r"^(?:---|diff -|Index: |From .*\d:\d\d|# -+ >8 -+)", re.MULTILINE)
# GitHub, GitLab, Azure, CircleCI, Netlify and others: `[skip ci]`, `[ci-skip]`, `[no_ci]`, `[skip azp]`, `***NO_CI***`.
_SKIPS_CI = regex(
    r"\[(\s{0,9}(?:(?:skip|no)[\s_-]{1,9}[\w-]{1,40}|[\w-]{1,40}[\s_-]{1,9}skip)\s{0,9})\]", re.IGNORECASE
)
_STARS = regex(r"\*{3}(?=\w{1,40}\*{3})")
# A code host tells whom it names, and robots obey: `@team`, `/merge`.
_MENTION = regex(r"(?<![\w.])@(?=[A-Za-z0-9])")
_ORDER = regex(r"^([ \t]*)/(?=[a-z])", re.MULTILINE)
_CLOSES = regex(r"\b(close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+(?=https?://)", re.IGNORECASE)


def subject(description: str) -> str:
    """The first line of a commit message."""
    line = one_line(description, None).lstrip("-").strip() or "no description"
    return line if len(line) <= SUBJECT_LENGTH else line[: SUBJECT_LENGTH - 1].rstrip() + "…"


def powerless(message: str) -> str:
    """A commit message whose words git and a code host read as words.

    They skip no checks, close and mention no issue, call nobody, sign nothing off, and are no trailer and no end of
    the message.
    """
    message = _TRAILER.sub(lambda found: found[0].replace("-", " "), message)
    message = _DIVIDER.sub(lambda found: "> " + found[0], message)
    message = _STARS.sub("** ", _SKIPS_CI.sub(r"(\1)", message))
    message = _ORDER.sub(r"\1> /", _MENTION.sub("@ ", message))
    message = re.sub(r"(\w?)#(?=\d)", lambda found: f"{found[1]} no. " if found[1] else "no. ", message)
    message = re.sub(r"\bGH-(?=\d)", "GH ", message, flags=re.IGNORECASE)
    return _CLOSES.sub(r"\1 at ", message)


def number(value: float | None) -> str:
    """Six decimals, or as many as the value needs to be read back exactly; ``0.000000`` where nothing was measured."""
    if value is None or value == 0:
        return "0.000000"
    if not 1e-15 < abs(value) < 1e16:
        return repr(value)
    short = f"{value:.6f}"
    return short if float(short) == value else format(Decimal(repr(value)), "f")


def percent(old: float, new: float) -> str:
    """The change from ``old`` to ``new``, signed."""
    return signed(100 * (new - old) / abs(old)) if old else "from 0"


def signed(change: float) -> str:
    """A change in percent, in at most nine columns: of what ran away nobody reads the digits."""
    if abs(change) >= 9999.5:
        return "> +9999 %" if change > 0 else "< -9999 %"
    if abs(change) >= 999.995:
        return f"{change:+.0f} %"
    return f"{change:+.1g} %" if 0 < abs(change) < 0.005 else f"{change:+.2f} %"


def escape(description: str) -> str:
    """A description as one field of a table: printable, without tab or newline, at most 200 characters."""
    text = description.strip()
    if text.isprintable() and not text.startswith('"') and "\\" not in text and len(text) <= SUBJECT_LENGTH:
        return text
    pieces = [_escaped(c) for c in text]
    if pieces and pieces[0] == '"':
        pieces[0] = '\\"'
    if sum(map(len, pieces)) <= SUBJECT_LENGTH:
        return "".join(pieces)
    short, room = "", SUBJECT_LENGTH - 1
    for piece in pieces:
        if len(short) + len(piece) > room:
            break
        short += piece
    return short + "…"


def unescape(field: str) -> str:
    """What :func:`escape` was given, as far as it was not cut."""
    return re.sub(r'\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|([\\tn"]))', _unescaped, field)


def _escaped(c: str) -> str:
    if c in _ESCAPES:
        return _ESCAPES[c]
    if c.isprintable():
        return c
    code = ord(c)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_ESCAPES: Mapping[str, str] = {"\\": "\\\\", "\t": "\\t", "\n": "\\n"}


def _unescaped(found: re.Match[str]) -> str:
    short = found[4]
    if short is not None:
        return {"t": "\t", "n": "\n"}.get(short, short)
    return chr(int(found[1] or found[2] or found[3], 16))


def candidate_message(experiment: Experiment, metric: str, baseline: float | None, nonce: int = 0) -> str:
    """The message of a candidate commit: the description, why, the numbers, and trailers for programs."""
    paragraphs = [subject(experiment.description)]
    full = clean(experiment.description).strip()
    if full != paragraphs[0]:
        paragraphs.append(full)
    if experiment.hypothesis:
        paragraphs.append(clean(experiment.hypothesis).strip())
    paragraphs.append("\n".join(_numbers(experiment, metric)))
    paragraphs = [powerless(paragraph) for paragraph in paragraphs]
    samples = sum(1 for m in experiment.measurements if m.role is Role.CANDIDATE and m.value is not None)
    facts = [
        f"Autoresearch-Metric: {metric}={number(experiment.value)}",
        f"Autoresearch-Baseline: {number(baseline)}",
        f"Autoresearch-Experiment: {experiment.number}",
        f"Autoresearch-Samples: {samples}",
        f"Autoresearch-Isolation: {experiment.isolation}",
    ]
    if nonce:
        facts.append(f"Autoresearch-Nonce: {nonce}")
    return "\n\n".join([*paragraphs, "\n".join(facts)])


def trailers(message: str) -> list[tuple[str, str]]:
    """Key and value of each line in the last paragraph of a commit's message; other paragraphs are anybody's words."""
    lines = message.strip("\n").rpartition("\n\n")[2].split("\n")
    return [(key, value) for key, found, value in (line.partition(": ") for line in lines) if found]


def _numbers(experiment: Experiment, metric: str) -> list[str]:
    verdict = f"{experiment.status.value}: {experiment.reason.value}"
    if experiment.value is None:
        lines = [f"{metric} was not measured, {verdict}"]
    elif experiment.against is None:
        lines = [f"{metric} {experiment.value:.7g}, {verdict}"]
    else:
        change = percent(experiment.against, experiment.value)
        lines = [f"{metric} {experiment.against:.7g} -> {experiment.value:.7g} ({change}), {verdict}"]
    if experiment.interval is not None and experiment.status is Status.KEEP:
        low, high = experiment.interval
        if low < high:  # equal where one run decides
            lines.append(f"95 % interval {low:.6g} to {high:.6g}")
    if experiment.detail:
        lines.append(one_line(experiment.detail, None))
    return lines
