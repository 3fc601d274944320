"""``pytest-autoresearch init --github``: asks what the workflows are to be like, and writes them."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.executables import NEUTRAL, find, surroundings
from pytest_autoresearch.github.setup import HOSTED, INSTALLS, LOCK, Setup, is_cron, suggested_install, write_workflows
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.text import one_line

NAME = "pytest-autoresearch"
PROGRAM = f"{NAME}[sandbox]"
LONGEST_LOCK = 120.0  # s
GUIDE = "https://github.com/pytest-autoresearch/pytest-autoresearch/blob/main/docs/ci.md"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--github",
        nargs="?",
        const="one-job",
        choices=["one-job", "two-jobs"],
        help="write the workflows for the config that is there; two-jobs: the runner gets no token that can write",
    )
    parser.add_argument("--labels", metavar="NAMES", help=f"labels of the runner, or {HOSTED} (with --github)")
    parser.add_argument("--schedule", metavar="CRON", help="begin a session at these times, UTC (with --github)")
    parser.add_argument("--install", choices=list(INSTALLS), help="how the project is installed (with --github)")
    parser.add_argument(
        "--pull-requests", action="store_true", help="also compare every pull request's benchmarks (with --github)"
    )


def run(args: argparse.Namespace, config: Path) -> int:
    """Write what GitHub needs to run sessions of this config."""
    if not config.is_file():
        raise ConfigError("there is no config yet", file=config, remedy="write one first: pytest-autoresearch init")
    with Git.discover(config.parent.absolute()) as git:
        setup = _asked(args, git.top, config.resolve().relative_to(git.top.resolve()).as_posix())
        for path in write_workflows(git.top, setup):
            print(f"{path} is written.")
        print(_locked(git.top, setup.version))
    print("Next: commit and push them, then Actions, autoresearch, Run workflow. The runner's set-up:")
    print(f"    {GUIDE}")
    return 0


def _asked(args: argparse.Namespace, top: Path, config: str) -> Setup:
    """Every answer from the flags, else from the person, else as the repository looks."""
    asks = not args.yes and sys.stdin.isatty()

    def answer(question: str, given: str | None, suggestion: str) -> str:
        if given is not None or not asks:
            return suggestion if given is None else given
        try:
            return input(f"{question} [{suggestion}]: ").strip() or suggestion
        except EOFError:
            raise KeyboardInterrupt from None

    labels = answer(f"Labels of the runner ({HOSTED}: GitHub's own, no GPU)", args.labels, "self-hosted, gpu")
    schedule = answer("Times to begin a session by itself, as cron, UTC (none)", args.schedule, "none")
    install = answer(f"How the project is installed ({', '.join(INSTALLS)})", args.install, suggested_install(top))
    if install not in INSTALLS:
        raise ConfigError(f"--install: {install}: there are {', '.join(INSTALLS)}")
    if schedule != "none" and not is_cron(schedule):
        said = "a cron line has five fields: minute, hour, day, month, day of the week, such as '0 22 * * 1-5'"
        raise ConfigError(f"--schedule: {schedule}: {said}")
    if not (names := tuple(label.strip() for label in labels.split(",") if label.strip())):
        raise ConfigError("--labels: there is none", remedy=f"name the runner's, or {HOSTED}")
    return Setup(
        config=config,
        two_jobs=args.github == "two-jobs",
        labels=names,
        schedule="" if schedule == "none" else schedule,
        install=install,
        version=version(NAME),
        pulls=args.pull_requests,
    )


def _locked(top: Path, pinned: str) -> str:
    """Write the hashes of everything that the workflows install, where there is what finds them; what came of it."""
    uv, path = find("uv", top), top / LOCK
    if path.exists():
        found = re.search(rf"^{NAME}(?:\[[^]\n]*\])?==([^\s;\\]+)", path.read_text("utf-8", "replace"), re.MULTILINE)
        if found is not None and found[1] == pinned:
            return f"{path} is left as it is."
        raise ConfigError(
            f"it pins {found[1] if found else 'no version'} of {NAME}, and the workflows are those of {pinned}",
            file=path,
            remedy="delete it, and run this again",
        )
    if uv is None:
        return f"The workflows install version {pinned}. With uv on the PATH, hashes of every package are written too."
    command = [str(uv), "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--python-version", "3.10"]
    try:
        done = subprocess.run(
            [*command, "--no-header", "-"],
            input=f"{PROGRAM}=={pinned}\n",
            cwd=NEUTRAL,
            env={**os.environ, **surroundings(top)},
            capture_output=True,
            text=True,
            timeout=LONGEST_LOCK,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"The workflows install version {pinned}; its hashes were not found in {LONGEST_LOCK:.0f} s."
    if done.returncode != 0:
        said = one_line(done.stderr, 300) or "uv gave no reason"
        return f"The workflows install version {pinned}; its hashes were not found: {said}"
    path.write_text(done.stdout, "utf-8")
    return f"{path} is written: the workflows install nothing else."
