"""``pytest-autoresearch preflight --tag T``: ask GitHub, before the first run, whether the session can be published."""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from pytest_autoresearch.errors import PublishError
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.durations import parse_duration


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("path", metavar="PATH", nargs="?", type=Path, default=Path(), help="a path in the repository")
    parser.add_argument("--tag", required=True, help="the session")
    parser.add_argument("--remote", default="origin", help="where it will be pushed; default: origin")
    parser.add_argument("--base", default="", help="branch to merge into; default: the remote's default branch")
    parser.add_argument("--duration", default="", metavar="TIME", help="how long it is to last (default: no limit)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def run(args: argparse.Namespace) -> int:
    """Say what stands in the way, all of it; 1 where something does."""
    from pytest_autoresearch.github.api import GitHubApi, api_url
    from pytest_autoresearch.github.app import take_token
    from pytest_autoresearch.github.escaping import command_data
    from pytest_autoresearch.github.preflight import preflight
    from pytest_autoresearch.github.remote import open_remote
    from pytest_autoresearch.github.tokens import GIVEN, ends_in_a_day

    token = take_token(os.environ)
    if token is None:
        raise PublishError(f"there is no token to ask with\n  set {GIVEN[0]}")
    duration = _seconds(args.duration)
    with closing(Git.discover(args.path)) as git:
        remote = open_remote(git, args.remote, token)
        api = GitHubApi(remote.repository, token, url=api_url())
        is_short = ends_in_a_day(os.environ)
        found = list(preflight(git, remote, api, args.tag, base=args.base, duration=duration, is_short_lived=is_short))
    if args.json:
        print(json.dumps([asdict(finding) for finding in found], indent=1))
    for finding in found if not args.json else ():
        print(f"pytest-autoresearch: {finding.text}", file=sys.stderr)
        if os.environ.get("GITHUB_ACTIONS") == "true":
            kind = "error" if finding.is_fatal else "warning"
            print(f"::{kind} title=autoresearch::{command_data(finding.text)}")
    if not found and not args.json:
        print(f"{args.tag}: nothing stands in its way")
    return 1 if any(finding.is_fatal for finding in found) else 0


def _seconds(text: str) -> float | None:
    try:
        return parse_duration(text) if text else None
    except ValueError as error:
        raise PublishError(f"--duration: {error}") from None
