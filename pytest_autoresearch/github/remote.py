"""Branch and ledger on the remote, with a token that only this process holds. Knows no pull requests.

The token travels to git in its environment: never on a command line, never into .git/config, never into a message.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pytest_autoresearch.errors import NotebookError, PublishError
from pytest_autoresearch.github.tokens import Fresh, Token, spoken
from pytest_autoresearch.notebook.branch import is_sessions
from pytest_autoresearch.notebook.chain import Chain, branch_ref, ledger_ref, metric_name
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.notebook.results import render
from pytest_autoresearch.notebook.sync import push_ledger
from pytest_autoresearch.protocol.experiment import Change
from pytest_autoresearch.report.chart import staircase
from pytest_autoresearch.report.story import story

_SLOW = {"http.lowSpeedLimit": "1000", "http.lowSpeedTime": "30"}  # a connection that hangs ends


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
        _run(git, remote, "fetch", "-q", "--no-tags", "--no-write-fetch-head", "--", remote.name, ref)
    return at


def send(git: Git, remote: Remote, chain: Chain, *, with_results: bool) -> Sent:
    """Push the ledger, then the branch. Overtaken, with nothing pushed, where the remote holds records that we lack.

    PublishError where the remote has taken neither.
    """
    history = chain.history
    tag, remarks = history.session.tag, list[str]()
    name = branch_ref(tag)[11:]
    at = tip(git, remote, name)  # before the ledger: whoever pushes after that has our records, and moves the branch
    refused = push_ledger(git, remote.name, tag, chain.head, env=remote.env)
    if refused is not None:
        remarks.append(f"the ledger was not taken: {_failure(remote, 'push', refused)}".split("\n")[0])
    branch = None
    if history.proven and at is not None and not is_sessions(git, chain, at):
        remarks.append(f"{name} holds commits of others on the remote: it was left alone, only the ledger was pushed")
    elif history.proven:
        branch = head_of(git, history, with_results=with_results)
        if branch != at:
            lease = f"--force-with-lease=refs/heads/{name}:{at or ''}"
            _run(git, remote, "push", "-q", lease, "--", remote.name, f"{branch}:refs/heads/{name}")
    elif refused is not None:
        raise PublishError("\n  ".join(remarks))
    return Sent(branch, None if refused else ledger_ref(tag), tuple(remarks))


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


def _failure(remote: Remote, command: str, error: NotebookError) -> PublishError:
    """What git said, without credentials, and what to do."""
    said = re.sub(r"(?<=//)[^/@\s]*@", "", str(error).partition(" failed: ")[2] or str(error))
    return PublishError(f"{remote.address}: git {command} failed: {said}\n  {_remedy(said)}")


def _remedy(said: str) -> str:
    low = said.lower()
    if "protected branch" in low or "declined" in low:  # GitHub's words for its rules, git's for a hook
        return "a branch rule forbids it: exempt autoresearch/* from the rule, or let this token bypass it"
    if "403" in low or "denied" in low or "authentication" in low or "could not read username" in low or "401" in low:
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
