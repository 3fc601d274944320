"""Who writes a tag's ledger on the remote: a ref that its holder renews, so that two sessions do not both go on.

The ledger itself is safe without it (a push that would lose records is refused); this only tells beforehand.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.chain import LEDGERS
from pytest_autoresearch.notebook.git import Git

LASTS = timedelta(minutes=15)
"""How long a hold counts that is not renewed."""

Env = Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Holder:
    """A session at work. ``host`` and ``pid`` name its process, ``run`` is the address of its job on the web, if any.

    ``job`` tells apart what may run at the same time: of one and the same workflow only one job of a tag does.
    """

    host: str
    pid: int
    run: str = ""
    job: str = ""
    until: str = ""
    at: str = ""

    @property
    def lives(self) -> bool:
        """Whether it may be at work still, as far as can be seen from here."""
        try:
            is_over = datetime.fromisoformat(self.until) < datetime.now(timezone.utc)
        except ValueError:
            return False
        return not is_over and not (self.host == platform.node() and _is_gone(self.pid))

    def yields_to(self, other: Holder) -> bool:
        """Whether another may take over: the same process, or one that is at work when this one can not be.

        Of one workflow only one job of a tag runs at a time, so what another run of it holds is over.
        """
        return not self.lives or self.is_same(other) or bool(self.job and self.job == other.job)

    def is_same(self, other: Holder) -> bool:
        """Whether both are one process."""
        return (self.host, self.pid, self.run) == (other.host, other.pid, other.run)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}" + (f" ({self.run})" if self.run else "")


def hold_ref(tag: str) -> str:
    """Where a hold is on the remote."""
    return f"{LEDGERS}/{tag}/writer"


def myself(run: str = "") -> Holder:
    """Who this process is."""
    about = [os.environ.get(name, "") for name in ("GITHUB_REPOSITORY", "GITHUB_WORKFLOW_REF", "GITHUB_JOB")]
    job = ":".join(each.partition("@")[0] for each in about)  # started at another branch it waits for its turn too
    return Holder(platform.node(), os.getpid(), run, job.strip(":"))


def holder(git: Git, remote: str, tag: str, *, env: Env = None) -> Holder | None:
    """Who holds a tag on the remote, whether it lives or not."""
    ref = hold_ref(tag)
    out = git.plumbing.run("ls-remote", "--", remote, ref, users_config=True, env=env).decode("utf-8", "replace")
    at = next((line.split("\t")[0] for line in out.splitlines() if line.endswith(f"\t{ref}")), None)
    if at is None:
        return None
    if git.resolve(at) is None:
        git.plumbing.run(
            *("fetch", "-q", "--no-tags", "--no-write-fetch-head", "--", remote, ref), users_config=True, env=env
        )
    return _read(git, at)


def take(git: Git, remote: str, tag: str, me: Holder, *, env: Env = None) -> Holder | None:
    """Take or renew the hold; whoever else has it and does not yield is returned, and keeps it."""
    known = holder(git, remote, tag, env=env)
    if known is not None and not known.yields_to(me):
        return known
    until = (datetime.now(timezone.utc) + LASTS).isoformat(timespec="seconds")
    told = {name: value for name, value in asdict(me).items() if name != "at"}
    new = git.commit(git.empty_tree, [], json.dumps({**told, "until": until}))
    git.objects.flush()
    ref = hold_ref(tag)
    lease = f"--force-with-lease={ref}:{known.at if known else ''}"
    git.plumbing.run("push", "-q", lease, "--", remote, f"{new}:{ref}", users_config=True, env=env)
    return None


def release(git: Git, remote: str, tag: str, me: Holder, *, env: Env = None) -> None:
    """Give the hold back, if it is ours."""
    known = holder(git, remote, tag, env=env)
    if known is not None and known.is_same(me):
        lease = f"--force-with-lease={hold_ref(tag)}:{known.at}"
        git.plumbing.run("push", "-q", lease, "--", remote, f":{hold_ref(tag)}", users_config=True, env=env)


def refused(who: Holder, tag: str) -> NotebookError:
    """What to tell who wants to begin while another is at work."""
    until = who.until[11:16]
    return NotebookError(
        f"the session {tag} is being run by {who}\n"
        f"  wait until it ends (it counts as lost if it is not heard of by {until} UTC), or choose another tag"
    )


def _read(git: Git, at: str) -> Holder:
    try:
        told = json.loads(git.message(at))
        run, job, until = (str(told.get(name, "")) for name in ("run", "job", "until"))
        return Holder(str(told["host"]), int(told["pid"]), run, job, until, at)
    except (ValueError, KeyError, TypeError):
        return Holder("an unknown host", 0, at=at)


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
