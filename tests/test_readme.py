"""What README and docs show is what there is."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_autoresearch.cli import COMMANDS, command
from pytest_autoresearch.protocol.options import OPTIONS

if TYPE_CHECKING:
    from tests.conftest import Project

TOP = Path(__file__).parents[1]
README = (TOP / "README.md").read_text(encoding="utf-8")
PAGES = {
    path.name: path.read_text(encoding="utf-8") for path in [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]
}


def shell_blocks() -> list[str]:
    return re.findall(r"```sh\n(.*?)```", README, re.DOTALL)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_main_command_gives_a_branch_with_real_improvements_and_a_table(project: Project) -> None:
    main = shell_blocks()[0].strip()
    assert main == "pip install -e . && pytest --autoresearch examples/quickstart"
    shutil.copytree(TOP / "examples" / "quickstart", project.root / "examples" / "quickstart")
    config = project.root / "examples" / "quickstart" / "autoresearch.config.md"
    text = config.read_text(encoding="utf-8")
    assert "experiment: 10 seconds" in text and "timeout: 30 seconds" in text
    # Where others use the machine a run of two seconds takes fifteen, and would be `limit`.
    config.write_text(text.replace("10 seconds", "100 seconds").replace("30 seconds", "300 seconds"), encoding="utf-8")
    project.commit("quickstart")

    done = project.pytest(*main.partition("pytest ")[2].split(), "--autoresearch-experiments=3", timeout=300)

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"val_bpb: start \S+ → best \S+, \S+ % better", done.stdout), done.stdout
    assert project.git("log", "--format=%s", "main..autoresearch/quickstart")
    assert len(project.table("examples/quickstart/results.tsv")) == 5
    rows = re.findall(r"^(?:baseline|\d{4}) .*", README, re.MULTILINE)
    assert len(rows) == 4 and [row for row in rows if row not in done.stdout] == [], done.stdout


def test_the_test_command_is_the_one_that_ci_runs() -> None:
    commands = [block.strip() for block in shell_blocks()]
    (tests,) = [line for line in commands if "[test]" in line]
    run = (TOP / ".ci" / "run").read_text(encoding="utf-8")
    assert [part for part in tests.split(" && ") if part not in run] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_command_and_option_that_a_page_names_exists(page: str) -> None:
    named = set(re.findall(r"pytest-autoresearch ([a-z]+)\b", PAGES[page])) - {
        "is",
        "has",
        "and",
        "into",
        "contributors",
    }
    assert named <= set(COMMANDS), named - set(COMMANDS)
    known = {option.flag for option in OPTIONS} | {"--autoresearch", "--autoresearch-check"}
    options = set(re.findall(r"--autoresearch(?:-[a-z]+)*", PAGES[page])) - {"--autoresearch-measure"}
    assert options <= known, options - known


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_module_and_says_how_it_is_used(name: str, project: Project) -> None:
    assert callable(command(name).run)
    done = project.cli(name, "--help")
    assert done.returncode == 0 and f"pytest-autoresearch {name}" in done.stdout


def test_links_between_pages_lead_somewhere() -> None:
    for page, text in PAGES.items():
        base = TOP if page == "README.md" else TOP / "docs"
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (base / target).exists(), f"{page} links to {target}"


def test_importing_the_plugin_loads_nothing_heavy(project: Project) -> None:
    heavy = ("git", "yaml", "markdown_it", "github3", "pytest_autoresearch.research", "pytest_autoresearch.lab")
    script = f"import pytest_autoresearch.plugin, sys; print([m for m in {heavy!r} if m in sys.modules])"
    assert project.run(sys.executable, "-c", script).stdout.strip() == "[]"
