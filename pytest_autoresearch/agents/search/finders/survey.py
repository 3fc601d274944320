"""The knobs of all targets of a protocol at once, and the targets that have none that can be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from pytest_autoresearch.agents.search.finders import read_knobs
from pytest_autoresearch.agents.search.finders.choosing import judged
from pytest_autoresearch.agents.search.knob import Knob, Scale
from pytest_autoresearch.protocol.model import Protocol


@dataclass(frozen=True, slots=True)
class Seen:
    """One literal as people are told of it. ``range`` is empty where it has none; ``closed`` where it is turned."""

    file: str
    line: int
    label: str
    shown: str
    scale: str
    range: str
    closed: str


@dataclass(frozen=True, slots=True)
class Survey:
    """Those that are turned first. ``unread``: target → why it is not read."""

    knobs: tuple[Seen, ...]
    unread: Mapping[str, str]


def survey(protocol: Protocol, contents: Mapping[str, bytes]) -> Survey:
    """``contents``: the targets' bytes by path below the protocol's directory.

    Raises AgentError where ``knobs`` names what is not there, with the nearest that is.
    """
    found = {file: read_knobs(file, data, protocol.metric.name) for file, data in sorted(contents.items())}
    everything = [knob for each in found.values() for knob in each.knobs]
    named = judged(everything, protocol.knobs)
    return Survey(
        tuple(_seen(knob, contents[knob.file]) for knob in named),
        {file: each.unread for file, each in found.items() if each.unread},
    )


def below(directory: PurePosixPath, path: str) -> str:
    """A path of the repository as a protocol in a directory writes it."""
    inside = PurePosixPath(path)
    return str(inside.relative_to(directory)) if inside.is_relative_to(directory) else path


def _seen(knob: Knob, data: bytes) -> Seen:
    if knob.choices:
        span = " | ".join(knob.choices)
    elif knob.scale is Scale.FLIP:
        span = "true | false"
    elif knob.low is not None and knob.high is not None:
        span = f"{knob.low:g} .. {knob.high:g}"
    else:
        span = ""
    said = f"{span} ({knob.bounds})" if span and knob.bounds else span
    line = data.count(b"\n", 0, knob.start) + 1
    return Seen(knob.file, line, knob.label, knob.shown, knob.scale.value, said, knob.closed)
