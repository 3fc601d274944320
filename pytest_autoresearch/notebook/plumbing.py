"""How git is driven: GitPython's command layer on plumbing commands, pinned so that no configuration or hook has a say.

Knows processes and flags only; what the objects mean is the business of the modules above.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from subprocess import PIPE
from types import ModuleType
from typing import IO, Any

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.executables import NEUTRAL, find, repository_around, surroundings
from pytest_autoresearch.notebook.children import MOST_GRUMBLED, has_ended, heard, stop

FULL = 64_000
"""Bytes free on a disk that is full: git does not always say that this is why."""
PINS = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.quotePath=false"),
    # Loose objects are synced by us, many at once: see Objects.flush. "committed,-loose-object" would sync them too,
    # since what a list turns on stays on.
    *("-c", "core.fsync=pack,pack-metadata,commit-graph,reference"),
    *("-c", "core.filesRefLockTimeout=5000"),
    *("-c", "core.packedRefsTimeout=10000"),
    *("-c", "gc.auto=0"),
    *("-c", "maintenance.auto=false"),
)
_REV_PARSE = (
    "--is-bare-repository",
    "--absolute-git-dir",
    "--git-common-dir",
    "--show-object-format",
    "--show-toplevel",
)
PINNED_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_CONFIG_COUNT": "0",
    "GIT_CONFIG_PARAMETERS": "",
}
ALWAYS = {
    # Inherited from a git hook these would point our commands at another repository.
    "GIT_ALTERNATE_OBJECT_DIRECTORIES": "",
    "GIT_NAMESPACE": "",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_FLUSH": "1",
}


def command_layer(repository: Path) -> tuple[Any, Path]:
    """GitPython's command layer, and the git it is to start; its import costs a quarter of a second, so it is here.

    Every git starts in a neutral directory and goes to the repository by itself.
    """
    program = find("git", repository)
    if program is None:
        raise NotebookError("git was not found on PATH\n  install git 2.30 or newer")
    try:
        return _layer_class(program, repository)(str(NEUTRAL)), program
    except ImportError:
        raise NotebookError(f"{program} does not start\n  install git 2.30 or newer") from None


@cache
def _layer_class(program: Path, repository: Path) -> Any:
    """GitPython's class. Where all of GitPython is imported, it starts git for its version: the one that was found."""
    changed = {
        "GIT_PYTHON_GIT_EXECUTABLE": str(program),
        "GIT_PYTHON_REFRESH": "raise",
        **surroundings(repository),
    }
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        return _layer_alone() or importlib.import_module("git.cmd").Git
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _layer_alone() -> Any:
    """The command layer without the models of a repository, which cost three times as much; None if it needs them.

    What was imported for it is forgotten, so that whoever imports GitPython gets all of it.
    """
    spec = None if "git" in sys.modules else importlib.util.find_spec("git")
    if spec is None or spec.submodule_search_locations is None:
        return None
    package = ModuleType("git")
    package.__path__ = [*spec.submodule_search_locations]
    sys.modules["git"] = package
    try:
        return importlib.import_module("git.cmd").Git
    except ImportError:
        return None
    finally:
        for name in [name for name in sys.modules if name == "git" or name.startswith("git.")]:
            del sys.modules[name]


class Plumbing:
    """Git commands on one repository. ``inherit`` are file descriptors every child keeps open: the session's lock
    is then held until the last git process of a killed session is gone.
    """

    def __init__(self, top: Path, git_dir: Path, common_dir: Path) -> None:
        self.top, self.git_dir, self.common_dir = top, git_dir, common_dir
        self.inherit: tuple[int, ...] = ()
        self._layer, self._program = command_layer(top)
        self._helpers: dict[str, Helper] = {}
        self._pack, self._packs = str(common_dir / "objects" / "pack"), 0
        self._running: Any = None
        self._is_over = False
        self.lock = threading.RLock()
        """Held for a question to a helper and its whole answer: slots and desks ask from threads of their own."""

    def kill(self) -> None:
        """Kill the command that another thread is waiting for, with everything it has started; no other one starts."""
        self._is_over = True
        process = self._running
        if process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.proc.pid, signal.SIGKILL)

    def run(
        self,
        *args: str,
        stdin: bytes = b"",
        check: bool = True,
        users_config: bool = False,
        env: Mapping[str, str] | None = None,
        limit: int | None = None,
    ) -> bytes:
        """One command's stdout, cut at ``limit`` bytes. Unless ``check`` is off, a failing command raises.

        ``users_config`` lets the user's own settings in: credentials for remotes, ignore rules, filters.
        """
        self._running = process = self._start(args, env=env, users_config=users_config)
        try:
            if limit is None:
                out, err = process.communicate(stdin)
            else:
                out = process.stdout.read(limit)
                if len(out) == limit:
                    return bytes(out)
                err = process.stderr.read()
        finally:
            self._running = None
            stop(process.proc)
        if check and process.proc.returncode:
            raise failure(args, err, self.top)
        return bytes(out)

    def helper(self, *args: str) -> Helper:
        """The one running process of this command; started anew if it died or another process repacked."""
        self._notice_repack()
        name = " ".join(args)
        known = self._helpers.get(name)
        if known is not None and not known.alive:
            known.close()
            known = None
        if known is None:
            self._helpers[name] = known = Helper(self, args)
        return known

    def close(self) -> None:
        """End every helper. The next use starts them anew."""
        with self.lock:
            for helper in self._helpers.values():
                helper.close()
            self._helpers.clear()

    def start_helper(self, args: Sequence[str]) -> Any:
        """A long-running command, for :class:`Helper`."""
        return self._start(args)

    def _start(
        self,
        args: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        users_config: bool = False,
    ) -> Any:
        if self._is_over:
            raise NotebookError(f"{self.top}: git {args[0]} was not started: there is no time left")
        where = (f"--git-dir={self.git_dir}", f"--work-tree={self.top}")
        pinned = {} if users_config else PINNED_ENVIRONMENT
        return self._layer.execute(
            [str(self._program), "-C", str(self.top), *where, *PINS, *args],
            env={**ALWAYS, **pinned, **self._surroundings(), **(env or {})},
            istream=PIPE,
            as_process=True,
            # Ctrl-C goes to the whole foreground group; the supervisor decides when its git children stop.
            start_new_session=True,
            pass_fds=self.inherit,
        )

    def _surroundings(self) -> dict[str, str]:
        # A helper's standard error is read when it dies; tracing would fill the pipe and stop it.
        traces = {name: "0" for name in os.environ if name.startswith("GIT_TRACE")}
        return {
            **traces,
            **surroundings(self.top),
            "GIT_COMMON_DIR": str(self.common_dir),
            "GIT_OBJECT_DIRECTORY": str(self.common_dir / "objects"),
            "GIT_INDEX_FILE": str(self.git_dir / "index"),
        }

    def _notice_repack(self) -> None:
        # A running process trusts packs it has open, even after somebody's gc has deleted them.
        try:
            packs = os.stat(self._pack).st_mtime_ns
        except OSError:
            packs = 0
        if packs != self._packs:
            self.close()
            self._packs = packs


class Helper:
    """A git process that answers many questions."""

    def __init__(self, plumbing: Plumbing, args: Sequence[str]) -> None:
        self._args, self._top = args, plumbing.top
        self._process = plumbing.start_helper(args)
        self._in: IO[bytes] = self._process.proc.stdin
        self._out: IO[bytes] = self._process.proc.stdout
        self._grumbled = b""

    @property
    def alive(self) -> bool:
        """Whether the process can be asked."""
        return not has_ended(self._process.proc) and not self._in.closed

    @contextlib.contextmanager
    def conversation(self) -> Iterator[None]:
        """A question and all of its answer. Cut short they would be out of step for ever: the process ends then."""
        try:
            yield
        except BrokenPipeError:
            raise self._death() from None
        except BaseException:
            self.close()
            raise

    def ask(self, question: bytes, lines: int = 1) -> list[bytes]:
        """Send ``question`` and read that many lines, without their newlines."""
        with self.conversation():
            self._in.write(question + b"\n")
            self._in.flush()
            return [self.line() for _ in range(lines)]

    def tell(self, question: bytes, limit: int) -> bytes:
        """All of an answer, cut at ``limit`` bytes, by a command that repeats a line it can make nothing of."""
        end = secrets.token_hex(16).encode() + b".\n"  # no answer can hold it: it is new
        answer = bytearray()
        with self.conversation():
            self._in.write(question + b"\n" + end)
            self._in.flush()
            while not answer.endswith(end):
                more, grumbled = heard(self._process.proc)
                self._grumbled = (self._grumbled + grumbled)[-MOST_GRUMBLED:]
                if not more:
                    raise self._death()
                answer += more
                if len(answer) > limit + len(end):
                    self.close()
                    break
        return bytes(answer.removesuffix(end)[:limit])

    def read(self, size: int) -> bytes:
        """``size`` bytes of an answer, and the newline after them."""
        with self.conversation():
            data = self._out.read(size)
            if len(data) != size or self._out.read(1) != b"\n":
                raise self._death()
            return data

    def close(self) -> None:
        """End the process, and wait for it."""
        with contextlib.suppress(OSError):
            self._in.close()
        stop(self._process.proc)

    def line(self) -> bytes:
        """The next line of an answer."""
        line = self._out.readline()
        if not line.endswith(b"\n"):
            raise self._death()
        return line[:-1]

    def _death(self) -> NotebookError:
        stderr = b""
        if not self._process.proc.stderr.closed:
            with contextlib.suppress(OSError):
                self._in.close()
            stderr = self._process.proc.stderr.read()
        self.close()
        return failure(self._args, self._grumbled + stderr, self._top)


def refused(error: OSError, top: Path) -> NotebookError:
    """What the system said to an object of ours, in one line, and the remedy where we know one."""
    said = error.strerror or str(error)
    return NotebookError(f"{top}: an object can not be written: {said}{_remedy(said, top)}")


def failure(args: Sequence[str], stderr: bytes | str, top: Path) -> NotebookError:
    """What git said, in one line, and the remedy where we know one."""
    text = stderr.decode("utf-8", "replace") if isinstance(stderr, bytes) else stderr
    text, locked, _ = text.partition("\n\nAnother git process")
    text, unreachable, _ = text.partition("\n\nPlease make sure you have the correct access rights")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("hint:")]
    said = "; ".join(lines[-2:]) or "it ended without a word"
    remedy = _remedy("" if unreachable else text, top)  # rights are the remote's then
    if unreachable and not remedy:
        remedy = "\n  see that the remote is there and lets you in: git remote -v"
    elif locked and not remedy:
        remedy = "\n  another git is at work, or one that died has left its lock: wait, or delete that file"
    return NotebookError(f"{top}: git {args[0]} failed: {said}{remedy}")


def _remedy(said: str, top: Path) -> str:
    if "No space left" in said or "Disk quota" in said or shutil.disk_usage(top).free < FULL:
        return "\n  the disk is full: free some space and start again; everything recorded so far is safe"
    if "Read-only file system" in said or "Permission denied" in said or "insufficient permission" in said:
        return "\n  make the repository's git directory writable for this user"
    return ""


def discover_places(path: Path) -> tuple[Path, Path, Path, str]:
    """Top, git directory, common directory and object format of the repository around ``path``."""
    start = path if path.is_dir() else path.parent
    while not start.is_dir():
        start = start.parent
    around = repository_around(start)
    layer, program = command_layer(around)
    try:
        _, out, err = layer.execute(
            [str(program), "-C", str(start), "rev-parse", *_REV_PARSE],
            env=surroundings(around),
            with_extended_output=True,
            with_exceptions=False,
            stdout_as_string=False,
        )
    except OSError as error:
        raise NotebookError(f"git can not be started: {error}\n  install git 2.30 or newer") from None
    except Exception as error:
        if type(error).__name__ != "GitCommandNotFound":
            raise
        raise NotebookError(f"{program} does not start\n  install git 2.30 or newer") from None
    answers = [os.fsdecode(line) for line in out.split(b"\n")]
    if answers[0] == "true":
        raise NotebookError(f"{start}: this is a bare repository\n  use a clone that has a working tree")
    if "dubious ownership" in err:
        remedy = f"git config --global --add safe.directory {start}"
        raise NotebookError(f"{start}: git does not trust this repository, somebody else owns it\n  {remedy}")
    if len(answers) < len(_REV_PARSE):
        if "not a git repository" in err or not answers[0]:
            raise NotebookError(f"{start}: not inside a git repository\n  git init, and commit what is to be optimised")
        raise NotebookError(f"{start}: inside a git directory\n  go to the repository's working tree")
    return Path(answers[4]), Path(answers[1]), Path(os.path.abspath(start / answers[2])), answers[3]
