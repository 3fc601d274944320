"""``pytest-autoresearch report``: the records of a session for other programs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.chain import read_history
from pytest_autoresearch.notebook.export import as_csv, as_json
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.notebook.tags import locate

FORMATS: Mapping[str, Callable[[History], str]] = {"json": as_json, "csv": as_csv}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "path", metavar="PATH", nargs="?", type=Path, default=Path(), help="config, test file or directory"
    )
    parser.add_argument("--tag", help="the session; default: the newest of PATH")
    parser.add_argument("--format", choices=FORMATS, default="json", help="what to write; default: json")
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="the same as --format json")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to write; default: standard output")


def run(args: argparse.Namespace) -> int:
    """Write the report."""
    located = locate(args.path, args.tag)
    with located.git as git:
        text = FORMATS[args.format](read_history(git, located.tag))
    if args.output is None:
        print(text, end="" if text.endswith("\n") else "\n")
        return 0
    try:
        args.output.write_text(text, "utf-8")
    except OSError as error:
        raise NotebookError(f"{args.output}: can not be written: {error.strerror}\n  choose another --output") from None
    return 0
