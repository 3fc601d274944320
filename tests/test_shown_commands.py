"""Every command that README and docs show is run in a fresh clone, as it is written, or has a reason why not."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from shlex import quote

import pytest

from tests.conftest import Project
from tests.github.fake_github import TOKEN, FakeGitHub, serving
from tests.github.shown import run_block
from tests.notebook.diary import git
from tests.shown import shown

TOP = Path(__file__).parents[1]
PAGES = {
    path.name: path.read_text("utf-8")
    for path in [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]
    # tests/report/test_seeing_page.py and tests/test_tutorial.py run these as a whole
    if path.name not in ("seeing.md", "tutorial.md")
}

# What a page takes for an example, and what stands for it here. ``KEEP`` is the number of the newest keep.
EXAMPLES: Mapping[str, str] = {
    r"\b(17|42|N)\b": "KEEP",
    r"\b(nov23|mar5|quickstart)\b": "demo",
    r"(?<=GITHUB_TOKEN=)…": TOKEN,
    r"A,B": "grid,random",
    r"compare-auto-1,night\*": "demo,dem*",
    r"\[(.*?)\]": "",  # what may be left out
    r" -n 200$": "",
    r"(?<=autoresearch aa)": " -n 4",
    r"--repeats 5": "--repeats 1",
    r"--experiments 50": "--experiments 2",
    r"(?<=--delete demo)": " --yes",
    r"(?<=--autoresearch-live)": "",
}
RUN = (
    "GITHUB_TOKEN=… pytest-autoresearch publish",
    'git add autoresearch.config.md .github && git commit -m "Add autoresearch" && git push',
    "git fetch origin 'refs/autoresearch/*/log:refs/autoresearch/*/log'",
    "git log autoresearch/nov23",
    "git log autoresearch/quickstart",
    "pytest --autoresearch",
    "pytest --autoresearch --autoresearch-judge certified",
    "pytest --autoresearch --autoresearch-live",
    "pytest --autoresearch test_speed.py",
    "pytest --autoresearch tests/test_speed.py::test_parse --autoresearch-targets src/parse.py",
    'pytest --autoresearch --autoresearch-agent "command:python propose.py"',
    "pytest --autoresearch-check",
    "pytest-autoresearch aa",
    "pytest-autoresearch aa -n 200",
    "pytest-autoresearch aa test_speed.py::test_speed",
    "pytest-autoresearch ablate [--drop]",
    "pytest-autoresearch attribute [--fold-over] [--drop]",
    "pytest-autoresearch benchmarks main",
    "pytest-autoresearch compare --agents A,B --repeats 5",
    "pytest-autoresearch compare --agents grid,random,bayes,auto --experiments 50 --repeats 5 --chart gain.svg",
    "pytest-autoresearch doctor",
    "pytest-autoresearch doctor --estimate",
    "pytest-autoresearch drop 17",
    "pytest-autoresearch drop N",
    "pytest-autoresearch fetch --tag nov23",
    "pytest-autoresearch init",
    "pytest-autoresearch init --from .",
    "pytest-autoresearch init --github",
    "pytest-autoresearch init --github --pull-requests",
    "pytest-autoresearch init --github two-jobs",
    "pytest-autoresearch log",
    "pytest-autoresearch log --diff 42",
    "pytest-autoresearch log --show 42",
    "pytest-autoresearch log --show N",
    "pytest-autoresearch publish --dry-run",
    "pytest-autoresearch publish --tag mar5 --from session.bundle",
    "pytest-autoresearch rebuild",
    "pytest-autoresearch report",
    "pytest-autoresearch report --format csv",
    "pytest-autoresearch report --format svg",
    "pytest-autoresearch report --tags compare-auto-1,night*",
    "pytest-autoresearch show",
    "pytest-autoresearch skill",
    "pytest-autoresearch show --json",
    "pytest-autoresearch tags",
    "pytest-autoresearch tags --archive nov23 --remote origin",
    "pytest-autoresearch tags --delete nov23",
    "pytest-autoresearch verify",
    "pytest-autoresearch verify [-n PAIRS]",
)
NOT_RUN: Mapping[str, str] = {
    r"(apt|sysctl|pip install) ": "changes the machine; what is installed is tested where it is used",
    r"pytest --autoresearch .*(claude|gemini)": "needs a key; tests/end_to_end/test_coding_agents.py scripts one",
    r"pytest-autoresearch (note|pause|stop)\b": "speaks to a session that runs; tests/test_running.py does",
    r"pytest-autoresearch preflight$": "named without its tag; tests/github/test_preflight.py runs it",
    r"pytest-autoresearch compare$": "names the command; it stands in full elsewhere on the page",
    r"pytest --cov": "a reader's own, of pytest-cov",
    r"pytest -m slow ": "the slow tests themselves; CI runs them",
    r"pytest.* --?(autoresearch-)?workers 4$": "four runs at once; tests/research/test_slots.py drives slots",
    r"(RAY_\w+=\S+ )?ray |pytest.* --(autoresearch-)?executor ray": "a cluster's; tests/lab/test_ray.py makes one",
    r"python -m benchmarks\.": "minutes to hours; it prints the figures that the page quotes",
    r"(git (gc|repack|rm|stash|update-index)|uv |python -m (pytest|pip|json)|python (setup|grade)\.py|python -c)\b": (
        "somebody else's, spoken about and not recommended as it stands"
    ),
    r"pytest FILE::TEST$": "a form, and pytest's own",
}


def reason(command: str) -> str | None:
    return next((why for pattern, why in NOT_RUN.items() if re.match(pattern, command)), None)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_is_run_or_has_a_reason(page: str) -> None:
    assert [each for each in shown(PAGES[page]) if each not in RUN and reason(each) is None] == []


def test_what_is_listed_here_stands_on_a_page() -> None:
    there = {command for text in PAGES.values() for command in shown(text)}
    assert [each for each in RUN if each not in there] == []
    assert [each for each in NOT_RUN if not any(re.match(each, command) for command in there)] == []


SPEED = """
import time

import pytest


@pytest.mark.timeout(60)
@pytest.mark.autoresearch(metric="seconds", direction="lower", targets=["train.py"])
def test_speed(record_metric):
    record_metric("seconds", 1.0)
"""
PARSE = """
import parse


def test_parse(benchmark):
    benchmark.pedantic(parse.parse, rounds=3)
"""
PROPOSE = "s = open('train.py').read(); open('train.py', 'w').write(s.replace('8.0', '7.0')); print('a lower rate')"


@pytest.fixture(scope="module")
def github() -> Iterator[FakeGitHub]:
    with serving() as fake:
        yield fake


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, github: FakeGitHub) -> Project:
    """Who reads the docs, with a repository whose session ``demo`` was pushed, and its newest keep as ``$KEEP``."""
    from tests.conftest import CONFIG, TRAIN

    place = tmp_path_factory.mktemp("reader")
    project = Project(place / "project", place / "home")
    files = {"autoresearch.config.md": CONFIG, "train.py": TRAIN, "prepare.py": "offset = 1.0\n"}
    files |= {
        "test_speed.py": SPEED,
        "tests/test_speed.py": PARSE,
        "src/parse.py": "def parse(n=1000):\n    sum(range(n))\n",
    }
    files |= {"propose.py": PROPOSE, "pytest.ini": "[pytest]\npythonpath = src\naddopts = --import-mode=importlib\n"}
    for name, text in files.items():
        project.write(name, text)
    project.commit()
    git(place, "clone", "-q", "--bare", str(project.root), "origin.git")
    project.git("remote", "add", "origin", str(place / "origin.git"))
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_RUN_ID", "GITHUB_TOKEN", "GH_TOKEN"):
        project.env.pop(name, None)
    project.env |= {"GITHUB_API_URL": github.url, "GITHUB_REPOSITORY": "o/r", "AUTORESEARCH_EXPERIMENTS": "1"}
    project.env |= {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = project.pytest("--autoresearch", "autoresearch.config.md", "--autoresearch-experiments=6")
    assert done.returncode == 0, done.stdout
    rows = project.table()
    project.env["KEEP"] = str(max(number for number, row in enumerate(rows[1:]) if row[2] == "keep"))
    project.git("push", "-q", "origin", "refs/autoresearch/demo/log", "autoresearch/demo")
    project.git("bundle", "create", "session.bundle", "refs/autoresearch/demo/log")
    return project


THEIRS = """# Goal
Make the loss small.

## Metrics
- **Primary**: loss (lower is better)

## Files in Scope
- `train.py`
"""
FETCHED = "pytest-autoresearch fetch --tag demo && pytest-autoresearch rebuild"
WITHOUT = "git rm -q autoresearch.config.md test_speed.py && git commit -qm 'no config yet'"
OTHER = (
    "mv theirs.md autoresearch.md && mv theirs.sh autoresearch.sh && git add autoresearch.* && git commit -qm theirs"
)
# What a reader has done before, where that is something else.
BEFORE: Mapping[str, str] = {
    "git fetch": "true",
    "git add": "pytest-autoresearch init --github",
    "git log": "git branch autoresearch/demo origin/autoresearch/demo",  # as on the machine that ran the session
    "pytest-autoresearch init --from": f"{WITHOUT} && {OTHER}",
    "pytest-autoresearch init": WITHOUT,
    "pytest-autoresearch init --github": "rm -rf .github",  # another command of these has pushed some
}


@pytest.fixture(scope="module")
def clones(reader: Project) -> Mapping[str, Path]:
    """Fresh clones after what nearly every reader has done before, which is copied, and before anything else."""
    made = {before: reader.root.parent / name for before, name in ((FETCHED, "fetched"), ("true", "fresh"))}
    for before, clone in made.items():
        git(clone.parent, "clone", "-q", str(reader.root.parent / "origin.git"), clone.name)
        (clone / "session.bundle").write_bytes((reader.root / "session.bundle").read_bytes())
        (clone / "theirs.md").write_text(THEIRS)
        (clone / "theirs.sh").write_text("#!/bin/bash\npython train.py | sed 's/loss: /METRIC loss=/'\n")
        done = run_block(before, clone, reader.env)
        assert done.returncode == 0, done.stdout + done.stderr
    return made


@pytest.mark.slow
@pytest.mark.parametrize("command", RUN)
def test_it_works_in_a_fresh_clone(
    command: str, reader: Project, clones: Mapping[str, Path], github: FakeGitHub, tmp_path: Path
) -> None:
    known = [beginning for beginning in BEFORE if command.startswith(beginning)]
    before = BEFORE[max(known, key=len)] if known else FETCHED
    clone = Path(shutil.copytree(clones.get(before, clones["true"]), tmp_path / "clone", symlinks=True))
    env = {**reader.env, **({"GITHUB_TOKEN": TOKEN} if "--from session" in command else {})}
    if before not in clones:
        done = run_block(before, clone, env)
        assert done.returncode == 0, done.stdout + done.stderr
    asked = command
    for pattern, stands_for in EXAMPLES.items():
        asked = re.sub(pattern, stands_for.replace("KEEP", reader.env["KEEP"]), asked)
    if asked.startswith("pytest-autoresearch init"):  # it asks people: they press Enter
        asked = f"printf '%020d' | tr 0 '\\n' | script -qefc {quote(asked)} /dev/null"
    done = run_block(asked, clone, env)
    assert done.returncode == 0, f"{asked}\n{done.stdout}{done.stderr}"
