"""``pytest-autoresearch pause``: a session waits after its current experiment; with ``--off`` it goes on."""

from __future__ import annotations

import argparse
import json
import sys

from pytest_autoresearch.commands.note import add_session_arguments
from pytest_autoresearch.notebook import steering


def configure(parser: argparse.ArgumentParser) -> None:
    """Which session, and in which direction."""
    add_session_arguments(parser)
    parser.add_argument("--off", action="store_true", help="let a paused session go on")


def run(args: argparse.Namespace) -> int:
    """Ask for the pause, or take it back; 1 where no session is running."""
    session = steering.find(args.path, args.tag)
    if args.off:
        steering.go_on(session.state)
    if not session.running:
        print(f"pytest-autoresearch: the session {session.tag} is not running", file=sys.stderr)
        return 1
    if not args.off:
        steering.pause(session.state)
    if args.json:
        print(json.dumps({"tag": session.tag, "paused": not args.off}))
    elif args.off:
        print(f"{session.tag} goes on")
    else:
        print(f"{session.tag} waits after its current experiment; `pytest-autoresearch pause --off` lets it go on")
    return 0
