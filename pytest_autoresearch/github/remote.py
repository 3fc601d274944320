"""Branch and ledger on the remote, with a token that only this process holds. Knows no pull requests.

The token travels to git in its environment: never on a command line, never into .git/config, never into a message.
"""

from __future__ import annotations

import base64
import os
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

from pytest_autoresearch.errors import NotebookError, PublishError
from pytest_autoresearch.github.tokens import Fresh, Token, spoken
from pytest_autoresearch.notebook.branch import is_sessions
from pytest_autoresearch.notebook.chain import Chain, branch_ref, ledger_ref, metric_name
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.notebook.results import render
from pytest_autoresearch.notebook.sync import Overtaken, push_ledger, remote_has
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.experiment import Change
from pytest_autoresearch.report.chart import staircase
from pytest_autoresearch.report.story import story

_SLOW = {"http.lowSpeedLimit": "1000", "http.lowSpeedTime": "30"}  # a connection that hangs ends
PAUSES: Sequence[float] = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # s, before each repeat of what a remote in trouble refused
_PASSING = regex(
    r"returned error: 5\d\d|HTTP 5\d\d|connection (?:reset|was closed)|hung up unexpectedly|early eof"
    r"|operation too slow|timed out",
    re.IGNORECASE,
)
_FORBIDDEN = regex(r"error: 40[13]\b|HTTP 40[13]\b|denied|authentication|could not read username", re.IGNORECASE)
Given = TypeVar("Given")


class Passing(PublishError):
    """The remote or the network was in trouble: the same may get through a little later."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A remote and what git needs to reach it. ``address`` is without credentials; ``repository`` is ``owner/name``."""

    name: str
    address: str
    repository: str
    env: Mapping[str, str] = field(repr=False)

    @property
    def web(self) -> str:
        """The repository's address on the web, empty for one that has none."""
        server = os.environ.get("GITHUB_SERVER_URL") or _server(self.address)
        return f"{server}/{self.repository}" if server and self.repository else ""


@dataclass(frozen=True, slots=True)
class Sent:
    """What the remote has now: the branch's commit and the ref of the ledger, None for what it did not take."""

    branch: str | None
    ledger: str | None
    remarks: tuple[str, ...] = ()


def open_remote(git: Git, name: str, token: str | Token | None) -> Remote:
    """The remote ``name`` (or an address), reached with ``token`` where it speaks HTTP."""
    try:
        out = git.plumbing.run("remote", "get-url", "--push", "--", name, users_config=True)
        url = out.decode("utf-8", "replace").strip()
    except NotebookError:
        if ":" not in name and "/" not in name:
            raise PublishError(f"{git.top}: there is no remote {name}\n  git remote add {name} ADDRESS") from None
        url = name
    address = re.sub(r"(?<=//)[^/@]*@", "", url)
    path = address.partition("://")[2].partition("/")[2] if "://" in address else address.partition(":")[2]
    guessed = "/".join(path.removesuffix("/").removesuffix(".git").split("/")[-2:])
    repository = os.environ.get("GITHUB_REPOSITORY") or guessed
    env = Fresh(lambda: environment(address, None if token is None else spoken(token)))
    return Remote(name, address, repository, env)


def environment(address: str, token: str | None) -> dict[str, str]:
    """Variables that let git in. Earlier headers of that host are cleared: two of them are refused."""
    settings = list(_SLOW.items())
    if token and address.startswith(("https://", "http://")):
        key = f"http.{'/'.join(address.split('/', 3)[:3])}/.extraheader"
        secret = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        settings += [(key, ""), (key, f"Authorization: basic {secret}")]
    first = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
    env = {"GIT_CONFIG_COUNT": str(first + len(settings))}
    for index, (name, value) in enumerate(settings, first):
        env |= {f"GIT_CONFIG_KEY_{index}": name, f"GIT_CONFIG_VALUE_{index}": value}
    return env


def default_branch(git: Git, remote: Remote) -> str:
    """What the remote's HEAD is."""
    out = _run(git, remote, "ls-remote", "--symref", "--", remote.name, "HEAD")
    found = re.search(r"^ref: refs/heads/(\S+)\tHEAD$", out, re.MULTILINE)
    if found is None:
        raise PublishError(f"{remote.address}: it does not say what its default branch is\n  name it with --base")
    return found[1]


def tip(git: Git, remote: Remote, branch: str) -> str | None:
    """The commit a branch of the remote is at, brought here; None if there is no such branch."""
    ref = f"refs/heads/{branch}"
    lines = [line.split("\t") for line in _run(git, remote, "ls-remote", "--", remote.name, ref).splitlines()]
    at = next((commit for commit, name in lines if name == ref), None)
    if at is not None and git.resolve(at) is None:
        quietly = ("-q", "--no-tags", "--no-write-fetch-head", "--refmap=")  # what the person has fetched is not moved
        _run(git, remote, "fetch", *quietly, "--", remote.name, ref)
    return at


def has_held(git: Git, remote: Remote, branch: str, commit: str) -> bool:
    """Whether this clone has seen the commit in a branch of the remote, which may be rewritten by now.

    A job's checkout puts what the job was started at there.
    """
    ref = f"refs/remotes/{remote.name}/{branch}"
    if git.resolve(ref) is None:
        return False
    since = git.plumbing.run("log", "--walk-reflogs", "--format=%H", ref, "--").decode().split()
    # What its first move has left behind: a clone notes no move. rev-parse, since cat-file ends where there is none.
    before = git.plumbing.run("rev-parse", "-q", "--verify", f"{ref}@{{{len(since)}}}", check=False).decode().split()
    seen = dict.fromkeys([*git.refs(ref).values(), *since, *before])
    return any(git.is_ancestor(commit, each) for each in seen)


def send(git: Git, remote: Remote, chain: Chain, *, with_results: bool) -> Sent:
    """Push the ledger, then the branch. Overtaken, with nothing pushed, where the remote holds records that we lack.

    PublishError where the remote has taken neither; Passing where it was in trouble, before anything went wrong.
    """
    history = chain.history
    tag, remarks = history.session.tag, list[str]()
    name = branch_ref(tag)[11:]
    at = tip(git, remote, name)  # before the ledger: whoever pushes after that has our records, and moves the branch
    refused = _asked(remote, "push", lambda: push_ledger(git, remote.name, tag, chain.head, env=remote.env))
    if refused is not None:
        failure = _failure(remote, "push", refused)
        if isinstance(failure, Passing):  # it refuses no ledger as such, and the branch must not go before that
            raise failure
        remarks.append(f"the ledger was not taken: {failure}".split("\n")[0])
    branch, is_there = None, bool(history.proven) or at is not None  # a drop may have taken the last proof away
    if is_there and at is not None and not is_sessions(git, chain, at):
        remarks.append(f"{name} holds commits of others on the remote: it was left alone, only the ledger was pushed")
    elif is_there:  # without a keep it needs a commit of its own, or GitHub closes the pull request for good
        branch = head_of(git, history, with_results=with_results or not history.proven)
        if branch != at:
            lease = f"--force-with-lease=refs/heads/{name}:{at or ''}"
            _run(git, remote, "push", "-q", lease, "--", remote.name, f"{branch}:refs/heads/{name}")
    elif refused is not None:
        raise PublishError("\n  ".join(remarks))
    return Sent(branch, None if refused else ledger_ref(tag), tuple(remarks))


def patiently(call: Callable[[], Given]) -> Given:
    """What ``call`` gives, which may be repeated without harm, after as many tries as there are pauses and one."""
    for pause in PAUSES:
        try:
            return call()
        except Passing:
            time.sleep(pause * random.uniform(0.5, 1.5))
    return call()


def pushed_and_deleted(git: Git, remote: Remote, ref: str) -> None:
    """PublishError where such a ref may not be pushed; nothing is left of the try."""
    nothing = git.commit(git.empty_tree, [], "whether such refs may be pushed")
    git.objects.flush()
    _run(git, remote, "push", "-q", "--", remote.name, f"+{nothing}:{ref}")
    _run(git, remote, "push", "-q", "--", remote.name, f":{ref}")


def head_of(git: Git, history: History, *, with_results: bool) -> str:
    """The commit to push: the newest proven keep, with table and picture on top of it where those are wanted.

    The same history gives the same commit, so that publishing twice pushes nothing.
    """
    newest = history.certified
    assert newest is not None
    if not with_results:
        return newest.commit
    table = render(history, metric_name(history)).encode("utf-8", "replace")
    changes = [Change(results_path(history.session.tag), "file", data=table)]
    told = story(history)
    assert told is not None
    for theme in ("light", "dark"):
        path = results_path(history.session.tag, f"progress-{theme}.svg")
        changes.append(Change(path, "file", data=staircase(told, theme).encode("utf-8", "replace")))
    when = history.experiments[-1].ended or history.session.started
    tag = history.session.tag
    message = f"Add the table and the picture of {tag}\n\nWritten when publishing; the next publishing replaces it."
    commit = git.commit(git.write_tree(newest.commit, changes), [newest.commit], message, when)
    git.objects.flush()
    return commit


def results_path(tag: str, name: str = "results.tsv") -> str:
    """Where the table, or what lies beside it, is on the published branch."""
    return f"autoresearch/{tag}/{name}"


def _run(git: Git, remote: Remote, *args: str) -> str:
    try:
        return git.plumbing.run(*args, users_config=True, env=remote.env).decode("utf-8", "replace")
    except NotebookError as error:
        raise _failure(remote, args[0], error) from None


def has_ledger(git: Git, remote: Remote, tag: str) -> bool:
    """Whether the remote's ledger of a tag is what this clone has."""
    return _asked(remote, "ls-remote", lambda: remote_has(git, remote.name, ledger_ref(tag), env=remote.env))


def _asked(remote: Remote, command: str, call: Callable[[], Given]) -> Given:
    try:
        return call()
    except Overtaken:
        raise
    except NotebookError as error:
        raise _failure(remote, command, error) from None


def _failure(remote: Remote, command: str, error: NotebookError) -> PublishError:
    """What git said, without credentials, and what to do."""
    said = re.sub(r"(?<=//)[^/@\s]*@", "", str(error).partition(" failed: ")[2] or str(error))
    kind = Passing if _PASSING.search(said) else PublishError
    return kind(f"{remote.address}: git {command} failed: {said}\n  {_remedy(said)}")


def _remedy(said: str) -> str:
    low = re.sub(r"'[^']*'", "", said).lower()  # an address may hold any of the words, and a port 403
    if "protected branch" in low or "declined" in low:  # GitHub's words for its rules, git's for a hook
        return "a branch rule forbids it: exempt autoresearch/* from the rule, or let this token bypass it"
    if _FORBIDDEN.search(low):
        return "the token needs contents: write; it may have expired (a job's lives 24 h): publish again with a new one"
    if "stale info" in low or "fetch first" in low or "non-fast-forward" in low:
        return "somebody pushed meanwhile: publish again"
    return "check the remote's address and the network, then publish again: nothing is lost"


def _server(address: str) -> str:
    if "://" in address:
        parts = urlsplit(address)
        is_web = parts.scheme in ("http", "https")
        return "/".join(address.split("/")[:3]) if is_web else f"https://{parts.hostname}" if parts.hostname else ""
    host = address.partition(":")[0].rpartition("@")[2]
    return f"https://{host}" if ":" in address and "." in host else ""
