"""``pytest-autoresearch ablate``: what each keep is worth today, and which can go."""

from __future__ import annotations

import argparse
import json

from pytest_autoresearch.commands.note import add_session_arguments
from pytest_autoresearch.notebook.drop import DropConflict, drop_keep
from pytest_autoresearch.protocol.experiment import Reason
from pytest_autoresearch.report.figures import number
from pytest_autoresearch.report.screen import PlainScreen
from pytest_autoresearch.research.ablating import Contribution, ablate
from pytest_autoresearch.research.certifying import certify_again, group_words
from pytest_autoresearch.research.opening import reopened
from pytest_autoresearch.research.session import Research


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_session_arguments(parser)
    parser.add_argument("--drop", action="store_true", help="drop the keeps without a certain contribution")


def run(args: argparse.Namespace) -> int:
    """Measure the head without each keep in turn; 1 where a keep turned out useless."""
    screen = PlainScreen()
    useless = []
    with reopened(args.path, args.tag, watch=screen) as research:
        for contribution in ablate(research):
            screen.clear()
            print(
                json.dumps(_plain(contribution, research)) if args.json else _line(contribution, research), flush=True
            )
            if contribution.useless:
                useless.append(contribution.keep.number)
        dropped = _drop(research, useless) if args.drop else []
        group = certify_again(research) if dropped else None
        tag, keeps = research.parts.session.tag, research.notebook.history.keeps
    if not args.json:
        if not keeps and not dropped:
            print(f"{tag} has no keep yet")
        for each in dropped:
            print(
                f"{each:04d} is out"
                + ("; the next start of the session measures the new head" if group is None else "")
            )
        if group is not None:
            print(group_words(group))
        for each in useless if not args.drop else ():
            print(f"to take it out: pytest-autoresearch drop {each} --tag {tag}")
    return 1 if set(useless) - set(dropped) else 0


def _drop(research: Research, useless: list[int]) -> list[int]:
    """Newest first, so that the numbers left are still on the branch."""
    dropped = []
    for each in sorted(useless, reverse=True):
        try:
            drop_keep(research.notebook, each, "no certain contribution in an ablation")
            dropped.append(each)
        except DropConflict as error:
            print(error)
    return dropped


def _line(contribution: Contribution, research: Research) -> str:
    keep, verdict = contribution.keep, contribution.verdict
    name = f"{keep.number:04d} {keep.commit[:7]}"
    if contribution.entangled:
        return f"{name}  a later keep builds on it       {keep.description}"
    if verdict is None:
        return f"{name}  without it the run fails        {keep.description}"
    if contribution.useless:
        word = "no certain contribution"
    elif verdict.reason is Reason.SIMPLER:
        word = "shorter, and no worse"
    else:
        word = f"worth {number(_gain(contribution, research))}"
    return f"{name}  {word:<30}  {keep.description}"


def _gain(contribution: Contribution, research: Research) -> float | None:
    verdict = contribution.verdict
    if verdict is None or verdict.estimate is None or verdict.against is None:
        return None
    return research.protocol.metric.direction.gain(verdict.against, verdict.estimate)


def _plain(contribution: Contribution, research: Research) -> dict[str, object]:
    verdict = contribution.verdict
    return {
        "number": contribution.keep.number,
        "commit": contribution.keep.commit,
        "description": contribution.keep.description,
        "entangled": contribution.entangled,
        "failed": contribution.failed,
        "useless": contribution.useless,
        "gain": _gain(contribution, research),
        "evidence": None if verdict is None else verdict.evidence,
        "samples": None if verdict is None else verdict.samples,
    }
