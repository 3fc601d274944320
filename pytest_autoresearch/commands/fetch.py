"""``pytest-autoresearch fetch --tag T``: bring a session here that another clone or machine has pushed."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from pytest_autoresearch.errors import NotebookError, PublishError
from pytest_autoresearch.github.app import take_token
from pytest_autoresearch.github.remote import open_remote
from pytest_autoresearch.notebook import orders
from pytest_autoresearch.notebook.branch import OtherSpelling
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.sync import Fetched, Relation, fetch

_FOUND = {
    Relation.NONE: "no session of that name was pushed yet",
    Relation.SAME: "nothing new",
    Relation.BEHIND: "nothing new, this clone knows more",
    Relation.AHEAD: "fetched",
    Relation.DIVERGED: "fetched",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("path", metavar="PATH", nargs="?", type=Path, default=Path(), help="a path in the repository")
    parser.add_argument("--tag", required=True, help="the session")
    parser.add_argument(
        "--from", dest="source", metavar="SOURCE", default="origin", help="a remote or a git bundle; default: origin"
    )
    parser.add_argument("--orders", action="store_true", help="bring what reviewers ask of the session too")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def run(args: argparse.Namespace) -> int:
    """Fetch it; a session that is not there yet is no error."""
    found = fetched(args.path, args.source, args.tag, with_orders=args.orders)
    if args.json:
        print(json.dumps({"tag": args.tag, "found": found.relation.value, "parted": found.parted}))
    else:
        print(f"{args.tag}: {_FOUND[found.relation]}")
        if found.parted is not None:
            print(f"{found.parted}: what this clone had recorded as {args.tag} is kept under this tag")
    return 0


def fetched(path: Path, source: str, tag: str, *, with_orders: bool = False) -> Fetched:
    """Bring the session ``tag`` here from a remote or the file of a bundle, and what waits to be answered."""
    with Git.discover(path) as git:
        address = str(Path(source).resolve()) if Path(source).is_file() else source
        env = open_remote(git, address, take_token(os.environ)).env
        try:
            found = fetch(git, address, tag, env=env)
            if with_orders:
                orders.bring(git, address, tag, env=env)
        except OtherSpelling:
            raise
        except NotebookError as error:
            raise PublishError(f"{error}\n  check --from, the token and the network, then try again") from None
        return found
