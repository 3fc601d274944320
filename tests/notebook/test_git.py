"""Every form of repository works, or has a one-line error that says what to do."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.experiment import Change, blob_id
from tests.notebook.diary import IDENTITY, Diary, assert_clean, assert_sound, git, new_repository

ODD_NAMES = [
    "with space.py",
    "ünï/cödé.py",
    "-dash.py",
    'quote".py',
    "tab\t.py",
    "new\nline.py",
    "star*.py",
    "a/b/c.py",
]


def edit(path: str, text: str, mode: str = "100644") -> Change:
    return Change(path, "file", mode, text.encode(), len(text))


# Repositories


def test_outside_a_repository_the_error_says_git_init(tmp_path: Path) -> None:
    with pytest.raises(NotebookError, match=r"not inside a git repository\n  git init"):
        Git.discover(tmp_path)


def test_a_bare_repository_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare")
    with pytest.raises(NotebookError, match="this is a bare repository"):
        Git.discover(tmp_path)


def test_a_repository_without_a_commit_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    with pytest.raises(NotebookError, match="no commit yet"):
        Git.discover(tmp_path)


def test_the_git_directory_itself_is_refused(root: Path) -> None:
    with pytest.raises(NotebookError, match="inside a git directory"):
        Git.discover(root / ".git")


def test_a_repository_of_somebody_else_is_refused_with_the_remedy(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    with pytest.raises(
        NotebookError, match=rf"somebody else owns it\n  git config --global --add safe.directory {root}"
    ):
        Git.discover(root)


def test_a_missing_git_is_said(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(root))
    with pytest.raises(NotebookError, match=r"git was not found on PATH\n  install git"):
        Git.discover(root)


def test_a_detached_head_a_worktree_and_a_submodule_hold_sessions(room: Path, root: Path) -> None:
    git(root, "branch", "side")
    worktree = room / "worktree"
    git(root, "worktree", "add", "-q", str(worktree), "side")
    git(worktree, "checkout", "-q", "--detach")
    outer = new_repository(room / "outer")
    git(outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(root), "inner")
    for place in (worktree, outer / "inner"):
        with Diary(place) as diary:
            diary.reach(4)
        assert_sound(place)
    assert Git.discover(worktree).common_dir == root / ".git"


def test_a_shallow_clone_holds_a_session(room: Path, root: Path) -> None:
    git(root, "commit", "-q", "--allow-empty", "-m", "more")
    git(room, "clone", "-q", "--depth", "1", f"file://{root}", "shallow")
    with Diary(room / "shallow") as diary:
        diary.reach(4)
    assert_sound(room / "shallow")


def test_a_sha256_repository_holds_a_session(room: Path) -> None:
    place = new_repository(room / "long", "--object-format=sha256")
    with Diary(place) as diary:
        diary.reach(4)
        assert len(diary.experiments[1].commit) == 64
        assert diary.git.blob_id(b"x") != blob_id(b"x")
    assert_sound(place)


def test_a_repository_at_a_path_with_spaces_and_unicode_holds_a_session(room: Path) -> None:
    place = new_repository(room / "ein Ordner" / "数据 ü")
    with Diary(place) as diary:
        diary.reach(4)
    assert_sound(place)


def test_without_an_identity_our_commits_have_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL"):
        monkeypatch.delenv(name, raising=False)
    with Diary(root) as diary:
        diary.reach(4)
    assert git(root, "log", "-1", "--format=%an <%ae>", "autoresearch/demo") == (
        "pytest-autoresearch <pytest-autoresearch@localhost>"
    )


def test_the_users_identity_signs_our_commits(root: Path) -> None:
    git(root, "config", "user.name", "Ada <L>")
    git(root, "config", "user.email", "ada@example.invalid")
    with Diary(root) as diary:
        diary.reach(4)
    assert git(root, "log", "-1", "--format=%an <%ae>", "autoresearch/demo") == "Ada L <ada@example.invalid>"


def test_variables_of_a_surrounding_git_hook_do_not_lead_us_astray(
    room: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = new_repository(room / "other")
    with Git.discover(root) as repository:
        monkeypatch.setenv("GIT_DIR", str(other / ".git"))
        monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git/index"))
        monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other / ".git/objects"))
        blob = repository.objects.store("blob", b"ours")
        assert not repository.dirty()
    assert (root / ".git/objects" / blob[:2] / blob[2:]).exists()


def test_tracing_git_does_not_stop_the_helpers(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_TRACE", "GIT_TRACE2", "GIT_TRACE_REFS"):
        monkeypatch.setenv(name, "1")
    with Git.discover(root) as repository:
        found = [repository.objects.lookup(f"HEAD~{number}^{{tree}}")[0] for number in range(300)]
    assert found[0] is not None and not any(found[1:])  # a repository of one commit, asked three hundred times


def test_hooks_and_filters_of_the_repository_are_not_run(root: Path) -> None:
    ran = root.parent / "ran"
    hook = root / ".git/hooks/reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch '{ran}'\n")
    hook.chmod(0o755)
    git(root, "config", "filter.evil.clean", f"touch '{ran}'; cat")
    git(root, "config", "diff.evil.textconv", f"touch '{ran}'; cat")
    git(root, "config", "diff.external", f"touch '{ran}'")
    (root / ".git/info").mkdir(exist_ok=True)
    (root / ".git/info/attributes").write_text("*.py filter=evil diff=evil\n")
    ran.unlink(missing_ok=True)
    with Diary(root) as diary:
        diary.reach(4)
        assert "RATE = 3" in diary.git.diff("main", diary.experiments[3].commit)
    assert not ran.exists()


# Trees


def test_write_tree_changes_what_was_changed_and_nothing_else(root: Path) -> None:
    with Git.discover(root) as repository:
        changes = [edit(name, f"text of {name!r}\n") for name in ODD_NAMES] + [Change("train.py", "deleted")]
        tree = repository.write_tree("HEAD", changes)
        known = dict(repository.files(tree))
        repository._files.clear()
        assert repository.files(tree) == known
        assert set(known) == {"autoresearch.config.md", *ODD_NAMES}
        contents = repository.read([known[name].blob for name in ODD_NAMES])
        assert contents[known["tab\t.py"].blob] == b"text of 'tab\\t.py'\n"
        assert repository.write_tree(tree, [edit("train.py", "RATE = 0\n")]) != tree
        undone = [Change(name, "deleted") for name in ODD_NAMES]
        assert repository.write_tree(tree, [*undone, edit("train.py", "RATE = 0\n")]) == repository.tree("HEAD")
    assert_clean(root)


def test_a_file_may_become_a_directory_and_a_directory_a_file(root: Path) -> None:
    with Git.discover(root) as repository:
        deep = repository.write_tree("HEAD", [Change("train.py", "deleted"), edit("train.py/x/y.py", "1\n")])
        flat = repository.write_tree(deep, [Change("train.py/x/y.py", "deleted"), edit("train.py", "RATE = 0\n")])
        for tree, names in ((deep, {"train.py/x/y.py"}), (flat, {"train.py"})):
            known = dict(repository.files(tree))
            repository._files.clear()
            assert repository.files(tree) == known
            assert set(known) == {"autoresearch.config.md"} | names
        assert flat == repository.tree("HEAD")


def test_an_executable_stays_one_and_everything_deleted_is_the_empty_tree(root: Path) -> None:
    with Git.discover(root) as repository:
        tree = repository.write_tree("HEAD", [edit("run.sh", "#!/bin/sh\n", "100755")])
        assert repository.files(tree)["run.sh"].mode == "100755"
        gone = [Change(name, "deleted") for name in repository.files("HEAD")]
        assert repository.write_tree("HEAD", gone) == repository.empty_tree
        assert repository.files(repository.empty_tree) == {}


def test_what_is_no_regular_file_is_left_out(root: Path) -> None:
    with Git.discover(root) as repository:
        odd = [Change("link", "symlink"), Change("pipe", "special"), Change("folder", "directory")]
        assert repository.write_tree("HEAD", odd) == repository.tree("HEAD")


def test_line_endings_and_bytes_are_stored_as_they_are(root: Path) -> None:
    git(root, "config", "core.autocrlf", "true")
    data = bytes(range(256)) + b"\r\n" * 3
    with Git.discover(root) as repository:
        tree = repository.write_tree("HEAD", [Change("raw.bin", "file", data=data)])
        blob = repository.files(tree)["raw.bin"].blob
        assert blob == repository.blob_id(data)
        assert repository.read([blob]) == {blob: data}


def test_twenty_thousand_files_cost_a_change_next_to_nothing(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = new_repository(room / "large")
    with Git.discover(root) as repository:
        names = [f"d{folder}/f{file}.py" for folder in range(100) for file in range(200)]
        tree = repository.write_tree("HEAD", [edit(name, "all the same\n") for name in names[:200]])
        # Two hundred files, a hundred times under another name: quick to make, and as large a tree as any.
        folder = repository.plumbing.run("ls-tree", f"{tree}:d0").decode()
        inner = git_input(root, folder, "mktree")
        listing = "".join(f"040000 tree {inner}\td{number}\n" for number in range(100))
        large = git_input(root, git(root, "ls-tree", "HEAD") + "\n" + listing, "mktree")
        git(root, "update-ref", "HEAD", git_input(root, "large", "commit-tree", large))
    with Git.discover(root) as repository:
        files = repository.files("HEAD")
        assert len(files) == 20_002
        contents = repository.read([entry.blob for entry in files.values()])
        assert contents[files["d99/f199.py"].blob] == b"all the same\n"
        spawned: list[str] = []
        monkeypatch.setattr(repository.plumbing, "run", lambda *args, **more: spawned.append(args[0]))
        for number in range(20):
            tree = repository.write_tree("HEAD", [edit("d50/f7.py", f"{number}\n"), edit(f"d3/new{number}.py", "x\n")])
            assert len(repository.files(tree)) == 20_003
        assert spawned == []
        assert len(repository._trees) == 2  # the top, and the one that all the folders are


def git_input(root: Path, text: str, *args: str) -> str:
    done = subprocess.run(["git", *IDENTITY, *args], cwd=root, input=text.encode(), capture_output=True, check=True)
    return done.stdout.decode().strip()


# Looking things up


def test_resolve_finds_commits_only(root: Path) -> None:
    with Git.discover(root) as repository:
        assert repository.resolve("main") == git(root, "rev-parse", "main") == repository.head()
        assert repository.resolve("HEAD^{tree}") is None
        for nonsense in ("nothing", "", "-x", "a b", "a\nb", "deadbeef" * 5):
            assert repository.resolve(nonsense) is None


def test_reading_a_blob_that_is_not_there_is_an_error(root: Path) -> None:
    with Git.discover(root) as repository, pytest.raises(NotebookError, match="is missing"):
        repository.read(["0" * 39 + "1"])


def test_diffs_one_after_the_other_are_those_of_git_alone(root: Path) -> None:
    with Git.discover(root) as repository:
        odd = b"a\n\n\0b\nno end of line"
        trees = [repository.tree("HEAD")]
        for text in (b"RATE = 3\n", odd, b"", b"x" * 200_000 + b"\ndiff --git a/b b/b\n"):
            trees.append(repository.write_tree("HEAD", [Change("train.py", "file", "100644", text, len(text))]))
        for old, new in zip(trees, [*trees[1:], trees[-1]], strict=True):
            alone = git(root, "diff-tree", "-r", "-p", old, new)
            assert repository.diff(old, new).rstrip("\n") == alone.rstrip("\n")
        with pytest.raises(NotebookError, match="not in the repository"):
            repository.diff("HEAD", "0" * 39 + "1")
        assert repository.diff(trees[0], trees[1])


def test_what_git_grumbles_about_attributes_stops_no_diff(root: Path) -> None:
    for place in ("a", "b"):
        (root / place).mkdir()
        (root / place / ".gitattributes").write_text("!*.py diff\n*.py odd/name\n")
    with Git.discover(root) as repository:
        edits = [edit(f"{place}/{n}/train.py", "1\n") for n in range(300) for place in "ab"]
        tree = repository.write_tree("HEAD", edits)
        for _ in range(2):
            assert repository.diff("HEAD", tree).count("\n+1\n") == 600


def test_a_diff_is_literal_about_paths_and_bounded(root: Path) -> None:
    with Git.discover(root) as repository:
        tree = repository.write_tree("HEAD", [edit("star*.py", "one\n"), edit("starfish.py", "two\n")])
        assert "starfish" not in repository.diff("HEAD", tree, paths=["star*.py"])
        huge = repository.write_tree("HEAD", [edit("huge.txt", "0123456789\n" * 600_000)])
        assert len(repository.diff("HEAD", huge)) == 4_000_000


def test_dirty_and_ignored_tell_of_the_checkout_and_do_not_touch_it(root: Path) -> None:
    (root / ".gitignore").write_text("data/\n*.bin\n")
    (root / "data").mkdir()
    (root / "data/x").write_text("x")
    (root / "ü.bin").write_text("x")
    index = (root / ".git/index").read_bytes()
    with Git.discover(root) as repository:
        assert not repository.dirty()
        assert sorted(repository.ignored()) == ["data/", "ü.bin"]
        os.utime(root / "train.py", (1, 1))
        assert not repository.dirty()
        (root / "train.py").write_text("RATE = 1\n")
        assert repository.dirty() and repository.dirty(besides="other.py")
        assert not repository.dirty(besides="train.py")
    assert (root / ".git/index").read_bytes() == index


def test_no_git_process_outlives_its_repository_object(root: Path) -> None:
    repository = Git.discover(root)
    repository.move_ref("refs/heads/x", repository.head(), repository.zero)
    children = [helper._process.proc.pid for helper in repository.plumbing._helpers.values()]
    assert len(children) == 2
    repository.close()
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)


def test_a_helper_that_died_is_started_anew(root: Path) -> None:
    with Git.discover(root) as repository:
        for helper in list(repository.plumbing._helpers.values()):
            helper._process.proc.kill()
            helper._process.proc.wait()
        assert repository.head() == git(root, "rev-parse", "HEAD")


def test_a_ref_that_somebody_moved_is_not_overwritten(root: Path) -> None:
    with Git.discover(root) as repository:
        head = repository.head()
        repository.move_ref("refs/heads/x", head, repository.zero)
        with pytest.raises(NotebookError, match="cannot lock ref 'refs/heads/x'"):
            repository.move_ref("refs/heads/x", head, repository.zero)
        other = repository.commit(repository.tree("HEAD"), [head], "other")
        repository.move_ref("refs/heads/x", other, head)
        assert repository.resolve("x") == other


def test_a_repack_by_somebody_else_is_noticed(root: Path) -> None:
    with Git.discover(root) as repository:
        tree = repository.write_tree("HEAD", [edit("train.py", "RATE = 5\n")])
        commit = repository.commit(tree, [repository.head()], "five")
        repository.move_ref("refs/heads/five", commit, repository.zero)
        subprocess.run(["git", "gc", "-q", "--prune=now"], cwd=root, check=True)
        assert repository.write_tree("HEAD", [edit("train.py", "RATE = 5\n")]) == tree
        git(root, "branch", "-D", "five")
        subprocess.run(["git", "reflog", "expire", "--expire=now", "--all"], cwd=root, check=True)
        subprocess.run(["git", "gc", "-q", "--prune=now"], cwd=root, check=True)
        # The objects are gone: a process that still had the old pack open would not write them again.
        again = repository.write_tree("HEAD", [edit("train.py", "RATE = 5\n")])
        assert again == tree
        assert git(root, "show", f"{tree}:train.py") == "RATE = 5"


def test_an_ancestor_is_one(root: Path) -> None:
    with Git.discover(root) as repository:
        old = repository.head()
        new = repository.commit(repository.tree(old), [old], "new")
        other = repository.commit(repository.tree(old), [old], "other")
        repository.objects.flush()
        assert repository.is_ancestor(old, new)
        assert repository.is_ancestor(new, new)
        assert not repository.is_ancestor(new, old)
        assert not repository.is_ancestor(new, other)


@pytest.mark.timeout(30)
def test_git_processes_end_where_a_ctrl_c_has_left_one_locked(root: Path) -> None:
    with Git.discover(root) as repository:
        process = repository.plumbing.helper("cat-file", "--batch")._process.proc
        process._waitpid_lock.acquire()  # as a KeyboardInterrupt between two steps of Popen.poll does
        assert repository.resolve("HEAD")
    assert process.returncode is not None


@pytest.mark.parametrize("form", ["sha1", "sha256"])
@pytest.mark.parametrize("shared", ["umask", "group", "world"])
def test_an_object_is_as_git_would_have_written_it(tmp_path: Path, form: str, shared: str) -> None:
    git(tmp_path, "init", "-q", f"--object-format={form}", f"--shared={shared}", "theirs")
    git(tmp_path, "init", "-q", f"--object-format={form}", f"--shared={shared}", "ours")
    contents = [b"", b"x", b"some code\n" * 100_000, bytes(range(256))]
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    git(ours, "commit", "-q", "--allow-empty", "-m", "start")
    for place, content in enumerate(contents):
        (tmp_path / f"{place}").write_bytes(content)
    names = [git(theirs, "hash-object", "-w", str(tmp_path / f"{place}")) for place in range(len(contents))]
    with Git.discover(ours) as repository:
        assert [repository.store("blob", content) for content in [*contents, *contents]] == [*names, *names]
        assert [*repository.read(names).values()] == contents
    for name in names:
        for part in (name[:2], f"{name[:2]}/{name[2:]}"):
            rights = [oct((root / ".git/objects" / part).stat().st_mode) for root in (theirs, ours)]
            assert rights[0] == rights[1]
    assert "dangling" in git(ours, "fsck", "--strict", "--full")
    assert not [*(ours / ".git").rglob("tmp_obj_*")]


def test_an_object_that_can_not_be_written_leaves_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with Git.discover(root) as repository:
        monkeypatch.setattr(os, "rename", refuse)
        with pytest.raises(NotebookError, match=r"No space left on device\n  the disk is full"):
            repository.store("blob", b"nobody has this")
    assert not [*(root / ".git").rglob("tmp_obj_*")]


def test_an_object_that_a_power_cut_left_empty_is_written_again(root: Path) -> None:
    with Git.discover(root) as repository:
        path = root / ".git/objects" / (name := repository.store("blob", b"lost"))[:2] / name[2:]
    path.unlink()
    path.touch()
    with Git.discover(root) as repository:
        assert repository.store("blob", b"lost") == name
    assert git(root, "cat-file", "blob", name) == "lost"


def test_a_directory_that_a_collection_takes_as_soon_as_it_is_there_is_made_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, made = os.mkdir, list[str]()

    def make_in_vain(path: str) -> None:
        make(path)
        if not made:
            os.rmdir(path)
        made.append(path)

    with Git.discover(root) as repository:
        monkeypatch.setattr(os, "mkdir", make_in_vain)
        name = repository.store("blob", b"nobody has this")
    assert git(root, "cat-file", "blob", name) == "nobody has this"


def test_a_file_system_without_rights_takes_objects(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    with Git.discover(root) as repository:
        for call in ("chmod", "fchmod"):
            monkeypatch.setattr(os, call, refuse)
        name = repository.store("blob", b"nobody has this")
    assert git(root, "cat-file", "blob", name) == "nobody has this"


def test_a_disk_that_is_full_when_it_is_synced_is_said(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with Git.discover(root) as repository:
        commit = repository.commit(repository.empty_tree, [], "new")
        with monkeypatch.context() as full:
            full.setattr(os, "fsync", refuse)
            with pytest.raises(NotebookError, match=r"No space left on device\n  the disk is full"):
                repository.move_ref("refs/heads/x", commit, repository.zero)
        assert repository.resolve("refs/heads/x") is None


def test_git_syncs_packs_and_leaves_loose_objects_to_us(root: Path, tmp_path: Path) -> None:
    def synced(*command: str) -> bool:
        trace = tmp_path / command[0]
        repository.plumbing.run(*command, stdin=b"some content", env={"GIT_TRACE2_EVENT": str(trace)})
        return '"key":"fsync/' in trace.read_text("utf-8")

    with Git.discover(root) as repository:
        assert not synced("hash-object", "-w", "--stdin")
        assert synced("repack", "-d", "-q")


@pytest.mark.parametrize("packed", [False, True])
def test_whether_refs_can_wait_is_seen_without_asking_git(tmp_path: Path, packed: bool) -> None:
    root = new_repository(tmp_path / "r")
    with Git.discover(root) as repository:
        assert not repository.may_have_refs("refs/autoresearch/demo/asked")
        repository.move_ref("refs/autoresearch/demo/asked/1", repository.head(), repository.zero)
        if packed:
            git(root, "pack-refs", "--all", "--prune")
        assert repository.may_have_refs("refs/autoresearch/demo/asked")
        assert not repository.may_have_refs("refs/autoresearch/dem")


def test_whoever_imports_gitpython_after_us_gets_all_of_it(root: Path) -> None:
    script = f"""
        import pathlib
        from pytest_autoresearch.notebook.git import Git
        with Git.discover(pathlib.Path({str(root)!r})) as ours:
            import sys
            assert not [name for name in sys.modules if name.split(".")[0] == "git"]
            import git
            assert git.Repo({str(root)!r}).head.commit.hexsha == ours.head()
            assert git.cmd.Git and issubclass(git.exc.GitCommandError, git.GitError)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)
