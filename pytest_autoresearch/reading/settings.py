"""Compares settings files with their seeds taken out: JSON, YAML and TOML by what they say, the rest by their lines."""

from __future__ import annotations

import json
import re
import sys
from pathlib import PurePosixPath
from typing import Any

from pytest_autoresearch.reading.luck import says_seed
from pytest_autoresearch.reading.source import LARGEST, Unread

_BINDING = re.compile(
    r"""(?<![\w.-])(?P<head>["']?(?P<key>[A-Za-z_][\w.-]*)["']?[ \t]*[:=][ \t]*)"""
    r"""["']?[-+]?[\w.]+["']?(?P<remark>(?<![ \t])[ \t]+[#;].*)?"""
)
_FLAG = re.compile(r"(?P<head>(?<![\w.-])--?(?P<key>[A-Za-z][\w.-]*)[ =]+)[\"']?[-+]?[\w.]+[\"']?(?P<remark>)")


def masked_flags(text: str, *, settings: bool = False) -> str:
    """A text with a placeholder for the value of every flag that says seed; with ``settings`` of every key, too."""
    if "seed" not in text.lower() and "random" not in text.lower():
        return text

    def mask(found: re.Match[str]) -> str:
        return f"{found['head']}«seed»" if says_seed(found["key"]) else found[0]

    masked = _FLAG.sub(mask, text)
    return _BINDING.sub(mask, masked) if settings else masked


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
    if suffix == ".toml" and sys.version_info >= (3, 11):
        import tomllib

        return _flat(_parsed(tomllib.loads, text), masks=masks)
    return (masked_flags(text, settings=True) if masks else text).splitlines()


def _yaml(text: str) -> Any:
    import yaml

    try:
        return list(yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
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
        if isinstance(item, (dict, list)):
            if id(item) in seen:
                flat.append(f"{name} again")
                continue
            seen.add(id(item))
            flat.append(f"{name} {type(item).__name__} {0 if lucky else len(item)}")
            pairs = item.items() if isinstance(item, dict) else ((index, each) for index, each in enumerate(item))
            stack += [
                (str(key), each, lucky or (masks and isinstance(key, str) and says_seed(key))) for key, each in pairs
            ]
        elif lucky:
            flat.append("«seed»" if not isinstance(item, (dict, list)) else "")
        else:
            shown = masked_flags(item) if isinstance(item, str) and masks else item
            flat.append(f"{name} {type(item).__name__} {shown!r}")
    return flat
