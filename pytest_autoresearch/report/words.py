"""Phrases that several surfaces say, each in one place. Plain text; a surface escapes it as it needs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pytest_autoresearch.protocol.model import Limit
from pytest_autoresearch.report.story import Story
from pytest_autoresearch.report.terminal import count, verified_line


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reviewer has to know first. ``looks`` is ``confirmed``, ``doubtful`` or ``open``."""

    title: str
    words: str
    looks: str


def verdict(story: Story) -> Verdict:
    """Whether the gain is real, as far as fresh runs tell."""
    if not story.keeps:
        return Verdict("nothing kept", "No change was better than the start by more than the noise.", "open")
    verified = story.verified
    if verified is None:
        words = "Start and head were not measured against each other on fresh runs: pytest-autoresearch verify"
        return Verdict("not verified", words, "open")
    if verified.gain is None or verified.gain <= 0 or (verified.interval is not None and verified.interval[0] <= 0):
        return Verdict("not confirmed", verified_line(story), "doubtful")
    if any(keep.suspicious for keep in story.keeps):
        return Verdict("suspicious", verified_line(story), "doubtful")
    return Verdict("confirmed", verified_line(story), "confirmed")


def several(counted: Mapping[str, int]) -> str:
    """Distinct values, the most frequent first, with their counts where there are several."""
    if len(counted) == 1:
        return next(iter(counted))
    return ", ".join(f"{value} ({times})" for value, times in list(counted.items())[:6])


def limit_words(limit: Limit) -> str:
    """A limit as people say it."""
    said = [(limit.at_most, "at most"), (limit.at_least, "at least")]
    parts = [f"{text} {value:g}" for value, text in said if value is not None]
    if limit.max_regression is not None:
        parts.append(f"at most {100 * limit.max_regression:g} % worse than the baseline")
    return f"{limit.name} {', '.join(parts)}"


def marks(story: Story) -> Iterator[str]:
    """What a reviewer has to know of the circumstances, each in a line."""
    if looks := [f"{keep.number:04d}" for keep in story.keeps if keep.suspicious]:
        yield f"look twice at {', '.join(looks)}: beyond what the noise makes likely"
    if len(story.devices) > 1 or story.machines > 1:
        yield f"measured on {several(story.devices)}; {count(story.machines, 'machine')}"
    weak = [level for level in story.isolations if level != "bwrap"]
    if weak:
        yield f"isolation was not the strictest everywhere: {several(story.isolations)}"
