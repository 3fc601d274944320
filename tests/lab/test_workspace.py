"""The workspace holds exactly the state it was filled with, whatever a run has done to it."""

from __future__ import annotations

import hashlib
import os
import socket
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from pytest_autoresearch.errors import LabError
from pytest_autoresearch.lab import found
from pytest_autoresearch.lab.workspace import Workspace
from pytest_autoresearch.protocol.experiment import FileEntry, blob_id


class Store:
    """Blobs by id, as the notebook gives them."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.asked = 0

    def entry(self, data: bytes | str, mode: str = "100644") -> FileEntry:
        data = data.encode() if isinstance(data, str) else data
        self.blobs[blob_id(data)] = data
        return FileEntry(mode, blob_id(data))

    def read(self, ids: Sequence[str]) -> Mapping[str, bytes]:
        self.asked += len(ids)
        return {blob: self.blobs[blob] for blob in ids}


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def state(store: Store) -> dict[str, FileEntry]:
    return {
        "train.py": store.entry("lr = 0.1\n"),
        "run.sh": store.entry("#!/bin/sh\n", "100755"),
        "src/pkg/a.py": store.entry("a = 1\n"),
        "src/pkg/b.py": store.entry("b = 1\n"),
        "latest": store.entry("src/pkg", "120000"),
        "vendor/lib": FileEntry("160000", "0" * 40),
        "späth/a b\n.txt": store.entry("odd\n"),
        os.fsdecode(b"not-utf8-\xff"): store.entry("bytes\n"),
    }


@pytest.fixture(params=["walked", "watched"])
def workspace(
    request: pytest.FixtureRequest, tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workspace]:
    monkeypatch.setattr("pytest_autoresearch.lab.workspace.MANY", 0)
    workspace = Workspace(
        tmp_path / "scratch" / "workspace",
        store.read,
        checkout=tmp_path / "checkout",
        ignored={"run.log"},
        watched=request.param == "watched",
    )
    yield workspace
    workspace.close()


def contents(root: Path) -> dict[str, str]:
    """Everything that lies in a directory; links by their target, directories only where they are empty."""
    found: dict[str, str] = {}
    for directory, names, files in os.walk(root):
        here = Path(directory)
        links = [name for name in names if (here / name).is_symlink()]
        if not names and not files and here != root:
            found[str(here.relative_to(root))] = "directory"
        for name in (*files, *links):
            path = here / name
            shown = f"-> {os.readlink(path)}" if path.is_symlink() else path.read_text()
            found[str(path.relative_to(root))] = shown
    return found


def expected(state: Mapping[str, FileEntry], store: Store) -> dict[str, str]:
    shown = {"160000": "directory"}
    texts = {p: shown.get(e.mode) or store.blobs[e.blob].decode() for p, e in state.items()}
    return {p: f"-> {text}" if state[p].mode == "120000" else text for p, text in texts.items()}


def test_a_filled_workspace_holds_exactly_the_state(
    workspace: Workspace, store: Store, state: dict[str, FileEntry]
) -> None:
    workspace.fill(state)
    assert contents(workspace.root) == expected(state, store)
    assert (workspace.root / "run.sh").stat().st_mode & 0o111
    assert not (workspace.root / "train.py").stat().st_mode & 0o111
    assert workspace.changes() == ()


def test_what_an_earlier_session_left_is_gone(workspace: Workspace, store: Store, state: dict[str, FileEntry]) -> None:
    (workspace.root / "old").mkdir(parents=True)
    (workspace.root / "old" / "train.py").write_text("poison")
    workspace.fill(state)
    assert contents(workspace.root) == expected(state, store)


def test_the_next_state_is_reached_by_writing_only_what_differs(
    workspace: Workspace, store: Store, state: dict[str, FileEntry]
) -> None:
    workspace.fill(state)
    untouched = (workspace.root / "src/pkg/b.py").stat().st_ino
    changed = {**state, "train.py": store.entry("lr = 0.2\n"), "new/deep/file.txt": store.entry("new\n")}
    del changed["src/pkg/a.py"]
    store.asked = 0
    workspace.fill(changed)
    assert contents(workspace.root) == expected(changed, store)
    assert (workspace.root / "src/pkg/b.py").stat().st_ino == untouched
    assert store.asked == 2


def test_a_file_may_become_a_directory_and_back(workspace: Workspace, store: Store) -> None:
    flat = {"data": store.entry("flat\n")}
    deep = {"data/x/y": store.entry("deep\n")}
    for state in (flat, deep, flat, deep):
        workspace.fill(state)
        assert contents(workspace.root) == expected(state, store)


def test_a_change_of_the_same_size_at_the_same_time_is_noticed(
    workspace: Workspace, store: Store, state: dict[str, FileEntry]
) -> None:
    for _ in range(20):  # the write falls into the clock tick of the fill more often than not
        workspace.fill(state)
        path = workspace.root / "train.py"
        before = path.stat()
        with path.open("r+") as file:
            file.write("lr = 0.9\n")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        (change,) = workspace.changes()
        assert (change.path, change.data) == ("train.py", b"lr = 0.9\n")
    workspace.fill(state)
    assert contents(workspace.root) == expected(state, store)


def test_changes_name_every_kind_of_edit(workspace: Workspace, state: dict[str, FileEntry]) -> None:
    workspace.fill(state)
    root = workspace.root
    (root / "train.py").write_text("lr = 0.3\n")
    (root / "run.sh").chmod(0o644)
    (root / "src/pkg/a.py").unlink()
    (root / "src/pkg/b.py").unlink()
    (root / "src/pkg/b.py").symlink_to("/etc/passwd")
    (root / "out/deep").mkdir(parents=True)
    (root / "out/deep/new.py").write_text("new\n")
    os.mkfifo(root / "pipe")
    (root / "empty").mkdir()
    found = {change.path: (change.kind, change.mode, change.data) for change in workspace.changes()}
    assert found == {
        "train.py": ("file", "100644", b"lr = 0.3\n"),
        "run.sh": ("file", "100644", b"#!/bin/sh\n"),
        "src/pkg/a.py": ("deleted", "100644", None),
        "src/pkg/b.py": ("symlink", "120000", None),
        "out/deep/new.py": ("file", "100644", b"new\n"),
        "pipe": ("special", "", None),
    }


def test_a_rewrite_with_the_same_content_is_no_change(workspace: Workspace, state: dict[str, FileEntry]) -> None:
    workspace.fill(state)
    path = workspace.root / "train.py"
    text = path.read_text()
    path.unlink()
    path.write_text(text)
    os.utime(workspace.root / "run.sh", (1, 1))
    (workspace.root / "latest").unlink()
    (workspace.root / "latest").symlink_to("src/pkg")
    assert workspace.changes() == ()


def test_logs_bytecode_and_caches_are_no_changes_and_do_not_survive(
    workspace: Workspace, store: Store, state: dict[str, FileEntry]
) -> None:
    workspace.fill(state)
    for name in ("run.log", "src/pkg/__pycache__/a.cpython-311.pyc", "b.pyc", ".pytest_cache/v/x", ".git/config"):
        (workspace.root / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace.root / name).write_text("x")
    assert workspace.changes() == ()
    workspace.fill(state)
    assert contents(workspace.root) == expected(state, store)


def test_bytecode_and_logs_of_the_commit_are_not_filled(workspace: Workspace, store: Store) -> None:
    stale = store.entry("stale")
    workspace.fill({"a.py": store.entry("a"), "__pycache__/a.cpython-311.pyc": stale, "run.log": stale})
    assert contents(workspace.root) == {"a.py": "a"}


def test_big_new_files_are_not_read(workspace: Workspace, state: dict[str, FileEntry]) -> None:
    workspace.fill(state)
    with (workspace.root / "model.bin").open("wb") as file:
        file.truncate(50_000_000_000)
    (change,) = workspace.changes()
    assert (change.data, change.size) == (None, 50_000_000_000)


def test_so_many_new_files_that_nobody_reads_them_all_are_still_a_change(workspace: Workspace) -> None:
    workspace.fill({})
    for number in range(10_001):
        os.close(os.open(workspace.root / f"{number:05d}", os.O_CREAT))
    changes = workspace.changes()
    assert len(changes) == 10_001
    assert [change.path for change in changes if change.kind == "special"] == ["10000 and more"]


def sabotage_swap_for_link(root: Path, outside: Path) -> None:
    (root / "src/pkg/a.py").unlink()
    (root / "src/pkg/b.py").unlink()
    (root / "src/pkg").rmdir()
    (root / "src/pkg").symlink_to(outside)


def sabotage_link_out(root: Path, outside: Path) -> None:
    (root / "train.py").unlink()
    (root / "train.py").symlink_to(outside / "precious.txt")


def sabotage_hard_link(root: Path, outside: Path) -> None:
    (root / "train.py").unlink()
    os.link(outside / "precious.txt", root / "train.py")


def sabotage_modes(root: Path, outside: Path) -> None:
    (root / "locked/inner").mkdir(parents=True)
    (root / "locked/inner/file").write_text("x")
    for path in (root / "locked/inner", root / "locked", root / "src/pkg", root / "src"):
        path.chmod(0o000)


def sabotage_kinds(root: Path, outside: Path) -> None:
    (root / "train.py").unlink()
    (root / "train.py").mkdir()
    (root / "train.py/x").write_text("x")
    (root / "run.sh").unlink()
    os.mkfifo(root / "run.sh")
    (root / "vendor/lib/x").write_text("x")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(root)
        try:
            server.bind("socket")
        finally:
            os.chdir(here)


def sabotage_depth(root: Path, outside: Path) -> None:
    here = os.open(root, os.O_RDONLY)
    for _ in range(1200):  # deeper than Python recurses, longer than a path may be
        os.mkdir("d" * 200, dir_fd=here)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("bottom", os.O_CREAT, dir_fd=here))
    os.close(here)


def sabotage_root_gone(root: Path, outside: Path) -> None:
    root.rename(root.with_name("elsewhere"))
    root.symlink_to(outside)


def sabotage_root_removed(root: Path, outside: Path) -> None:
    os.system(f"rm -rf '{root}'")


@pytest.mark.parametrize("sabotage", [f for name, f in sorted(globals().items()) if name.startswith("sabotage_")])
def test_no_sabotage_outlives_the_next_fill_or_reaches_outside(
    sabotage: object, workspace: Workspace, store: Store, state: dict[str, FileEntry], tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.txt").write_text("precious")
    (outside / "a.py").write_text("precious too")
    workspace.fill(state)
    assert callable(sabotage)
    sabotage(workspace.root, outside)
    assert workspace.changes()
    workspace.fill(state)
    assert contents(workspace.root) == expected(state, store)
    assert contents(outside) == {"precious.txt": "precious", "a.py": "precious too"}
    workspace.close()
    assert not workspace.root.exists()


@pytest.mark.parametrize("workspace", ["walked"], indirect=True)
def test_a_survey_is_enough_for_the_next_fill(
    workspace: Workspace, store: Store, state: dict[str, FileEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, clear = [], found.clear_notes

    def cleared(directory: int) -> None:
        looked.append(directory)
        clear(directory)

    monkeypatch.setattr("pytest_autoresearch.lab.workspace.clear_notes", cleared)
    workspace.fill(state)
    (workspace.root / "train.py").write_text("lr = 0.5\n")
    (workspace.root / "notes").mkdir()
    os.utime(workspace.root / "src/pkg/a.py", (1, 1))  # a note to the next run
    assert [change.path for change in workspace.changes()] == ["train.py"]
    looked.clear()
    workspace.fill({**state, "run.sh": store.entry("#!/bin/bash\n", "100755")})
    assert looked == []
    assert contents(workspace.root) == expected({**state, "run.sh": store.entry("#!/bin/bash\n", "100755")}, store)
    assert (workspace.root / "src/pkg/a.py").stat().st_mtime > 1


@pytest.mark.parametrize("why", ["disturbed", "for good", "long ago", "a file comes", "a file goes", "another mode"])
def test_a_survey_is_not_enough_where_somebody_may_have_written_since(
    workspace: Workspace, store: Store, state: dict[str, FileEntry], monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    workspace.fill(state)
    if why == "for good":
        workspace.disturb(for_good=True)
    if why == "long ago":
        monkeypatch.setattr("pytest_autoresearch.lab.workspace.STILL", -1.0)
    assert workspace.changes() == ()
    if why == "disturbed":
        workspace.disturb()
    (workspace.root / "train.py").write_text("lr = 0.5\n")
    (workspace.root / "stranger").write_text("x")
    state = dict(state)
    if why == "a file comes":
        state["src/pkg/c.py"] = store.entry("c = 1\n")
    if why == "a file goes":
        del state["src/pkg/b.py"]
    if why == "another mode":
        state["run.sh"] = store.entry("train.py", "120000")
    workspace.fill(state)
    assert contents(workspace.root) == expected(state, store)


def test_immutable_leftovers_are_removed(workspace: Workspace, store: Store, state: dict[str, FileEntry]) -> None:
    workspace.fill(state)
    (workspace.root / "dir").mkdir()
    (workspace.root / "dir/file").write_text("x")
    if os.system(f"chattr +i '{workspace.root}/dir/file' '{workspace.root}/dir' '{workspace.root}/train.py' 2>&-"):
        pytest.skip("this user or file system can not make files immutable")
    workspace.fill(state)
    workspace.fill({**state, "train.py": store.entry("lr = 0.2\n")})
    assert (workspace.root / "train.py").read_text() == "lr = 0.2\n"
    assert not (workspace.root / "dir").exists()


def test_kept_paths_are_left_alone(tmp_path: Path, store: Store) -> None:
    workspace = Workspace(tmp_path / "w", store.read, checkout=tmp_path, kept={"build/cache"})
    workspace.fill({"a": store.entry("a")})
    (workspace.root / "build/cache").mkdir(parents=True)
    (workspace.root / "build/cache/object").write_text("kept")
    (workspace.root / "build/other").write_text("not kept")
    assert [change.path for change in workspace.changes()] == ["build/other"]
    workspace.fill({"a": store.entry("b")})
    assert contents(workspace.root) == {"a": "b", "build/cache/object": "kept"}


def test_what_a_build_made_stays_while_nobody_touches_it(workspace: Workspace, store: Store) -> None:
    state = {"main.c": store.entry("int main;")}

    def build() -> None:
        (workspace.root / "out").mkdir()
        (workspace.root / "out/main").write_text("binary")
        workspace.adopt()

    assert not workspace.fill(state)
    build()
    assert workspace.fill(state)
    (workspace.root / "out/trash").write_text("by the run")
    assert workspace.fill(state)
    assert contents(workspace.root) == {"main.c": "int main;", "out/main": "binary"}
    (workspace.root / "out/main").write_text("BINARY")
    assert not workspace.fill(state)
    assert contents(workspace.root) == {"main.c": "int main;"}
    build()
    assert not workspace.fill({"main.c": store.entry("int main = 1;")})
    assert not (workspace.root / "out").exists()


def test_prune_removes_only_what_is_no_part_of_the_state(workspace: Workspace, state: dict[str, FileEntry]) -> None:
    workspace.fill(state)
    (workspace.root / "out").mkdir()
    (workspace.root / "out/json.py").write_text("poison")
    (workspace.root / "out/result.txt").write_text("1")
    assert workspace.prune(lambda found: found.name.endswith(".py"), workspace.survey()) == ("out/json.py",)
    assert (workspace.root / "out/result.txt").exists()
    assert (workspace.root / "train.py").exists()


def test_a_file_of_ours_replaces_whatever_the_run_put_there(workspace: Workspace, tmp_path: Path) -> None:
    workspace.fill({})
    (tmp_path / "precious").write_text("precious")
    (workspace.root / "run.log").symlink_to(tmp_path / "precious")
    assert workspace.read("run.log", at_most=100) is None
    workspace.write("run.log", b"log")
    assert workspace.read("run.log", at_most=100) == b"log"
    assert (tmp_path / "precious").read_text() == "precious"


def pointer(data: bytes) -> bytes:
    digest = hashlib.sha256(data).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(data)}\n".encode()


def test_lfs_pointers_are_filled_from_the_checkout(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    state = {"model.bin": store.entry(pointer(b"weights"))}
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout/model.bin").write_bytes(b"weights")
    workspace.fill(state)
    assert (workspace.root / "model.bin").read_bytes() == b"weights"
    os.utime(workspace.root / "model.bin")
    assert workspace.changes() == ()
    (workspace.root / "model.bin").write_bytes(b"WEIGHTS")
    assert [change.data for change in workspace.changes()] == [b"WEIGHTS"]


@pytest.mark.parametrize("held", [None, b"version https://git-lfs.github.com/spec/v1\n", b"other weights"])
def test_an_lfs_content_that_does_not_fit_is_a_one_line_error(
    workspace: Workspace, store: Store, tmp_path: Path, held: bytes | None
) -> None:
    (tmp_path / "checkout").mkdir()
    if held is not None:
        (tmp_path / "checkout/model.bin").write_bytes(held)
    with pytest.raises(LabError, match=r"model\.bin is a Git LFS pointer.*\n  fetch it with: git lfs pull"):
        workspace.fill({"model.bin": store.entry(pointer(b"weights"))})


@pytest.mark.slow
def test_one_change_among_twenty_thousand_files_is_found_and_undone(tmp_path: Path, store: Store) -> None:
    state = {f"d{n % 200}/f{n}": store.entry(str(n)) for n in range(20_000)}
    workspace = Workspace(tmp_path / "w", store.read, checkout=tmp_path)
    workspace.fill(state)
    (workspace.root / "d0/f0").write_text("changed")
    assert [change.path for change in workspace.changes()] == ["d0/f0"]
    workspace.fill(state)
    assert stat.S_ISREG((workspace.root / "d0/f0").stat().st_mode)
    assert (workspace.root / "d0/f0").read_text() == "0"
