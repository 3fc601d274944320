"""``pytest-autoresearch stop``: a running session stops after its current experiment, everything recorded."""

from __future__ import annotations

import argparse
import json
import sys

from pytest_autoresearch.commands.note import add_session_arguments
from pytest_autoresearch.notebook import steering


def configure(parser: argparse.ArgumentParser) -> None:
    """Which session."""
    add_session_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Ask for the stop; 1 where no session is running."""
    session = steering.find(args.path, args.tag)
    if not session.running:
        print(f"pytest-autoresearch: the session {session.tag} is not running", file=sys.stderr)
        return 1
    steering.request_stop(session.state)
    print(
        json.dumps({"tag": session.tag, "stopping": True})
        if args.json
        else f"{session.tag} stops after its current experiment"
    )
    return 0
