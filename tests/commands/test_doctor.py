"""The doctor says what a session would find here, and its exit code whether there would be one."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_autoresearch.commands.doctor import cuda_trouble, examine
from pytest_autoresearch.commands.findings import Finding, Health
from pytest_autoresearch.lab.gpus import Gpu, Gpus
from pytest_autoresearch.lab.plain import PlainSandbox
from pytest_autoresearch.lab.sandbox import Choice

if TYPE_CHECKING:
    from tests.conftest import Project

PLAIN = Choice(PlainSandbox(), "process", ("bwrap: is not installed; install it", "landlock: the kernel has none"))


def doctor(project: Project, *args: str, code: int, **kwargs: Any) -> dict[str, Any]:
    done = project.cli("doctor", "--json", *args, **kwargs)
    assert done.returncode == code, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["ready"] is (code == 0)
    return answer


def findings(path: Path, tmp_path: Path, choice: Choice = PLAIN, **environ: str) -> dict[str, Finding]:
    environ.setdefault("XDG_CACHE_HOME", str(tmp_path))
    return {finding.topic: finding for finding in examine(path, environ, choice, tmp_path)}


def test_a_committed_project_is_ready(project: Project) -> None:
    answer = doctor(project, code=0)
    found = {finding["topic"]: finding for finding in answer["findings"]}
    assert found["protocol"]["text"].endswith("autoresearch.config.md: loss, 1 target file, agent auto")
    assert answer["isolation"] in found["isolation"]["text"]
    assert found["git"]["text"].startswith("git version ") and "green" not in found["run"]["text"]
    config = (project.root / "autoresearch.config.md").read_text()
    project.write("autoresearch.config.md", f"{config}\n## Guard\n- `grep -q RATE train.py`\n")
    found = {finding["topic"]: finding for finding in doctor(project, code=0)["findings"]}
    assert found["run"]["text"].endswith("; the guards are green")


@pytest.mark.slow
def test_what_is_named_and_is_not_there_would_not_work(project: Project) -> None:
    answer = doctor(project, "nowhere.md", code=1)
    assert {"there is no nowhere.md"} == {f["text"] for f in answer["findings"] if f["health"] == "bad"}
    (project.root / "autoresearch.config.md").unlink()
    doctor(project, code=0)
    assert project.cli("doctor").stdout.splitlines()[-1] == "pytest --autoresearch would work here, given a protocol"


@pytest.mark.slow
def test_a_file_that_runs_code_when_the_grader_loads_it_is_named(project: Project) -> None:
    config = (project.root / "autoresearch.config.md").read_text()
    config = config.replace("- Direction: lower", "- Direction: lower\n- Extract command: `python grade.py`")
    project.write("autoresearch.config.md", config)
    project.write("train.py", "import pickle\npickle.dump([1.0], open('out.pkl', 'wb'))\n")
    project.write("grade.py", "import pickle\nprint(pickle.load(open('out.pkl', 'rb'))[0])\n")
    project.commit()
    found = {finding["topic"]: finding for finding in doctor(project, code=0)["findings"]}
    assert found["grader"]["health"] == "note" and "the run leaves out.pkl" in found["grader"]["text"]


@pytest.mark.slow
def test_the_text_says_the_same_for_people(project: Project) -> None:
    done = project.cli("doctor")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "pytest --autoresearch would work here"
    assert "isolation" in done.stdout
    assert done.stderr == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (("- `train.py`", "- `trian.py`"), "trian.py"),
        (("lower", "sideways"), "sideways"),
        (("# Config", "---\nagent: claude\n---\n# Config"), "claude is not on PATH"),
        (("# Config", "---\nagent: sweeep\nisolation: lax\n---\n# Config"), "lax"),
    ],
)
def test_a_protocol_that_can_not_be_run_is_found_out(project: Project, edit: tuple[str, str], words: str) -> None:
    config = project.root / "autoresearch.config.md"
    config.write_text(config.read_text().replace(*edit))
    project.commit("edit")
    path = {"PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"])}
    answer = doctor(project, code=1, env=path)
    bad = [finding for finding in answer["findings"] if finding["health"] == "bad"]
    assert [finding["topic"] for finding in bad] == ["protocol"]
    assert words in bad[0]["text"]


def test_without_a_protocol_the_machine_alone_is_judged(tmp_path: Path) -> None:
    found = findings(tmp_path, tmp_path)
    assert found["protocol"].health is Health.NOTE
    assert found["protocol"].remedy == "`pytest-autoresearch init` writes one"
    assert all(finding.health is not Health.BAD for finding in found.values())


def test_a_weaker_level_says_why_and_what_would_give_more(tmp_path: Path) -> None:
    found = findings(tmp_path, tmp_path)["isolation"]
    assert found.health is Health.NOTE
    assert found.remedy == "bwrap: is not installed; install it\nlandlock: the kernel has none"


def test_a_protocol_that_insists_on_the_best_level_is_refused_without_it(project: Project, tmp_path: Path) -> None:
    config = project.root / "autoresearch.config.md"
    config.write_text("---\nisolation: strict\n---\n" + config.read_text())
    project.commit("strict")
    found = findings(project.root, tmp_path)["protocol"]
    assert (found.health, found.remedy) == (Health.BAD, "bwrap: is not installed; install it")
    assert findings(project.root, tmp_path, Choice(PlainSandbox(), "bwrap"))["protocol"].health is Health.OK


def test_missing_programs_and_space_are_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("pytest_autoresearch.lab.space.LEAST_SPACE", 1 << 60)
    found = findings(tmp_path, tmp_path)
    assert [topic for topic, finding in found.items() if finding.health is Health.BAD] == ["git", "bash", "disk"]
    assert "XDG_CACHE_HOME" in found["disk"].remedy


def test_agents_on_path_are_named_with_version_and_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, here = tmp_path / "bin" / "claude", tmp_path / "project"
    program.parent.mkdir()
    here.mkdir()
    program.write_text("#!/bin/sh\necho '2.1.0 (Claude Code)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    without = findings(here, tmp_path)["agent claude"]
    assert (without.health, without.text) == (Health.NOTE, "2.1.0 (Claude Code), no key in the environment")
    with_key = findings(here, tmp_path, ANTHROPIC_API_KEY="hush")["agent claude"]
    assert (with_key.health, with_key.text) == (Health.OK, "2.1.0 (Claude Code), with ANTHROPIC_API_KEY")
    assert "aider" in findings(here, tmp_path)["agents"].remedy


def test_a_program_of_the_repository_is_named_and_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "project" / "node_modules" / ".bin" / "claude"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    assert findings(tmp_path / "project", tmp_path)["agent claude"].text.startswith("claude, in the repository")
    assert not (tmp_path / "started").exists()


def test_bayes_without_optuna_is_named_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert "bayes (pip install 'pytest-autoresearch[optuna]')" in findings(tmp_path, tmp_path)["agents"].remedy


def test_no_secret_is_shown(project: Project, tmp_path: Path) -> None:
    project.git("remote", "add", "origin", "https://user:hush@github.com/owner/name.git")
    found = findings(project.root, tmp_path, GITHUB_TOKEN="hush", GITHUB_ACTIONS="true")
    assert "hush" not in str(found)
    assert found["github"].text == "github.com/owner/name.git; token in GITHUB_TOKEN"
    assert "Allow GitHub Actions to create and approve pull requests" in found["github"].remedy


def test_cuda_is_tried_inside_the_sandbox(tmp_path: Path) -> None:
    class Nvml:
        NVMLError = OSError

        def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any:
            return SimpleNamespace(free=0)

        def nvmlDeviceGetComputeRunningProcesses(self, handle: Any) -> list[Any]:
            return []

    gpus = Gpus(Nvml(), [Gpu("GPU-1", "Test", 0)], locks=tmp_path / "locks")
    trouble = cuda_trouble(gpus, PLAIN, tmp_path)
    if shutil.which("nvidia-smi") is None:
        assert trouble is not None
        assert "libcuda" in trouble


@pytest.mark.slow
def test_a_run_that_would_not_work_is_found_out_with_its_remedy(project: Project) -> None:
    (project.root / "prepare.py").unlink()
    project.git("rm", "-q", "--cached", "prepare.py")
    config = project.root / "autoresearch.config.md"
    config.write_text(config.read_text().replace("## Read-Only Files\n- `prepare.py`\n", ""))
    project.commit("without its helper")
    project.write("prepare.py", "offset = 1.0\n")
    answer = doctor(project, code=1)
    (bad,) = [finding for finding in answer["findings"] if finding["health"] == "bad"]
    assert bad["topic"] == "run" and "No module named 'prepare'" in bad["text"]
    assert bad["remedy"].startswith("prepare.py is there but not committed")
    doctor(project, "--no-run", code=0)
