"""Keys of the front matter that are written as sections: what the heading names, and its content as the key's value.

`## Guard Command`, `## Limits`, `**Data**: data/` and so on. A rule that was written must never become a note that
nobody obeys: content that can not be read is an error, except prose below a heading that has another use in English
(`## Data`, `## Model`), which stays for the agent to read. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.blocks import Block
from pytest_autoresearch.protocol.bounds import NAME, is_bound, regression_of, with_signs
from pytest_autoresearch.protocol.durations import says_none
from pytest_autoresearch.protocol.fields import HOLDOUT, KEYS, BadValue
from pytest_autoresearch.protocol.frontmatter import Text
from pytest_autoresearch.protocol.frontmatter import read as read_yaml
from pytest_autoresearch.protocol.keynames import is_guarding, is_loose, is_vague, key_of
from pytest_autoresearch.protocol.knobs import rule_of
from pytest_autoresearch.protocol.paths import read_paths
from pytest_autoresearch.protocol.shell import (
    names_a_program,
    not_a_command,
    without_prompts,
    without_remark,
)
from pytest_autoresearch.protocol.text import field_of, one_line, quoted, spans, unescaped, valued, without_box

EXAMPLES = {
    "guard": "name tests or a command, one per line: `tests/`, `bash check.sh`",
    "limits": "write one limit per line: `peak_mb <= 512`, `latency_ms: max_regression 2%`",
    "holdout": "write `run: python final.py`, and perhaps `extract:` and `files:`, one per line",
    "env": "write one variable per line: `OMP_NUM_THREADS=1`",
    "data": "write one path per line: `data/`",
    "caches": "write one path per line: `.cache/torch`",
    "build": "write a command, for example `make`",
    "network": "write `yes` or `no`",
}
_AND = regex(r"[\s,;+&]*(?:(?:\b(?:and|then|plus|und|dann)\b|和|与)[\s,;+&]*)?", re.IGNORECASE)
_TEST_PATH = regex(r"[\w./\[\]*-]*(?:/|\.py)(?:::\S+)?")
_ASSIGNMENT = regex(r"(?:export\s+|set\s+)?([A-Za-z_]\w*)\s*=\s*(.*)", re.DOTALL)
_HINTS = {
    "guard": regex(r"::|/|\.(?:py|sh)\b|`|\bpytest\b|\bmake\b"),
    "limits": regex(r"[<>≤≥]"),
    "env": regex("="),
    "data": regex(r"[/~]|\.\w"),
    "holdout": regex(r"\brun\b|`"),
}
_YES_NO = {
    **dict.fromkeys(("allowed", "enabled", "needed", "required", "online", "ja", "是"), "yes"),
    **dict.fromkeys(("forbidden", "disabled", "none", "not allowed", "offline", "no network", "nein", "否"), "no"),
}


def read_keyed(key: str, title: str, line: int, blocks: Sequence[Block], *, file: str) -> tuple[Text, Any] | None:
    """The key and its value as front matter would hold them, value None for ``none``; None for prose that is a note.

    ConfigError names the line of what can not be read, and an example of what can.
    """
    what = title.strip(" *_:")
    said = [block for block in blocks if block.text.strip()]
    try:
        if not said:
            raise BadValue("is empty")
        if _is_none(said):
            return Text(key, line), None
        if key == "guard" and (bounds := _bounds(said, what, file)):
            return Text("limits", line), bounds
        value = _READERS.get(key, _scalar)(said, what, file)
        KEYS[key].read(value)  # so that prose is told from a value here
    except (BadValue, ConfigError) as error:
        bound = next((text for text, _, _ in _lines(said) if is_bound(text)), None) if key == "guard" else None
        if is_loose(title) and bound is None and (is_vague(title) or _is_prose(key, said)):
            return None
        at = error.line or (said[0].line if said else line)
        remedy = EXAMPLES.get(key) or f"write its value alone, as `{key}:` in the front matter has it"
        if bound is not None:
            remedy = f"write bounds apart from commands, below `## Limits`: {quoted(bound)}"
        message = error.message.removeprefix(f"{what}: ")
        raise ConfigError(f"{what}: {message}", file=file, line=at, remedy=remedy) from None
    return Text(key, line), value


def guarding_lines(blocks: Sequence[Block]) -> Iterator[tuple[str, Block, Block]]:
    """Lines `Guard: …` in a section about something else: key, the line, and its value as a block of its own."""
    for block in blocks:
        found = field_of(one_line(block.text)) if block.kind in ("item", "text") else None
        key = key_of(found[0]) if found and found[1] else None
        if found and key is not None and is_guarding(key, found[0]):
            yield found[0], block, replace(block, kind="text", text=found[1])


def _bounds(said: Sequence[Block], what: str, file: str) -> Any:
    """A guard's section that holds nothing but bounds on numbers, as limits; None for any other."""
    lines = [text for text, _, _ in _lines(said) if not _is_label(text)]
    return _limits(said, what, file) if lines and all(map(is_bound, lines)) else None


def _is_none(said: Sequence[Block]) -> bool:
    text = one_line(said[0].text)
    return len(said) == 1 and len(text.split()) <= 2 and says_none(text)


def _is_prose(key: str, said: Sequence[Block]) -> bool:
    """Whether a section is written for people: sentences, or without anything that its key is written with."""
    text = " ".join(block.text for block in said if block.kind != "code")
    if key == "guard" and any(_is_command(block) for block in said):
        return False
    hint = _HINTS.get(key)
    return len(text.split()) > 4 or (hint is not None and not any(hint.search(block.text) for block in said))


def _is_command(block: Block) -> bool:
    """Whether an entry is nothing but a command: a fence, inline code alone, or a line that begins with a program."""
    if block.kind == "code":
        return True
    text = one_line(block.text).strip(" .;")
    listed = list(spans(text))
    bare = text.split()[0] if text else ""
    is_alone = len(listed) == 1 and not text[: listed[0].start].strip(" *_") and not text[listed[0].end :].strip(" *_.")
    return is_alone or (not listed and names_a_program(bare) and not not_a_command(text))


def _lines(blocks: Sequence[Block]) -> Iterator[tuple[str, int, Block]]:
    """The entries of a section: an item, a line of a paragraph or fence, a row of a table."""
    for block in blocks:
        if block.kind in ("head", "heading") or (block.kind == "row" and not block.cells):
            continue
        if block.kind == "row":
            yield "\t".join(block.cells), block.line, block
        elif block.kind in ("text", "code", "quote"):
            for number, text in enumerate(block.text.split("\n"), block.first):
                if text.strip() and not (block.kind == "code" and text.lstrip().startswith("#")):
                    yield text.strip(), number, block
        else:
            yield without_box(one_line(block.text)), block.line, block


def _is_label(text: str) -> bool:
    return not any(spans(text)) and text.rstrip("*_ ").endswith((":", "：")) and "::" not in text


# One reader for each shape


def _commands(blocks: Sequence[Block], what: str, file: str) -> list[Text]:
    """Guards: tests and commands. A fence is one script, as it is below Run Command."""
    found: list[Text] = []
    for block in blocks:
        if block.kind == "code":
            found += _in_fence(block)
            continue
        for text, line, _ in _lines([block]):
            if _is_label(text):
                continue
            for entry in _entries_of(text.partition("\t")[0] if block.kind == "row" else text):
                _check_command(entry, Text(entry, line))
                found.append(Text(entry, line))
    if not found:
        raise BadValue("holds no test and no command")
    in_code = {span.code for block in blocks for span in spans(block.text)}
    loose = [entry for entry in found if not names_a_program(entry) and entry not in in_code]
    if is_loose(what) and loose:
        raise BadValue(f"{quoted(loose[0])} is not a command", loose[0])
    return found


def _in_fence(block: Block) -> list[Text]:
    """The guards of a fence: a list of them, paths line by line, else one script that ends with its first failure."""
    lines = [(line.strip(), n) for n, line in enumerate(block.text.split("\n"), block.first) if line.strip()]
    lines = [(line, n) for line, n in lines if not line.startswith("#")]
    if lines and all(line.startswith("- ") for line, _ in lines):
        found = [Text(line[2:].strip().strip("\"'"), n) for line, n in lines]
    elif len(lines) > 1 and all(_TEST_PATH.fullmatch(line) for line, _ in lines):
        found = [Text(line, n) for line, n in lines]
    else:
        script = without_prompts(block.text)
        found = [Text(script if "\n" not in script else f"set -e\n{script}", block.first)]
    for entry in found:
        _check_command(entry, entry)
    return found


def _entries_of(text: str) -> Iterator[str]:
    """What a line names: inline code, all of it that is joined by commas or `and`; else the line without its remark."""
    listed = list(spans(text))
    if not listed:
        yield from _bare_entries(text)
        return
    before = text[: listed[0].start].strip("*_ :：")
    if len(before.split()) > 6:
        raise BadValue(f"{quoted(text)} is prose")
    end = None
    for span in listed:
        if end is not None and not _AND.fullmatch(text[end : span.start]):
            break
        yield without_prompts(span.code)
        end = span.end


def _bare_entries(text: str) -> Iterator[str]:
    entry = without_prompts(unescaped(without_remark(text)))
    parts = [part.strip() for part in entry.split(",") if part.strip()]
    if len(parts) > 1 and all(_TEST_PATH.fullmatch(part) for part in parts):
        yield from parts
    else:
        yield valued(entry).value if re.fullmatch(r"\S+\s+[-–—]\s.*", entry) else entry


def _check_command(entry: str, culprit: Any) -> None:
    complaint = not_a_command(entry)
    if complaint:
        raise BadValue(f"{quoted(entry)} {complaint}", culprit)


def _command(blocks: Sequence[Block], what: str, file: str) -> Text:
    found = _commands(blocks, what, file)
    return Text(" && ".join(found) if all("\n" not in entry for entry in found) else "\n".join(found), found[0].line)


def _paths(blocks: Sequence[Block], what: str, file: str) -> list[Text]:
    found = [Text(rule.pattern, line) for rule, line in read_paths(blocks, what=what, file=file, targets=())]
    odd = next((path for path in found if is_loose(what) and not re.search(r"[/.~*]", path)), None)
    if not found or odd:
        raise BadValue(f"{quoted(odd)} is no path" if odd else "names no path", odd)
    return found


def _limits(blocks: Sequence[Block], what: str, file: str) -> Any:
    if (nested := _mapping(blocks, file)) is not None and all(isinstance(v, dict) for v in nested.values()):
        return nested
    found: list[Any] = []
    by_name: dict[Text, Any] = {}
    for text, line, block in _lines(blocks):
        if block.kind == "row":
            name, bound = (*text.split("\t"), "")[:2]
            text = f"{name} {bound}" if re.match(r"\s*[<>≤≥]", bound) else f"{name}: {bound}"
        if _is_label(text):
            continue
        plain = re.sub(r"[`*]", "", unescaped(without_remark(text.replace("`", ""))))
        if worse := regression_of(plain):
            by_name[Text(worse[0], line)] = {Text("max_regression", line): Text(worse[1], line)}
            continue
        plain = with_signs(plain)
        pair = re.fullmatch(r"([A-Za-z_][\w./@%-]*)\s*[:：]\s*(.+)", plain)
        if pair:
            plain = f"{pair[1]} {pair[2]}" if pair[2][:1] in "<>≤≥" else f"{pair[1]} <= {pair[2]}"
        found.append(Text(plain.strip(" .;"), line))
    KEYS["limits"].read(found) if found else None  # each line by itself, so that the message names it
    if not by_name:
        return found
    for entry in found:
        named = NAME.match(entry)
        by_name[Text(named[0] if named else entry, entry.line)] = Text(
            entry[named.end() :] if named else "", entry.line
        )
    return by_name


def _environment(blocks: Sequence[Block], what: str, file: str) -> dict[Text, Text]:
    pairs: dict[Text, Text] = {}
    for text, line, block in _lines(blocks):
        if _is_label(text):
            continue
        bare = next((span.code for span in spans(text)), text) if "`" in text else text
        found = _ASSIGNMENT.fullmatch(bare)
        field = None if found else field_of(text.replace("\t", ": ", 1) if block.kind == "row" else text)
        name, value = (found[1], found[2]) if found else field or ("", "")
        if not re.fullmatch(r"`?[A-Z_][A-Z0-9_]*`?" if not found else r"\w+", name):
            raise BadValue(f"{quoted(text)} sets no variable", Text(text, line))
        value = value if block.kind == "code" or found else valued(value).value
        pairs[Text(name.strip("`"), line)] = Text(value.strip().strip("\"'"), line)
    return pairs


def _mapping(blocks: Sequence[Block], file: str) -> dict[Text, Any] | None:
    """A section as a mapping: YAML in a fence, or ``name: value`` entries; what is listed below one is its mapping."""
    if len(blocks) == 1 and blocks[0].kind == "code":
        try:
            return {Text(k, k.line + blocks[0].first - 2): v for k, v in read_yaml(blocks[0].text, file=file).items()}
        except ConfigError:
            return None
    found: dict[Text, Any] = {}
    last: Text | None = None
    for text, line, block in _lines(blocks):
        pair = field_of(text.replace("\t", ": ", 1) if block.kind == "row" else text)
        if pair is None and not (block.kind == "item" and any(below.depth > block.depth for below in blocks)):
            return None
        name, value = pair or (text.strip("` "), "")
        key = Text(name.strip("`* ").lower() if block.depth > 1 else name.strip("`* "), line)
        if block.depth > 1 and last is not None:
            if not isinstance(found[last], dict):
                found[last] = {}
            found[last][Text(key.replace(" ", "_"), line)] = Text(_plain(value), line)
        else:
            found[key] = Text(_plain(value), line)
            last = key
    return found


def _plain(value: str) -> str:
    code = next(spans(value), None)
    return code.code if code is not None and not value[: code.start].strip("*_ ") else valued(value).value or value


def _holdout(blocks: Sequence[Block], what: str, file: str) -> Any:
    found = _mapping(blocks, file)
    if found:
        names = {"command": "run", "run command": "run", "extract command": "extract", "file": "files"}
        names |= {"input": "inputs", "score command": "score", "scoring": "score"}
        keys = {Text(names.get(key.lower(), key.lower()), key.line): value for key, value in found.items()}
        if keys.keys() <= set(HOLDOUT):
            return {
                key: [Text(part.strip(" `"), key.line) for part in value.split(",")]
                if key in ("files", "inputs") and isinstance(value, str)
                else value
                for key, value in keys.items()
            }
    return _command(blocks, what, file)


def _names_or_mapping(blocks: Sequence[Block], what: str, file: str) -> Any:
    found = _mapping(blocks, file)
    return found if found else _scalar(blocks, what, file)


def _words(blocks: Sequence[Block], what: str, file: str) -> list[Text]:
    found: list[Text] = []
    for text, line, _ in _lines(blocks):
        listed = without_remark(text).replace("`", "").split(",")
        found += [Text(word.strip(" *"), line) for word in listed if word.strip(" *")]
    wordy = next((word for word in found if " " in word.strip()), None)
    if wordy is not None:
        raise BadValue(f"{quoted(wordy)} is more than a name", wordy)
    return found


def _knobs(blocks: Sequence[Block], what: str, file: str) -> list[Text]:
    """One entry a line, a range or choices behind its name; a line of bare names is several."""
    found: list[Text] = []
    for text, line, _ in _lines(blocks):
        plain = without_remark(text).replace("`", "").strip(" *")
        rule = rule_of(plain)
        names = [plain] if rule.choices or rule.low is not None or ":" in plain else plain.split(",")
        found += [Text(name.strip(" *"), line) for name in names if name.strip(" *")]
    wordy = next((entry for entry in found if " " in rule_of(entry).name), None)
    if wordy is not None:
        raise BadValue(f"{quoted(wordy)} is more than a name", wordy)
    return found


def _scalar(blocks: Sequence[Block], what: str, file: str) -> Text:
    lines = list(_lines(blocks))
    if len(lines) > 1:
        raise BadValue("has several lines where one value is expected", Text("", lines[1][1]))
    text, line, block = lines[0]
    value = text if block.kind == "code" else valued(text).value
    if is_loose(what) and len(value.split()) > 4 and not value.startswith("command:"):
        raise BadValue(f"{quoted(value)} is prose", Text(value, line))
    return Text(_YES_NO.get(value.lower().rstrip("."), value.rstrip(".")), line)


_READERS: dict[str, Callable[[Sequence[Block], str, str], Any]] = {
    "guard": _commands,
    "build": _command,
    "limits": _limits,
    "holdout": _holdout,
    "env": _environment,
    "data": _paths,
    "caches": _paths,
    "knobs": _knobs,
    "agents": _words,
    "agent_args": _words,
    "agent_env": _words,
    "prices": _names_or_mapping,
    "publish": _names_or_mapping,
}
