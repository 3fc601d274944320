"""``pytest-autoresearch publish``: push the branch and the ledger, open or update the one pull request."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_autoresearch.commands.fetch import fetched
from pytest_autoresearch.errors import PublishError
from pytest_autoresearch.github.app import take_token
from pytest_autoresearch.github.escaping import command_data
from pytest_autoresearch.github.job import tell_job
from pytest_autoresearch.github.publish import Plan, Published, plan, publish, read_checked
from pytest_autoresearch.github.remote import Remote, open_remote
from pytest_autoresearch.github.tokens import GIVEN
from pytest_autoresearch.notebook import orders
from pytest_autoresearch.notebook.chain import ledger_ref, read_history
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.sync import Relation
from pytest_autoresearch.notebook.tags import locate

if TYPE_CHECKING:
    from pytest_autoresearch.github.api import Api


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "path", metavar="PATH", nargs="?", type=Path, default=Path(), help="config, test file or directory"
    )
    parser.add_argument("--tag", help="the session; default: the newest of PATH")
    parser.add_argument("--remote", default="origin", help="where to push; default: origin")
    parser.add_argument("--base", default="", help="branch to merge into; default: the remote's default branch")
    parser.add_argument(
        "--from",
        dest="source",
        metavar="SOURCE",
        help="take the session of --tag from a remote or a git bundle first",
    )
    parser.add_argument("--draft", action="store_true", help="leave the pull request a draft, verified or not")
    parser.add_argument(
        "--answer",
        action="store_true",
        help="also answer what reviewers asked of the session while it ran",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done; needs no token, no network")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def run(args: argparse.Namespace) -> int:
    """Publish a session, or say what that would do."""
    token = take_token(os.environ)
    if args.source is not None:
        if args.tag is None:
            raise PublishError("--from needs to know the session\n  name it with --tag")
        _bring(args)
    located = locate(args.path, args.tag)
    # A bundle was handed over by a machine that ran foreign code.
    is_trusted = args.source is None or not Path(args.source).is_file()
    with closing(located.git) as git:
        chain = read_checked(git, located.tag)
        remote = _remote_if_any(git, args.remote) if args.dry_run else open_remote(git, args.remote, token)
        planned = plan(git, chain, remote, base=args.base, is_trusted=is_trusted)
        if args.dry_run:
            if not remote.address and not args.json:
                print(f"there is no remote named {args.remote}: `git remote add {args.remote} URL` makes it; then:")
            return _say_plan(planned, args)
        if token is None:
            raise PublishError(
                f"there is no token to open a pull request with\n"
                f"  set {GIVEN[0]} to one with contents: write and pull-requests: write, or see --dry-run"
            )
        if remote.repository.count("/") != 1:
            raise PublishError(f"{remote.address} names no GitHub repository\n  set GITHUB_REPOSITORY to OWNER/NAME")
        from pytest_autoresearch.github.api import GitHubApi, api_url

        api = GitHubApi(remote.repository, token, url=api_url())
        done = publish(git, planned, remote, api, keep_draft=args.draft)
        remarks = _answered(git, remote, api, located.tag) if args.answer else ()
        return _say_published(planned, replace(done, remarks=(*done.remarks, *remarks)), args)


def _bring(args: argparse.Namespace) -> None:
    """The session of ``--tag`` from where ``--from`` says. PublishError where it is neither there nor here."""
    found = fetched(args.path, args.source, args.tag)
    if found.parted is not None:
        print(f"pytest-autoresearch: what this clone had recorded is {found.parted} now", file=sys.stderr)
    if found.relation is Relation.NONE:
        with Git.discover(args.path) as git:
            if git.resolve(ledger_ref(args.tag)) is None:
                raise PublishError(
                    f"{args.source} has no session {args.tag}: whoever ran it began none, or handed nothing over\n"
                    "  see the log of the job that ran it; where its artifact could not be stored, and nothing was "
                    "pushed, the session is in that runner's clone, and the same tag goes on there"
                )


def _answered(git: Git, remote: Remote, api: Api, tag: str) -> Sequence[str]:
    """Answer everything that waits; the session has ended."""
    from pytest_autoresearch.github.answering import Office
    from pytest_autoresearch.github.answers import deliver
    from pytest_autoresearch.github.publish import links

    orders.bring(git, remote.name, tag, env=remote.env)
    known = orders.answers(read_history(git, tag))
    office = Office(git, remote, api, tag, "")
    return deliver(git, remote, tag, known, api, links(remote), otherwise=office.leftover)


def _remote_if_any(git: Git, name: str) -> Remote:
    try:
        return open_remote(git, name, None)
    except PublishError:
        return Remote(name, "", os.environ.get("GITHUB_REPOSITORY", ""), {})


def _say_plan(planned: Plan, args: argparse.Namespace) -> int:
    text, keeps = planned.text, planned.history.proven
    if args.json:
        print(_json(branch=planned.branch, keeps=len(keeps), base=planned.base, title=text.title, body=text.body))
        return 0
    where = planned.base or "the default branch"
    print(f"would push the ledger of {planned.history.session.tag} to {args.remote}")
    if not keeps:
        print("would open no pull request: nothing was kept")
        return 0
    table = " and its table" if planned.with_results else ""
    print(f"would push {planned.branch} with {len(keeps)} commits{table}")
    print(f"would open or update a draft pull request into {where}:\n\n# {text.title}\n\n{text.body}")
    return 0


def _say_published(planned: Plan, done: Published, args: argparse.Namespace) -> int:
    """1 where something was left out."""
    pull = done.pull
    tell_job(pull_request_url="" if pull is None else pull.address)
    if args.json:
        print(
            _json(
                branch=done.sent.branch,
                ledger=done.sent.ledger,
                pull_request=None if pull is None else pull.number,
                address=None if pull is None else pull.address,
                ready=done.is_ready,
                remarks=list(done.remarks),
            )
        )
    else:
        print(f"ledger  {done.sent.ledger or 'not pushed'}")
        print(f"branch  {planned.branch if done.sent.branch else 'not pushed'}")
        state = "" if pull is None else " (ready for review)" if done.is_ready else " (draft)"
        print(f"pull request {pull.address}{state}" if pull else "no pull request: nothing to review")
    for remark in done.remarks:
        print(f"pytest-autoresearch: {remark}", file=sys.stderr)
        if os.environ.get("GITHUB_ACTIONS") == "true":
            print(f"::error title=autoresearch::{command_data(remark)}")
    return 1 if done.failed or (planned.history.proven and done.sent.branch is None) else 0


def _json(**fields: Any) -> str:
    return json.dumps(fields, indent=1, ensure_ascii=False)
