"""``pytest-autoresearch skill``: writes the file by which coding agents learn to run sessions."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_autoresearch.errors import AutoresearchError

NAME = "autoresearch"
PLACES = (f".claude/skills/{NAME}/SKILL.md", f".agents/skills/{NAME}/SKILL.md")
"""Where Claude Code looks (and opencode), and where Codex, Gemini and others do."""

TEXT = Path(__file__).with_name("skill.md")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "path", metavar="PATH", nargs="?", type=Path, default=Path(), help="the repository (default: here)"
    )
    parser.add_argument("--print", action="store_true", help="print it instead")


def run(args: argparse.Namespace) -> int:
    """Write the file where agents look for it, or print it."""
    text = TEXT.read_text("utf-8")
    if args.print:
        print(text, end="")
        return 0
    if not args.path.is_dir():
        raise AutoresearchError(f"{args.path} is no directory\n  name the repository")
    for place in PLACES:
        file = args.path / place
        if file.exists() and file.read_text("utf-8", "replace") == text:
            print(f"{file} is up to date")
            continue
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
        except OSError as error:
            raise AutoresearchError(f"{file}: {error.strerror}") from None
        print(f"wrote {file}")
    print("Commit them; then say to your agent: run an autoresearch session on FUNCTION overnight")
    return 0
