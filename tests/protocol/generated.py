"""Hypothesis strategies for protocols in normal form, and for configs as people break them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from hypothesis import strategies as st

from pytest_autoresearch.protocol.knobs import rule_of
from pytest_autoresearch.protocol.model import (
    Amount,
    Direction,
    Holdout,
    Limit,
    Metric,
    Options,
    PathRule,
    Protocol,
    Section,
)
from pytest_autoresearch.protocol.options import FAIL_ON, ISOLATIONS, JUDGES, LOOK_AHEAD

CONFIGS = sorted((Path(__file__).parent / "configs").glob("*.md"))

NASTY = [
    "## Goal", "# Metric", "**Metric**: x", "**Notes**", "Goal: y", "```", "~~~~", "```sh\nls\n```", "<!--",
    "-->", "<!-- a -->", "<div>", "<script>", "---", "===", "- ", "- - -", "> **Run**: x",
    "| a | b |\n|---|---|\n| c | d |", "    code", "\tcode", "1. one", "2) two", "* [ ] box",
    "- **Name**: other", "- **Direction**: up", "- **Direction**: up or down", "Kill timeout: 1s",
    "- **Extract command**:", "[a]: b", "\\", "&amp;", "***", "__x__: y", "`", "``", "`a", "### Sub",
    "###### Deep", "#", "## ", "## Notes #", "Branch: main", "\u2028", "\xa0", "\x0b", "\x1b[31m", "\ufeff",
    "é́", "## 目标", "**方向**: 高", "- x\n  - y\n    - z", "- ```\n  in item\n  ```", "> ```\n> q\n> ```", "…",
    "<tag>", "- <file1> (x)", "duration: 5m", "? a : b", "&a [*a]", "!!python/object:os {}",
]  # fmt: skip

words = st.from_regex(r"[A-Za-z][a-z0-9]{0,7}( [a-z0-9]{1,8}){0,5}", fullmatch=True)
names = st.from_regex(r"[a-z]{3,8}_[a-z0-9]{1,6}|benchmark\.median|[A-Z][a-z]{2,8} [a-z]{2,8}", fullmatch=True)
lines = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=40)
knob_entries = st.from_regex(r"!?[A-Za-z_][\w.*-]{0,9}(: (0\.5\.\.2\.0( log)?|a\|b))?", fullmatch=True).filter(
    lambda entry: str(rule_of(entry)) == entry
)
values = lines.map(str.strip).filter(bool)
printable = values.filter(str.isprintable)
positive = st.floats(min_value=1e-3, max_value=1e6)
finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
paths = st.from_regex(r"[a-z]{1,8}(/[a-z*]{1,6}){0,2}\.(py|toml|\*)|[a-z]{2,6}/", fullmatch=True)
scripts = st.sampled_from(
    [
        "python train.py",
        "make bench",
        "cd src\n./run.sh `date`\n\n  indented",
        "x='```'; echo $x",
        "grep '^a:' run.log | tail -1",
    ]
)


def maybe(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | strategy


def tuples(strategy: st.SearchStrategy[object], least: int = 0) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(strategy, min_size=least, max_size=3).map(tuple)


def mappings(
    keys: st.SearchStrategy[str], strategy: st.SearchStrategy[object], least: int = 0
) -> st.SearchStrategy[dict[str, object]]:
    return st.dictionaries(keys, strategy, min_size=least, max_size=3)


bounds = st.tuples(st.none(), st.none()) | st.tuples(st.floats(-10, -1), maybe(st.floats(1, 10))) | st.tuples(
    st.none(), st.floats(1, 10)
)  # fmt: skip
amounts = st.builds(Amount, st.floats(0, 100), st.booleans()).filter(
    lambda amount: amount.value > 0 or not amount.relative
)
metrics = st.builds(
    Metric,
    name=names,
    direction=st.sampled_from(Direction),
    extract=maybe(scripts),
    target=maybe(finite),
    min_delta=amounts,
    bounds=bounds,
)
limits = st.lists(
    st.builds(Limit, st.from_regex(r"[a-z_]{1,8}", fullmatch=True), finite, maybe(finite), maybe(st.floats(0, 1))),
    max_size=3,
    unique_by=lambda limit: limit.name,
).map(tuple)
options = st.builds(
    Options,
    agents=maybe(tuples(printable, 1)),
    agent_args=maybe(tuples(values, 1)),
    model=maybe(printable),
    prices=maybe(mappings(words, st.floats(0, 100), 1)),
    agent_env=maybe(tuples(words, 1)),
    agent_network=maybe(st.sampled_from(["yes", "no", "model"])),
    agent_hosts=maybe(
        st.lists(st.sampled_from(["example.org", "*.example.org", "localhost:8000"]), min_size=1).map(tuple)
    ),
    agent_deadline=maybe(positive),
    judge=maybe(st.sampled_from(JUDGES)),
    isolation=maybe(st.sampled_from(ISOLATIONS)),
    experiments=maybe(st.integers(0, 10**6)),
    duration=maybe(positive),
    patience=maybe(st.integers(1, 10**6)),
    until=maybe(finite),
    max_cost=maybe(positive),
    workers=maybe(st.integers(1, 64) | st.sampled_from(["gpus", "auto"])),
    look_ahead=maybe(st.sampled_from(LOOK_AHEAD)),
    guard_workers=maybe(st.integers(1, 64)),
    executor=maybe(printable),
    address=maybe(printable),
    ray=maybe(
        st.fixed_dictionaries(
            {},
            optional={
                "cpus": st.integers(1, 64),
                "gpus": st.integers(0, 8),
                "resources": mappings(words, st.floats(1, 100), 1),
                "labels": mappings(words, words, 1),
            },
        ).filter(bool)
    ),
    publish=st.none() | st.booleans() | st.just({"results": "artifact"}),
    live=maybe(st.integers(0, 65535)),
    observers=maybe(tuples(words, 1)),
    notify=maybe(printable),
    fail_on=maybe(st.sampled_from(FAIL_ON)),
    seed=maybe(st.integers(0, 10**6)),
)


def rules(least: int) -> st.SearchStrategy[tuple[PathRule, ...]]:
    return st.lists(
        st.builds(PathRule, paths, st.just("") | words), min_size=least, max_size=3, unique_by=lambda rule: rule.pattern
    ).map(tuple)


protocols = st.builds(
    Protocol,
    goal=st.just("") | words,
    metric=metrics,
    targets=rules(1),
    run=scripts,
    readonly=rules(0),
    budget=maybe(st.floats(0.001, 100)),
    kill_timeout=maybe(st.floats(100, 1e6)),
    budget_soft=st.booleans(),
    constraints=tuples(words),
    tag=maybe(st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,8})?", fullmatch=True)),
    notes=st.just("") | words,
    extra_sections=tuples(st.builds(Section, words.map(lambda title: "Idea " + title), words)),
    guard=tuples(values),
    limits=limits,
    holdout=maybe(st.builds(Holdout, scripts, maybe(scripts), tuples(values))),
    data=tuples(values),
    caches=tuples(values),
    build=maybe(scripts),
    env=mappings(st.from_regex(r"[A-Z]{1,6}", fullmatch=True), st.just("") | lines),
    network=st.booleans(),
    memory_mb=maybe(positive),
    git_throwaway=st.booleans(),
    knobs=st.lists(knob_entries, max_size=3, unique=True).map(tuple),
    progress=maybe(values),
    options=options,
    source=st.just("examples/quickstart/autoresearch.config.md"),
    directory=st.just(PurePosixPath("examples/quickstart")),
)


@st.composite
def broken_configs(draw: st.DrawFn) -> str:
    """A real config after a few edits of a careless person."""
    text = [
        line for path in draw(st.lists(st.sampled_from(CONFIGS), min_size=1, max_size=2)) for line in _lines_of(path)
    ]
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(text) - 1)) if text else 0
        match draw(st.sampled_from(["delete", "repeat", "move", "nasty", "cut", "join", "indent"])):
            case "delete":
                del text[at : at + draw(st.integers(1, 4))]
            case "repeat":
                text[at:at] = text[max(0, at - 2) : at + 2]
            case "move":
                text.insert(at, text.pop(draw(st.integers(0, len(text) - 1))) if text else "")
            case "nasty":
                text.insert(at, draw(st.sampled_from(NASTY)))
            case "cut" if text:
                text[at] = text[at][: draw(st.integers(0, len(text[at])))]
            case "join" if text:
                text[at] += draw(st.sampled_from(NASTY))
            case "indent" if text:
                text[at] = draw(st.sampled_from([" ", "  ", "    ", "\t", "> ", "- ", "# "])) + text[at]
    return "\n".join(text)


def _lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")
