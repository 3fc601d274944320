"""``pytest-autoresearch report``: the records of a session for other programs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.chain import read_history
from pytest_autoresearch.notebook.export import as_csv, as_json
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.notebook.tags import locate
from pytest_autoresearch.report.story import Story, story


def _page(history: History, git: Git) -> str:
    from pytest_autoresearch.report.html import page

    told = _told(history)
    kept = [experiment.commit for experiment in reversed(told.keeps)]
    others = [each.commit for each in reversed(told.experiments) if not each.kept]
    return page(told, git.diffs([*kept, *others]))


def _picture(history: History, git: Git) -> str:
    from pytest_autoresearch.report.chart import staircase

    return staircase(_told(history), "light")


def _told(history: History) -> Story:
    told = story(history)
    if told is None:
        raise NotebookError(f"{history.session.tag}: there is no baseline yet, so there is nothing to report")
    return told


FORMATS: Mapping[str, Callable[[History, Git], str]] = {
    "html": _page,
    "svg": _picture,
    "json": lambda history, _: as_json(history),
    "csv": lambda history, _: as_csv(history),
}
PAGE = Path("report.html")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "path", metavar="PATH", nargs="?", type=Path, default=Path(), help="config, test file or directory"
    )
    parser.add_argument("--tag", help="the session; default: the newest of PATH")
    parser.add_argument("--format", choices=FORMATS, default="html", help="what to write; default: html")
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="the same as --format json")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help=f"where to write; default: {PAGE} for html, else standard output",
    )


def run(args: argparse.Namespace) -> int:
    """Write the report."""
    located = locate(args.path, args.tag)
    with located.git as git:
        text = FORMATS[args.format](read_history(git, located.tag), git)
    output = PAGE if args.output is None and args.format == "html" else args.output
    if output is None:
        print(text, end="" if text.endswith("\n") else "\n")
        return 0
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise NotebookError(f"{output}: can not be written: {error.strerror}\n  choose another --output") from None
    if args.output is None:
        print(output)
    return 0
