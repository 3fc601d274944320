"""docs/tutorial.md is followed from its first step to its last, as a reader does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import Project
from tests.github.shown import run_block

PAGE = (Path(__file__).parents[1] / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_tutorial_leads_from_nothing_to_a_merged_gain(tmp_path: Path) -> None:
    project = Project(tmp_path / "unused", tmp_path / "home")
    env = {
        **project.env,
        **{f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    place, said = tmp_path / "repository", ""
    place.mkdir()
    assert {kind for kind, _, _ in BLOCKS} == {"python", "markdown", "console"}
    for kind, title, text in BLOCKS:
        if kind != "console":
            (place / title).write_text(text, encoding="utf-8")
            continue
        for command in text.splitlines():
            # People are asked; what is suggested to them is what --yes takes.
            done = run_block(command.replace("autoresearch init", "autoresearch init --yes"), place, env, timeout=400)
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            said += done.stdout
    assert "It works: size = 213434 after" in said and "size: start 213434 → best " in said
    assert (place / "report.html").stat().st_size > 10_000
    size = re.findall(r"^size: (\d+)$", said, re.MULTILINE)[-1]
    assert int(size) < 213434, "what is merged is better"
