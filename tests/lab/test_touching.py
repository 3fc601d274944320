"""What a watch has a survey look at is all that somebody has touched: a survey of everything finds no more."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_autoresearch.errors import LabError
from pytest_autoresearch.lab import touching
from pytest_autoresearch.lab.found import Survey
from pytest_autoresearch.lab.workspace import Workspace
from pytest_autoresearch.protocol.experiment import FileEntry, blob_id

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux'")

BLOBS = {blob_id(data): data for data in (b"", *(b"%d\n" % n for n in range(40)))}
PATHS = [f"{place}f{n}" for place in ("", "data/", "data/deep/", "src/") for n in range(4)]
STATE = {path: FileEntry("100644", blob_id(b"%d\n" % n)) for n, path in enumerate(PATHS)}
STATE["link"] = FileEntry("120000", blob_id(b"1\n"))


def read(blobs: Sequence[str]) -> Mapping[str, bytes]:
    return {blob: BLOBS[blob] for blob in blobs}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    monkeypatch.setattr("pytest_autoresearch.lab.workspace.MANY", 0)
    workspace = Workspace(tmp_path / "w", read, checkout=tmp_path, watched=True)
    workspace.fill(STATE)
    assert workspace._touching is not None
    yield workspace
    workspace.close()


def told(survey: Survey) -> tuple[set[str], ...]:
    return set(survey.altered), set(survey.strangers), set(survey.spoilt), set(survey.touched)


def assert_as_a_walk_finds_it(workspace: Workspace) -> None:
    """And the next fill mends it, and hears of what is done then."""
    workspace.disturb()
    by_watch = told(workspace.survey())
    watch, workspace._touching = workspace._touching, None
    assert by_watch == told(workspace.survey())
    workspace._touching = watch
    workspace.fill(STATE)
    watch, workspace._touching = workspace._touching, None
    assert told(workspace.survey()) == (set(), set(), set(), set())
    workspace._touching = watch


def by_mapping(root: Path) -> None:
    with open(root / "data/f1", "r+b") as file, mmap.mmap(file.fileno(), 2) as mapped:
        mapped[0:1] = b"X"


def by_another_link(root: Path) -> None:
    os.link(root / "data/deep/f1", root / "other")
    (root / "other").write_text("X\n")
    (root / "other").unlink()


def by_a_link_in_a_directory_that_is_gone(root: Path) -> None:
    (root / "new").mkdir()
    os.link(root / "data/f2", root / "new/other")
    (root / "new/other").write_text("X\n")
    shutil.rmtree(root / "new")


def by_a_link_in_a_directory_that_stays(root: Path) -> None:
    (root / "new/inner").mkdir(parents=True)
    os.link(root / "src/f2", root / "new/inner/other")
    (root / "new/inner/other").write_text("X\n")


def by_times(root: Path) -> None:
    os.utime(root / "src/f0", (1, 1))
    os.utime(root / "data/deep", (1, 1))


def by_attributes(root: Path) -> None:
    os.setxattr(root / "src/f0", "user.note", b"1")
    os.setxattr(root / "src", "user.note", b"1")


def by_flags(root: Path) -> None:
    if subprocess.run(["chattr", "+d", "src/f1", "data/deep"], cwd=root, check=False, capture_output=True).returncode:
        pytest.skip("no flags here")


def by_rights(root: Path) -> None:
    (root / "data/f3").chmod(0o755)
    (root / "data/deep").chmod(0o700)


def by_length(root: Path) -> None:
    os.truncate(root / "f1", 0)


def by_a_handle_of_a_path(root: Path) -> None:
    handle = os.open(root / "f2", os.O_PATH)
    with open(f"/proc/self/fd/{handle}", "w") as file:
        file.write("X\n")
    os.close(handle)


def by_exchange(root: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    here = -100
    if libc.renameat2(here, os.fsencode(root / "f0"), here, os.fsencode(root / "src/f1"), 2):
        pytest.skip("no exchange here")


def by_a_move_there_and_back(root: Path) -> None:
    (root / "data").rename(root / "elsewhere")
    (root / "elsewhere/deep/f1").write_text("X\n")
    (root / "elsewhere").rename(root / "data")


def by_another_directory(root: Path) -> None:
    (root / "data").rename(root / "elsewhere")
    shutil.copytree(root / "elsewhere", root / "data")
    (root / "data/deep/f0").write_text("X\n")


def by_another_deep_directory(root: Path) -> None:
    shutil.rmtree(root / "data/deep")
    (root / "data/deep").mkdir()
    (root / "data/deep/f0").write_text("X\n")
    (root / "data/deep/stranger").write_text("X\n")


def by_another_kind(root: Path) -> None:
    (root / "f0").unlink()
    (root / "f0").mkdir()
    (root / "f0/x").write_text("X\n")
    shutil.rmtree(root / "src")
    (root / "src").write_text("X\n")
    (root / "link").unlink()
    (root / "link").symlink_to("f3")


def by_moving_the_root(root: Path) -> None:
    shutil.rmtree(root.with_name("moved"), ignore_errors=True)
    root.rename(root.with_name("moved"))
    shutil.copytree(root.with_name("moved"), root, symlinks=True)
    (root / "src/f3").write_text("X\n")


def by_so_much_that_something_is_not_heard(root: Path) -> None:
    for _ in range(int(Path("/proc/sys/fs/inotify/max_queued_events").read_text()) // 2 + 10):
        for path in ("f1", "f2"):
            os.close(os.open(root / path, os.O_RDONLY))
    (root / "data/deep/f3").write_text("X\n")


def by_nothing(root: Path) -> None:
    (root / "f0").read_text()
    os.listdir(root / "data")


WAYS = [way for name, way in sorted(globals().items()) if name.startswith("by_")]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_whatever_touches_a_file_is_heard(workspace: Workspace, way: Callable[[Path], None]) -> None:
    for _ in range(3):
        way(workspace.root)
        assert_as_a_walk_finds_it(workspace)


PLACES = [*PATHS, "new", "data/new"]
OPERATIONS = st.sampled_from(["write", "append", "remove", "move", "link", "make", "chmod", "drop", "look"])


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    st.lists(st.tuples(OPERATIONS, st.sampled_from(PATHS), st.sampled_from([*PATHS, "new", "data/new"])), max_size=8)
)
def test_any_sequence_of_changes_is_heard(workspace: Workspace, steps: list[tuple[str, str, str]]) -> None:
    for what, first, second in steps:
        one, other = workspace.root / first, workspace.root / second
        try:
            if what == "write":
                one.write_text(second)
            elif what == "append":
                with one.open("a") as file:
                    file.write("X")
            elif what == "remove":
                one.unlink()
            elif what == "move":
                one.rename(other)
            elif what == "link":
                os.link(one, other)
            elif what == "make":
                other.mkdir()
            elif what == "chmod":
                one.chmod(0o700)
            elif what == "drop":
                shutil.rmtree(one.parent) if one.parent != workspace.root else None
            else:
                one.read_bytes()
        except OSError:
            continue
    assert_as_a_walk_finds_it(workspace)


def test_another_state_is_filled_by_what_differs(workspace: Workspace) -> None:
    other = dict(STATE)
    del other["src/f1"], other["data/deep/f0"], other["data/deep/f1"], other["data/deep/f2"], other["data/deep/f3"]
    other |= {"far/away/f": FileEntry("100644", blob_id(b"7\n")), "f0": FileEntry("100755", blob_id(b"8\n"))}
    for state in (other, STATE, other):
        workspace.fill(state)
        assert workspace._touching is not None
        watch, workspace._touching = workspace._touching, None
        assert told(workspace.survey()) == (set(), set(), set(), set())
        workspace._touching = watch
        assert {p for p in workspace.root.rglob("*") if not p.is_dir()} == {workspace.root / path for path in state}
    (workspace.root / "far/away/f").write_text("X\n")
    assert [change.path for change in workspace.changes()] == ["far/away/f"]


def test_where_no_watch_can_be_had_everything_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_autoresearch.lab.workspace.MANY", 0)

    def refused(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for name, instead in (("share", lambda: 3), ("Touching", refused)):
        with monkeypatch.context() as patch:
            patch.setattr(f"pytest_autoresearch.lab.workspace.{name}", instead)
            workspace = Workspace(tmp_path / "w", read, checkout=tmp_path, watched=True)
            workspace.fill(STATE)
            assert workspace._touching is None
            by_another_link(workspace.root)
            assert [change.path for change in workspace.changes()] == ["data/deep/f1"]
            workspace.close()


def test_what_somebody_may_still_hold_is_looked_at_again(workspace: Workspace) -> None:
    """A run hands an open file to one that is still there; what that stores through a mapping no watch hears."""
    for _ in range(2):
        with open(workspace.root / "data/f1", "r+b") as file, mmap.mmap(file.fileno(), 2) as mapped:
            assert_as_a_walk_finds_it(workspace)
            time.sleep(0.03)
            mapped[0:1] = b"X"
            mapped.flush()
            workspace.disturb()
            assert "data/f1" in workspace.survey().altered
            assert_as_a_walk_finds_it(workspace)
        assert (workspace.root / "data/f1").read_bytes() == BLOBS[STATE["data/f1"].blob]
        assert workspace._touching is not None


def test_what_is_added_to_a_state_for_a_while_is_heard_of(workspace: Workspace) -> None:
    more = {path: FileEntry("100644", blob_id(b"9\n")) for path in ("hidden/deep/f", "src/hidden", "f4")}
    for _ in range(2):
        (workspace.root / "hidden").write_text("X\n")
        (workspace.root / "src/hidden").mkdir()
        workspace.extend(more)
        assert {(workspace.root / path).read_text() for path in more} == {"9\n"}
        by_another_link(workspace.root)
        (workspace.root / "hidden/deep/f").write_text("X\n")
        assert_as_a_walk_finds_it(workspace)
        assert {str(p.relative_to(workspace.root)) for p in workspace.root.rglob("*") if not p.is_dir()} == {*STATE}
        assert workspace._touching is not None


def test_a_fill_that_failed_is_made_up_for(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    other = {**STATE, "data/f1": FileEntry("100644", blob_id(b"9\n"))}

    def refused(*_: object, **__: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refused)
        with pytest.raises(LabError):
            workspace.fill(other)
    workspace.fill(other)
    assert (workspace.root / "data/f1").read_text() == "9\n"


def test_what_was_not_heard_ends_the_watch(workspace: Workspace) -> None:
    by_so_much_that_something_is_not_heard(workspace.root)
    workspace.fill(STATE)
    assert workspace._touching is None


def test_what_outlives_a_run_ends_the_watch(workspace: Workspace) -> None:
    workspace.disturb(for_good=True)
    assert workspace._touching is None
    workspace.fill(STATE)
    assert workspace._touching is None


def test_workspaces_leave_half_of_the_users_watches_to_others(workspace: Workspace) -> None:
    beside = touching.share()
    assert beside + len(STATE) < int(Path("/proc/sys/fs/inotify/max_user_watches").read_text()) / 2
    workspace.close()
    assert beside + len(STATE) < touching.share()
