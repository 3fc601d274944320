"""``pytest-autoresearch verify``: start against head on fresh runs, interleaved."""

from __future__ import annotations

import argparse
import json
import sys

from pytest_autoresearch.commands.arguments import positive_count
from pytest_autoresearch.commands.handing import handed, say
from pytest_autoresearch.commands.note import add_session_arguments
from pytest_autoresearch.notebook.codec import to_plain
from pytest_autoresearch.notebook.tags import locate
from pytest_autoresearch.report.screen import PlainScreen
from pytest_autoresearch.report.story import story
from pytest_autoresearch.report.words import headline, verified_line
from pytest_autoresearch.research.attending import Attending
from pytest_autoresearch.research.opening import reopened
from pytest_autoresearch.research.verifying import verify


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_session_arguments(parser)
    parser.add_argument("-n", type=positive_count, metavar="PAIRS", help="pairs of runs (default: as the noise asks)")


def run(args: argparse.Namespace) -> int:
    """Verify and record it; 1 where the gain is not beyond doubt."""
    located = locate(args.path, args.tag)
    with located.git as git:
        answer = handed(git, located.tag, "verify")
    if answer is not None:
        return say(answer, as_json=args.json)
    screen = PlainScreen()
    with reopened(args.path, args.tag, watch=screen) as research:
        if research.certified.number == 0:
            print(f"{located.tag} has no proven keep yet: there is nothing to verify", file=sys.stderr)
            return 1
        verification = verify(research, args.n)
        Attending(research).answer_verified()
        summary = story(research.notebook.history)
    screen.clear()
    assert summary is not None
    if args.json:
        print(json.dumps(to_plain(verification)))
    else:
        print(headline(summary))
        print(verified_line(summary))
    low = verification.gain if verification.interval is None else verification.interval[0]
    return 0 if low is not None and low > 0 else 1
