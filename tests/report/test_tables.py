"""Rows and records in a notebook of Jupyter: tables, pictures and pandas."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import pytest_autoresearch as public
from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.export import as_csv
from pytest_autoresearch.notebook.results import Row
from pytest_autoresearch.protocol.experiment import Experiment, Status
from pytest_autoresearch.report.tables import Records, Results
from tests.github import histories
from tests.notebook.diary import Diary, new_repository


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = new_repository(tmp_path / "repository")
    with Diary(root) as diary:
        diary.reach(8)
    return root


def test_rows_show_themselves_as_a_table_and_a_picture(root: Path) -> None:
    rows = public.load_results(root)
    html = rows._repr_html_()
    assert html.count("<tr>") == 9 and "<td>keep</td>" in html and "not shown" not in html
    assert rows.chart()._repr_svg_().startswith("<svg")
    assert public.load_results(root / "results.tsv").chart() == rows.chart()


def test_records_show_their_experiments(root: Path) -> None:
    found = public.records(root)
    assert [type(each) for each in found][1:3] == [Experiment, Experiment]
    html = found._repr_html_()
    assert html.count("<tr>") == 9 and "<th>reason</th>" in html
    assert found.chart().count('data-n="') == 8


def test_a_long_session_shows_its_newest_rows_and_hostile_words_are_text() -> None:
    rows = Results(Row("abc", float(n), Status.DISCARD, "<script>alert(1)</script>") for n in range(500))
    html = rows._repr_html_()
    assert html.count("<tr>") == 201 and "300 older ones are not shown" in html and "<td>499</td>" in html
    assert "<script" not in html


def test_a_description_is_as_it_was_and_only_csv_guards_it_from_a_spreadsheet() -> None:
    whole = histories.history(3, description="-x + @SUM(1)")
    html = Records([whole.session, *whole.experiments])._repr_html_()
    assert html.count("<td>-x + @SUM(1)</td>") == 3
    assert as_csv(whole).count(",'-x + @SUM(1),") == 3


def test_pandas_gets_a_row_for_each_experiment(root: Path) -> None:
    pytest.importorskip("pandas")
    frame = public.records(root).to_pandas()
    assert list(frame["number"]) == list(range(8)) and frame["run_seconds"].sum() >= 0
    assert list(public.load_results(root).to_pandas()["status"][:4]) == ["keep", "discard", "discard", "keep"]


def test_without_pandas_it_says_what_to_install(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(NotebookError, match="pip install pandas"):
        public.load_results(root).to_pandas()
