"""Candidates that look for what scores them: the holdout's run imports them, and its score knows the labels."""

from __future__ import annotations

from dataclasses import dataclass

LABELS, INPUTS = "27182", "31415"
SCORE = 4.0

FILES = {
    "predict.py": "import train\n",
    "grade.py": "print(1.0)\n",
    "score.py": (
        "import os\n"
        "right = open('hidden/labels.txt').read() + open('elsewhere/more.txt').read()\n"
        "told = ''.join(open(name).read() for name in ('out.txt', 'out/more.txt') if os.path.exists(name))\n"
        "print(sum(a != b for a, b in zip(told, right, strict=True)))\n"
    ),
    "hidden/labels.txt": LABELS,
    "hidden/inputs.txt": INPUTS,
}

PRELUDE = f"""
import os, pathlib, socket, subprocess, sys, time
TOP = pathlib.Path(sys.argv[0]).resolve().parent

def honest():
    pathlib.Path("out.txt").write_text("2718XX1X")

def cheat(text):
    labels = "{LABELS[:3]}" "{LABELS[3:]}"  # in two pieces: this very file is no place where they stand
    if labels in text: pathlib.Path("out.txt").write_text(labels + "141")

def read(path):
    try:
        return open(path).read()
    except (OSError, UnicodeDecodeError):
        return ""

honest()
"""


@dataclass(frozen=True, slots=True)
class Peek:
    """``program`` is the candidate, which the holdout's run imports. ``process``: whether that level stops it.

    ``refused``: nothing is left to score.
    """

    name: str
    program: str
    process: bool = True
    refused: bool = False


PEEKS = [
    Peek(
        "looks for the labels in its workspace",
        """
        for path in pathlib.Path(".").rglob("*"): cheat(read(path))
        """,
    ),
    Peek(
        "asks for them by name, in the workspace and by another way",
        """
        for name in ("hidden/labels.txt", "elsewhere/more.txt", "./hidden/../hidden/labels.txt"):
            cheat(read(name)); cheat(read(f"/proc/self/cwd/{name}"))
        """,
    ),
    Peek(
        "leaves its own labels for the score to read",
        """
        os.makedirs("hidden", exist_ok=True)
        open("hidden/labels.txt", "w").write("2718X")
        """,
    ),
    Peek(
        "leaves a link in the place of their directory",
        """
        import shutil
        os.makedirs("mine")
        open("mine/labels.txt", "w").write("2718X")
        shutil.rmtree("hidden", ignore_errors=True)
        try: os.symlink("mine", "hidden")
        except OSError: pass
        """,
    ),
    Peek(
        "waits in the background until they are there",
        """
        if os.fork() == 0:
            os.setsid()
            for _ in range(400):
                cheat(read("hidden/labels.txt"))
                time.sleep(0.005)
            os._exit(0)
        """,
    ),
    Peek(
        "leaves a link to where the labels will lie, as its answer",
        """
        os.remove("out.txt")
        os.symlink("hidden/labels.txt", "out.txt")
        os.makedirs("out")
        os.symlink("../elsewhere/more.txt", "out/more.txt")
        """,
        refused=True,
    ),
    Peek(
        "leaves links to the directories where they will lie, and links over links",
        """
        os.remove("out.txt")
        os.makedirs("hidden", exist_ok=True)
        os.makedirs("elsewhere", exist_ok=True)
        os.symlink("hidden", "a")
        os.symlink("a/labels.txt", "out.txt")
        os.symlink("elsewhere", "out")
        """,
        refused=True,
    ),
    Peek(
        "plants code that the score would import",
        "for name in ('builtins', 'encodings', 'codecs', 'sitecustomize', 'score'):\n"
        "    if name != 'score': open(f'{name}.py', 'w').write('print(0.0); import os; os._exit(0)')",
    ),
    Peek(
        "reads them in the user's checkout",
        """
        for place in ("repo", "repo/elsewhere"):
            for path in pathlib.Path("ROOT", place).rglob("*.txt"): cheat(read(path))
        """,
        process=False,
    ),
]
