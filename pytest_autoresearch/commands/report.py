"""``pytest-autoresearch report``: a session as a page, a picture, a text, or records for other programs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from io import TextIOWrapper
from pathlib import Path

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.chain import read_history, sessions
from pytest_autoresearch.notebook.export import as_csv, as_json
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.notebook.tags import locate
from pytest_autoresearch.report.looking import Look
from pytest_autoresearch.report.story import Story, story


def _page(history: History, git: Git) -> str:
    from pytest_autoresearch.report.html import page

    told = _told(history)
    return page(told, Look(git).at(told))


def _text(history: History, git: Git) -> str:
    from pytest_autoresearch.report.markdown.body import pull_request
    from pytest_autoresearch.report.markdown.parts import Links

    told = _told(history)
    sizes = {commit: (change.added, change.removed) for commit, change in Look(git).kept(told).changes.items()}
    text = pull_request(told, told.tag, Links(sizes=sizes), limit=LONGEST_TEXT)
    return f"# {text.title}\n\n{text.body}\n"


def _picture(history: History, git: Git) -> str:
    from pytest_autoresearch.report.chart import staircase

    return staircase(_told(history), "light")


def _beside(path: Path, tags: str) -> str:
    """The page of the sessions that ``tags`` names."""
    with Git.discover(path) as git:
        return page_beside(git, matching([session.tag for session in sessions(git)], tags))


def write(output: Path, text: str) -> None:
    """Write a report to a file."""
    try:
        output.write_text(text, "utf-8", errors="replace")
    except OSError as error:
        raise NotebookError(f"{output}: can not be written: {error.strerror}\n  choose another place for it") from None


def page_beside(git: Git, tags: Sequence[str]) -> str:
    """The page of these sessions side by side; those without a baseline are left out."""
    from pytest_autoresearch.report.beside import beside
    from pytest_autoresearch.report.html import beside_page

    told = [found for tag in tags if (found := story(read_history(git, tag))) is not None]
    if not told:
        raise NotebookError(f"{', '.join(tags)}: there is no baseline yet, so there is nothing to report")
    return beside_page(beside([(each, Look(git).kept(each)) for each in told]))


def matching(known: Sequence[str], tags: str) -> list[str]:
    """The known tags that names or patterns, with commas, mean: in their order, each once."""
    patterns = list(filter(None, map(str.strip, tags.split(","))))
    if not patterns:
        raise NotebookError(f"--tags: names no session\n  there are: {', '.join(known) or 'none yet'}")
    found: dict[str, None] = {}
    for pattern in patterns:
        meant = [tag for tag in known if fnmatchcase(tag, pattern)]
        if not meant:
            raise NotebookError(f"--tags: no session {pattern}\n  there are: {', '.join(known) or 'none yet'}")
        found.update(dict.fromkeys(meant))
    return list(found)


def _told(history: History) -> Story:
    told = story(history)
    if told is None:
        raise NotebookError(f"{history.session.tag}: there is no baseline yet, so there is nothing to report")
    return told


FORMATS: Mapping[str, Callable[[History, Git], str]] = {
    "html": _page,
    "md": _text,
    "svg": _picture,
    "json": lambda history, _: as_json(history),
    "csv": lambda history, _: as_csv(history),
}
LONGEST_TEXT = 10_000_000  # UTF-16 units; the whole of a night
PAGE = Path("report.html")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "path", metavar="PATH", nargs="?", type=Path, default=Path(), help="config, test file or directory"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--tag", help="the session; default: the newest of PATH")
    which.add_argument("--tags", metavar="TAGS", help="several side by side: names or patterns, with commas")
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
    if args.tags is not None and args.format != "html":
        raise NotebookError("--tags writes a page\n  leave --format out, or name one session with --tag")
    if args.tags is not None:
        text = _beside(args.path, args.tags)
    else:
        located = locate(args.path, args.tag)
        with located.git as git:
            text = FORMATS[args.format](read_history(git, located.tag), git)
    output = PAGE if args.output is None and args.format == "html" else args.output
    if output is None:
        if isinstance(sys.stdout, TextIOWrapper):  # the same bytes as in a file, whatever the locale
            sys.stdout.reconfigure(encoding="utf-8", errors="replace")
        print(text, end="" if text.endswith("\n") else "\n")
        return 0
    write(output, text)
    if output.is_file():  # and no device that a name would be written to
        print(output)
    return 0
