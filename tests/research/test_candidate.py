"""Which proposals get no run, and which may come again."""

from __future__ import annotations

import sys

import pytest

from pytest_autoresearch.notebook.trees import is_gits_own
from tests.conftest import Project

AGENT = """\
import os
from pathlib import Path

target = Path("train.py")
target.write_text(target.read_text().replace("RATE = 8.0", "RATE = 4.0"))
if os.environ["AUTORESEARCH_EXPERIMENT"] == "1":
    Path("notes.txt").write_text("what I thought")
print("Halve the rate")
"""


@pytest.mark.slow
def test_a_change_that_was_refused_for_what_lay_beside_it_may_come_again_without_that(project: Project) -> None:
    (project.home / "agent.py").write_text(AGENT)
    agent = f"--autoresearch-agent=command:{sys.executable} {project.home}/agent.py"

    done = project.pytest("--autoresearch", "--autoresearch-experiments=1", agent)
    assert "out-of-scope" in done.stdout, done.stdout + done.stderr
    done = project.pytest("--autoresearch", "--autoresearch-experiments=2", agent)  # resumed: it is in the record, too

    assert [row[2] for row in project.table()[1:]] == ["keep", "discard", "keep", "discard"], done.stdout
    assert "no-change" in done.stdout


LEAVES = """\
import os
from pathlib import Path

target = Path("train.py")
target.write_text(target.read_text().replace("RATE = 8.0", "RATE = 4.0"))
for name in (".tool/state/hud.json", "trial.log", "a b*/[x]"):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text("mine")
Path(".tool/big").write_bytes(b"x" * 6_000_000)
os.symlink("/etc/passwd", ".tool/link")
os.mkfifo(".tool/pipe")
print("Halve the rate")
"""


def test_what_an_agent_leaves_that_git_ignores_is_removed_and_the_edit_is_measured(project: Project) -> None:
    project.write(".gitignore", ".tool/\n*.log\na b*/\n")
    project.write("check.py", "import os\nassert not {'.tool', 'trial.log'} & {*os.listdir()}\n")
    project.commit("ignore")
    (project.home / "agent.py").write_text(LEAVES)
    agent = f"--autoresearch-agent=command:{sys.executable} {project.home}/agent.py"
    done = project.pytest(
        "--autoresearch", "--autoresearch-experiments=1", agent, "--autoresearch-guard", "python check.py"
    )
    assert [row[2] for row in project.table()[1:]] == ["keep", "keep"], done.stdout + done.stderr
    assert project.git("show", "--name-only", "--format=", "autoresearch/demo") == "train.py"


@pytest.mark.slow
def test_what_git_would_see_beside_it_is_still_out_of_scope(project: Project) -> None:
    project.write(".gitignore", ".tool/\n")
    project.commit("ignore")
    (project.home / "agent.py").write_text(LEAVES)
    agent = f"--autoresearch-agent=command:{sys.executable} {project.home}/agent.py"
    done = project.pytest("--autoresearch", "--autoresearch-experiments=1", agent)
    assert "out-of-scope" in done.stdout and "a b*/[x] is no target file; new files that git ig" in done.stdout


@pytest.mark.parametrize(
    "path", [".git/x", "src/.GIT/hooks/x", "git~1", "a/.git /x", ".g\u200cit", ".Git:x", ".GitModules"]
)
def test_names_that_are_gits_own_somewhere_are_no_candidates(path: str) -> None:
    assert is_gits_own(path)


@pytest.mark.parametrize("path", [".gitmodules", "git/x.py", ".github/x", "a.git", "digit", ".gitkeep", "\udcff.py"])
def test_other_names_are(path: str) -> None:
    assert not is_gits_own(path)


def test_names_of_files_neither_write_on_the_terminal_nor_spoil_the_history(project: Project) -> None:
    project.write("src/a.py", "")
    config = project.root / "autoresearch.config.md"
    config.write_text(config.read_text().replace("- `train.py`", "- `train.py`\n- `src/`"))
    project.commit("a directory of targets")
    (project.home / "agent.py").write_text(
        "import os\n"
        "number = os.environ['AUTORESEARCH_EXPERIMENT']\n"
        "open('train.py', 'a').write('# ' + number)\n"
        "name = {'1': b'\\x1b]0;owned\\x07\\n0001 KEEP 0.0\\xff', '2': b'src/.GIT'}[number]\n"
        "open(name, 'w').close()\n"
        "print('an odd name')\n"
    )
    agent = f"--autoresearch-agent=command:{sys.executable} {project.home}/agent.py"
    done = project.pytest("--autoresearch", "--autoresearch-experiments=2", agent)
    assert [row[2] for row in project.table()[1:]] == ["keep", "discard", "discard"], done.stdout
    assert not set(done.stdout) & {"\x1b", "\x07"}
    assert not any(line.startswith("0001 KEEP") for line in done.stdout.splitlines())
    assert project.git("fsck", "--strict") == ""
