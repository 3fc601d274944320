"""The commands that a Markdown text shows, as a reader would copy them."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt

_COMMAND = re.compile(r"(\w+=\S+ )*(pip|pytest|pytest-autoresearch|python|git|uv|apt|sysctl) ")


def shown(text: str) -> list[str]:
    """Every line of a block, and every code in a line, that is a command; without what stands behind a ``#``."""
    found: list[str] = []
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text):
        lines = token.content.splitlines() if token.type in ("fence", "code_block") else []
        if token.type == "fence" and token.info not in ("", "sh", "console", "bash"):
            continue
        lines += [child.content for child in token.children or () if child.type == "code_inline"]
        found += [re.split(r"\s+# ", line.strip())[0].strip() for line in lines if _COMMAND.match(line.strip())]
    return list(dict.fromkeys(found))
