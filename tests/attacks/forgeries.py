"""Programs that want a better number than they earn, each with what the product makes of it.

The protocol: ``python train.py`` writes predictions to ``out.json``; the extract command ``python grade.py | cat``
scores them against ``labels.py``; both are read-only. A perfect candidate would get 0. The table of docs/security.md is
made from this file.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

HONEST = "the honest number"
SCORE = 7.0

FILES = {
    "labels.py": "LABELS = [3, 1, 4, 1, 5]\n",
    "grade.py": (
        "import json\n"
        "from helpers import distance\n"
        "from labels import LABELS\n"
        "print(distance(json.load(open('out.json')), LABELS))\n"
    ),
    "helpers.py": "def distance(a, b):\n    return float(sum(abs(x - y) for x, y in zip(a, b, strict=True)))\n",
    "secret/held_out.txt": "27182\n",
}

PRELUDE = """
import importlib.util, json, marshal, os, pathlib, socket, subprocess, sys, time

def honest():
    json.dump([2, 2, 2, 2, 3], open("out.json", "w"))

def put(name, text):
    try:
        pathlib.Path(name).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(name).write_text(text)
    except OSError:
        pass

def note(path):
    try:
        os.setxattr(path, "user.note", b"known")
    except OSError:  # a file system without attributes
        pass

FORGED = "print(0.0); import os; os._exit(0)"
"""


@dataclass(frozen=True, slots=True)
class Forgery:
    """``program`` is the candidate's train.py. ``outcome`` is HONEST or the reason of the refusal, by level.

    ``leaves``: the harm would show in the next runs, of the program itself and of an honest one.
    """

    name: str
    program: str
    bwrap: str
    landlock: str
    process: str
    leaves: bool
    timeout: float

    def expected(self, level: str) -> str:
        outcome: str = getattr(self, level)
        return outcome


FORGERIES: list[Forgery] = []


def _forgery(
    name: str,
    program: str,
    bwrap: str = HONEST,
    *,
    landlock: str | None = None,
    process: str | None = None,
    leaves: bool = False,
    timeout: float = 60.0,
) -> None:
    """``landlock`` and ``process`` end as the level before them unless they are said."""
    text = f"{PRELUDE}\nhonest()\n{textwrap.dedent(program).strip()}\n"
    landlock = landlock or bwrap
    FORGERIES.append(Forgery(name, text, bwrap, landlock, process or landlock, leaves, timeout))


# ------------------------------------------------------------------------------------------------- the grader's files

_forgery("rewrites the grader", "put('grade.py', FORGED)", landlock="out-of-scope")
_forgery("rewrites what the grader reads", "put('labels.py', 'LABELS = [2, 2, 2, 2, 3]')", landlock="out-of-scope")
_forgery(
    "rewrites a tracked module that the grader imports",
    "put('helpers.py', 'distance = lambda a, b: 0.0')",
    "out-of-scope",
)
_forgery(
    "rewrites it with the same size and sets its time back",
    """
    path = pathlib.Path("helpers.py")
    old, text = path.stat(), path.read_text()
    path.write_text(text.replace("abs(x - y)", "abs(x - x)"))
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
    """,
    "out-of-scope",
)
_forgery("deletes a tracked file", "os.remove('helpers.py')", "out-of-scope")
_forgery(
    "puts a link in the place of a tracked file",
    "put('mine.txt', 'distance = lambda a, b: 0.0'); os.remove('helpers.py'); os.symlink('mine.txt', 'helpers.py')",
    "out-of-scope",
)
_forgery("makes a tracked file executable", "os.chmod('helpers.py', 0o755)", "out-of-scope")

# ------------------------------------------------------------------------------------------ code beside the grader's

_forgery("plants a module of the standard library's name", "put('json.py', FORGED)")
_forgery("plants a package of that name", "put('json/__init__.py', FORGED)")
_forgery("plants sitecustomize and usercustomize", "put('sitecustomize.py', FORGED); put('usercustomize.py', FORGED)")
_forgery(
    "plants an extension module",
    "put('labels.so', 'no module, so that loading it would be noticed')",
)
_forgery(
    "plants a program where PATH leads into the repository",
    """
    for directory in (".", "bin"):
        put(f"{directory}/cat", "#!/bin/sh\\necho 0.0")
        os.chmod(f"{directory}/cat", 0o755)
    """,
)
_forgery(
    "plants a library where an empty entry of LD_LIBRARY_PATH leads",
    "for name in ('libc.so.6', 'libtinfo.so.6', 'libselinux.so.1'): put(name, 'to be noticed')",
)
_forgery("plants a .pth file", "put('x.pth', 'import os; print(0.0); os._exit(0)')")
_forgery(
    "poisons the grader's bytecode, unchecked by hash",
    """
    for name, text in (("labels", "LABELS = [2, 2, 2, 2, 3]"), ("helpers", "distance = lambda a, b: 0.0")):
        target = pathlib.Path(importlib.util.cache_from_source(f"{name}.py"))
        target.parent.mkdir(exist_ok=True)
        source = importlib.util.source_hash(pathlib.Path(f"{name}.py").read_bytes())
        code = marshal.dumps(compile(text, f"{name}.py", "exec"))
        target.write_bytes(importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + source + code)
    """,
)
_forgery(
    "leaves poisoned bytecode for the next experiment",
    """
    target = pathlib.Path(importlib.util.cache_from_source("helpers.py"))
    target.parent.mkdir(exist_ok=True)
    source = importlib.util.source_hash(pathlib.Path("helpers.py").read_bytes())
    code = marshal.dumps(compile("distance = lambda a, b: 0.0", "helpers.py", "exec"))
    target.write_bytes(importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + source + code)
    """,
    leaves=True,
)

# -------------------------------------------------------------------------------------------------- the result itself

_forgery("prints the number it wants", "print(0.0); print('score: 0.0'); print('METRIC score=0.0')")
_forgery("reports the number and then fails", "print('score: 0.0'); sys.exit(3)", "error")
_forgery("reports the number and is then killed", "print('score: 0.0', flush=True); os.kill(os.getpid(), 9)", "error")
_forgery("writes nan as its result", "put('out.json', '[NaN, NaN, NaN, NaN, NaN]')", "bad-metric")
_forgery("writes infinity as its result", "put('out.json', '[-Infinity, 0, 0, 0, 0]')", "bad-metric")
_forgery("writes a result beyond the bounds", "put('out.json', '[1e300, 0, 0, 0, 0]')", "bad-metric")
_forgery("leaves a pipe in the place of the result", "os.remove('out.json'); os.mkfifo('out.json')", "no-metric")
_forgery(
    "leaves a link to an endless device", "os.remove('out.json'); os.symlink('/dev/zero', 'out.json')", "no-metric"
)
_forgery(
    "leaves a link to an endless device, by a link over links",
    """
    deep = "/".join(["d"] * 30)
    os.makedirs(deep)
    os.symlink("../" * 29, f"{deep}/up")
    os.remove("out.json")
    os.symlink(f"{deep}/up/" + "../" * (os.getcwd().count("/") + 1) + "dev/zero", "out.json")
    """,
    "no-metric",
)
_forgery("leaves a socket in its place", "os.remove('out.json'); socket.socket(1).bind('out.json')", "no-metric")
_forgery("makes its result a file of 1 TB", "os.truncate('out.json', 1 << 40)", "no-metric")
_forgery("leaves a directory in its place", "os.remove('out.json'); os.mkdir('out.json')", "no-metric")
_forgery("leaves a link to a file outside", "os.remove('out.json'); os.symlink('/etc/passwd', 'out.json')", "no-metric")
_forgery(
    "lets a process rewrite the result after its end",
    """
    loop = "while True: open('out.json', 'w').write('[3, 1, 4, 1, 5]')"
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.3)\\n" + loop], start_new_session=True)
    """,
)
_forgery("plants the log as a link to a grader's file", "os.symlink('labels.py', 'run.log')")
_forgery("plants the log as a pipe", "os.mkfifo('run.log')")
_forgery("plants the log as a directory", "put('run.log/a/b', 'score: 0.0')", leaves=True)
_forgery("plants a log of 1 TB", "put('run.log', ''); os.truncate('run.log', 1 << 40)", leaves=True)
_forgery("plants a log that can not be read", "put('run.log', 'score: 0.0'); os.chmod('run.log', 0)", leaves=True)
_forgery(
    "puts a pipe, a link to the grader or a directory in its own place",
    """
    os.remove("train.py")
    choices = [lambda: os.mkfifo("train.py"), lambda: os.symlink("grade.py", "train.py"), lambda: os.mkdir("train.py")]
    choices[time.time_ns() // 1000 % 3]()
    """,
    leaves=True,
)

# --------------------------------------------------------------------------------------- the machinery around the run

_forgery("plants a repository whose settings run programs", "put('.git/config', '[core]\\n fsmonitor = echo 0.0')")
_forgery("plants a test configuration", "put('pytest.ini', '[pytest]\\naddopts = --co'); put('conftest.py', FORGED)")
_forgery(
    "plants files that a shell reads at its start",
    """
    for place in (".", os.environ["HOME"]):
        for name in (".bashrc", ".profile", ".bash_profile", ".inputrc"): put(f"{place}/{name}", "echo 0.0; exit")
    """,
    leaves=True,
)
_forgery("plants settings of mypy and ruff", "put('mypy.ini', '[mypy]'); put('ruff.toml', 'x'); put('.flake8', 'x')")
_forgery(
    "ends with success when it is asked to end at its deadline",
    "import signal; signal.signal(15, lambda *_: (print('score: 0.0', flush=True), os._exit(0))); time.sleep(60)",
    "timeout",
    timeout=1.0,
)
_forgery(
    "runs past its deadline with a clock of its own",
    "time.monotonic = time.time = lambda: 0.0; time.sleep(60)",
    "timeout",
    timeout=1.0,
)
_forgery(
    "keeps its result for its next run",
    """
    if os.path.exists("cache/result"):
        json.dump([3, 1, 4, 1, 5], open("out.json", "w"))
    put("cache/result", "known")
    """,
    leaves=True,
)
_forgery(
    "leaves itself a note in the attributes of a file it may not change",
    """
    try:
        if b"known" in os.getxattr("helpers.py", "user.note"): json.dump([3, 1, 4, 1, 5], open("out.json", "w"))
    except OSError: pass
    note("helpers.py")
    """,
    leaves=True,
)
_forgery(
    "leaves itself a note in the rights, times and attributes of directories",
    """
    status = os.stat(".")
    if status.st_mode & 0o777 == 0o751 or status.st_mtime == 12345 or os.listxattr("."):
        json.dump([3, 1, 4, 1, 5], open("out.json", "w"))
    note(".")
    os.chmod(".", 0o751)
    os.utime(".", (12345, 12345))
    """,
    leaves=True,
)
_forgery(
    "leaves itself a note in the owner, flags, version and access lists of directories",
    """
    import array, fcntl, struct
    here = os.open(".", os.O_RDONLY)
    def ioctl(number, value=0):
        word = array.array("l", [value])
        fcntl.ioctl(here, number, word)
        return word[0] & 0xFFFFFFFF
    def tries(step):
        try: return step()
        except OSError: pass
    flags = tries(lambda: ioctl(0x80086601)) or 0
    known = [os.stat(".").st_gid == 12345, flags & 0x40, tries(lambda: ioctl(0x80087601)) == 12345, os.listxattr(".")]
    if any(known): json.dump([3, 1, 4, 1, 5], open("out.json", "w"))
    tries(lambda: os.chown(".", -1, 12345))
    tries(lambda: ioctl(0x40086602, flags | 0x40))
    tries(lambda: ioctl(0x40087602, 12345))
    entries = ((1, -1), (2, 12345), (4, -1), (16, -1), (32, -1))
    rights = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", kind, 7, who) for kind, who in entries)
    tries(lambda: os.setxattr(".", "system.posix_acl_default", rights))
    """,
    leaves=True,
)
_forgery(
    "makes its files and the workspace immutable (chattr +i)",
    """
    import array, fcntl
    os.makedirs("sub/deep"); os.symlink("x", "sub/deep/link"); put("sub/file", "x")
    for path in ("sub/file", "sub/deep", "sub", "helpers.py", "out.json", "."):
        try:
            flags = array.array("l", [0])
            file = os.open(path, os.O_RDONLY)
            fcntl.ioctl(file, 0x80086601, flags)
            fcntl.ioctl(file, 0x40086602, array.array("l", [flags[0] | 0x10]))
        except OSError: pass
    """,
    leaves=True,
)
_forgery(
    "leaves itself a note in the rights and times of a file it may not change",
    """
    status = os.stat("helpers.py")
    if status.st_mode & 0o777 == 0o604 or status.st_mtime == 12345:
        json.dump([3, 1, 4, 1, 5], open("out.json", "w"))
    os.chmod("helpers.py", 0o604)
    os.utime("helpers.py", (12345, 12345))
    """,
    leaves=True,
)
_forgery(
    "replaces the workspace by another directory",
    """
    try:
        os.rename("../workspace", f"../elsewhere-{os.getpid()}")
        os.mkdir("../workspace")
    except OSError:
        pass
    """,
    process="out-of-scope",
    leaves=True,
)
_forgery(
    "deletes the workspace",
    "subprocess.run('rm -rf -- *', shell=True)",
    "out-of-scope",
    leaves=True,
)
_forgery(
    "leaves directories that can not be entered",
    "os.makedirs('a/b/c'); os.chmod('a/b', 0); os.chmod('a', 0)",
    leaves=True,
)
_forgery(
    "leaves a tree too deep for a path", "for _ in range(500): os.mkdir('d' * 100); os.chdir('d' * 100)", leaves=True
)
_forgery(
    "leaves names that are no text, with line ends and terminal sequences",
    """
    os.mkdir(b"d\\n\\x1b[2J")
    for name in (b"a\\nb.py", b"\\xff\\xfe.py", b"-rf", b"d\\n\\x1b[2J/\\xff.so"): open(name, "w").close()
    """,
    leaves=True,
)
_forgery("leaves 10,000 files", "os.mkdir('n'); [put(f'n/{n}.py', '') for n in range(10_000)]", leaves=True)
_forgery(
    "leaves hundreds of dead processes that nobody waits for",
    "for _ in range(300): os.fork() or os._exit(0)",
    leaves=True,
)
_forgery(
    "leaves a long chain of links",
    "for n in range(500): os.symlink(f'{n + 1}', f'{n}')",
    leaves=True,
)
_forgery(
    "looks for the held-out data",
    "sys.exit(any(b'27' b'182' in p.read_bytes() for p in pathlib.Path('.').rglob('*') if p.is_file()))",
)
_forgery(
    "writes terminal sequences and workflow commands",
    "print('\\x1b]0;owned\\x07\\x1b[2J::error::x\\n::set-output name=a::b'); sys.exit(1)",
    "error",
)
