"""Compares settings files with their seeds taken out: JSON, YAML and TOML by what they say, the rest by their lines."""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath
from typing import Any

from pytest_autoresearch.patterns import regex
from pytest_autoresearch.reading.luck import says_seed, sets_luck, takes_seed
from pytest_autoresearch.reading.source import LARGEST, Unread

_BINDING = regex(
    r"""(?<![\w.-])(?P<head>["']?(?P<key>[A-Za-z_][\w.-]*)["']?[ \t]*(?:[:?+]?=|:)[ \t]*)"""
    r"""["']?[-+]?[\w.]+(?P<more>(?:,[-+]?\d+(?![\w.=]))*)["']?(?P<remark>(?<![ \t])[ \t]+[#;].*)?"""
)
_FLAG = regex(r"(?P<head>(?<![\w.-])--?(?P<key>[A-Za-z][\w.-]*)[ =]+)[\"']?[-+]?[\w.]+[\"']?(?P<more>)(?P<remark>)")
_CALL = regex(
    r"(?<!\w)(?P<owner>(?:[A-Za-z_]\w{0,80}(?:\.|::|:|->)){0,6})(?P<name>[A-Za-z_]\w{0,80}!?)"
    r"(?P<given>\(\s{0,9}[-+]?\d\w{0,40}(?:\s{0,9},\s{0,9}[-+]?\d\w{0,40}){0,9})"
)


def masked_flags(text: str, *, settings: bool = False) -> str:
    """A text with a placeholder for the value of every flag that says seed; with ``settings`` of every key, too."""
    if "seed" not in text.lower() and "random" not in text.lower():
        return text

    def mask(found: re.Match[str]) -> str:
        return f"{found['head']}«seed»{',' * found['more'].count(',')}" if says_seed(found["key"]) else found[0]

    masked = _FLAG.sub(mask, text)
    return _BINDING.sub(mask, masked) if settings else masked


def masked_calls(text: str) -> str:
    """A text of any language with a placeholder for the numbers that a call which seeds is given: ``srand(42)``."""

    def mask(found: re.Match[str]) -> str:
        owner = ".".join(re.findall(r"\w+", found["owner"]))
        seeds = takes_seed(found["name"], owner)
        if "," in found["given"] and not sets_luck(found["name"], owner):
            seeds = False  # `Random(1, 6)` may be a draw from a range
        return f"{found['owner']}{found['name']}(«seed»" if seeds else found[0]

    return _CALL.sub(mask, text)


def masked_settings(path: str, data: bytes, *, masks: bool = True) -> list[str] | None:
    """What a settings file says, flattened, with a placeholder for each seed; None for what is too large or binary.

    Raises Unread where it does not parse as its name says.
    """
    suffix = PurePosixPath(path).suffix.lower()
    if len(data) > LARGEST or b"\0" in data:
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    if suffix in (".json", ".json5", ".jsonc"):
        return _flat(_parsed(json.loads, text), masks=masks)
    if suffix in (".yaml", ".yml"):
        return _flat(_parsed(_yaml, text), masks=masks)
    if suffix == ".toml":
        from pytest_autoresearch.toml import loads

        return _flat(_parsed(loads, text), masks=masks)
    return (masked_flags(text, settings=True) if masks else text).splitlines()


def _yaml(text: str) -> Any:
    """The documents as they are written: numbers and dates stay texts, and what merges or repeats stays a reference."""
    import yaml

    try:
        return list(yaml.compose_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _parsed(read: Any, text: str) -> Any:
    try:
        return read(text)
    except (ValueError, TypeError, RecursionError, MemoryError) as error:
        raise Unread(
            f"it does not parse: {str(error).splitlines()[0] if str(error) else 'nested too deeply'}"
        ) from error


def _flat(value: Any, *, masks: bool) -> list[str]:
    """Keys and values in order. What YAML names once and repeats is walked once."""
    flat: list[str] = []
    seen: set[int] = set()
    stack: list[tuple[str, Any, bool]] = [("", value, False)]
    while stack:
        name, item, lucky = stack.pop()
        pairs = _parts(item)
        if pairs is None:
            flat.append("«seed»" if lucky else f"{name} {_scalar(item, masks=masks)}")
            continue
        if id(item) in seen:
            flat.append(f"{name} again")
            continue
        seen.add(id(item))
        told = [
            (key, each, lucky or (masks and bool(key) and says_seed(key)) or (masks and _follows_flag(pairs, at)))
            for at, (key, each) in enumerate(pairs)
        ]
        told = [(key, each, luck) for key, each, luck in told if lucky or not luck or _parts(each) is not None]
        flat.append(f"{name} {type(item).__name__} {0 if lucky else len(told)}")
        stack += told  # a seed that is not given is another one
    return flat


def _follows_flag(pairs: list[tuple[str, Any]], at: int) -> bool:
    """Whether an entry of a list is the value of a flag that says seed: `[--seed, 1]`."""
    if at == 0 or pairs[at][0] or pairs[at - 1][0]:
        return False
    before, value = (getattr(each, "value", each) for _, each in pairs[at - 1 : at + 1])
    return _is_flag(before) and says_seed(before) and not _is_flag(value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"--?[A-Za-z][\w-]*", value) is not None


def _parts(item: Any) -> list[tuple[str, Any]] | None:
    """The names and values in a mapping, a sequence or a node of YAML; None for a scalar."""
    if isinstance(item, dict):
        return [(str(key), each) for key, each in item.items()]
    if isinstance(item, list):
        return [("", each) for each in item]
    inside = getattr(item, "value", None)  # of a node
    if not isinstance(inside, list):
        return None
    if all(isinstance(each, tuple) for each in inside) and type(item).__name__ == "MappingNode":
        named = [(key, value) for key, value in inside if isinstance(key.value, str)]
        odd = [("", part) for pair in inside if not isinstance(pair[0].value, str) for part in pair]
        return [(key.value, value) for key, value in named] + odd
    return [("", each) for each in inside]


def _scalar(item: Any, *, masks: bool) -> str:
    """A scalar by kind and value. A whole number may be too long for decimal digits."""
    kind, value = (item.tag, item.value) if hasattr(item, "tag") else (type(item).__name__, item)
    if isinstance(value, str):
        value = masked_flags(value) if masks else value
    return f"{kind} {hex(value) if isinstance(value, int) else repr(value)}"
