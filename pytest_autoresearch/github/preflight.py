"""Before the first run: whether what the morning needs will be allowed. Asks GitHub and git, and leaves nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from pytest_autoresearch.errors import AutoresearchError, NotebookError, PublishError
from pytest_autoresearch.github.api import Api, Pull
from pytest_autoresearch.github.publish import refuse_over
from pytest_autoresearch.github.remote import Remote, default_branch, pushed_and_deleted, tip
from pytest_autoresearch.notebook import hold
from pytest_autoresearch.notebook.chain import LEDGERS, branch_ref, read_history
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.sync import refuse_other_spelling

DAY = 86_400.0
MARGIN = 3_600.0  # s; publishing has to fit in too
LONGEST_JOB = 5 * DAY  # what GitHub lets one last

BLOCKING = {
    "creation": "no branch of that name may be made",
    "update": "it may not be pushed to",
    "non_fast_forward": "it may not be pushed to by force, which a drop and the table need",
    "pull_request": "it may be changed by pull requests only",
    "required_signatures": "its commits must be signed",
    "required_status_checks": "its commits must have passed checks before they are pushed",
}
"""Kinds of rules on a branch that a session can not live with, and what they mean."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that would go wrong, with its remedy. ``is_fatal``: what was found would be lost or hidden."""

    text: str
    is_fatal: bool = True


def preflight(
    git: Git, remote: Remote, api: Api, tag: str, *, base: str = "", duration: float | None, is_short_lived: bool
) -> Iterator[Finding]:
    """Everything that stands in the way of a session of ``tag`` that is to last ``duration`` seconds (None: no limit).

    ``is_short_lived``: the token ends after a day.
    """
    branch = branch_ref(tag)[11:]
    pull: Pull | None = None
    try:
        pull = api.find(branch)
        refuse_over(pull, branch)
    except AutoresearchError as error:
        yield Finding(str(error))
        return
    into = pull.base if pull is not None else base or default_branch(git, remote)
    checks: list[Callable[[], None]] = [
        lambda: refuse_other_spelling(git, remote.name, tag, env=remote.env),
        lambda: _check_base(git, remote, tag, into),
        lambda: _check_pushing(git, remote, tag),
        lambda: None if pull is not None else api.may_open_pulls(into),
        api.may_set_checks,
        lambda: _check_rules(api, branch),
        lambda: _check_alone(git, remote, tag),
    ]
    for check in checks:
        try:
            check()
        except AutoresearchError as error:
            yield Finding(str(error))
    ends = api.token_ends()
    lasts = timedelta(seconds=MARGIN + (LONGEST_JOB if duration is None else duration))
    if is_short_lived and (duration is None or duration > DAY - MARGIN):
        yield Finding(f"the job's token ends after 24 h, and this session may last longer: {_RISK}", is_fatal=False)
    elif ends is not None and datetime.now(timezone.utc) + lasts > ends:
        yield Finding(f"the token ends at {ends:%Y-%m-%d %H:%M} UTC, and this session may last longer: {_RISK}", False)


_RISK = (
    "what comes after is pushed by the publish job alone, and lost with the machine\n"
    "  dispatch with a duration that ends an hour before (of a job's own token: 22h), or set the variable "
    "AUTORESEARCH_APP_ID and the secret AUTORESEARCH_APP_KEY of a GitHub App, whose token is renewed, or another "
    "secret AUTORESEARCH_TOKEN"
)


def _check_base(git: Git, remote: Remote, tag: str, base: str) -> None:
    at = tip(git, remote, base)
    if at is None:
        raise PublishError(f"{remote.address} has no branch {base}\n  start the workflow at a branch, or push it first")
    try:
        start = read_history(git, tag).session.start
    except NotebookError:  # a session that begins now begins here
        start = git.head()
    if not git.is_ancestor(start, at):
        raise PublishError(
            f"the session begins at {start[:12]}, which {base} does not have\n"
            f"  push that commit to {base} first, or start the workflow at the branch that has it"
        )


def _check_pushing(git: Git, remote: Remote, tag: str) -> None:
    pushed_and_deleted(git, remote, f"{LEDGERS}/{tag}/preflight")


def _check_rules(api: Api, branch: str) -> None:
    found = [f"{kind} ({BLOCKING[kind]})" for kind in dict.fromkeys(api.rules(branch)) if kind in BLOCKING]
    if found:
        raise PublishError(
            f"rules stand in the way of {branch}: {', '.join(found)}\n"
            "  exempt autoresearch/* from them: Settings, Rules, Rulesets, Target branches, Exclude by pattern"
        )


def _check_alone(git: Git, remote: Remote, tag: str) -> None:
    who = hold.holder(git, remote.name, tag, env=remote.env)
    if who is not None and not who.yields_to(hold.myself()) and not who.job:
        raise hold.refused(who, tag)
