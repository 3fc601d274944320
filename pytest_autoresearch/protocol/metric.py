"""The Metric section: name, direction, extract command and the rest, as fields or as a sentence. Pure."""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.amounts import parse_amount, parse_bounds, parse_target
from pytest_autoresearch.protocol.blocks import Block, upright
from pytest_autoresearch.protocol.durations import says_none
from pytest_autoresearch.protocol.model import Amount, Direction, Metric, MetricFile
from pytest_autoresearch.protocol.shell import command_in, not_a_command, without_prompts
from pytest_autoresearch.protocol.text import field_of, is_placeholder, one_line, quoted, spans, unescaped, valued
from pytest_autoresearch.protocol.vocabulary import (
    METRIC_FIELDS,
    normalise,
    read_direction,
    without_directions,
)

LONGEST_NAME = 100
EXTRACT_EXAMPLE = "grep '^val_bpb:' run.log | tail -1 | cut -d' ' -f2"
EXAMPLE = "write, for example:\n    ## Metric\n    - **Name**: val_bpb\n    - **Direction**: lower is better"

_PLACE: tuple[str, ...] = ("path", "key", "column", "row")
_CANONICAL = ("name", "direction", "extract command", "target", "min delta", "bounds")
_IDENTIFIER = regex(r"\b[A-Za-z]\w*_\w+\b", re.ASCII)
_AFTER_VERB = regex(
    r"\W*(?:(?:\w+\W+){1,5}to\s+)?(?:minimi[sz]\w*|maximi[sz]\w*|optimi[sz]\w*|reduc\w*|lower(?!\s+is)|raise|increase|improve|最小化|最大化|优化|降低|提高)"
    r"\s*(?:the\s+|our\s+|die\s+|den\s+|das\s+)?(?P<name>[^(（,，;；:：.。—–]+)",
    re.IGNORECASE,
)
_FILE = regex(r"\S*/|\S+\.(?:py|sh|js|ts|c|cpp|rs|go|md|txt|log|json|csv|tsv|toml|ya?ml)")
_LINK = regex(r"\[([^\[\]]+)\]\([^()]*\)")
_IN_QUOTES = regex(r"([\"'])([^\"']+)\1|“([^“”]+)”")
_PREPOSITION = regex(r"(?<!\s)\s+(?:of|in|from|by|on|for|as|with|the)$", re.IGNORECASE)


_TARGET_BESIDE = regex(r"[(,;] ?target ?[:=]? ?[<>≤≥]?=? ?([+-]?[0-9][0-9.]*(?:[eE][+-]?[0-9]+)?)", re.IGNORECASE)


@dataclass(slots=True)
class Draft:
    """What was found of a metric so far: field → text and line. ``code`` are the fields that stand in a fence; ``rest``
    has no meaning here, ``unknown`` are the keys in it.
    """

    texts: dict[str, tuple[str, int]] = field(default_factory=dict)
    code: set[str] = field(default_factory=set)
    rest: list[Block] = field(default_factory=list)
    unknown: dict[str, int] = field(default_factory=dict)


def read_metric(
    blocks: Sequence[Block], own: Mapping[str, Sequence[Block]], *, file: str, line: int
) -> tuple[Metric, dict[str, int], list[Block]]:
    """The metric, the lines of its fields, and the blocks that say something else.

    ``own`` are fields that have a section of their own, such as Extract Command.
    """
    draft = _draft(blocks, file)
    for name, content in own.items():
        for block in _joined(content):
            _put(draft, name, block.text, block.first, file, is_code=block.kind == "code")
    _refuse_misspelt(draft, file)
    sentence = _read_sentence(draft)
    values: dict[str, Any] = {}
    for name, (text, at) in draft.texts.items():
        try:
            values[name] = _READERS["script" if name in draft.code else name](text)
        except ValueError as error:
            title = name.replace("_", " ").capitalize()
            remedy = f"write, for example, `{EXTRACT_EXAMPLE}`" if name == "extract" else EXAMPLE
            raise ConfigError(f"Metric, {title}: {error}", file=file, line=at, remedy=remedy) from None
    for name in ("name", "direction"):
        if values.get(name) is None:
            why = f": {quoted(sentence)} says neither lower nor higher" if name == "direction" and sentence else ""
            raise ConfigError(f"the metric has no {name}{why}", file=file, line=line, remedy=EXAMPLE)
    lines = {name: at for name, (_, at) in draft.texts.items() if values[name] is not None}
    given = {name: value for name, value in values.items() if value is not None}
    place = {name: given.pop(name) for name in _PLACE if name in given}
    metric = Metric(**given, file=_file(place, given, lines, file, line))
    return metric, lines, draft.rest


def _file(
    place: Mapping[str, str], given: Mapping[str, Any], lines: Mapping[str, int], file: str, line: int
) -> MetricFile | None:
    """The file that a metric is read from, if the fields name one and make sense together."""
    if not place:
        return None
    complaint = complaint_of(place, has_extract="extract" in given)
    if complaint:
        remedy = "write, for example:\n    - **From**: results.json\n    - **Key**: eval.loss"
        raise ConfigError(f"Metric: {complaint}", file=file, line=lines.get(next(iter(place)), line), remedy=remedy)
    return MetricFile(**place)


def complaint_of(place: Mapping[str, str], *, has_extract: bool) -> str:
    """Why a file, a key, a column and a row make no sense together; empty where they do."""
    if "path" not in place:
        return f"`{next(iter(place))}` needs the file that it is read from"
    if has_extract:
        return "an extract command and a file are two ways to read it"
    if "key" in place and ("column" in place or "row" in place):
        return "`key` is for JSON, `column` and `row` are for CSV"
    return ""


def read_place(said: Mapping[Any, Any], *, has_extract: bool) -> tuple[str, MetricFile]:
    """A metric's name and its file from a mapping: `{"from": "a.json", "key": "eval.loss"}`.

    Without a name of its own the metric is called like its key or column. ValueError says what is odd.
    """
    place: dict[str, str] = {}
    for key, value in said.items():
        field = METRIC_FIELDS.get(normalise(str(key)), "")
        if field not in ("name", *_PLACE):
            raise ValueError(f"`{key}` is not known; known are name, from, key, column, row")
        place[field] = str(_READERS[field](str(value)))
    name = place.pop("name", "") or place.get("key", "") or place.get("column", "")
    if complaint := complaint_of(place, has_extract=has_extract):
        raise ValueError(complaint)
    return checked_name(name or PurePosixPath(place["path"]).stem), MetricFile(**place)


def _draft(blocks: Sequence[Block], file: str) -> Draft:
    """Sort the lines of the section into known fields, and the rest."""
    draft = Draft()
    waiting: tuple[str, int] | None = None  # a field whose value is the block of code that follows
    for block in (piece for whole in upright(blocks, METRIC_FIELDS) for piece in _pieces(whole)):
        if block.kind == "code" and waiting is not None:
            _put(draft, waiting[0], block.text, block.first, file, is_code=True)
            waiting = None
            continue
        waiting = None
        key_value = _field_of(block)
        name = METRIC_FIELDS.get(normalise(key_value[0])) if key_value else None
        if key_value is None or name is None:
            if block.kind != "head":
                draft.rest.append(block)
            if key_value is not None:
                draft.unknown[key_value[0]] = block.line
        elif key_value[1] or block.cells:
            _put(draft, name, key_value[1], block.line, file)
        else:
            waiting = (name, block.line)
    return draft


def _pieces(block: Block) -> list[Block]:
    """A paragraph of several lines, line by line if one of them is a field; a block of code where all are."""
    lines = block.text.split("\n")
    known = [_is_known(field_of(line)) for line in lines if line.strip()]
    is_listed = block.kind == "text" and len(lines) > 1 and any(known)
    if not is_listed and not (block.kind == "code" and len(known) > 1 and all(known)):
        return [block]
    return [
        replace(block, kind="text", text=line.removesuffix("\\"), line=n, end=n + 1)
        for n, line in enumerate(lines, block.first)
        if line.strip()
    ]


def _is_known(key_value: tuple[str, str] | None) -> bool:
    return key_value is not None and normalise(key_value[0]) in METRIC_FIELDS


def _field_of(block: Block) -> tuple[str, str] | None:
    """The field that a piece writes, if it does."""
    if block.kind in ("row", "head") and len(block.cells) >= 2:
        return block.cells[0], block.cells[1]
    return field_of(block.text.replace("\n", " ")) if block.kind in ("text", "item") else None


def _joined(blocks: Sequence[Block]) -> list[Block]:
    """The one block that a section of its own is about: its code, else its first words."""
    code = [block for block in blocks if block.kind == "code"]
    return code or [block for block in blocks if block.kind in ("text", "item", "quote")][:1]


def _put(draft: Draft, name: str, text: str, line: int, file: str, *, is_code: bool = False) -> None:
    if name in draft.texts:
        raise ConfigError(
            f"the metric's {name.replace('_', ' ')} stands twice, in lines {draft.texts[name][1]} and {line}",
            file=file,
            line=line,
            remedy="remove one",
        )
    draft.texts[name] = (text, line)
    if is_code:
        draft.code.add(name)


def _read_sentence(draft: Draft) -> str:
    """Fill in name and direction from `minimise val_bpb (lower is better)` and the like; the sentence that was read."""
    if "direction" not in draft.texts and "name" in draft.texts:
        text, line = draft.texts["name"]
        if read_direction(_beside_name(text, text)) is not None:
            draft.texts["direction"] = (_beside_name(text, text), line)
    _read_target_beside(draft)
    sentence = ""
    for block in [block for block in draft.rest if block.kind in ("text", "item")]:
        text = one_line(block.text)
        text = text if "`" in text else unescaped(text)
        if "direction" not in draft.texts and not re.search(r"\w", without_directions(text)):
            draft.texts["direction"] = (text, block.line)
            draft.rest.remove(block)
        elif not sentence:
            sentence = text
            if "name" not in draft.texts and (name := name_in(text)):
                draft.texts["name"] = (f"`{name}`", block.line)
                draft.rest.remove(block)
            beside = _beside_name(text, draft.texts.get("name", ("", 0))[0])
            if "direction" not in draft.texts and read_direction(beside) is not None:
                draft.texts["direction"] = (beside, block.line)
    return sentence


def _read_target_beside(draft: Draft) -> None:
    """Fill in the target from `Build seconds (target: 20)`, be that the name or a sentence."""
    named = [draft.texts["name"]] if "name" in draft.texts else []
    for text, line in [*named, *((block.text, block.line) for block in draft.rest if block.kind in ("text", "item"))]:
        if "target" not in draft.texts and (found := _TARGET_BESIDE.search(text)):
            draft.texts["target"] = (found[1], line)


def _beside_name(text: str, naming: str) -> str:
    """A text without the metric's name, whose words are no direction: ``max_latency``."""
    try:
        return unescaped(text).replace(_read_name(naming), " ", 1)
    except ValueError:
        return text


def name_in(sentence: str) -> str:
    """The metric that a sentence is about; empty if it names none."""
    codes = (span.code for span in spans(sentence) if " " not in span.code.strip())
    code = next((code for code in codes if not _FILE.fullmatch(code.strip())), "")
    identifier = _IDENTIFIER.search(re.sub(r"`[^`]*`", " ", sentence))
    verb = _AFTER_VERB.match(sentence)
    name = code or (identifier[0] if identifier else "") or (verb["name"] if verb else "")
    name = re.sub(r"\s(?:is|are|ist)\s(?:better|besser).*", "", name)
    if not name:
        name = re.split(r"[(（,，;；:：.。—–]|\s-\s|\s(?:is|ist)\s", without_directions(sentence), maxsplit=1)[0]
    return _PREPOSITION.sub("", " ".join(name.partition("`")[0].split()))


def _read_name(text: str) -> str:
    if "\t" in text.strip():
        raise ValueError(f"{text.strip()[:80]!r} holds a tab, which separates the columns of results.tsv")
    first = next(spans(text), None)
    if first is not None:
        return checked_name(first.code.strip())
    name = valued(_LINK.sub(r"\1", text)).value.rstrip(" :,;")
    if in_quotes := _IN_QUOTES.fullmatch(name):
        name = in_quotes[2] or in_quotes[3]
    elif without_directions(name) != name and (shorter := name_in(name)):
        name = shorter
    return checked_name(name)


def checked_name(name: str) -> str:
    """The name of a metric: it heads a column of results.tsv and begins a line of a log."""
    if is_placeholder(name):
        raise ValueError(f"{quoted(name)} is still the template's placeholder")
    if not name or not name.isprintable():
        raise ValueError(
            f"{name[:80]!r} can not name a column of results.tsv: no tabs, line ends or control characters"
        )
    if len(name) > LONGEST_NAME:
        raise ValueError(f"{quoted(name)} is longer than {LONGEST_NAME} characters")
    return name


def _read_direction(text: str) -> Direction:
    direction = read_direction(text)
    if direction is None:
        raise ValueError(f"{quoted(text)} says neither lower nor higher, or both")
    return direction


def _read_extract(text: str) -> str | None:
    return None if says_none(text) else _checked_command(command_in(text))


def _checked_command(command: str) -> str:
    complaint = not_a_command(command)
    if complaint:
        raise ValueError(f"{quoted(command)} {complaint}")
    return command


def _read_path(text: str) -> str:
    path = posixpath.normpath(valued(text).value.strip())
    if is_placeholder(path) or path.startswith(("/", "~", "../")) or path in ("..", "."):
        raise ValueError(f"{quoted(path)} is no file below the config's directory, where a run may write")
    return path


def _read_row(text: str) -> str:
    row = valued(text).value.strip()
    if not re.fullmatch(r"last|first|-?[1-9][0-9]{0,8}|[^=]+=[^=]+", row):
        raise ValueError(f"{quoted(row)} is no row; write `last`, `first`, a number from 1, or `epoch=3`")
    return row


def _unless_none(read: Callable[[str], Any], default: Any = None) -> Callable[[str], Any]:
    return lambda text: default if says_none(text) else read(text)


_READERS: dict[str, Callable[[str], Any]] = {
    "name": _read_name,
    "direction": _read_direction,
    "extract": _read_extract,
    "path": _unless_none(_read_path),
    "key": _unless_none(lambda text: valued(text).value.strip()),
    "column": _unless_none(lambda text: valued(text).value.strip()),
    "row": _unless_none(_read_row),
    "script": lambda text: _checked_command(without_prompts(text)),
    "target": _unless_none(lambda text: parse_target(one_line(text))),
    "min_delta": _unless_none(lambda text: parse_amount(valued(text).value), Amount(0.0)),
    "bounds": _unless_none(lambda text: parse_bounds(one_line(text)), (None, None)),
}


def _refuse_misspelt(draft: Draft, file: str) -> None:
    """A field that is nearly one of ours was meant to be it."""
    for key, line in draft.unknown.items():
        near = difflib.get_close_matches(normalise(key), _CANONICAL, n=1, cutoff=0.8)
        if near and near[0] not in (name.replace("_", " ") for name in draft.texts):
            raise ConfigError(
                f"Metric: {quoted(key)} is not a field",
                file=file,
                line=line,
                remedy=f"did you mean `{near[0].capitalize()}`?",
            )
