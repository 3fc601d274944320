"""Foreign texts put into a config so that our own parser reads them as nothing but text. Pure."""

from __future__ import annotations

import re
from dataclasses import replace

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.protocol.keynames import key_of, nearly
from pytest_autoresearch.protocol.markdown import parse
from pytest_autoresearch.protocol.model import Protocol, Section
from pytest_autoresearch.protocol.render import render
from pytest_autoresearch.protocol.vocabulary import section_of
from pytest_autoresearch.text import fenced


def free_title(title: str) -> str:
    """A heading that means nothing to us, made of one that may."""
    title = " ".join(title.split())[:80] or "Imported"
    means = section_of(title) or key_of(title) or nearly(title) or section_of(title.partition(":")[0])
    return f"From the prompt, {title}" if means else title


def without_headings(text: str) -> str:
    """A text whose lines are no headings: `# x` becomes bold."""
    lines = []
    for line in text.split("\n"):
        is_heading = re.match(r"[ \t]{0,3}#{1,6}[ \t]", line) is not None
        lines.append(f"**{line.strip(' #' + chr(9))}**" if is_heading and line.strip(" #\t") else line)
    return "\n".join(lines)


def reads_back(protocol: Protocol) -> bool:
    """Whether the config that is written of it says the same."""
    try:
        return parse(render(protocol), file="autoresearch.config.md") == replace(
            protocol, source="autoresearch.config.md"
        )
    except ConfigError:
        return False


def fenced_texts(protocol: Protocol) -> Protocol:
    """The same with its free texts in fences, where nothing in them is read."""
    return replace(
        protocol,
        goal=" ".join(protocol.goal.replace("*", "").split()),
        notes=fenced(protocol.notes, "text") if protocol.notes else "",
        extra_sections=tuple(Section(s.title, fenced(s.text, "text")) for s in protocol.extra_sections),
    )
