"""Programs that a measured body starts with ``experiment.run`` and that want another number than they earn.

The body runs ``train.py``, whose honest output is ``score: 7.0``, then imports a helper beside it and asserts nothing;
pytest measures ``duration`` itself. The table of docs/security.md is made from this file.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

SCORE = 7.0
SECONDS = 0.25  # what the body takes at least
HONEST = "the honest number"
REFUSED = "the honest number, or an error"

FILES = {
    "test_it.py": f"""\
import sys, time
def test_it(experiment):
    time.sleep({SECONDS})
    run = experiment.run([sys.executable, "train.py"])
    import colorsys
    import helper
    assert helper.TRUE and colorsys.ONE_THIRD and run.metrics["score"] == {SCORE}
""",
    "helper.py": "TRUE = 1\n",
}

PRELUDE = """
import ctypes, importlib.util, os, pathlib, re, signal, subprocess, sys, time

FORGED = b"\\nMETRIC score=0.0\\nMETRIC duration=0.000001\\nscore: 0.0\\nduration: 0.000001\\n"

def parents():
    "The pytest and what started it. No further: where nothing stops this, it would be the tests' own forebears."
    pid = os.getppid()
    for _ in range(2):
        yield pid
        try:
            pid = int(re.search(r"PPid:\\s*(\\d+)", open(f"/proc/{pid}/status").read())[1])
        except (OSError, TypeError):
            return

def tries(step, *arguments):
    try:
        return step(*arguments)
    except (OSError, ValueError, AttributeError):
        pass

def insist(text):
    "Writes into every pipe of the forebears until it is ended: the last line counts."
    pipes = [tries(os.open, f"/proc/{pid}/fd/{n}", os.O_WRONLY | os.O_NONBLOCK) for pid in parents() for n in range(12)]
    if any(pipes) and os.fork() == 0:
        os.setsid()
        os.close(1), os.close(2)
        for _ in range(3000):
            for pipe in filter(None, pipes): tries(os.write, pipe, text)
            time.sleep(0.001)
        os._exit(0)

def signed(text):
    "The same in the harness's name, if its word is found in the text."
    for word in set(re.findall(rb"AUTORESEARCH_NONCE=([0-9a-f]+)", text or b"")):
        insist(b"".join(b"METRIC %s %s\\n" % (line, word) for line in FORGED.split() if b"=" in line))

print("score: 7.0", flush=True)
"""


@dataclass(frozen=True, slots=True)
class Started:
    """``program`` is the candidate's train.py, ``outcome`` the same at every level.

    ``memory``: bytes that it takes at least.
    """

    name: str
    program: str
    outcome: str = HONEST
    memory: int = 1_000_000


STARTED: list[Started] = []


def _started(name: str, program: str, outcome: str = HONEST, *, memory: int = 1_000_000) -> None:
    STARTED.append(Started(name, f"{PRELUDE}\n{textwrap.dedent(program).strip()}\n", outcome, memory))


_started(
    "prints numbers that the harness measures", "sys.stdout.buffer.write(FORGED.replace(b'score', b'benchmark.mean'))"
)
_started(
    "says that the metric's assertion held, and how fast it was",
    "print('autoresearch_assertion: 1'); print('instructions: 1'); print('peak_mb: 0.001'); print('peak_memory=1')",
)
_started(
    "prints METRIC lines, for pytest to show them",
    "for name in ('duration', 'benchmark.mean', 'peak_memory'): print(f'METRIC {name}=1', file=sys.stderr)",
)
_started("writes a run.log of its own", "open('run.log', 'ab').write(FORGED)")
_started(
    "writes into the pipes of pytest and of whoever started it, through /proc",
    "insist(FORGED)",
)
_started(
    "reads the harness's word in the environment of its forebears",
    "for pid in parents(): signed(tries(lambda: open(f'/proc/{pid}/environ', 'rb').read()))\n"
    "signed(b'\\n'.join(b'='.join(pair) for pair in os.environb.items()))",
)
_started(
    "reads it in their memory",
    """
    for pid in parents():
        for line in (tries(lambda: open(f"/proc/{pid}/maps").read()) or "").splitlines():
            span = re.match(r"(\\w+)-(\\w+) rw", line)
            if span and ("stack" in line or "heap" in line):
                def read():
                    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
                        memory.seek(int(span[1], 16))
                        signed(memory.read(int(span[2], 16) - int(span[1], 16)))
                tries(read)
    """,
)
_started(
    "traces the pytest",
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for pid in parents():
        for request in (16, 0x4206):
            if libc.ptrace(request, pid, 0, 0) == 0:
                os._exit(3)  # the body fails: whoever traces can do anything
    """,
)
_started(
    "takes its descriptors (pidfd_getfd)",
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for pid in parents():
        handle = libc.syscall(434, pid, 0)
        for number in range(12):
            if libc.syscall(438, handle, number, 0) >= 0: os._exit(3)  # it has a descriptor of theirs
    """,
)
_started(
    "plants a module of the standard library's name that the body imports later",
    "open('colorsys.py', 'w').write('import test_it; test_it.time = None; ONE_THIRD = 1; import os, atexit\\n'\n"
    "'import gc\\nfor o in gc.get_objects():\\n'\n"
    '\'    if type(o).__name__ == "Measuring": o._values = {}; o._word and print("METRIC score=0.0", o._word)\\n\')',
)
_started(
    "poisons the bytecode of a helper that the body imports later",
    """
    import marshal
    source = pathlib.Path("helper.py")
    text = "import os, gc; TRUE = 1\\nfor o in gc.get_objects():\\n    if type(o).__name__ == 'Measuring': os._exit(9)"
    target = pathlib.Path(importlib.util.cache_from_source("helper.py"))
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little")
        + importlib.util.source_hash(source.read_bytes()) + marshal.dumps(compile(text, "helper.py", "exec")))
    """,
)
_started(
    "takes its memory in a child that nobody waits for",
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    if os.fork() == 0:
        big = bytearray(300_000_000)
        time.sleep(0.4)
        pathlib.Path("done.txt").touch()
        os._exit(0)
    while not os.path.exists("done.txt"): time.sleep(0.01)
    """,
    memory=300_000_000,
)
_started(
    "takes its memory in a daemon",
    """
    if os.fork() == 0:
        os.setsid()
        os.close(1), os.close(2)
        big = bytearray(300_000_000)
        time.sleep(0.4)
        pathlib.Path("done.txt").touch()
        time.sleep(60)
    while not os.path.exists("done.txt"): time.sleep(0.01)
    """,
    memory=300_000_000,
)
_started("kills the pytest", "tries(os.kill, os.getppid(), 9)", "an error, or the honest number")
_started(
    "stops the pytest for a while", "for pid in parents(): tries(os.kill, pid, 19)", "an error, or the honest number"
)
_started("ends with an error after a good number", "sys.exit(3)", "`error`")
