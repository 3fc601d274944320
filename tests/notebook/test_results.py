"""results.tsv: the format, its place, and everything that may stand in its way."""

from __future__ import annotations

import csv
import errno
import os
import re
from pathlib import Path

import pytest

import pytest_autoresearch as public
from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.rebuilding import rebuild_table
from pytest_autoresearch.notebook.results import table_path
from pytest_autoresearch.notebook.tables import parse
from pytest_autoresearch.protocol.experiment import Status
from tests.notebook.diary import Diary, assert_agreed, assert_clean, assert_sound, git, new_repository


def reached(root: Path, count: int = 4, tag: str = "demo") -> Path:
    with Diary(root, tag) as diary:
        diary.reach(count)
        return diary.notebook.table


def test_the_table_is_the_one_of_the_reference(root: Path) -> None:
    lines = reached(root).read_text().split("\n")
    assert lines[0] == "commit\tloss\tstatus\tdescription"
    assert lines[1] == "baseline\t1.000000\tkeep\tbaseline run, no changes"
    assert re.fullmatch(r"[0-9a-f]{7}\t0\.999900\tdiscard\tset RATE to 1", lines[2])
    assert re.fullmatch(r"[0-9a-f]{7}\t0\.999700\tkeep\tset RATE to 3", lines[4])
    assert lines[5:] == [""]


def test_every_hash_in_the_table_names_the_experiment_and_nothing_else(root: Path) -> None:
    for row in public.load_results(reached(root, 8))[1:]:
        number = row.description.split()[-1]
        assert git(root, "show", f"{row.commit}:train.py") == f"RATE = {number}"
        assert git(root, "rev-parse", f"--disambiguate={row.commit}").count("\n") == 0


def test_a_hash_whose_seven_digits_are_taken_is_minted_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Diary(root) as diary:
        diary.reach(1)
        answers = iter([False, False, True])
        monkeypatch.setattr(diary.git.objects, "is_unused", lambda short: next(answers))
        experiment = diary.experiment()
        assert diary.git.message(experiment.commit).endswith("Autoresearch-Nonce: 2\n")
    monkeypatch.undo()
    reached(root, 2)


def test_descriptions_can_not_break_the_table(root: Path) -> None:
    texts = ['"quoted" \t tab', "line one\nline two \\ back", "\x1b[31mred\x00", "x" * 500, "数据 ü", "-rf", ""]
    with Diary(root) as diary:
        diary.reach(1)
        start = diary.git.head()
        for number, text in enumerate(texts, 1):
            diary.record(number, diary.git.tree(start), start, keep=False, description=text)
        table = diary.notebook.table
    with open(table, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t"))  # with quoting, as pandas reads
    assert [len(row) for row in rows] == [4] * (len(texts) + 2)
    assert all(len(row[3]) <= 200 for row in rows)
    read = [row.description for row in public.load_results(table)[1:]]
    assert read[:3] == texts[:3]
    assert read[4:] == texts[4:]


def test_pandas_reads_the_table_as_it_stands(root: Path) -> None:
    pandas = pytest.importorskip("pandas")
    with Diary(root) as diary:
        diary.reach(4)
        diary.record(4, diary.git.tree("HEAD"), diary.git.head(), keep=False, description='"a\tb', value=1.25e-9)
        table = diary.notebook.table
    frame = pandas.read_csv(table, sep="\t")
    assert list(frame.columns) == ["commit", "loss", "status", "description"]
    assert list(frame["loss"]) == [1.0, 0.9999, 0.9998, 0.9997, 1.25e-9]
    assert frame["status"].value_counts().to_dict() == {"keep": 2, "discard": 3}


def test_load_results_takes_a_table_a_repository_or_a_directory_in_it(root: Path) -> None:
    (root / "below").mkdir()
    rows = public.load_results(reached(root))
    assert [row.status for row in rows] == [Status.KEEP, Status.DISCARD, Status.DISCARD, Status.KEEP]
    assert rows[1].metric == 0.9999
    assert public.load_results(root) == public.load_results(root / "below") == public.load_results(root, "demo") == rows
    with pytest.raises(NotebookError, match="no session other in this repository\n  there are: demo"):
        public.load_results(root, "other")


@pytest.mark.parametrize("text", ["", "commit\tloss\n", "a,b,c\n1,2,3\n", "# only a remark\n"])
def test_what_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(NotebookError, match=r"results\.tsv:1: no results table"):
        parse(text)


def test_a_file_of_any_bytes_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(bytes(range(256)))
    with pytest.raises(NotebookError, match=r"model\.bin:1: no results table"):
        public.load_results(tmp_path / "model.bin")


def test_a_torn_last_row_does_not_count_and_a_broken_one_is_named() -> None:
    head = "commit\tloss\tstatus\tdescription\nbaseline\t1.0\tkeep\tx\n"
    assert len(parse(head + "abcdef0\t0.5\tdisc")) == 1
    with pytest.raises(NotebookError, match=r"results\.tsv:3: not a row"):
        parse(head + "abcdef0\tfast\tkeep\ty\n")


# Its place


def test_the_table_lies_beside_its_config_and_git_does_not_see_it(root: Path) -> None:
    assert reached(root) == root / "results.tsv"
    assert_clean(root)
    assert (root / ".git/info/exclude").read_text().splitlines()[-1] == "/results.tsv"
    reached(root, 8)
    assert (root / ".git/info/exclude").read_text().count("results.tsv") == 1


def test_a_directory_with_a_strange_name_is_excluded_literally(room: Path) -> None:
    from pytest_autoresearch.notebook.claim import exclude
    from pytest_autoresearch.notebook.git import Git

    root = new_repository(room / "strange")
    folder = root / "a [b]*\\ü "
    folder.mkdir()
    for name in ("results.tsv", "other.txt"):
        (folder / name).write_text("x")
    with Git.discover(root) as repository:
        exclude(repository, folder / "results.tsv")
    assert (
        git(root, "-c", "core.quotePath=false", "ls-files", "-z", "-o", "--exclude-standard")
        == f"{folder.name}/other.txt\0"
    )


def test_what_the_user_ignores_already_is_not_excluded_again(root: Path) -> None:
    (root / ".gitignore").write_text("*.tsv\n")
    git(root, "add", ".gitignore")
    git(root, "commit", "-q", "-m", "ignore")
    reached(root)
    assert "results.tsv" not in (root / ".git/info/exclude").read_text()


def test_a_marker_session_and_a_tracked_table_have_a_table_of_their_own(root: Path) -> None:
    with Diary(root) as diary:
        repository = diary.git
        assert table_path(repository, "tests/test_x.py::test_y", "demo") == root / "tests/results.demo.tsv"
        assert table_path(repository, "tests/autoresearch.config.md", "demo") == root / "tests/results.tsv"
    (root / "results.tsv").write_text("mine\n")
    git(root, "add", "results.tsv")
    git(root, "commit", "-q", "-m", "my results")
    assert reached(root) == root / "results.demo.tsv"
    assert (root / "results.tsv").read_text() == "mine\n"
    assert_sound(root)


def test_a_new_tag_renames_the_old_table_and_gives_the_name_back(root: Path) -> None:
    old = reached(root, 4, "one").read_text()
    assert reached(root, 2, "two") == root / "results.tsv"
    assert (root / "results.one.tsv").read_text() == old
    assert len((root / "results.tsv").read_text().splitlines()) == 3
    assert_clean(root)
    reached(root, 5, "one")
    assert not (root / "results.one.tsv").exists()
    assert len((root / "results.two.tsv").read_text().splitlines()) == 3
    assert (root / "results.tsv").read_text().startswith(old)
    assert_sound(root, "one")


# What stands in its way


def test_a_file_of_the_users_own_where_an_old_table_goes_is_saved(root: Path) -> None:
    old = reached(root, 2).read_text()
    (root / "results.demo.tsv").write_text("my own copy\n")
    with Diary(root, "other") as diary:
        diary.reach(1)
        assert diary.notebook.notices == [
            "results.demo.tsv stood where this table belongs: "
            "your copy is results.demo.tsv.edited-1, the table was written anew"
        ]
    assert (root / "results.demo.tsv").read_text() == old
    assert (root / "results.demo.tsv.edited-1").read_text() == "my own copy\n"


def test_an_edited_table_is_saved_beside_and_said_once(root: Path) -> None:
    table = reached(root)
    good = table.read_text()
    edited = good.replace("set RATE", "I think: set RATE")
    table.write_text(edited)
    with Diary(root) as diary:
        assert diary.notebook.notices == [
            "results.tsv differed from the ledger: your copy is results.tsv.edited-1, the table was written anew"
        ]
    assert table.read_text() == good
    assert (root / "results.tsv.edited-1").read_text() == edited
    with Diary(root) as diary:
        assert diary.notebook.notices == []


def test_a_table_of_the_users_own_is_saved_when_a_session_begins(root: Path) -> None:
    (root / "results.tsv").write_text("measured by hand\n")
    reached(root)
    assert (root / "results.tsv.edited-1").read_text() == "measured by hand\n"


def test_a_torn_or_short_table_is_no_edit(root: Path) -> None:
    table = reached(root)
    good = table.read_bytes()
    for cut in (0, 10, len(good) - 1, good.rindex(b"\n", 0, -1) + 1):
        table.write_bytes(good[:cut])
        with Diary(root) as diary:
            assert diary.notebook.notices == []
        assert table.read_bytes() == good
    table.unlink()
    with Diary(root):
        assert table.read_bytes() == good


def test_a_table_edited_or_removed_during_the_session_is_whole_again_with_the_next_row(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(2)
        table = diary.notebook.table
        table.write_text(table.read_text() + "my own line\n")
        diary.reach(3)
        assert "my own line" not in table.read_text()
        assert "my own line" in (root / "results.tsv.edited-1").read_text()
        table.unlink()
        diary.reach(4)
        assert len(diary.notebook.notices) == 1
    (root / "results.tsv.edited-1").unlink()
    assert_sound(root)


@pytest.mark.parametrize("written", [0, 5])
def test_a_row_that_the_disk_did_not_take_is_there_with_the_next_one(
    root: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    write = os.write

    def full(fd: int, data: bytes) -> int:
        monkeypatch.undo()
        if not written:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, data[:written])

    with Diary(root) as diary:
        diary.reach(2)
        monkeypatch.setattr(os, "write", full)
        diary.reach(4)
        statuses = [row.status for row in public.load_results(diary.notebook.table)]
        assert statuses == [experiment.status for experiment in diary.experiments]
    assert_agreed(root, "demo")
    assert not (root / "results.tsv.edited-1").exists()


def directory(path: Path) -> None:
    path.mkdir()


def symlink(path: Path) -> None:
    path.symlink_to(path.parent / "train.py")


def pipe(path: Path) -> None:
    os.mkfifo(path)


ODD = {"a directory": directory, "a symbolic link": symlink, "a named pipe": pipe}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_regular_file_is_refused_by_name_before_anything_is_written(root: Path, kind: str) -> None:
    ODD[kind](root / "results.tsv")
    with pytest.raises(NotebookError, match=rf"results\.tsv: {kind} stands where the results belong"):
        Diary(root)
    assert git(root, "for-each-ref", "refs/autoresearch") == ""
    assert not (root / ".git/autoresearch/demo").exists()


@pytest.mark.parametrize("kind", ODD)
def test_what_takes_the_tables_place_during_the_session_loses_nothing(root: Path, kind: str) -> None:
    with Diary(root) as diary:
        diary.reach(2)
        diary.notebook.table.unlink()
        ODD[kind](diary.notebook.table)
        diary.reach(5)
        assert len(diary.notebook.notices) == 1
        assert f"{kind} stands where the results belong" in diary.notebook.notices[0]
    assert (root / "train.py").read_text() == "RATE = 0\n"
    os.rename(root / "results.tsv", root.parent / "odd")
    with Diary(root) as diary:
        assert len(diary.experiments) == 5
    assert_sound(root)


def test_rebuild_writes_the_table_in_a_fresh_clone_that_fetched_the_refs(room: Path, root: Path) -> None:
    good = reached(root, 7).read_text()
    clone = room / "clone"
    git(room, "clone", "-q", str(root), str(clone))
    git(clone, "fetch", "-q", "origin", "refs/autoresearch/*:refs/autoresearch/*")
    git(clone, "checkout", "-q", "autoresearch/demo")
    with Diary(root) as diary:
        del diary
    from pytest_autoresearch.notebook.git import Git

    with Git.discover(clone) as repository:
        table, notices = rebuild_table(repository, "demo")
    assert (table, notices) == (clone / "results.tsv", [])
    assert table.read_text() == good
    assert git(clone, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        ("commit\tval_bpb\tmemory_gb\tstatus\tdescription\nabc1234\t1.31\t12.5\tkeep\tbaseline\n",
         [("abc1234", 1.31, "keep", "baseline")]),
        ("commit\ttok_per_sec\tvram_gb\tram_gb\tcache_hit\tstatus\tdescription\na1\t4.8\t7\t9\t.7\tdiscard\tx\nb2\t-\t0\t0\t0\tcrash\ty\n",
         [("a1", 4.8, "discard", "x"), ("b2", 0.0, "crash", "y")]),
        ("iteration\tcommit\tmetric\tdelta\tguard\tstatus\tdescription\r\n0\tc3\t85.2\t0.0\tpass\tbaseline\tinitial\r\n",
         [("c3", 85.2, "keep", "initial")]),
        ("\ufeffcommit,val_bpb,status,description\r\na1,1.5,keep,\"wide, deep\"\r\n",
         [("a1", 1.5, "keep", "wide, deep")]),
        ("# metric_direction: lower\niteration\tcommit\tmetric\tdelta\tguard\tstatus\tdescription\n"
         "1\t-\t86.5\t-0.6\tfail\tno-op\tx\n",
         [("-", 86.5, "discard", "x")]),
        ("Git Commit\tMax Drawdown\tSharpe\tResult\tNotes\na1\tn/a\t1.5\t✅ KEEP\tb", [("a1", 1.5, "keep", "b")]),
        ("exp\ttype_k\ttrain_loss\tval_loss\tstatus\tdescription\n7\tq8_0\t0.5\t0.7\ttimeout\ty\n",
         [("7", 0.7, "crash", "y")]),
        ("| commit | f1 | decision | change |\n|---|--:|---|---|\n| `a1` | 0.9 | accepted | x |\n",
         [("a1", 0.9, "keep", "x")]),
        ("commit\tseconds\tstatus\tdescription\na1\t0.5\tkeep\tour own metric\n",
         [("a1", 0.5, "keep", "our own metric")]),
        ("commit\tval\tstatus\tdescription\na1\tnan\tcrash\tx\n", [("a1", 0.0, "crash", "x")]),
    ],
)  # fmt: skip
def test_tables_of_other_tools_have_more_columns(table: str, rows: list[tuple[str, float, str, str]]) -> None:
    assert [(row.commit, row.metric, row.status.value, row.description) for row in parse(table)] == rows


def test_what_is_different_about_a_table_is_said() -> None:
    with pytest.raises(NotebookError, match=r"its columns are timestamp, score; `commit`, a metric, `status`"):
        parse("timestamp\tscore\n1\t2\n")
    with pytest.raises(NotebookError, match=r"x\.tsv:2: not a row of results: 2 columns where the head has 4"):
        parse("commit\tloss\tstatus\tdescription\na\t1\n", "x.tsv")
    with pytest.raises(NotebookError, match=r":2: not a row of results: `1,310` is no number"):
        parse("commit\tloss\tmemory_gb\tstatus\tdescription\na\t1,310\t12.5\tkeep\tx\n")
