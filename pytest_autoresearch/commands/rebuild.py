"""``pytest-autoresearch rebuild``: results.tsv from git alone, also in a fresh clone that fetched the refs."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from pytest_autoresearch.notebook.rebuilding import rebuild_table
from pytest_autoresearch.notebook.tags import locate


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "path", metavar="PATH", nargs="?", type=Path, default=Path(), help="config, test file or directory"
    )
    parser.add_argument("--tag", help="the session; default: the newest of PATH")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def run(args: argparse.Namespace) -> int:
    """Write the table and say where it is."""
    located = locate(args.path, args.tag)
    with located.git as git:
        table, notices = rebuild_table(git, located.tag)
    for notice in notices:
        print(f"pytest-autoresearch: {notice}", file=sys.stderr)
    print(json.dumps({"tag": located.tag, "table": str(table)}) if args.json else table)
    return 0
