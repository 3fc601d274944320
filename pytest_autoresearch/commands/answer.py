"""``pytest-autoresearch answer "drop 17"``: carry out what a reviewer asked for on a pull request, and answer there."""

from __future__ import annotations

import argparse
import json
import os
from contextlib import closing
from pathlib import Path

from pytest_autoresearch.errors import AutoresearchError, PublishError
from pytest_autoresearch.github.app import take_token
from pytest_autoresearch.github.job import tell_job
from pytest_autoresearch.github.remote import open_remote
from pytest_autoresearch.github.tokens import GIVEN
from pytest_autoresearch.notebook import orders
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.orders import Answer, Order, Outcome


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("text", metavar="COMMAND", help="drop N (or a commit), verify, continue N, stop")
    parser.add_argument("path", metavar="PATH", nargs="?", type=Path, default=Path(), help="a path in the repository")
    parser.add_argument("--tag", required=True, help="the session")
    parser.add_argument("--remote", default="origin", help="where the session was pushed; default: origin")
    parser.add_argument("--ref", default="", help="the branch whose workflows are started; default: the remote's")
    parser.add_argument("--pull", type=int, default=0, metavar="N", help="the pull request to answer on; 0: print only")
    parser.add_argument("--id", default="", help="names the order; the same one is carried out once")
    parser.add_argument("--by", default="", metavar="NAME", help="who asks")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def run(args: argparse.Namespace) -> int:
    """Carry it out. 0: done or handed on, 1: refused, 4: failed; the pull request has the answer in any case."""
    from pytest_autoresearch.github import answers
    from pytest_autoresearch.github.answering import Office
    from pytest_autoresearch.github.api import GitHubApi, api_url
    from pytest_autoresearch.github.publish import links
    from pytest_autoresearch.github.remote import default_branch

    name = args.id or f"{args.tag}-{os.urandom(8).hex()}"
    order = orders.parse(args.text, id=name, by=args.by, pull=args.pull)
    if order is None:
        raise PublishError(f"{args.text}: no such command\n  there are: drop N, verify, continue N, stop")
    token = take_token(os.environ)
    if token is None:
        raise PublishError(f"there is no token to answer with\n  set {GIVEN[0]}")
    with closing(Git.discover(args.path)) as git:
        remote = open_remote(git, args.remote, token)
        api = GitHubApi(remote.repository, token, url=api_url())
        ref = args.ref or default_branch(git, remote)
        try:
            answer = Office(git, remote, api, args.tag, ref).carry_out(order)
        except AutoresearchError as error:
            answer = Answer(order.id, Outcome.FAILED, str(error))
        if args.pull:
            answers.say(api, args.pull, order, answer, links(remote))
            tell_job(answered="yes")
    return _say(order, answer, as_json=args.json)


def _say(order: Order, answer: Answer, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"order": order.text, "outcome": answer.outcome.value, "text": answer.text}))
    else:
        print(f"{answer.outcome.value}: {answer.text}")
    return {Outcome.REFUSED: 1, Outcome.FAILED: 4}.get(answer.outcome, 0)
