"""Words and numbers in the form that commits and tables can carry. Pure; knows no git and no files."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal

from pytest_autoresearch.protocol.experiment import Experiment, Role, Status

SUBJECT_LENGTH = 200
"""Characters of a commit's subject, and of the description column in results.tsv."""

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
# Marks that reorder the text around them: a reviewer would read something else than what stands there.
_REORDERING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_SKIPS_CI = re.compile(r"\[(skip[ -]ci|ci[ -]skip|no[ -]ci|skip[ -]actions|actions[ -]skip)\]", re.IGNORECASE)
_CLOSES = re.compile(r"\b(close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+(?=https?://)", re.IGNORECASE)


def clean(text: str, *, lines: bool = False) -> str:
    """Text without escape sequences, control characters and what is no character; one line unless ``lines``."""
    text = _ANSI.sub("", text.replace("\r\n", "\n"))
    kept = "".join(c if not _is_unprintable(c) else "\n" if c in "\r\n" else " " if c in "\t\v\f" else "" for c in text)
    return kept.strip() if lines else " ".join(kept.split())


def subject(description: str) -> str:
    """The first line of a commit message."""
    line = clean(description).lstrip("-").strip() or "no description"
    return line if len(line) <= SUBJECT_LENGTH else line[: SUBJECT_LENGTH - 1].rstrip() + "…"


def powerless(message: str) -> str:
    """A commit message whose words a code host reads as words: they skip no checks, and close and mention no issue."""
    message = _SKIPS_CI.sub(r"(\1)", message)
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
    return f"{100 * (new - old) / abs(old):+.2f} %" if old else "from 0"


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
    return re.sub(r'\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|([\\tn"]))', _unescaped, field)


def _escaped(c: str) -> str:
    if c in _ESCAPES:
        return _ESCAPES[c]
    if _is_unprintable(c):
        return f"\\x{ord(c):02x}" if ord(c) < 256 else f"\\u{ord(c):04x}"
    return c


_ESCAPES: Mapping[str, str] = {"\\": "\\\\", "\t": "\\t", "\n": "\\n"}


def _unescaped(found: re.Match[str]) -> str:
    code, long_code, short = found.groups()
    if short is not None:
        return {"t": "\t", "n": "\n"}.get(short, short)
    return chr(int(code or long_code, 16))


def _is_unprintable(c: str) -> bool:
    return c in _REORDERING or unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")


def candidate_message(experiment: Experiment, metric: str, baseline: float | None, nonce: int = 0) -> str:
    """The message of a candidate commit: the description, why, the numbers, and trailers for programs."""
    paragraphs = [subject(experiment.description)]
    full = clean(experiment.description, lines=True)
    if full != paragraphs[0]:
        paragraphs.append(full)
    if experiment.hypothesis:
        paragraphs.append(clean(experiment.hypothesis, lines=True))
    paragraphs.append("\n".join(_numbers(experiment, metric)))
    paragraphs = [powerless(paragraph) for paragraph in paragraphs]
    samples = sum(1 for m in experiment.measurements if m.role is Role.CANDIDATE and m.value is not None)
    trailers = [
        f"Autoresearch-Metric: {metric}={number(experiment.value)}",
        f"Autoresearch-Baseline: {number(baseline)}",
        f"Autoresearch-Experiment: {experiment.number}",
        f"Autoresearch-Samples: {samples}",
        f"Autoresearch-Isolation: {experiment.isolation}",
    ]
    if nonce:
        trailers.append(f"Autoresearch-Nonce: {nonce}")
    return "\n\n".join([*paragraphs, "\n".join(trailers)])


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
        lines.append(clean(experiment.detail))
    return lines
