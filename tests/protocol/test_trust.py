"""What a session says of numbers that rest on the run's own word, and of a holdout that lies before the candidate."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.protocol.markdown import parse
from pytest_autoresearch.protocol.model import Direction, Holdout, Limit, Metric, Protocol
from pytest_autoresearch.protocol.render import render
from pytest_autoresearch.protocol.serialise import from_json, to_json
from pytest_autoresearch.protocol.trust import is_self_reported, marks, only_hands_on, reported_limits, times_asked
from pytest_autoresearch.report.markdown.body import body
from pytest_autoresearch.report.markdown.parts import Links
from pytest_autoresearch.report.story import story
from tests.conftest import CONFIG
from tests.github.histories import PROTOCOL, history

REPORTED = [
    "grep '^loss:' run.log | tail -1 | cut -d' ' -f2",
    'grep "^val_bpb:" run.log',
    "tail -n 1 run.log",
    "awk '/loss/ {print $2}' results/out.txt",
    "cat out/metric.txt",
    "jq -r .loss metrics.json",
    "LC_ALL=C sed -n 's/^loss: //p' run.log",
    "python -c \"import re; print(re.findall(r'loss: (.*)', open('run.log').read())[-1])\"",
    "echo $(cat out.txt)",
    "/usr/bin/grep loss run.log || true",
    "cd out && tail -1 loss.csv | cut -d, -f3",
    "perl -ne 'print $1 if /loss: (.*)/' run.log",
    "python -c \"print(open('score.txt').read())\"",
    'python3 -c \'import json; print(json.load(open("out.json"))["loss"])\'',
    "python - <<END\nprint(open('score.txt').read())\nEND",
    "node -p \"require('./out.json').loss\"",
    "julia -e 'print(read(\"score.txt\", String))'",
    "cat score.txt | python -c 'print(input())'",
    "sh -c 'cat score.txt'",
    "timeout 5 grep loss out.txt",
    "env LC_ALL=C stdbuf -o0 sed -n 2p out.txt",
    "< score.txt tail -1",
    "while read line; do echo $line; done < score.txt",
    "if true; then { cat score.txt; }; fi",
    "zcat out.gz | awk '{print $2}'",
    "sqlite3 runs.db 'select loss from runs'",
    "grep 'grade.py' run.log  # make",
    r"\grep loss out.txt",
    r"gr\ep loss out.txt",
    "'grep' loss out.txt",
    "$(which grep) loss out.txt",
    "`command -v tail` -1 out.txt",
    "git grep --no-index -h loss out.txt",
    "git -C . grep loss",
    "python -m json.tool out.json | grep loss",
    "python3 -I -m gzip -d out.gz",
    "x=$(grep loss out.txt); echo ${x#*: }",
    "x=`tail -1 out.txt` && echo $x",
    "g=grep; $g loss out.txt",
    "/usr/bin/env grep loss out.txt",
    "mapfile -t l < out.txt; echo ${l[0]}",
]
GRADED = [
    "python grade.py",
    "python3 -m grader out.json",
    "bash score.sh run.log",
    "./evaluate --predictions out.json",
    "wc -c < main.py",
    "python grade.py run.log | tail -1",
    "cat out.json | python grade.py",
    "node score.mjs",
    "make -s score",
    "du -b model.bin | cut -f1",
    "python -c 'import grade; print(grade.score())'",
    "python -c \"a, b = open('answers.txt'), open('labels.txt'); print(sum(x == y for x, y in zip(a, b)))\"",
    "sh -c 'python grade.py'",
    "$(which python) grade.py",
    "x=$(python grade.py); echo $x",
    "'./evaluate' out.json",
    "git rev-list --count HEAD",
    "git diff --stat | wc -l",
    "python -m json_grader out.json",
    "python -m json.grader out.json",
    "g=./evaluate; $g out.json",
]


@pytest.mark.parametrize("extract", REPORTED)
def test_a_command_that_looks_for_the_runs_number_is_the_runs_word(extract: str) -> None:
    assert only_hands_on(extract)


@pytest.mark.parametrize("extract", GRADED)
def test_a_command_that_works_a_number_out_is_not(extract: str) -> None:
    assert not only_hands_on(extract)


def protocol(**more: object) -> Protocol:
    metric = Metric("loss", Direction.LOWER, extract="python grade.py")
    plain = Protocol(goal="", metric=metric, targets=(), run="python train.py")
    return replace(plain, **more)  # type: ignore[arg-type]


def test_what_is_marked() -> None:
    limits = (
        *(Limit("vram_mb", 1.0), Limit("peak_mb", 1.0)),
        *(Limit("size_kb", 1.0, extract="python size.py"), Limit("copied", 1.0, extract="grep copied run.log")),
    )
    assert not list(marks(protocol()))
    assert [limit.name for limit in reported_limits(protocol(limits=limits))] == ["vram_mb", "copied"]
    assert list(marks(protocol(limits=limits))) == ["limits: self-reported (vram_mb, copied)"]
    assert is_self_reported(protocol(metric=Metric("loss", Direction.LOWER)))
    visible = protocol(holdout=Holdout("python final.py", files=("final.py",)))
    assert list(marks(visible, 1)) == ["holdout: visible to the candidate", "holdout asked 1 time"]
    assert list(marks(protocol(holdout=Holdout("python final.py", score="python score.py")))) == []


def test_the_marks_stand_in_the_tables_of_a_pull_request_with_a_link() -> None:
    told = replace(
        PROTOCOL,
        limits=(Limit("vram_mb", at_most=1.0), Limit("size", at_most=1.0, extract="python size.py")),
        holdout=Holdout("python final.py"),
    )
    found = history(3)
    found = replace(found, session=replace(found.session, protocol=to_json(told)))
    text = body(story(found), Links())
    rows = {line.split(" | ")[0].strip("| "): line for line in text.splitlines() if line.startswith("| ")}
    link = "security.md#self-reported)"
    assert "[self-reported](https://" in rows["metric"] and link in rows["metric"]
    assert rows["limits"].count("[self-reported](") == 1
    assert "[visible to the candidate](https://" in rows["holdout"] and "asked 0 times" in rows["holdout"]
    assert "self-reported" in text.partition("## Kept")[0]
    assert times_asked(found.experiments) == 0


HOLDOUT = "holdout: {run: python p.py, inputs: [in.csv], score: python s.py, files: [labels.csv, more/]}"
LIMITS = "limits: {size_kb: {max: 512, extract: python size.py}, speed: {min: 2}}"


def test_the_forms_are_read_written_and_recorded() -> None:
    read = parse(f"---\n{HOLDOUT}\n{LIMITS}\n---\n{CONFIG}", file="c.md")
    assert read.holdout == Holdout("python p.py", None, ("labels.csv", "more/"), ("in.csv",), "python s.py")
    assert read.limits == (Limit("size_kb", at_most=512, extract="python size.py"), Limit("speed", at_least=2))
    assert from_json(to_json(read)) == replace(read, origins={})
    again = parse(render(read), file="c.md")
    assert (again.holdout, again.limits) == (read.holdout, read.limits)


@pytest.mark.parametrize(
    ("front", "said"),
    [
        ("holdout: {run: a, score: b, extract: c}", "either `score` or `extract`"),
        ("holdout: {run: a, inputs: [b]}", "`inputs` are for a `run` that does not see the files"),
        ("holdout: {run: a, scores: b}", "`scores` is not known here"),
        ("holdout: {run: a, when: sometimes}", "`when: sometimes` is not known"),
        ("limits: {a: {max: 1, at_most: 2}}", "limited twice"),
        ("limits: {a: {extract: b}}", "a limit has at_most"),
        ("limits: {a: {most: 1}}", "not `most`"),
    ],
)
def test_what_makes_no_sense_is_an_error(front: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r"c\.md:2: ") as caught:
        parse(f"---\n{front}\n---\n{CONFIG}", file="c.md")
    assert said in str(caught.value)
