"""``pytest-autoresearch drop N``: take a keep out of the branch, and apply the later keeps without it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from pytest_autoresearch.commands.handing import handed, say
from pytest_autoresearch.notebook.chain import branch_ref, metric_name, read_history
from pytest_autoresearch.notebook.codec import to_plain
from pytest_autoresearch.notebook.drop import drop_keep
from pytest_autoresearch.notebook.ledger import Notebook
from pytest_autoresearch.notebook.results import table_path
from pytest_autoresearch.notebook.tags import locate
from pytest_autoresearch.report.words import unproven_line


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("number", type=int, metavar="N", help="the kept experiment to take out")
    parser.add_argument(
        "path", metavar="PATH", nargs="?", type=Path, default=Path(), help="config, test file or directory"
    )
    parser.add_argument("--tag", help="the session; default: the newest of PATH")
    parser.add_argument("--why", metavar="TEXT", default="", help="a line for the record")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def run(args: argparse.Namespace) -> int:
    """Drop the keep and say what moved."""
    located = locate(args.path, args.tag)
    with located.git as git:
        answer = handed(git, located.tag, "drop", str(args.number))
        if answer is not None:
            return say(answer, as_json=args.json)
        history = read_history(git, located.tag)
        table = table_path(git, history.session.source, located.tag)
        with Notebook.open(git, located.tag, table=table, metric=metric_name(history)) as notebook:
            drop = drop_keep(notebook, args.number, args.why)
            notices = notebook.notices
    for notice in notices:
        print(f"pytest-autoresearch: {notice}", file=sys.stderr)
    if args.json:
        print(json.dumps(to_plain(drop)))
        return 0
    print(f"{args.number:04d} {drop.commit[:7]} is out of {branch_ref(located.tag)[11:]}")
    for number, commit in drop.moved.items():
        print(f"{number:04d} is {commit[:7]} now")
    if drop.unproven:
        print(unproven_line(drop.unproven))
    print("the next start of the session measures the new head" + (" and proves them again" if drop.unproven else ""))
    return 0
