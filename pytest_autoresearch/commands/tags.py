"""``pytest-autoresearch tags``: list the sessions of a repository, archive one on a remote, or delete one."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.chain import metric_name, read_history, sessions
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.notebook.tags import archive, delete
from pytest_autoresearch.report.figures import count, number


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "path", metavar="PATH", nargs="?", type=Path, default=Path(), help="a directory in the repository"
    )
    parser.add_argument("--archive", metavar="TAG", help="push a session to --remote, then delete it here")
    parser.add_argument("--delete", metavar="TAG", help="delete a session: its ledger, its branch and its state")
    parser.add_argument("--remote", default="origin", help="where to archive; default: origin")
    parser.add_argument("--yes", action="store_true", help="delete without asking")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def run(args: argparse.Namespace) -> int:
    """List, archive or delete."""
    with Git.discover(args.path) as git:
        tag = args.archive or args.delete
        if tag is None:
            histories = [read_history(git, session.tag) for session in sessions(git)]
            print(json.dumps([_about(each) for each in histories], indent=1) if args.json else _listed(histories))
            return 0
        read_history(git, tag)  # says which tags there are when it is none of them
        if args.archive:
            archive(git, tag, args.remote)
            print(f"{tag} is on {args.remote} and no longer here")
            return 0
        if not args.yes and not _confirmed(tag):
            print(f"{tag} was not deleted", file=sys.stderr)
            return 1
        delete(git, tag)
        print(f"{tag} is deleted")
    return 0


def _about(history: History) -> dict[str, object]:
    baseline = history.experiments[0].value if history.experiments else None
    return {
        "tag": history.session.tag,
        "source": history.session.source,
        "began": history.session.started.isoformat(timespec="seconds"),
        "experiments": max(len(history.experiments) - 1, 0),
        "keeps": len(history.keeps),
        "metric": metric_name(history),
        "baseline": baseline,
        "best": history.incumbent.value if history.incumbent else None,
    }


def _listed(histories: list[History]) -> str:
    lines = []
    for about, history in ((_about(each), each) for each in histories):
        best = history.incumbent.value if history.incumbent else None
        baseline = history.experiments[0].value if history.experiments else None
        experiments = count(max(len(history.experiments) - 1, 0), "experiment")
        lines.append(
            f"{about['tag']:20}  {about['began']}  {experiments}, {about['keeps']} kept,"
            f" {about['metric']} {number(baseline)} -> {number(best)}  {about['source']}"
        )
    return "\n".join(lines) or "no session yet"


def _confirmed(tag: str) -> bool:
    if not sys.stdin.isatty():
        raise NotebookError(f"deleting {tag} can not be undone\n  say --yes to confirm")
    return input(f"Delete the session {tag}, its branch and its ledger? Type its name: ").strip() == tag
