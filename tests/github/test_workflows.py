"""The shipped workflows are valid, pinned and least privileged, here and in a user's repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_autoresearch import __version__
from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.github.setup import (
    INSTALLS,
    NAMES,
    Setup,
    is_cron,
    suggested_install,
    workflows,
    write_workflows,
)
from tests.conftest import Project

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / ".github/workflows").glob("*.yml"))
PIN = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_packaged_is_what_this_repository_runs(name: str) -> None:
    packaged = workflows(Setup())[name]
    assert packaged == (ROOT / ".github/workflows" / name).read_text("utf-8")


@pytest.mark.parametrize("path", [*SHIPPED, ROOT / "action.yml"], ids=lambda path: path.name)
def test_every_action_is_pinned_and_nothing_is_pasted_into_a_script(path: Path) -> None:
    text = path.read_text("utf-8")
    assert [line for line in text.splitlines() if "uses:" in line and not PIN.search(line)] == []
    for script in scripts(yaml.safe_load(text)):
        assert "${{" not in script


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_job_has_its_own_permissions_and_a_timeout(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text("utf-8"))
    assert workflow["permissions"] == {} and "pull_request_target" not in path.read_text("utf-8")
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] and job["permissions"] is not None
        assert all(s["with"]["persist-credentials"] is False for s in job["steps"] if "checkout" in s.get("uses", ""))


def scripts(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [v for k, v in node.items() if k == "run" and isinstance(v, str)] + [
            s for v in node.values() for s in scripts(v)
        ]
    return [s for each in node for s in scripts(each)] if isinstance(node, list) else []


def test_only_the_job_that_publishes_may_set_checks() -> None:
    """Each further permission of the job that runs foreign code is one more that it could lose."""
    jobs = yaml.safe_load(workflows(Setup("a.md", two_jobs=False))["autoresearch.yml"])["jobs"]
    assert jobs["loop"]["permissions"] == {"contents": "write", "pull-requests": "write"}
    assert jobs["publish"]["permissions"] == {"contents": "write", "pull-requests": "write", "checks": "write"}


def test_in_two_job_mode_the_machine_that_runs_experiments_can_not_write() -> None:
    loop = yaml.safe_load(workflows(Setup("a.md", two_jobs=True))["autoresearch.yml"])["jobs"]["loop"]
    assert loop["permissions"] == {"contents": "read"}
    run = next(step for step in loop["steps"] if "pytest --autoresearch" in step.get("run", ""))
    assert run["env"]["AUTORESEARCH_PUBLISH"] == "no" and "GITHUB_TOKEN" not in run["env"]


@pytest.mark.parametrize(
    "config", ["autoresearch.config.md", "a b/c.md", "it's/c.md", "tests/test_a.py::test_b", "1/x"]
)
def test_the_workflow_names_the_config(config: str) -> None:
    loop = yaml.safe_load(workflows(Setup(config))["autoresearch.yml"])
    assert loop[True]["workflow_dispatch"]["inputs"]["config"]["default"] == config


def test_a_workflow_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    other = tmp_path / ".github/workflows/verify.yml"
    other.parent.mkdir(parents=True)
    other.write_text("mine")
    with pytest.raises(ConfigError, match=r"verify\.yml.*another workflow"):
        write_workflows(tmp_path, Setup())
    assert (
        sorted(path.name for path in other.parent.parent.rglob("*.y*ml")) == ["verify.yml"]
        and other.read_text() == "mine"
    )
    other.unlink()
    first = write_workflows(tmp_path, Setup())
    assert write_workflows(tmp_path, Setup()) == first[:-1], "actionlint's list is left alone"


SETUPS = [
    Setup(pulls=True),
    Setup(two_jobs=True, pulls=True, version="1.2.3"),
    Setup(labels=("ubuntu-latest",), schedule="0 22 * * 1-5", install="uv"),
    Setup(labels=("on", "true")),
    Setup(labels=("self-hosted", "a100 x8"), install="poetry", schedule="@bad: 'x'"),
]


@pytest.mark.parametrize("setup", SETUPS[1:])
def test_a_setup_changes_what_it_names_in_every_workflow(setup: Setup, tmp_path: Path) -> None:
    texts = workflows(setup)
    for name in ("autoresearch.yml", "verify.yml"):
        jobs = yaml.safe_load(texts[name])["jobs"]
        (runs_on,) = [job["runs-on"] for key, job in jobs.items() if key in ("loop", "verify")]
        assert runs_on == (list(setup.labels) if len(setup.labels) > 1 else setup.labels[0])
        assert all(line in texts[name] for line in INSTALLS[setup.install])
        assert setup.install == "requirements" or "requirements.txt" not in texts[name]
        assert all(f"=={setup.version}" in line for line in texts[name].splitlines() if "PACKAGE: " in line) or (
            not setup.version
        )
    on = yaml.safe_load(texts["autoresearch.yml"])[True]
    assert ("schedule" in on) == bool(setup.schedule)
    if setup.schedule:
        assert (
            on["schedule"] == [{"cron": setup.schedule}] and "required" not in on["workflow_dispatch"]["inputs"]["tag"]
        )
    write_workflows(tmp_path, setup)
    listed = tmp_path / ".github/actionlint.yaml"
    own = [label for label in setup.labels if label not in ("self-hosted", "ubuntu-latest")]
    assert (yaml.safe_load(listed.read_text())["self-hosted-runner"]["labels"] if listed.exists() else []) == own


@pytest.mark.parametrize("setup", SETUPS[:3])
def test_zizmor_and_the_schema_have_nothing_to_say(tmp_path: Path, setup: Setup) -> None:
    programs = [shutil.which(name, path=Path(sys.executable).parent) for name in ("zizmor", "check-jsonschema")]
    if None in programs:
        pytest.skip("zizmor and check-jsonschema are not installed")
    zizmor, schema = (str(program) for program in programs)
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    shutil.copy(ROOT / "action.yml", tmp_path)
    for name, text in workflows(setup).items():
        (tmp_path / ".github/workflows" / name).write_text(text)
    written = sorted(map(str, (tmp_path / ".github/workflows").iterdir()))
    for command in (
        [zizmor, "--offline", "--pedantic", "--no-progress", "."],
        [schema, "--builtin-schema", "vendor.github-workflows", *written],
        [schema, "--builtin-schema", "vendor.github-actions", "action.yml"],
    ):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("setup", SETUPS)
def test_no_token_is_in_the_environment_of_what_installs_something(setup: Setup) -> None:
    """What is installed runs code of its own, from an index that others write to."""
    actions = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))["runs"]
    jobs: list[Any] = [({}, {}, actions)]
    for text in workflows(setup).values():
        workflow = yaml.safe_load(text)
        jobs += [(workflow.get("env", {}), job.get("env", {}), job) for job in workflow["jobs"].values()]
    installing = [(*envs, s.get("env", {})) for *envs, job in jobs for s in job["steps"] if "/pip" in s.get("run", "")]
    assert len(installing) >= 8
    for envs in installing:
        assert not [value for env in envs for value in env.values() if re.search(r"secrets\.|token", str(value), re.I)]


@pytest.mark.parametrize(
    ("comment", "heard"),
    [
        ("/autoresearch drop 12", "drop 12"),
        ("/autoresearch drop a1b2c3d  ", "drop a1b2c3d"),
        ("/autoresearch verify\r\nthank you", "verify"),
        ("/autoresearch continue 50", "continue 50"),
        ("/autoresearch stop", "stop"),
        ("/autoresearch drop $(id)", None),
        ("/autoresearch continue 1; id", None),
        ("/autoresearch nothing", None),
        ("please /autoresearch stop", None),
        ("/autoresearch", None),
        ("/autoresearch\r\n", None),
        ("/Autoresearch stop", None),
        ("/autoresearch drop 3\r\n/autoresearch verify", None),
        ("/autoresearch stop\n\nsaid /autoresearch drop 3 before", "stop"),
        ("/autoresearch drop\u00a03", None),
    ],
)
def test_a_reviewers_command_is_matched_as_a_whole(comment: str, heard: str | None) -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/commands.yml").read_text("utf-8"))
    script = workflow["jobs"]["command"]["steps"][0]["run"]
    line = "\n".join(line.removesuffix("||") for line in script.splitlines() if "[[ ${COMMENT" in line)
    read = 'echo "${BASH_REMATCH[1]}"'
    done = subprocess.run(["bash", "-ec", f"{line}\n{read}"], env={"COMMENT": comment}, capture_output=True, text=True)
    assert (done.stdout.strip() or None) == heard and (done.returncode == 0) == (heard is not None)


PACKAGE = "[build-system]\nrequires = []\n"


@pytest.mark.parametrize(
    ("lock", "project", "is_installed"),
    [
        ("uv.lock", "[project]\nname = 'x'\n", False),
        ("uv.lock", PACKAGE, True),
        ("poetry.lock", f"[tool.poetry]\npackage-mode = false\n{PACKAGE}", False),
        ("poetry.lock", PACKAGE, True),
        (None, "[tool.ruff]\nline-length = 100\n", False),
        (None, "[project]\nname = 'x'\n", True),
    ],
)
def test_a_project_that_is_no_package_is_not_installed_as_one(
    tmp_path: Path, lock: str | None, project: str, is_installed: bool
) -> None:
    """uv and poetry leave it out too; pip finds several packages in it, or none, and the job ends there."""
    (tmp_path / "pyproject.toml").write_text(project)
    if lock is not None:
        (tmp_path / lock).touch()
    tools = tmp_path / "autoresearch/bin"
    tools.mkdir(parents=True)
    for name in ("pip", "uv", "poetry"):
        (tools / name).write_text(f'#!/bin/sh\necho {name} "$@" >> asked\n')
        (tools / name).chmod(0o755)
    script = "\n".join(INSTALLS[suggested_install(tmp_path)])
    subprocess.run(["bash", "-ec", script], cwd=tmp_path, env={**os.environ, "RUNNER_TEMP": str(tmp_path)}, check=True)
    asked = (tmp_path / "asked").read_text() if (tmp_path / "asked").exists() else ""
    assert ("--editable ." in asked) == is_installed, asked


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        ("0 22 * * 1-5", True),
        ("*/15 0,12 1-31/2 JAN-MAR mon,FRI", True),
        ("99 77 * * *", False),
        ("0 22 * * 7", False),
        ("0 22 0 * *", False),
        ("5-1 * * * *", False),
        ("*/0 * * * *", False),
        ("1-2-3 * * * *", False),
        ("0 22 * * 1-", False),
        ("0 22 * *", False),
    ],
)
def test_a_schedule_that_github_would_not_take_is_known(line: str, is_one: bool) -> None:
    assert is_cron(line) == is_one


@pytest.mark.slow
def test_init_writes_what_it_was_told_and_pins_the_version(project: Project) -> None:
    (project.root / "uv.lock").touch()
    given = ("--labels", "self-hosted, a100", "--schedule", "0 22 * * *")
    done = project.cli("init", "--github", *given, env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 0 and "With uv on the PATH" in done.stdout, done.stdout + done.stderr
    loop = (project.root / ".github/workflows/autoresearch.yml").read_text()
    assert "runs-on: [self-hosted, a100]" in loop and 'uv" export --quiet --frozen' in loop
    assert f"pytest-autoresearch[sandbox]=={__version__}" in loop and "cron: '0 22 * * *'" in loop
    assert "labels: [a100]" in (project.root / ".github/actionlint.yaml").read_text()
    done = project.cli("init", "--github", "--schedule", "nightly")
    assert done.returncode == 4 and "a cron line has five fields" in done.stderr
    done = project.cli("init", "--github", "--labels", " , ")
    assert done.returncode == 4 and "--labels: there is none" in done.stderr
