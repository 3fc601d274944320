"""``pytest-autoresearch attribute``: what each keep is worth by itself, all of them from the same 32 runs."""

from __future__ import annotations

import argparse
import json

from pytest_autoresearch.commands.note import add_session_arguments
from pytest_autoresearch.notebook.codec import to_plain
from pytest_autoresearch.notebook.drop import DropConflict, drop_keep
from pytest_autoresearch.notebook.record import History, Share
from pytest_autoresearch.report.figures import interval, number
from pytest_autoresearch.report.screen import PlainScreen
from pytest_autoresearch.research.attributing import attribute
from pytest_autoresearch.research.certifying import certify_again, group_words
from pytest_autoresearch.research.opening import reopened
from pytest_autoresearch.research.session import Research


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_session_arguments(parser)
    parser.add_argument("--fold-over", action="store_true", help="64 runs: also where two keeps work together")
    parser.add_argument("--drop", action="store_true", help="drop the keeps whose effect was measured below zero")


def run(args: argparse.Namespace) -> int:
    """Attribute and record it; 1 where a keep was measured to do harm, and is still in."""
    screen = PlainScreen()
    with reopened(args.path, args.tag, watch=screen) as research:
        found = attribute(research, fold_over=args.fold_over)
        history, tag = research.notebook.history, research.parts.session.tag
        harmful = [share for share in found.shares if share.gain is not None and share.gain < 0]
        dropped = _drop(research, harmful) if args.drop else []
        group = certify_again(research) if dropped else None
    screen.clear()
    if args.json:
        print(json.dumps({**to_plain(found), "dropped": dropped, "group": to_plain(group)}))
        return 1 if harmful and not args.drop else 0
    for share in found.shares:
        print(_line(share, history))
    for each in dropped:
        print(f"{each:04d} is out" + ("; the next start of the session measures the new head" if group is None else ""))
    if group is not None:
        print(group_words(group))
    if harmful and not args.drop:
        print(f"to take out what does harm: pytest-autoresearch attribute --drop --tag {tag}")
    return 1 if harmful and not args.drop else 0


def _drop(research: Research, harmful: list[Share]) -> list[int]:
    """Newest first, so that the numbers left are still on the branch."""
    dropped = []
    for each in sorted((keep for share in harmful for keep in share.keeps), reverse=True):
        try:
            drop_keep(research.notebook, each, "measured to do harm, all keeps told apart")
            dropped.append(each)
        except DropConflict as error:
            print(error)
    return dropped


def _line(share: Share, history: History) -> str:
    names = ", ".join(f"{keep:04d}" for keep in share.keeps)
    described = "; ".join(history.at(keep).description for keep in share.keeps)
    return f"{names}  {_words(share):<52}  {described}"


def _words(share: Share) -> str:
    if share.needed:
        return "without it the run fails"
    worth = f"{number(share.gain)}{interval(share.interval)}"
    if share.proven:
        return f"proven: {worth}"
    harm = share.gain is not None and share.gain < 0
    return f"does harm: {worth}" if harm else f"no certain effect of its own: {worth}"
