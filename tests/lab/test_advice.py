"""When a baseline fails, the user is told the log's end and the likeliest cause."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from pytest_autoresearch.lab.advice import baseline_advice, likely_missing
from pytest_autoresearch.protocol.experiment import Measurement, Reason, Role
from pytest_autoresearch.protocol.model import Direction, Metric, Protocol

PROTOCOL = Protocol(goal="", metric=Metric("loss", Direction.LOWER), targets=(), run="python train.py", data=("given",))
IGNORED = [
    ".venv/",
    "src/__pycache__/",
    "given/",
    "results.tsv",
    "a/deep/cache.bin",
    "big/",
    "corpus.txt",
    "x.egg-info/",
    ".pytest_cache/README.md",
    "sub/.pytest_cache/v/",
]


def test_paths_that_the_log_names_come_first() -> None:
    log = "FileNotFoundError: [Errno 2] No such file or directory: 'a/deep/cache.bin'"
    assert likely_missing(log, PROTOCOL, IGNORED) == ["a/deep/cache.bin", "big", "corpus.txt"]
    assert likely_missing("", PROTOCOL, IGNORED) == ["big", "corpus.txt", "a/deep/cache.bin"]


def test_a_marked_test_is_told_the_argument_of_its_marker() -> None:
    marked = replace(PROTOCOL, source="test_a.py::test_a")
    failed = Measurement(Role.INCUMBENT, failure=Reason.ERROR)
    assert baseline_advice(failed, marked, ["corpus.txt"]).endswith(
        'if the run needs one, name it in the marker: data=["corpus.txt"]'
    )


def test_paths_are_written_as_the_front_matter_wants_them() -> None:
    inner = Protocol(goal="", metric=PROTOCOL.metric, targets=(), run="x", directory=PurePosixPath("exp/one"))
    assert likely_missing("", inner, ["exp/one/data", "common/data"]) == ["../../common/data", "data"]


def test_the_advice_has_the_reason_the_command_the_log_and_the_remedy() -> None:
    failed = Measurement(
        Role.INCUMBENT, failure=Reason.ERROR, detail="exit status 1", log_tail="reading corpus.txt\nboom"
    )
    assert baseline_advice(failed, PROTOCOL, IGNORED).splitlines() == [
        "the baseline failed: error: exit status 1",
        "  command: python train.py",
        "  the log ends with:",
        "    reading corpus.txt",
        "    boom",
        "  a run sees committed files only; git ignores these, which the checkout has:",
        "    corpus.txt",
        "    big",
        "    a/deep/cache.bin",
        "  if the run needs one, name it in the front matter: data: [corpus.txt]",
    ]


def test_a_baseline_that_takes_too_long_is_told_of_the_timeout() -> None:
    failed = Measurement(Role.INCUMBENT, failure=Reason.TIMEOUT, detail="killed after 3600 s")
    assert baseline_advice(failed, PROTOCOL, []).splitlines()[-1] == (
        "  raise the kill timeout under Time Budget, or make the run shorter"
    )
