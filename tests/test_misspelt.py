"""Names that are nearly ours are refused with the one that was meant, before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_autoresearch.cli import main
from pytest_autoresearch.plugin import _refuse_misspelt

if TYPE_CHECKING:
    from tests.conftest import Project


@pytest.mark.parametrize(
    ("option", "meant"),
    [
        ("--autoresearch-experimnts=3", "; did you mean --autoresearch-experiments?"),
        ("--autoresearch-max_cost", "; did you mean --autoresearch-max-cost?"),
        ("--autoresearch-zzzzzzzz", ""),
        ("--autoreserch", "; did you mean --autoresearch?"),
        ("--auto-research", "; did you mean --autoresearch?"),
        ("--autoreserch-tag=x", "; did you mean --autoresearch-tag?"),
    ],
)
def test_an_option_that_there_is_not_is_refused_with_the_nearest(option: str, meant: str) -> None:
    with pytest.raises(pytest.UsageError) as refused:
        _refuse_misspelt(["tests", option])
    assert str(refused.value) == f"there is no option {option.partition('=')[0]}{meant}"
    _refuse_misspelt(["--autoresearch", "--autoresearch-tag=x", "--autoresearch-check", "--other", "--autouse"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["statsu"], "there is no command `statsu`; did you mean `status`?\n  `pytest-autoresearch --help`"),
        (["zzz"], "there is no command `zzz`\n"),
        (["log", "--dif", "3"], "there is no `--dif` here; did you mean `--diff`?\n  `pytest-autoresearch log --help`"),
        (["log", ".", "more"], "there is no `more` here\n"),
        (["--quiet", "log"], "there is no `--quiet` here\n  `pytest-autoresearch --help`"),
    ],
)
def test_a_command_or_its_option_that_there_is_not_names_the_nearest(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 4
    assert capsys.readouterr().err.startswith(f"pytest-autoresearch: {said}")


@pytest.mark.slow
def test_pytest_says_so_in_one_line_and_ends_with_4(project: Project) -> None:
    done = project.pytest("--autoresearch", "--autoresearch-experimnts=1")
    assert done.returncode == 4 and "did you mean --autoresearch-experiments?" in done.stderr + done.stdout
    (project.root / "autoresearch.config.md").rename(project.root / "autoresearch_config.md")
    done = project.pytest("--autoresearch")
    assert done.returncode == 5 and "there is autoresearch_config.md: rename it" in done.stdout
    done = project.pytest("--autoresearch", "autoresearch_config.md")
    assert done.returncode == 4 and "a config is called autoresearch.config.md" in done.stderr + done.stdout


def test_windows_is_sent_to_wsl2_in_one_line(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pytest_autoresearch.errors.NATIVE_WINDOWS", True)
    assert main(["doctor"]) == 4
    assert capsys.readouterr().err.endswith("the lab needs Linux or macOS\n  on Windows: run it in WSL2\n")
    pytester.makepyfile("def test_plain(): pass")
    assert pytester.runpytest_inprocess("-p", "no:asyncio").ret == 0, "an ordinary run is none of our business"
    refused = pytester.runpytest_inprocess("-p", "no:asyncio", "--autoresearch")
    assert refused.ret == 4 and "on Windows: run it in WSL2" in refused.stderr.str()
