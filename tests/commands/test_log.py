"""``pytest-autoresearch log``, ``report``, ``rebuild``, ``drop`` and ``tags`` on a session of a real repository."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_autoresearch.cli import main
from pytest_autoresearch.notebook.chain import read_history
from pytest_autoresearch.notebook.export import as_csv
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import History
from tests.conftest import Project
from tests.notebook.diary import Diary, assert_sound, git, new_repository

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A session of seven experiments; the current directory is the repository."""
    root = new_repository(tmp_path / "repository")
    with Diary(root) as diary:
        diary.reach(7)
    monkeypatch.chdir(root)
    monkeypatch.delenv("COLUMNS", raising=False)
    return root


@pytest.fixture
def cli(root: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command; exit code, stdout, stderr."""

    def run(*args: str) -> tuple[int, str, str]:
        code = main(args)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_a_path_that_does_not_exist_is_no_session(cli: Cli) -> None:
    code, out, err = cli("log", "nowhere.md")
    assert (code, out) == (4, "") and "nowhere.md: there is no such file or directory" in err


def test_a_number_in_the_place_of_a_path_is_told_the_flag(cli: Cli) -> None:
    code, out, err = cli("log", "7")
    assert (code, out) == (4, "") and "to see an experiment: log --show 7" in err


def test_log_lists_every_experiment_with_its_reason(cli: Cli) -> None:
    code, out, _ = cli("log")
    lines = [line.split() for line in out.splitlines()]
    assert code == 0
    assert lines[0] == ["commit", "loss", "change", "status", "reason", "description"]
    assert lines[1][:1] + lines[1][2:] == ["0000", "1", "keep", "baseline", "baseline", "run,", "no", "changes"]
    assert lines[2][2:5] == ["0.9999", "discard", "worse"]
    assert len(lines) == 8


LONG = "halve the learning rate after " + "many " * 12 + "steps, see configs/experiments/of/last/summer/base.yaml"


@pytest.fixture
def wordy(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last experiment has more to say than a line holds."""

    def read(git: Git, tag: str) -> History:
        history = read_history(git, tag)
        last = replace(history.experiments[-1], description=LONG, hypothesis=f"{LONG}\n\n{LONG}", suspicious=True)
        return replace(history, experiments=(*history.experiments[:-1], last))

    monkeypatch.setattr("pytest_autoresearch.commands.log.read_history", read)


@pytest.mark.usefixtures("wordy")
@pytest.mark.parametrize("columns", [80, 90, 40])
def test_log_wraps_at_words_below_the_description(cli: Cli, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    whole = cli("log")[1].splitlines()
    assert len(whole) == 8 and whole[-1].endswith(LONG)
    at = whole[0].index("description")
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = cli("log")[1].splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith("0006"))
    indent = at if columns - at >= 16 else 6
    wrapped = [line for line in lines[first:] if line[:indent].isspace()]
    assert len(wrapped) > 1 and all(len(line) <= columns for line in wrapped)
    assert all(line[indent] != " " for line in wrapped)
    assert "".join(" ".join([lines[first], *wrapped]).split()).endswith("".join(LONG.split()))


@pytest.mark.usefixtures("wordy")
def test_log_of_one_wraps_what_it_says_below_where_it_begins(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert LONG in cli("log", "--show", "6")[1].splitlines()
    monkeypatch.setenv("COLUMNS", "60")
    lines = cli("log", "--show", "6")[1].splitlines()
    assert max(map(len, lines)) <= 60 and lines[0] == "experiment  0006 of demo"
    said = " ".join(" ".join(lines).split())
    assert said.count(LONG) == 3 and "keep, improved, suspicious detail so much better" in said


def test_log_shows_the_diff_of_a_discarded_experiment_by_number_or_commit(cli: Cli, root: Path) -> None:
    _, out, _ = cli("log", "--diff", "5")
    assert out.endswith("@@ -1 +1 @@\n-RATE = 3\n+RATE = 5\n")
    commit = (root / "results.tsv").read_text().splitlines()[6].split("\t")[0]
    assert cli("log", "--diff", commit)[1] == out
    assert cli("log", "--diff", "0")[1] == ""


def test_log_shows_one_experiment_in_full(cli: Cli) -> None:
    code, out, _ = cli("log", "--show", "6")
    assert code == 0
    for expected in (
        "experiment  0006 of demo",
        "keep, improved",
        "set RATE to 6",
        "it may help",
        "1.50 s, peak_mb 12.5",
    ):
        assert expected in out
    _, out, _ = cli("log", "--show", "6", "--json")
    assert json.loads(out)["measurements"][0]["secondary"] == {"peak_mb": 12.5}


def test_log_as_json_holds_the_session_and_every_experiment(cli: Cli) -> None:
    document = json.loads(cli("log", "--json")[1])
    assert document["session"]["tag"] == "demo"
    assert [each["number"] for each in document["experiments"]] == list(range(7))


@pytest.mark.parametrize("wanted", ["²", "-1", "١٢"])
def test_what_is_no_number_here_is_an_error_in_words(cli: Cli, wanted: str) -> None:
    code, _, err = cli("log", f"--show={wanted}")
    assert code == 4 and f"no experiment {wanted} in" in err


def test_a_number_that_is_none_is_an_error_with_the_range(cli: Cli) -> None:
    assert cli("log", "--show", "99") == (
        4,
        "",
        "pytest-autoresearch: no experiment 99 in demo\n  there are 0 to 6\n",
    )


def test_without_a_session_the_commands_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = new_repository(tmp_path / "empty")
    for command in (["log"], ["report"], ["rebuild"]):
        assert main([*command, str(empty)]) == 4
        assert "no session was begun here\n  there are: none yet" in capsys.readouterr().err
    assert main(["drop", "3", str(empty)]) == 4


def test_why_a_session_did_not_begin_is_still_said_in_the_morning(project: Project) -> None:
    honest = (project.root / "train.py").read_text()
    project.write("train.py", "raise SystemExit('no corpus')\n")
    project.commit("broken")
    words = ("--autoresearch", "--autoresearch-experiments=1", "--autoresearch-agent=sweep")
    assert project.pytest(*words).returncode == 1
    kept = project.root / ".git/autoresearch/demo/baseline.txt"
    for command in ("log", "status"):
        said = project.cli(command).stderr
        assert "demo: the baseline failed: error: no corpus" in said and str(kept) in said
    assert "command: python train.py" in kept.read_text()
    project.write("train.py", honest)
    project.commit("mended")
    assert project.pytest(*words).returncode == 0
    assert not kept.exists() and project.cli("log").returncode == 0


def test_report_as_csv_has_one_row_per_experiment(cli: Cli) -> None:
    rows = list(csv.DictReader(io.StringIO(cli("report", "--format", "csv")[1])))
    assert [row["number"] for row in rows] == [str(number) for number in range(7)]
    assert rows[0]["reason"] == "baseline"  # nothing was there that it could have improved
    assert rows[3]["status"] == "keep" and rows[3]["reason"] == "improved"
    assert rows[3]["run_seconds"] == "1.5"
    assert rows[3]["description"] == "set RATE to 3"


def test_no_cell_of_a_report_is_a_formula(root: Path) -> None:
    with Git.discover(root) as git:
        history = read_history(git, "demo")
    for said, written in [("=HYPERLINK(1)", "'=HYPERLINK(1)"), ("@sum", "'@sum"), ("a=b", "a=b")]:
        changed = replace(history, experiments=(replace(history.experiments[0], description=said),))
        (row,) = csv.DictReader(io.StringIO(as_csv(changed)))
        assert row["description"] == written


def test_report_as_json_is_the_log_and_goes_to_a_file(cli: Cli, root: Path) -> None:
    code, out, _ = cli("report", "--json", "-o", "out.json")
    assert (code, out) == (0, "out.json\n")
    assert json.loads((root / "out.json").read_text()) == json.loads(cli("log", "--json")[1])
    assert cli("report", "-o", "/nowhere/out.json")[0] == 4


def test_report_writes_a_page_with_the_diffs_of_every_experiment(cli: Cli, root: Path) -> None:
    assert cli("report")[:2] == (0, "report.html\n")
    page = (root / "report.html").read_text("utf-8")
    assert page.count('<article class="kept">') == 2
    assert "+RATE = 6" in page.replace('<span class="gi">', "")
    assert cli("report", "--format", "svg")[1].startswith("<svg")


def test_report_as_markdown_has_the_sizes_and_asks_for_no_comment(cli: Cli) -> None:
    code, out, _ = cli("report", "--format", "md")
    assert code == 0 and out.startswith("# autoresearch demo: loss: start 1 → best ")
    assert "| +1\u00a0−1 |" in out and "## Reproduce" in out and "pytest-autoresearch verify" in out
    assert "/autoresearch" not in out and "here" not in out.lower().partition("## take a keep out")[2]


def test_rebuild_writes_the_table_again(cli: Cli, root: Path) -> None:
    table = root / "results.tsv"
    good = table.read_text()
    table.write_text("edited\n")
    code, out, err = cli("rebuild")
    assert (code, out) == (0, f"{table}\n")
    assert "your copy is results.tsv.edited-1" in err
    assert table.read_text() == good
    assert json.loads(cli("rebuild", "--json")[1]) == {"tag": "demo", "table": str(table)}


def test_drop_takes_a_keep_out_and_says_what_to_expect(cli: Cli, root: Path) -> None:
    code, out, _ = cli("drop", "6", "--why", "luck")
    assert code == 0
    assert out.splitlines()[0].endswith("is out of autoresearch/demo")
    assert git(root, "show", "autoresearch/demo:train.py") == "RATE = 3"
    assert "discard" in cli("log", "--show", "6")[1]


def test_a_drop_that_conflicts_ends_with_1_and_a_wrong_one_with_4(cli: Cli, root: Path) -> None:
    refs = git(root, "for-each-ref")
    code, _, err = cli("drop", "3")
    assert code == 1
    assert "experiments 3 and 6 change the same or adjacent lines of train.py\n  nothing was changed" in err
    assert cli("drop", "2")[0] == 4
    assert git(root, "for-each-ref") == refs
    assert_sound(root)


def test_tags_lists_the_sessions(cli: Cli, root: Path) -> None:
    with Diary(root, "second") as diary:
        diary.reach(1)
    lines = cli("tags")[1].splitlines()
    assert "6 experiments, 2 kept, loss 1 -> 0.9994" in next(line for line in lines if line.startswith("demo"))
    assert {each["tag"] for each in json.loads(cli("tags", "--json")[1])} == {"demo", "second"}


def test_a_tag_is_deleted_only_when_that_is_confirmed(cli: Cli, root: Path) -> None:
    code, _, err = cli("tags", "--delete", "demo")
    assert code == 4
    assert "deleting demo can not be undone\n  say --yes to confirm" in err
    assert cli("tags", "--delete", "nothing", "--yes")[0] == 4
    assert cli("tags", "--delete", "demo", "--yes")[:2] == (0, "demo is deleted\n")
    assert git(root, "for-each-ref", "refs/autoresearch") == ""
    assert cli("tags")[1] == "no session yet\n"


def test_a_tag_is_archived_on_a_remote(cli: Cli, root: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(root), "remote.git")
    git(root, "remote", "add", "elsewhere", str(tmp_path / "remote.git"))
    assert cli("tags", "--archive", "demo")[0] == 4  # there is no origin
    assert cli("tags", "--archive", "demo", "--remote", "elsewhere")[0] == 0
    assert git(root, "for-each-ref", "refs/autoresearch") == ""
    assert git(tmp_path / "remote.git", "for-each-ref", "--format=%(refname)", "refs/autoresearch") == (
        "refs/autoresearch/demo/log"
    )
