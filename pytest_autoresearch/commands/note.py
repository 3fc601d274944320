"""``pytest-autoresearch note "try X"``: a hint that reaches every briefing from the next one on."""

from __future__ import annotations

import argparse
import json
from datetime import datetime, timezone
from pathlib import Path

from pytest_autoresearch.errors import AutoresearchError
from pytest_autoresearch.notebook import steering


def configure(parser: argparse.ArgumentParser) -> None:
    """What to tell the agents, and which session's."""
    parser.add_argument("text", metavar="TEXT", help="the hint, one line")
    add_session_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Append the hint; it needs no running session."""
    text = " ".join(args.text.split())
    if not text:
        raise AutoresearchError('an empty note\n  for example: pytest-autoresearch note "try a warm-up"')
    session = steering.find(args.path, args.tag)
    steering.add_hint(session.state, steering.Hint(text, datetime.now(timezone.utc)))
    if args.json:
        print(json.dumps({"tag": session.tag, "hint": text, "running": session.running}))
    else:
        when = "the next briefing" if session.running else "the next briefing, when the session runs again"
        print(f"noted for {session.tag}: reaches {when}")
    return 0


def add_session_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments by which a steering command finds its session."""
    parser.add_argument("path", metavar="PATH", nargs="?", type=Path, default=Path(), help="a path in the repository")
    parser.add_argument("--tag", metavar="TAG", help="the session (default: the running one, else the newest)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
