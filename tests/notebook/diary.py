"""A session in a real repository whose outcomes follow from the number, and what must hold of it at any time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import NoReturn

from pytest_autoresearch.notebook.chain import metric_name, read_history
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.ledger import Notebook
from pytest_autoresearch.notebook.record import Group, History, Session
from pytest_autoresearch.notebook.results import render, table_path
from pytest_autoresearch.protocol.experiment import Change, Experiment, Measurement, Outcome, Reason, Role
from pytest_autoresearch.protocol.model import Direction, Metric, PathRule, Protocol
from pytest_autoresearch.protocol.serialise import to_json

CONFIG = "autoresearch.config.md"
NOW = datetime(2024, 3, 1, 12, tzinfo=timezone.utc)
IDENTITY = ("-c", "user.name=Owner", "-c", "user.email=owner@example.invalid")


def git(root: Path, *args: str) -> str:
    done = subprocess.run(["git", *IDENTITY, *args], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.rstrip("\n")


def new_repository(root: Path, *options: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "-q", "-b", "main", *options)
    (root / CONFIG).write_text("# the protocol\n")
    (root / "train.py").write_text("RATE = 0\n")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "start")
    return root


def session(start: str, tag: str = "demo") -> Session:
    protocol = Protocol("", Metric("loss", Direction.LOWER), (PathRule("train.py"),), "python train.py")
    return Session(tag, CONFIG, start, to_json(protocol), {"run": "d1"}, "machine", {"python": "3"}, NOW, seed=7)


def is_keep(number: int) -> bool:
    return number % 3 == 0


class Diary:
    """Runs experiments: number N sets RATE to N; every third is a keep."""

    def __init__(self, root: Path, tag: str = "demo", boundary: Callable[[str], None] = lambda name: None) -> None:
        self.root, self.tag = root, tag
        self.git = Git.discover(root)
        try:
            table = table_path(self.git, CONFIG, tag)
            self.notebook = Notebook.open(self.git, tag, table=table, metric="loss", boundary=boundary)
        except BaseException:
            self.git.close()
            raise
        self.asked: list[int] = []

    def __enter__(self) -> Diary:  # noqa: PYI034
        return self

    def __exit__(self, *_: object) -> None:
        self.notebook.close()
        self.git.close()

    @property
    def experiments(self) -> tuple[Experiment, ...]:
        return self.notebook.history.experiments

    def reach(self, count: int) -> None:
        """Go on until there are ``count`` experiments, the baseline among them."""
        if self.notebook.session is None:
            self.notebook.begin_session(session(self.git.head(), self.tag))
        while len(self.experiments) < count:
            self.experiment()

    def group(self, outcome: Outcome) -> Group:
        """Measure what is provisional together, with this outcome."""
        history = self.notebook.history
        base = history.certified
        assert base is not None
        group = Group(
            keeps=tuple(keep.number for keep in history.provisional),
            base=base.number,
            outcome=outcome,
            gain=0.1,
            interval=(0.05, 0.15),
            pairs=1,
            base_runs=(measured(base.number),),
            tip_runs=(measured(history.keeps[-1].number),),
            when=NOW,
            judge={"groups": len(history.groups) + 1},
        )
        self.notebook.group(group)
        return group

    def experiment(
        self, text: str = "", *, keep: bool | None = None, file: str = "train.py", provisional: bool = False
    ) -> Experiment:
        number = len(self.experiments)
        if number == 0:
            start = self.notebook.history.session.start
            return self.record(0, self.git.tree(start), start, keep=True, description="baseline run, no changes")
        parent = self.notebook.history.incumbent
        assert parent is not None
        pending = self.notebook.pending.get(number)
        if pending is None:
            self.asked.append(number)
            data = (text or f"RATE = {number}\n").encode()
            tree = self.git.write_tree(parent.commit, [Change(file, "file", data=data)])
        else:
            tree = pending.tree
        description = f"set RATE to {number}"
        self.notebook.begin(number, tree=tree, parent=parent.commit, description=description, hypothesis="it may help")
        self.notebook.progress(number, [measured(number)], {"runs": number})
        keep = is_keep(number) if keep is None else keep
        return self.record(number, tree, parent.commit, keep=keep, description=description, provisional=provisional)

    def record(
        self,
        number: int,
        tree: str,
        parent: str,
        *,
        keep: bool,
        description: str,
        value: float | None = None,
        provisional: bool = False,
    ) -> Experiment:
        reason = Reason.IMPROVED if keep else Reason.WORSE
        return self.notebook.record(
            Experiment(
                number=number,
                status=reason.status,
                reason=reason,
                description=description,
                hypothesis="it may help",
                commit="",
                parent=parent,
                tree=tree,
                fingerprint=f"state {number}",
                value=1 - number / 10_000 if value is None else value,
                measurements=(measured(number),),
                provisional=provisional,
                isolation="process",
                machine="machine",
                started=NOW,
                ended=NOW,
                judge={"runs": number, "window": [1.0] * 20},
            )
        )


def measured(number: int) -> Measurement:
    return Measurement(Role.CANDIDATE, 1 - number / 10_000, duration=1.5, secondary={"peak_mb": 12.5})


def in_child(body: Callable[[], None]) -> int:
    """Run ``body`` in a forked process group of its own; the process id."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        _run_and_exit(body)
    return child


def _run_and_exit(body: Callable[[], None]) -> NoReturn:
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        body()
        status = 0
    except BaseException as error:
        os.write(2, f"child: {type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(status)


def ended_by(child: int) -> int:
    """How the child ended: its exit status, or minus the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def assert_sound(root: Path, tag: str = "demo") -> None:
    """What must hold of a diary's repository whenever no session is at work on it."""
    history = assert_agreed(root, tag)
    assert [e.kept for e in history.experiments] == [is_keep(e.number) for e in history.experiments]
    for experiment in history.experiments[1:]:
        assert git(root, "show", f"{experiment.commit[:7]}:train.py") == f"RATE = {experiment.number}"
    assert (root / "train.py").read_text() == "RATE = 0\n"


def assert_agreed(root: Path, tag: str = "demo", *, in_order: bool = True) -> History:
    """Ledger, branch and table say the same, nothing is damaged, nothing is left over.

    ``in_order``: records stand as they are numbered, which those of several slots need not.
    """
    with Git.discover(root) as repository:
        history = read_history(repository, tag)
        table = table_path(repository, CONFIG, tag)
        assert table.read_text() == render(history, metric_name(history))
    numbers = [e.number for e in history.experiments]
    assert (numbers if in_order else sorted(numbers)) == list(range(len(history.experiments))), numbers
    head = git(root, "rev-parse", f"autoresearch/{tag}")
    assert head == (history.incumbent.commit if history.incumbent else history.session.start)
    on_branch = git(root, "rev-list", "--reverse", f"{history.session.start}..{head}").split()
    assert on_branch == [keep.commit for keep in history.keeps]
    assert git(root, "for-each-ref", f"refs/autoresearch/{tag}/running", f"refs/autoresearch/{tag}/pending") == ""
    assert_clean(root)
    return history


def assert_clean(root: Path) -> None:
    """No damage, no lock, no draft, and nothing the user would see."""
    complaints = [line for line in git(root, "fsck", "--strict").splitlines() if not line.startswith("dangling")]
    assert complaints == []
    left = [path for path in root.rglob("*") if path.name.endswith((".lock", ".new")) or path.name == "lock"]
    assert left == []
    assert git(root, "status", "--porcelain") == ""
