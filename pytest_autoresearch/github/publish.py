"""Publishing a session: check it, push ledger and branch, open or update its one pull request."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from pytest_autoresearch.errors import NotebookError, PublishError
from pytest_autoresearch.github.checks import check, check_scope, check_start
from pytest_autoresearch.github.errands import MARKER
from pytest_autoresearch.github.own_part import FRAME, around, framed
from pytest_autoresearch.github.remote import Remote, Sent, default_branch, has_held, has_ledger, patiently, send, tip
from pytest_autoresearch.github.verdict import Conclusion, Verdict
from pytest_autoresearch.notebook.chain import Chain, branch_ref, ledger_ref, metric_name, read_chain
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.notebook.sync import Overtaken, parted_from
from pytest_autoresearch.protocol.serialise import from_json
from pytest_autoresearch.report.markdown.body import BODY_LIMIT, PullRequest, length, opening, pull_request
from pytest_autoresearch.report.markdown.parts import Earlier, Links, check_title, doubted
from pytest_autoresearch.report.markdown.standing import standing
from pytest_autoresearch.report.story import Story, story

if TYPE_CHECKING:
    from pytest_autoresearch.github.api import Api, Pull  # github3.py is slow to import

LABELS = ("autoresearch",)


@dataclass(frozen=True, slots=True)
class Plan:
    """What publishing a session would do. ``remarks`` are for the reviewer."""

    chain: Chain
    base: str
    with_results: bool
    text: PullRequest
    remarks: tuple[str, ...] = ()

    @property
    def history(self) -> History:
        return self.chain.history

    @property
    def branch(self) -> str:
        return branch_ref(self.history.session.tag)[11:]


@dataclass(frozen=True, slots=True)
class Published:
    """What was done. ``pull`` None: nothing was kept, or the branch was left alone; ``failed``: a part was refused."""

    sent: Sent
    pull: Pull | None
    is_ready: bool = False
    remarks: tuple[str, ...] = ()
    failed: bool = False


def read_checked(git: Git, tag: str) -> Chain:
    """The ledger of a session that is fit to be published."""
    ledger = ledger_ref(tag)
    chain = read_chain(git, ledger)
    if chain is None:
        raise PublishError(f"{git.top}: no session {tag} in this repository\n  fetch its ledger first, see --from")
    check(git, chain, ledger, tag)
    return chain


def plan(git: Git, chain: Chain, remote: Remote, *, base: str = "", is_trusted: bool = True) -> Plan:
    """What there is to publish, from git alone. ``base`` may be left open.

    A session from a machine that is not trusted must keep to the config in the repository.
    """
    history = chain.history
    remarks = _circumstances(history)
    remark = None if is_trusted else check_scope(git, history.session)
    if remark is not None:
        remarks = (*remarks, remark)
    publish = from_json(history.session.protocol).options.publish
    results = publish.get("results", "commit") if isinstance(publish, dict) else "commit"
    places = replace(links(remote), remarks=remarks, sizes=sizes(git, history))
    text = pull_request(story(history), history.session.tag, places)
    return Plan(chain, base, results == "commit", text, remarks)


def publish(git: Git, planned: Plan, remote: Remote, api: Api, *, keep_draft: bool = False) -> Published:
    """Do it. Safe to repeat: the same session gives the same branch and the same pull request.

    Raises PublishError, with nothing pushed, when the pull request of the branch was merged or closed, and Overtaken,
    with nothing written, when the remote's ledger is not what this clone has.
    """
    pull = api.find(planned.branch)
    refuse_over(pull, planned.branch)
    base = pull.base if pull is not None else planned.base or patiently(lambda: default_branch(git, remote))
    base_commit = patiently(lambda: tip(git, remote, base))
    if base_commit is None:
        raise PublishError(f"{remote.address} has no branch {base}\n  name another one with --base")
    start = planned.history.session.start
    had_start = partial(has_held, git, remote, base, start) if pull is None else lambda: True
    moved = _base_moved(git, planned.history, base, base_commit, had_start)
    sent = patiently(lambda: send(git, remote, planned.chain, with_results=planned.with_results))
    if pull is None and (not planned.history.proven or sent.branch is None):
        return Published(sent, None, remarks=sent.remarks)
    tag = planned.history.session.tag
    if sent.ledger is not None and not patiently(lambda: has_ledger(git, remote, tag)):
        raise Overtaken(remote.address, tag)  # what it would say is out of date already
    remarks = (*planned.remarks, *sent.remarks, *moved)
    places = replace(
        links(remote),
        remarks=remarks,
        sizes=sizes(git, planned.history),
        pictures=sent.branch if sent.branch is not None and planned.with_results else "",
        earlier=_earlier(planned.history, api, base),
    )
    told = story(planned.history)
    before, after = ("", "") if pull is None else around(pull.body)
    room = BODY_LIMIT - FRAME - length(before) - length(after)
    text = pull_request(told, planned.history.session.tag, places, limit=room)
    whole = framed(text.body, before, after)
    if pull is None:
        pull = api.create(branch=planned.branch, base=base, title=text.title, body=whole)
    own = pull.title if pull.title and not pull.title.startswith("autoresearch ") else text.title  # a person's is kept
    pull = api.update(pull.number, title=own, body=whole)
    done = Published(sent, pull, remarks=sent.remarks)
    return _finished(planned.history, told, done, places, api, keep_draft=keep_draft)


def sizes(git: Git, history: History) -> dict[str, tuple[int, int]]:
    """Lines that each keep's commit added and removed."""
    found = {}
    for keep in history.keeps:
        out = git.plumbing.run(
            "diff-tree", "-r", "--numstat", "--no-renames", "--end-of-options", keep.parent, keep.commit
        )
        counts = [line.split(b"\t")[:2] for line in out.splitlines()]
        numbers = [(int(added), int(removed)) for added, removed in counts if added != b"-"]
        found[keep.commit] = (sum(a for a, _ in numbers), sum(r for _, r in numbers))
    return found


def _base_moved(
    git: Git, history: History, base: str, base_commit: str, had_start: Callable[[], bool]
) -> tuple[str, ...]:
    """What became of the base since the session began, and whether the keeps still merge into it.

    PublishError where it does not have the session's start, unless it ``had_start``: then it was rewritten since.
    """
    start, head = history.session.start, history.certified
    try:
        check_start(git, history.session, base, base_commit)
    except PublishError:
        if not had_start():
            raise
        return (
            f"{base} was rewritten and has {start[:12]}, from which the session began, no more: this pull request "
            f"shows what was taken out of {base} too; begin a session on the new {base}, or cherry-pick the keeps",
        )
    behind = int(git.plumbing.run("rev-list", "--count", "--end-of-options", base_commit, f"^{start}") or 0)
    if not behind or head is None:
        return ()
    try:
        git.plumbing.run("merge-tree", "--write-tree", "--no-messages", "--end-of-options", base_commit, head.commit)
        state = "the keeps merge into it without a conflict"
    except NotebookError as error:
        is_old = "usage" in str(error) or "unknown" in str(error)  # git before 2.38
        state = "whether the keeps merge into it was not tried" if is_old else "the keeps conflict with it"
    commits = "1 commit" if behind == 1 else f"{behind} commits"
    return (f"{base} has moved on by {commits} since the session began, and the numbers are from before; {state}",)


def _earlier(history: History, api: Api, base: str) -> tuple[Earlier, ...]:
    """The sessions of the same metric that were merged into the base before; none where GitHub does not say."""
    own = f": {metric_name(history)}: start "
    try:
        merged = api.merged(base)
    except PublishError:
        return ()
    return tuple(each for each in merged if each.title.startswith("autoresearch ") and own in each.title)


def _circumstances(history: History) -> tuple[str, ...]:
    """What the ledger itself tells a reviewer to know beforehand."""
    other = parted_from(history)
    return () if other is None else (f"this session went its own way from {other}, which went on elsewhere",)


class Over(PublishError):
    """The pull request of a session was merged or closed."""


def refuse_over(pull: Pull | None, branch: str) -> None:
    """Over where there is a pull request of the session, and it was merged or closed."""
    if pull is not None and pull.state != "open":
        what = "merged" if pull.is_merged else "closed"
        raise Over(
            f"the pull request of {branch} was {what}: {pull.address}\n"
            "  its session is over: begin another one with a new tag, --autoresearch-tag NAME"
        )


def may_be_ready(history: History, told: Story | None) -> bool:
    """Whether the session has ended and its gain was confirmed on fresh runs."""
    return history.ending is not None and verdict(told, Links()).conclusion is Conclusion.SUCCESS


def verdict(told: Story | None, links: Links) -> Verdict:
    """What the check on the branch's head says: whether fresh runs have confirmed the gain."""
    title, text = check_title(told), opening(told, links)
    verified = None if told is None else told.verified
    if told is None or not told.keeps:
        conclusion = Conclusion.NEUTRAL
    elif doubted(told):
        conclusion = Conclusion.FAILURE
    elif verified is None:
        conclusion = Conclusion.NEUTRAL
    else:
        low = verified.gain if verified.interval is None else verified.interval[0]
        conclusion = Conclusion.SUCCESS if low is not None and low > 0 else Conclusion.FAILURE
    return Verdict(conclusion, title, text, links.run)


def links(remote: Remote) -> Links:
    """Where the body points to, as Actions tells."""
    run = os.environ.get("GITHUB_RUN_ID")
    return Links(remote.web, f"{remote.web}/actions/runs/{run}" if run and remote.web else "")


def _finished(
    history: History, told: Story | None, done: Published, links: Links, api: Api, *, keep_draft: bool
) -> Published:
    """Label, comment, check and the end of the draft: each is tried, whatever becomes of the others."""
    pull, head, remarks, failures = done.pull, done.sent.branch, list(done.remarks), list[str]()
    assert pull is not None

    def succeeds(failed: str, call: Callable[[], None]) -> bool:
        try:
            call()
        except PublishError as error:
            failures.append(f"{failed}: {' '.join(str(error).split())}")
            return False
        return True

    succeeds("not labelled", lambda: api.label(pull.number, LABELS))
    text = standing(told, links)
    succeeds("the comment is out of date", lambda: api.comment(pull.number, MARKER, text, is_wanted=False))
    if head is not None:
        succeeds("no check was set", lambda: api.check(head, verdict(told, links)))
    is_ready = not pull.is_draft
    if not is_ready and not keep_draft and may_be_ready(history, told):
        is_ready = succeeds("still a draft", lambda: api.mark_ready(pull))
    return replace(done, is_ready=is_ready, remarks=(*remarks, *failures), failed=bool(failures))
