"""Sessions for a notebook of Jupyter, or a script: rows and records that show themselves as tables and pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_autoresearch.errors import AutoresearchError, NotebookError
from pytest_autoresearch.notebook.chain import fold, ledger_ref, read_records
from pytest_autoresearch.notebook.export import COLUMNS, flat
from pytest_autoresearch.notebook.record import Record
from pytest_autoresearch.notebook.results import Row, header, row
from pytest_autoresearch.notebook.tables import parse
from pytest_autoresearch.notebook.tags import locate
from pytest_autoresearch.protocol.experiment import Experiment, Status
from pytest_autoresearch.report.chart import lines, staircase
from pytest_autoresearch.report.figures import number
from pytest_autoresearch.report.story import story
from pytest_autoresearch.text import shown

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_SHOWN = 200
ROW_COLUMNS = ("commit", "metric", "status", "description")
RECORD_COLUMNS = ("number", "commit", "status", "reason", "value", "against", "agent", "run_seconds", "description")


class Picture(str):
    """An SVG that a notebook draws."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        return str(self)


class Results(list[Row]):
    """The rows of a session, as :func:`load_results` gives them; a list that shows itself as a table."""

    def _repr_html_(self) -> str:
        cells = [(each.commit, number(each.metric), each.status.value, each.description) for each in self]
        return _html(ROW_COLUMNS, cells)

    def to_pandas(self) -> DataFrame:
        """A DataFrame with a row for each; pandas has to be installed."""
        rows = [(each.commit, each.metric, each.status.value, each.description) for each in self]
        return _pandas().DataFrame(rows, columns=list(ROW_COLUMNS))

    def chart(self) -> Picture:
        """The level of the best kept state after each row, as SVG."""
        levels: list[tuple[float, float]] = []
        for at, each in enumerate(self):
            if each.status is Status.KEEP:
                levels.append((float(at), each.metric))
            elif levels:
                levels.append((float(at), levels[-1][1]))
        if not levels:
            raise AutoresearchError("there is no row to draw")
        return Picture(lines("The best kept state", "experiment", "metric", [("best", levels)], "light"))


class Records(list[Record]):
    """A session's ledger, as :func:`records` gives it; a list that shows its experiments as a table."""

    @property
    def experiments(self) -> Sequence[Experiment]:
        """The experiments, drops and groups applied."""
        return fold(self).experiments if self else ()

    def _repr_html_(self) -> str:
        rows = [flat(each) for each in self.experiments]
        return _html(RECORD_COLUMNS, [[_cell(each[name]) for name in RECORD_COLUMNS] for each in rows])

    def to_pandas(self) -> DataFrame:
        """A DataFrame with a row for each experiment: seconds, bytes, US dollars; pandas has to be installed."""
        return _pandas().DataFrame([flat(each) for each in self.experiments], columns=list(COLUMNS))

    def chart(self) -> Picture:
        """The staircase with every experiment, as SVG."""
        told = story(fold(self)) if self else None
        if told is None:
            raise AutoresearchError("there is no baseline yet, so there is nothing to draw")
        return Picture(staircase(told, "light"))


def load_results(source: Path | str, tag: str | None = None) -> Results:
    """The rows of a results.tsv, or of a repository's session (the newest unless ``tag`` says which).

    NotebookError for a file that is no such table, or a directory without a session.
    """
    path = Path(source)
    if path.is_file():
        return Results(parse(path.read_text("utf-8", "replace"), str(path)))
    experiments = records(path, tag).experiments
    return Results(parse(header("metric") + "".join(row(each) for each in experiments)))


def records(repository: Path | str, tag: str | None = None) -> Records:
    """Everything that stands in a session's ledger, as it was written, oldest first."""
    located = locate(Path(repository), tag)
    with located.git:
        return Records(read_records(located.git, ledger_ref(located.tag)))


def _html(columns: Sequence[str], rows: Sequence[Iterable[str]]) -> str:
    """A table of the newest rows; foreign words are text."""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(shown(cell))}</td>' for cell in cells)}</tr>" for cells in rows[-MOST_SHOWN:]
    )
    left = f"<p>{len(rows) - MOST_SHOWN} older ones are not shown</p>" if len(rows) > MOST_SHOWN else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{left}"


def _cell(value: object) -> str:
    return number(value) if isinstance(value, float) else "" if value is None else str(value)


def _pandas() -> Any:
    try:
        import pandas
    except ImportError:
        raise NotebookError("pandas is not installed\n  pip install pandas") from None
    return pandas
