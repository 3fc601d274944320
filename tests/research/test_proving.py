"""What is said to mend a run does mend it: real repositories, the real sandbox, the line written into the config."""

from __future__ import annotations

import os
import sys
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from pytest_autoresearch.lab import reach
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.markdown import load
from pytest_autoresearch.protocol.settings import resolve
from pytest_autoresearch.research.proving import Proof, prove
from tests.conftest import Project

CONFIG = """\
---
{front}
---
## Metric
- Name: loss
- Direction: lower

## Target Files
- train.py

## Run Command
{run}
"""


@dataclass(frozen=True)
class Kind:
    """A kind of surroundings. ``prepare`` lays out what no commit has; ``key`` and ``value`` are the remedy's."""

    name: str
    run: str
    prepare: Callable[[Project], None]
    key: str
    value: str
    train: str = "print('loss: 1.5')\n"
    ignored: str = ""


def _executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _environment(project: Project) -> None:
    venv.create(project.root / ".venv", with_pip=False, symlinks=True)
    (site,) = (project.root / ".venv/lib").glob("python3*/site-packages")
    (site / "dep.py").write_text("K = 1.5\n")


def _node_modules(project: Project) -> None:
    place = project.root / "node_modules/dep"
    place.mkdir(parents=True)
    (place / "index.js").write_text("module.exports = 1.5\n")


def _data_below_home(project: Project) -> None:
    (project.home / "sets/a").mkdir(parents=True)
    (project.home / "sets/a/x.txt").write_text("1.5")


def _tool_below_home(project: Project) -> None:
    _executable(project.home / "tools/bin/mytool", "#!/bin/bash\necho loss: 1.5\n")


def _link_out(project: Project) -> None:
    elsewhere = project.root.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x.txt").write_text("1.5")
    (project.root / "data").symlink_to(elsewhere)
    project.commit("a link")


def _results_in_home(project: Project) -> None:
    (project.home / "results").mkdir()


DEP = "import dep\nprint('loss:', dep.K)\n"
READ = "print('loss:', open({path}).read())\n"

KINDS = [
    Kind("an ignored environment", ".venv/bin/python train.py", _environment, "data", ".venv", DEP, ".venv"),
    Kind(
        "one that is sourced",
        "source .venv/bin/activate && python train.py",
        _environment,
        "data",
        ".venv",
        DEP,
        ".venv",
    ),
    Kind("packages of node", "node bench.js", _node_modules, "data", "node_modules", ignored="node_modules"),
    Kind(
        "data below HOME",
        "python train.py",
        _data_below_home,
        "data",
        "~/sets/a",
        "import os\n" + READ.format(path="os.path.expanduser('~/sets/a/x.txt')"),
    ),
    Kind("a tool that a script calls", "bash measure.sh", _tool_below_home, "data", "~/tools/bin/mytool"),
    Kind("a link out", "python train.py", _link_out, "data", "{root}/elsewhere", READ.format(path="'data/x.txt'")),
    Kind("git in the run", "git rev-parse HEAD && echo loss: 1.5", lambda project: None, "git", "throwaway"),
    Kind(
        "results in HOME",
        "python train.py",
        _results_in_home,
        "caches",
        "~/results",
        "import os\nopen(os.path.expanduser('~/results/a.txt'), 'w').write('x')\nprint('loss: 1.5')\n",
    ),
]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path / "project", tmp_path / "home")
    path = f"{project.home}/tools/bin:{os.environ['PATH']}"
    with mock.patch.dict(os.environ, {"HOME": str(project.home), "PATH": path}):
        reach.reach.cache_clear()
        yield project
    reach.reach.cache_clear()


def proof_of(project: Project, front: str, run: str) -> Proof:
    config = project.write("autoresearch.config.md", CONFIG.format(front=front, run=run))
    with Git.discover(project.root) as git:
        protocol = load(config, top=git.top)
        return prove(protocol, git, resolve({}, {}, protocol.options, {}), tick=lambda _: None)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_line_that_is_offered_mends_the_run(kind: Kind, project: Project, tmp_path: Path) -> None:
    project.write("train.py", kind.train)
    project.write("measure.sh", "mytool\n")
    project.write("bench.js", "console.log('loss: ' + require('dep'))\n")
    project.write(".gitignore", f"{kind.ignored}\n")
    project.commit()
    kind.prepare(project)
    failed = proof_of(project, "", kind.run)
    assert failed.measured.value is None
    value = kind.value.replace("{root}", str(tmp_path))
    assert [(remedy.key, remedy.value) for remedy in failed.remedies] == [(kind.key, value)], failed.told
    mended = proof_of(project, f"{kind.key}: {value if kind.key == 'git' else f'[{value}]'}", kind.run)
    assert mended.measured.value == 1.5, mended.told


def test_a_toolchain_of_rustups_kind_works_without_a_word(project: Project) -> None:
    """A proxy in ~/.cargo/bin that finds its toolchain by ~/.rustup/settings.toml, as rustup's own do."""
    home = project.home
    _executable(
        home / ".cargo/bin/cargo",
        "#!/bin/bash\nname=$(sed -n 's/default_toolchain = \"\\(.*\\)\"/\\1/p' ~/.rustup/settings.toml)\n"
        'exec ~/.rustup/toolchains/"$name"/bin/cargo "$@"\n',
    )
    (home / ".rustup").mkdir()
    (home / ".rustup/settings.toml").write_text('default_toolchain = "stable"\n')
    _executable(home / ".rustup/toolchains/stable/bin/cargo", "#!/bin/bash\necho loss: 1.5\n")
    project.write("train.py", "")
    project.write("measure.sh", "~/.cargo/bin/cargo run\n")
    project.commit()
    assert proof_of(project, "", "bash measure.sh").measured.value == 1.5
    assert proof_of(project, "isolation: none", "bash measure.sh").measured.value == 1.5


def test_what_is_not_committed_is_named(project: Project) -> None:
    project.write("train.py", "import helper\nprint('loss:', helper.K)\n")
    project.commit()
    project.write("helper.py", "K = 1.5\n")
    failed = proof_of(project, "", f"{sys.executable} train.py")
    assert [remedy.line.partition(",")[0] for remedy in failed.remedies] == ["helper.py is there but not committed"]
    project.git("add", "helper.py")
    failed = proof_of(project, "", f"{sys.executable} train.py")
    assert [remedy.line.partition(",")[0] for remedy in failed.remedies] == ["helper.py is there but not committed"]


def test_a_change_that_is_not_committed_is_named_where_the_words_name_its_file(project: Project) -> None:
    project.write("train.py", "from helper import K\nprint('loss:', K)\n")
    project.write("helper.py", "J = 1.5\n")
    project.commit()
    project.write("helper.py", "K = 1.5\n")
    failed = proof_of(project, "", f"{sys.executable} train.py")
    said = "helper.py has changes that are not committed"
    assert [remedy.line.partition(",")[0] for remedy in failed.remedies] == [said]
