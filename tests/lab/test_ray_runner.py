"""What a node of a cluster runs, driven without Ray: it owns what it starts, and ends it when nobody is there."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autoresearch.errors import LabError
from pytest_autoresearch.lab.executors.remote.contents import Cargo, Store, changed, changes_between, lodging
from pytest_autoresearch.lab.executors.remote.messages import CANCEL, Berth, Failed, Opened
from pytest_autoresearch.lab.job import Job, Site
from pytest_autoresearch.protocol.experiment import FileEntry, Measurement, Reason, Role
from pytest_autoresearch.protocol.markdown import parse
from pytest_autoresearch.protocol.model import Protocol

CONFIG = """\
## Goal
Be small.
## Metric
- Name: loss
- Direction: lower
## Target Files
- train.py
## Run Command
    bash train.sh
## Time Budget
20s
"""

states = st.dictionaries(st.text("ab/", min_size=1, max_size=3), st.builds(FileEntry, st.just("100644"), st.text("01")))


@given(states, states)
def test_a_state_and_its_changes_make_the_other_one(before: dict[str, FileEntry], after: dict[str, FileEntry]) -> None:
    changes = changes_between(before, after)
    assert changed(before, changes) == after
    assert len(changes) <= len(before.keys() | after.keys())
    assert changes_between(after, dict(after)) == {}


def test_contents_are_sent_once_and_in_parts() -> None:
    cargo, loads = Cargo(), list[Mapping[str, bytes]]()
    entries = [FileEntry("100644", f"{number}") for number in range(100)] + [FileEntry("160000", "submodule")]

    def read(blobs: Sequence[str]) -> Mapping[str, bytes]:
        return {blob: b"x" * 1_000_000 for blob in blobs}

    cargo.send(cargo.lacking([*entries, *entries]), read, loads.append)
    assert [len(load) for load in loads] == [64, 36]
    assert cargo.lacking([*entries, FileEntry("100644", "new")]) == ["new"]


def test_a_store_is_shared_by_the_slots_of_a_node_and_gone_with_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    left = tmp_path / "pytest-autoresearch" / "ray" / "left"
    left.mkdir(parents=True)
    (left / "lock").touch()
    with lodging("here") as room:
        assert not left.exists(), "nobody holds its lock"
        store = Store(room / "contents")
        store.give({"1": b"one"})
        with lodging("here") as same, lodging("there"):
            again = Store(same / "contents")
            assert (store.is_new, again.is_new) == (True, False)
            assert again.read(["1"]) == {"1": b"one"}
        assert room.exists()
    assert not room.exists()


class Node:
    """A runner, and what the driver's side of a slot says to it."""

    def __init__(self, root: Path) -> None:
        self.root, self.blobs = root, dict[str, bytes]()
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "pytest_autoresearch.lab.executors.remote.runner", str(theirs.fileno())]
            environment = {**os.environ, "XDG_CACHE_HOME": str(root / "cache"), "HOME": str(root)}
            subprocess.run(command, pass_fds=[theirs.fileno()], env=environment, start_new_session=True, check=True)
        self.connection = Connection(ours.detach())

    def ask(self, name: str, *arguments: Any) -> Any:
        self.connection.send((name, arguments))
        return self.connection.recv()

    def open(self, protocol: Protocol, **site: Any) -> Any:
        place = Site(self.root / "nowhere", Path(), "demo", protocol, _unread, Path(), isolation="none")
        return self.ask("open", replace(place, **site), Berth("session", 0, 1))

    def state(self, script: str) -> dict[str, FileEntry]:
        """A state whose run is this script, given to the node."""
        blob = hashlib.sha1(b"blob %d\0%s" % (len(script), script.encode())).hexdigest()
        self.ask("give", {blob: script.encode()})
        return {"train.sh": FileEntry("100644", blob)}

    def running(self) -> list[str]:
        found = []
        for each in psutil.process_iter():
            try:
                if each.environ().get("HOME", "").startswith(str(self.root)):
                    found.append(" ".join(each.cmdline()))
            except (psutil.Error, OSError):
                continue
        return found


def _unread(blobs: Sequence[str]) -> Mapping[str, bytes]:
    raise AssertionError


def job(timeout: float = 20) -> Job:
    return Job(Role.CANDIDATE, 3, 7, {}, timeout)


@pytest.fixture
def protocol() -> Protocol:
    return parse(CONFIG, file="autoresearch.config.md")


@contextmanager
def started(root: Path) -> Iterator[Node]:
    node = Node(root)
    try:
        yield node
    finally:
        node.connection.close()
        wait_until(lambda: not node.running())


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


HANGS = "setsid sleep 600 & sleep 600"


@pytest.mark.slow
def test_a_node_measures_states_told_as_changes_of_the_first_one(tmp_path: Path, protocol: Protocol) -> None:
    with started(tmp_path) as node:
        opened = node.open(protocol)
        assert isinstance(opened, Opened) and opened.isolation == "process" and opened.is_new
        node.ask("begin_with", node.state("echo loss: 1"))
        first = node.ask("measure", {}, job())
        second = node.ask("measure", node.state("echo loss: $AUTORESEARCH_EXPERIMENT${CUDA_VISIBLE_DEVICES-7}"), job())
        assert isinstance(first, Measurement)
        assert (first.value, second.value) == (1.0, 3.0), "without a GPU of its own a run sees none"
        assert first.place == second.place == opened.place
        guard = node.ask("guard", {}, "cat train.sh", 5.0)
        assert guard.stdout == b"echo loss: 1"
    assert [*(tmp_path / "cache" / "pytest-autoresearch" / "ray").iterdir()] == []


@pytest.mark.slow
def test_a_run_ends_at_its_deadline_when_it_is_cancelled_and_when_nobody_is_there(
    tmp_path: Path, protocol: Protocol
) -> None:
    with started(tmp_path) as node:
        node.open(protocol)
        node.ask("begin_with", node.state(HANGS))
        late = node.ask("measure", {}, job(timeout=1))
        assert late.failure is Reason.TIMEOUT
        assert not [words for words in node.running() if "sleep" in words]
        node.connection.send(("measure", ({}, job(timeout=600))))
        wait_until(lambda: sum("sleep 600" in words for words in node.running()) >= 2)
        node.connection.send((CANCEL, ()))
        assert node.connection.recv() == Failed("cancelled")
        assert not [words for words in node.running() if "sleep" in words]
        node.connection.send((CANCEL, ()))  # comes too late, which does no harm
        node.connection.send(("measure", ({}, job(timeout=600))))
        wait_until(lambda: sum("sleep 600" in words for words in node.running()) >= 2)
    assert node.running() == [], "the socket was closed"


@pytest.mark.slow
def test_what_a_node_lacks_is_said_in_words(tmp_path: Path, protocol: Protocol) -> None:
    with started(tmp_path) as node:
        failed = node.open(replace(protocol, data=("/no/such/data",)))
        assert isinstance(failed, Failed) and failed.is_ours and "there is no /no/such/data" in failed.words
    with started(tmp_path) as node:
        place = Site(tmp_path, Path(), "demo", protocol, _unread, Path(), isolation="none")
        failed = node.ask("open", place, Berth("session", 0, 1, gpus="0"))
        assert isinstance(failed, Failed) and "pip install 'pytest-autoresearch[gpu]' on that node" in failed.words
        assert node.ask("guard", {}).is_ours is False, "a bug is told from what the node lacks"


@pytest.mark.parametrize("address", ["node1", "ray://node1:10001", "node1:port", "127.0.0.1:1", "auto:"])
def test_an_address_that_leads_nowhere_is_said_at_once(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_autoresearch.lab.executors.ray.cluster import _reachable

    with pytest.raises(LabError, match=r"HOST:PORT"):
        _reachable(address)


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_autoresearch.lab.executors.ray.cluster import joined
    from pytest_autoresearch.lab.executors.ray.seats import Needs

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(LabError, match=r"pip install 'pytest-autoresearch\[ray\]'"), joined("auto", Needs(), "auto"):
        pass
