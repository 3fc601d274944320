"""One git repository as the notebook uses it: objects, trees, refs. Knows nothing of experiments.

The user's index, checkout, stash and current branch are never written.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any, final

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.objects import Objects
from pytest_autoresearch.notebook.plumbing import Plumbing, discover_places
from pytest_autoresearch.notebook.trees import TREE, applied, listed, nested, parsed, remember, serialised
from pytest_autoresearch.protocol.experiment import Change, FileEntry

PRUNED_AT_MOST = 20
"""Times in a row that a ``git gc --prune=now`` may be quicker than the ref that would have kept an object."""
DIFFS_AT_ONCE = 1000
"""Commits named to one git: their ids are its arguments."""
DIFF_LIMIT = 4_000_000
"""Bytes of a diff that are read at most."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who our commits say made them."""

    name: str = "pytest-autoresearch"
    email: str = "pytest-autoresearch@localhost"


@final
class Git:
    """A repository with a working tree and at least one commit."""

    def __init__(self, top: Path, git_dir: Path, common_dir: Path, object_format: str) -> None:
        self.top, self.common_dir = top, common_dir
        self.plumbing = Plumbing(top, git_dir, common_dir)
        self.objects = Objects(self.plumbing, object_format)
        self.zero = self.objects.zero
        self._tree_of: OrderedDict[str, str] = OrderedDict()
        self._trees: OrderedDict[str, dict[str, FileEntry]] = OrderedDict()
        self._files: OrderedDict[str, dict[str, FileEntry]] = OrderedDict()

    @classmethod
    def discover(cls, path: Path) -> Git:
        """The repository around ``path``; NotebookError where there is none that a session can work on."""
        git = cls(*discover_places(Path(os.path.abspath(path))))
        if git.resolve("HEAD") is None:
            git.close()
            raise NotebookError(f"{git.top}: the repository has no commit yet\n  commit what is to be optimised first")
        return git

    def close(self) -> None:
        """End the git processes."""
        self.plumbing.close()

    def __enter__(self) -> Git:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- looking things up ------------------------------------------------------------------------------------------

    def head(self) -> str:
        """The commit HEAD is at."""
        commit = self.resolve("HEAD")
        if commit is None:
            raise NotebookError(f"{self.top}: HEAD names no commit\n  check out a branch")
        return commit

    def resolve(self, rev: str) -> str | None:
        """The full hash of the commit that ``rev`` names, None if there is none."""
        if not rev or "\n" in rev or "\0" in rev:
            return None
        return self.objects.lookup(f"{rev}^{{commit}}")[0]

    def tree(self, treeish: str) -> str:
        """The id of a commit's tree."""
        if treeish in self._tree_of:
            return self._tree_of[treeish]
        found = self.objects.lookup(f"{treeish}^{{tree}}")[0]
        if found is None:
            raise NotebookError(f"{self.top}: {treeish} is not in the repository\n  fetch it, or check its spelling")
        if len(treeish) == len(self.zero):  # a full hash, which means the same for ever
            remember(self._tree_of, treeish, found, most=500)
        return found

    def message(self, commit: str) -> str:
        """A commit's message."""
        _, data = self.objects.lookup(f"{commit}^{{commit}}")
        return data.partition(b"\n\n")[2].decode("utf-8", "replace")

    def parents(self, commit: str) -> list[str]:
        """A commit's parents, first parent first."""
        _, data = self.objects.lookup(f"{commit}^{{commit}}")
        header = data.partition(b"\n\n")[0].split(b"\n")
        return [line[7:].decode() for line in header if line.startswith(b"parent ")]

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether ``new`` builds on ``old``, or is it."""
        return not self.plumbing.run("rev-list", "-n1", "--end-of-options", old, f"^{new}")

    def files(self, treeish: str) -> Mapping[str, FileEntry]:
        """Every path of a tree, relative to the top. Names that are not UTF-8 are surrogate-escaped."""
        with self.plumbing.lock:
            tree = self.tree(treeish)
            known = self._files.get(tree)
            if known is None:
                listing = self.plumbing.run("ls-tree", "-r", "-z", "--full-tree", tree)
                known = dict(listed(line) for line in listing.split(b"\0")[:-1])
            remember(self._files, tree, known, most=4)
            return known

    def read(self, blobs: Sequence[str]) -> dict[str, bytes]:
        """Raw contents by blob id."""
        return self.objects.read(blobs)

    def store(self, kind: str, data: bytes) -> str:
        """Write an object and return its id."""
        return self.objects.store(kind, data)

    def blob_id(self, data: bytes) -> str:
        """The id a blob with this content has in this repository."""
        return self.objects.id_of("blob", data)

    # -- writing objects --------------------------------------------------------------------------------------------

    def write_tree(self, base: str, changes: Sequence[Change]) -> str:
        """The id of ``base``'s tree with ``changes`` applied; changes that are no regular file are left out.

        Costs by the changed paths, not by the size of the tree.
        """
        with self.plumbing.lock:
            return self._write_tree(base, changes)

    def _write_tree(self, base: str, changes: Sequence[Change]) -> str:
        root = self.tree(base)
        deleted = [(change.path, None) for change in changes if change.kind == "deleted"]
        files = [
            (change.path, FileEntry(change.mode, self.store("blob", change.data)))
            for change in changes
            if change.kind == "file" and change.data is not None
        ]
        if not (edits := [*deleted, *files]):
            return root
        tree = self._graft(root, nested(edits)) or self.empty_tree
        if root in self._files and tree not in self._files:
            remember(self._files, root, self._files[root], most=4)
            remember(self._files, tree, applied(self._files[root], edits), most=4)
        return tree

    def commit(self, tree: str, parents: Sequence[str], message: str, when: datetime | None = None) -> str:
        """Write a commit object; no ref moves."""
        return self.store("commit", self.commit_data(tree, parents, message, when))

    def commit_unique(self, tree: str, parents: Sequence[str], message: Callable[[int], str]) -> str:
        """Write a commit whose first 7 digits name nothing else here; ``message`` gets a nonce to vary by."""
        now = datetime.now(timezone.utc)
        for nonce in range(1000):
            data = self.commit_data(tree, parents, message(nonce), now)
            short = self.objects.id_of("commit", data)[:7]
            if self.objects.is_unused(short):
                return self.store("commit", data)
        raise NotebookError(f"{self.top}: no free abbreviation of 7 digits is left\n  the repository is too large")

    def commit_data(self, tree: str, parents: Sequence[str], message: str, when: datetime | None = None) -> bytes:
        """The content of a commit object."""
        stamp = int((when or datetime.now(timezone.utc)).timestamp())
        who = f"{self.identity.name} <{self.identity.email}> {stamp} +0000"
        lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents), f"author {who}", f"committer {who}"]
        return ("\n".join(lines) + "\n\n" + message.rstrip("\n") + "\n").encode("utf-8", "replace")

    @cached_property
    def empty_tree(self) -> str:
        """The tree of a commit that carries no files."""
        return self.store("tree", b"")

    @cached_property
    def identity(self) -> Identity:
        """The user's name and address, or our own where git knows none."""
        out = self.plumbing.run("config", "--get-regexp", r"^user\.(name|email)$", check=False, users_config=True)
        said = dict(line.split(" ", 1) for line in out.decode("utf-8", "replace").splitlines() if " " in line)
        name = os.environ.get("GIT_AUTHOR_NAME") or said.get("user.name", "")
        email = os.environ.get("GIT_AUTHOR_EMAIL") or said.get("user.email", "")
        clean = str.maketrans("", "", "<>\n\r\0")
        name, email = name.translate(clean).strip(), email.translate(clean).strip()
        return Identity(name, email) if name and email else Identity()

    def _graft(self, tree: str | None, edits: dict[str, Any]) -> str | None:
        """The id of ``tree`` with nested edits applied, None when nothing is left of it."""
        entries = dict(self._entries(tree)) if tree else {}
        for name, edit in edits.items():
            old = entries.get(name)
            inside = old.blob if old and old.mode == TREE else None
            if isinstance(edit, dict):
                new = self._graft(inside, edit)
                if new is not None:
                    entries[name] = FileEntry(TREE, new)
                elif inside is not None:
                    del entries[name]
            elif edit is not None:
                entries[name] = edit
            elif old is not None and inside is None:
                del entries[name]
        if not entries:
            return None
        return self.store("tree", serialised(entries))

    def _entries(self, tree: str) -> dict[str, FileEntry]:
        known = self._trees.get(tree)
        if known is None:
            known = parsed(self.objects.lookup(tree)[1], self.objects.digest_size)
        remember(self._trees, tree, known, most=500)
        return known

    # -- refs -------------------------------------------------------------------------------------------------------

    def refs(self, *prefixes: str) -> dict[str, str]:
        """Refs below these prefixes and what they point to."""
        out = self.plumbing.run("for-each-ref", "--format=%(refname) %(objectname)", *prefixes)
        return dict(line.rsplit(" ", 1) for line in os.fsdecode(out).splitlines())

    def may_have_refs(self, prefix: str) -> bool:
        """Whether refs below ``prefix`` are possible: False only where a look at the files shows that there are none.

        To ask git takes a process, which is much for what is asked after every experiment.
        """
        common = self.plumbing.common_dir
        if (common / "reftable").exists() or any(files for _, _, files in os.walk(common / prefix)):
            return True
        try:
            return f" {prefix}/".encode() in (common / "packed-refs").read_bytes()
        except FileNotFoundError:
            return False
        except OSError:
            return True

    def move_ref(self, ref: str, new: str, old: str) -> None:
        """Set ``ref`` if it still is at ``old`` (:attr:`zero`: does not exist); NotebookError otherwise."""
        self.objects.flush()
        for _ in range(PRUNED_AT_MOST):
            try:
                return self._transact(f"update {ref} {new} {old}")
            except NotebookError:
                if not self.objects.settle():
                    raise
        raise NotebookError(f"{self.top}: git gc --prune=now takes away what is written\n  wait until it ends")

    def delete_ref(self, ref: str, old: str) -> None:
        """Delete ``ref`` if it still is at ``old``."""
        self._transact(f"delete {ref} {old}")

    def _transact(self, command: str) -> None:
        with self.plumbing.lock:
            helper = self.plumbing.helper("update-ref", "--stdin")
            helper.ask(f"start\n{command}\nprepare\ncommit".encode(), lines=3)

    # -- for people -------------------------------------------------------------------------------------------------

    def diff(self, old: str, new: str, *, paths: Sequence[str] = (), context: int = 3) -> str:
        """The unified diff between two commits or trees; undecodable bytes are replaced."""
        how = ("-r", "-p", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", f"-U{context}")
        if paths:
            out = self.plumbing.run(
                *("diff-tree", *how, "--end-of-options", old, new, "--", *paths),
                env={"GIT_LITERAL_PATHSPECS": "1"},
                limit=DIFF_LIMIT,
            )
        else:
            with self.plumbing.lock:
                trees = f"{self.tree(old)} {self.tree(new)}".encode()
                # It repeats what it was asked.
                out = self.plumbing.helper("diff-tree", "--stdin", *how).tell(trees, len(trees) + 1 + DIFF_LIMIT)
            out = out[len(trees) + 1 :]
        return out.decode("utf-8", "replace")

    def diffs(self, commits: Sequence[str]) -> dict[str, str]:
        """What each commit changed against its parent, by one process; at most DIFF_LIMIT bytes of all of them.

        Commits that no longer fit are left out; undecodable bytes are replaced.
        """
        found: dict[str, str] = {}
        room = DIFF_LIMIT
        for first in range(0, len(commits), DIFFS_AT_ONCE):
            some = commits[first : first + DIFFS_AT_ONCE]
            out = self.plumbing.run(
                *("log", "--no-walk=unsorted", "--format=%x00%H", "-p", "--no-color", "--no-ext-diff", "--no-textconv"),
                *("--no-renames", "--end-of-options", *some, "--"),
                limit=room,
            )
            # Content may hold whatever it likes, but not the id of a commit that is made of it.
            for commit, following in zip(some, [*some[1:], ""], strict=True):
                begins = out.find(f"\0{commit}\n".encode())
                ends = out.find(f"\0{following}\n".encode(), begins) if following else len(out)
                if begins < 0 or (ends < 0 and len(out) >= room):
                    return found  # what was cut has no end
                body = out[begins + len(commit) + 2 : len(out) if ends < 0 else ends]
                found[commit] = body.decode("utf-8", "replace").strip("\n")
            room -= len(out)
            if room <= 0:
                break
        return found

    def dirty(self, besides: str | None = None) -> bool:
        """Whether the checkout holds changes of tracked files that no commit has; ``besides``, from the top, may."""
        args = ["status", "--porcelain", "-z", "--untracked-files=no", "--ignore-submodules=dirty"]
        if besides is not None:
            args += ["--", ":/", f":(top,exclude,literal){besides}"]
        return bool(self.plumbing.run(*args, users_config=True, limit=1000))

    def ignored(self) -> list[str]:
        """Ignored paths that exist in the checkout, whole directories as one, relative to the top."""
        args = ("ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")
        out = self.plumbing.run(*args, users_config=True, limit=1_000_000)
        return [os.fsdecode(path) for path in out.split(b"\0") if path]

    def untracked(self) -> list[str]:
        """Paths of the checkout that are neither tracked nor ignored, whole directories as one, relative to the top."""
        args = ("ls-files", "-z", "--others", "--exclude-standard", "--directory", "--no-empty-directory")
        out = self.plumbing.run(*args, users_config=True, limit=1_000_000)
        return [os.fsdecode(path) for path in out.split(b"\0") if path]

    def changed(self) -> list[str]:
        """Files whose content in the checkout is not HEAD's, added ones too, relative to the top."""
        args = ("diff", "--name-only", "-z", "--no-renames", "--no-relative", "--ignore-submodules=dirty", "HEAD")
        out = self.plumbing.run(*args, users_config=True, limit=1_000_000)
        return [os.fsdecode(path) for path in out.split(b"\0") if path]

    def ignores(self, path: Path) -> bool:
        """Whether the user's ignore rules cover ``path``."""
        return bool(self.ignored_among([str(path)]))

    def ignored_among(self, paths: Sequence[str]) -> frozenset[str]:
        """Those of ``paths`` that the user's ignore rules cover; they need not exist, and are no patterns."""
        asked = b"".join(os.fsencode(path) + b"\0" for path in paths)
        out = self.plumbing.run("check-ignore", "-z", "--stdin", stdin=asked, users_config=True, check=False)
        return frozenset(os.fsdecode(path) for path in out.split(b"\0") if path)
