"""The commands that a rendered text shows, run as a reader would: in a fresh clone, block by block."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from markdown_it import MarkdownIt

PROGRAMS = Path(sys.executable).parent


def blocks(text: str) -> list[str]:
    """What stands in the shell blocks of a Markdown text."""
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    return [token.content for token in tokens if token.type == "fence" and token.info == "console"]


def inline(text: str) -> list[str]:
    """Commands of ours, or of git's, that stand in a line of a Markdown text."""
    return re.findall(r"`((?:pytest|git)[^`\n]*)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def run_block(
    script: str, clone: Path, env: Mapping[str, str], timeout: float = 100
) -> subprocess.CompletedProcess[str]:
    """Run a block in a shell that stops at the first failure."""
    path = f"{PROGRAMS}{os.pathsep}{env.get('PATH', os.environ['PATH'])}"
    command = ["bash", "-ec", script]
    return subprocess.run(
        command, cwd=clone, env={**env, "PATH": path}, capture_output=True, text=True, timeout=timeout, check=False
    )
