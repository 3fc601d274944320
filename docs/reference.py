"""Writes reference.md from the code: ``python docs/reference.py``. A test says when it has to be run again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pytest_autoresearch.cli import COMMANDS
from pytest_autoresearch.lab.environment import contract_environment
from pytest_autoresearch.protocol import keynames
from pytest_autoresearch.protocol.fields import KEYS
from pytest_autoresearch.protocol.options import OPTIONS, Option
from pytest_autoresearch.protocol.sections import TITLES
from pytest_autoresearch.protocol.vocabulary import BUDGET_FIELDS, METRIC_FIELDS, SECTIONS

PAGE = Path(__file__).with_name("reference.md")
HEAD = """\
# Reference

Every name that a protocol, a command line or a run's environment may have, written from the code.
What each of them means, with examples: [Configuration](configuration.md).
"""


def reference() -> str:
    """The page."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield HEAD
    yield "## Options\n\nThe command line beats the environment, which beats the protocol, which beats the ini file.\n"
    yield from _table(("Option", "Environment", "ini", "In the front matter", "What it says"), map(_option, OPTIONS))
    yield "\n## Keys\n\nOf the front matter, and arguments of the marker; each may be a section too.\n"
    yield from _table(("Key", "Headings that mean it"), ((f"`{key}`", _titles(key)) for key in KEYS))
    yield "\n## Sections\n\nWhatever their case, level and numbering; German and Chinese names are known as well.\n"
    yield from _table(("Section", "Also called"), ((title, _names(SECTIONS, name)) for name, title in TITLES.items()))
    for title, fields in (("Metric", METRIC_FIELDS), ("Time Budget", BUDGET_FIELDS)):
        yield f"\n## Fields of {title}\n"
        yield from _table(("Field", "Names"), ((f"`{name}`", _names(fields, name)) for name in _distinct(fields)))
    yield "\n## What a run's environment has\n"
    given = contract_environment(tag="nov23", number=7, budget=300.0, seed=123456, ceilings=(Path("/home/me"),))
    yield from _table(("Variable", "For example"), ((f"`{name}`", f"`{value}`") for name, value in given.items()))
    yield "\n## Commands\n\nOf `pytest-autoresearch`; `--help` behind a command has its arguments.\n"
    yield from _table(("Command", "What it does"), ((f"`{name}`", said) for name, said in COMMANDS.items()))
    yield ""


def _option(option: Option) -> Sequence[str]:
    named = f"`{option.name}`" if option.name in KEYS else ""
    metavar = option.metavar.replace("|", "\\|")
    return (f"`{option.flag} {metavar}`", f"`{option.env}`", f"`{option.ini}`", named, option.help.replace("|", "\\|"))


def _titles(key: str) -> str:
    """The names of a key's section, those that count whatever stands below them first."""
    if key in SECTIONS:  # the heading means something else, which holds the time itself
        return ""
    known = [named[key] for named in (keynames.STRICT, keynames.LOOSE) if key in named]
    return ", ".join(name for names in known for name in names.split(", ") if name.isascii()) or key.replace("_", " ")


def _names(known: Mapping[str, str], meaning: str) -> str:
    return ", ".join(name for name, means in known.items() if means == meaning and name.isascii())


def _distinct(known: Mapping[str, str]) -> Iterable[str]:
    return dict.fromkeys(known.values())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
