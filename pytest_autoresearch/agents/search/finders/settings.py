"""Finds the knobs of JSON, YAML, TOML and plain ``key = value`` files at the exact bytes where they stand. Pure.

Nothing is ever written through a parser, so comments, order and layout survive byte for byte.
"""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pytest_autoresearch.agents.search.finders.declared import remark_of
from pytest_autoresearch.agents.search.knob import Knob, Rank, make_knob, short
from pytest_autoresearch.agents.search.literals import Value, parse_bool, parse_number
from pytest_autoresearch.patterns import regex

if TYPE_CHECKING:
    import yaml

# A setting as it was found: its dotted name, where it starts (in characters), and the literal.
_Setting = tuple[str, int, str]


_LONGEST_TABLE = 64
"""Entries of a list from which it is data: a million of them cost no more than a look."""


def json_knobs(file: str, data: bytes, metric: str = "") -> tuple[Knob, ...]:
    """Also with comments and commas that are too many. Raises ValueError when it does not parse, as do all of these."""
    return _knobs(file, data, _json_settings, (b"//", b"/*"))


def yaml_knobs(file: str, data: bytes, metric: str = "") -> tuple[Knob, ...]:
    return _knobs(file, data, _yaml_settings, (b" #", b"\t#"))


def toml_knobs(file: str, data: bytes, metric: str = "") -> tuple[Knob, ...]:
    return _knobs(file, data, _toml_settings, (b"#",))


def plain_knobs(file: str, data: bytes, metric: str = "") -> tuple[Knob, ...]:
    return _knobs(file, data, _plain_settings, (b"#", b";"))


def _knobs(
    file: str, data: bytes, read: Callable[[str], Iterator[_Setting]], remarks: tuple[bytes, ...]
) -> tuple[Knob, ...]:
    """Knobs with unique labels and byte offsets; every one is as likely as a named constant."""
    body = data.removeprefix(codecs.BOM_UTF8)
    text = body.decode()
    knobs, labels = [], Counter[str]()
    place, at = 0, len(data) - len(body)
    found = sorted(read(text), key=lambda setting: setting[1])
    elements = {label.partition("]")[0] for label, _, _ in found if "[" in label}
    lengths = Counter(element.partition("[")[0] for element in elements)
    for label, start, literal in found:
        if lengths[label.partition("[")[0]] > _LONGEST_TABLE:
            continue  # data
        value = _value(literal)
        if value is None:
            continue
        at, place = at + len(text[place:start].encode()), start
        labels[label] += 1
        name = label if labels[label] == 1 else f"{label}#{labels[label]}"
        knob = make_knob(file, name, at, literal, value, Rank.CONSTANT)
        declared = remark_of(data, knob.end, value, remarks)
        knobs.append(declared.bind(knob) if declared else knob)
    return tuple(knobs)


def _value(literal: str) -> Value | None:
    number = parse_number(literal)
    if number is not None:
        return number
    truth = parse_bool(literal)
    if truth is not None:
        return truth
    if literal[:1] in ("'", '"'):
        inner = literal[1:-1]
        return inner if "\\" not in inner and literal[0] not in inner else None
    return literal if re.fullmatch(r"[\w./-]+", literal) else None


# ── JSON ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_JSON_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_JSON_REMARK = regex(rf"{_JSON_STRING}|//[^\n]*|/\*")
_JSON_COMMA = regex(rf"{_JSON_STRING}|,(?=\s*[\]}}])")
_JSON_TOKEN = regex(rf'(?P<key>{_JSON_STRING})(?=\s*:)|{_JSON_STRING}|[\[\]{{}},]|[^\s\[\]{{}},:"]+')


def _plain_json(text: str) -> str:
    """JSON of the same length without its comments and the commas before a closing bracket."""
    pieces, place = [], 0
    for found in _JSON_REMARK.finditer(text):
        if found[0][0] == '"' or found.start() < place:
            continue
        end = found.end()
        if found[0] == "/*":
            end = text.find("*/", end) + 2
            if end == 1:
                break
        blank = "".join("\n" if character == "\n" else " " for character in text[found.start() : end])
        pieces += [text[place : found.start()], blank]
        place = end
    plain = "".join([*pieces, text[place:]])
    return _JSON_COMMA.sub(lambda found: found[0] if found[0][0] == '"' else " ", plain)


def _json_settings(text: str) -> Iterator[_Setting]:
    """Walks the tokens with a stack of open arrays and objects."""
    text = _plain_json(text)
    json.loads(text)
    label, frames = "", list[tuple[str, int]]()  # a frame: the name it has, elements so far
    for match in _JSON_TOKEN.finditer(text):
        token = match[0]
        if match["key"] is not None:
            name, key = frames[-1][0], short(json.loads(token).encode(errors="replace").decode())
            label = short(f"{name}.{key}") if name else key
        elif token in "[{":
            frames.append((label, 0))
            label = f"{short(label)}[0]"
        elif token in "]}":
            frames.pop()
        elif token == ",":
            name, count = frames[-1]
            frames[-1] = name, count + 1
            label = f"{short(name)}[{count + 1}]"  # in an object a key follows
        else:
            yield label, match.start(), token


# ── YAML ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _yaml_settings(text: str) -> Iterator[_Setting]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        documents = list(yaml.compose_all(text, Loader=loader))
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error)) from error
    seen: set[int] = set()
    for document in documents:
        yield from _yaml_node(document, "", text, seen)


def _yaml_node(node: yaml.Node, label: str, text: str, seen: set[int]) -> Iterator[_Setting]:
    """``seen`` has the nodes that were visited: an alias is its anchor's node once more."""
    import yaml

    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":  # a merge repeats what stands elsewhere
                name = short(key.value)
                yield from _yaml_node(value, short(f"{label}.{name}") if label else name, text, seen)
    elif isinstance(node, yaml.SequenceNode):
        for index, element in enumerate(node.value):
            yield from _yaml_node(element, f"{short(label)}[{index}]", text, seen)
    elif isinstance(node, yaml.ScalarNode) and node.style in (None, "", "'", '"'):
        literal = f"{node.style or ''}{node.value}{node.style or ''}"
        end = node.end_mark.index
        start = end - len(literal)
        before = text[node.start_mark.index : start]
        if text[start:end] == literal and re.fullmatch(r"(?:[&!]\S*\s+)*", before):  # an anchor, a tag; no escape in it
            yield label, start, literal


# ── TOML ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_TOML_TOKEN = regex(
    r"""(?P<skip>[ \t\r]+|\#[^\n]*)
    |(?P<string>\"{3}(?:\\.|[^\\])*?\"{3,5}|'{3}.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*')
    |(?P<mark>[\[\]{}=,\n])
    |(?P<word>[^\s\[\]{}=,\#"']+)""",
    re.VERBOSE | re.DOTALL,
)


def _toml_settings(text: str) -> Iterator[_Setting]:
    """Walks the tokens with a stack of open arrays and inline tables; a header holds until the next one."""
    error = _toml_error(text)
    found = list(_toml_walk(text, strict=bool(error)))
    if error and not found:
        raise ValueError(error)
    yield from found


def _toml_error(text: str) -> str:
    """What Python's parser objects to. It knows TOML 1.0 and refuses what 1.1 allows: an inline table over lines."""
    from pytest_autoresearch.toml import loads

    try:
        loads(text)
    except (ValueError, RecursionError) as error:
        return str(error) or "nested too deeply"
    return ""


def _toml_walk(text: str, *, strict: bool) -> Iterator[_Setting]:
    """With ``strict``, nothing is yielded from what is no TOML of any version by its brackets and lines."""
    header, key, frames = "", "", list[list[str | int]]()  # a frame: "[" or "{", the name it has, elements so far
    expects_value, in_header = False, False
    for kind, start, token in _toml_tokens(text):
        if kind == "mark":
            if token == "\n":
                if in_header:
                    header, key, in_header = key, "", False
                elif not frames:
                    key, expects_value = "", False
            elif token == "=":
                if strict and (expects_value or not key):
                    raise ValueError(f"no TOML at character {start}")
                expects_value = True
            elif token in "[{" and (expects_value or frames):
                frames.append([token, _toml_name(header, key, frames), 0])
                key, expects_value = "", token == "["
            elif token == "[":
                in_header = True
            elif token in "]}" and frames:
                if strict and frames[-1][0] != {"]": "[", "}": "{"}[token]:
                    raise ValueError(f"brackets that do not match at character {start}")
                frames.pop()
                expects_value = bool(frames) and frames[-1][0] == "["
            elif token == "," and frames:
                frames[-1][2] = int(frames[-1][2]) + 1
                key, expects_value = "", frames[-1][0] == "["
        elif expects_value:
            yield _toml_name(header, key, frames), start, token
        else:
            if strict and key and not key.endswith(".") and not token.startswith(".") and not in_header:
                raise ValueError(f"no TOML at character {start}")
            key = short(key + short(token.strip("'\"")))
    if strict and frames:
        raise ValueError("a bracket in it is never closed")


def _toml_tokens(text: str) -> Iterator[tuple[str, int, str]]:
    """Tokens and a last line end."""
    place = 0
    while place < len(text):
        match = _TOML_TOKEN.match(text, place)
        if match is None:
            raise ValueError(f"no TOML at character {place}")
        place = match.end()
        if match.lastgroup is not None and match.lastgroup != "skip":
            yield match.lastgroup, match.start(), match[0]
    yield "mark", place, "\n"


def _toml_name(header: str, key: str, frames: list[list[str | int]]) -> str:
    if not frames:
        return ".".join(filter(None, (header, key)))
    opening, name, count = frames[-1]
    return f"{short(str(name))}[{count}]" if opening == "[" else f"{short(str(name))}.{key}"


# ── key = value ───────────────────────────────────────────────────────────────────────────────────────────────────

_LONGEST_LINE = 500
_SECTION = regex(r"[ \t]*\[(?P<name>[^\]\n]+)\]")
_PAIR = regex(
    r"""[ \t]*(?:export[ \t]+)?(?P<key>[A-Za-z_][\w./ -]*?)[ \t]*[=:][ \t]*(?P<value>"[^"\n]*"|'[^'\n]*'|[^\s#;"']+)"""
    r"[ \t]*;?[ \t]*(?:[#;].*)?"
)


def _plain_settings(text: str) -> Iterator[_Setting]:
    section, start = "", 0
    for line in text.splitlines(keepends=True):
        pair = _PAIR.fullmatch(line.rstrip("\r\n")) if len(line) < _LONGEST_LINE else None
        header = _SECTION.match(line)
        if header is not None:
            section = short(header["name"].strip())
        elif pair is not None:
            yield ".".join(filter(None, (section, pair["key"]))), start + pair.start("value"), pair["value"]
        start += len(line)
