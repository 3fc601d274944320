"""Every mistake in a config is one message with the file, the line and what to write instead."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.protocol.markdown import load, parse
from tests.cost import seconds

GOOD = """\
## Goal
Make it fast.

## Metric
- **Name**: val_bpb
- **Direction**: lower is better

## Target Files
- train.py

## Run Command
`python train.py`

## Time Budget
5 minutes

## Branch
autoresearch/x
"""


def failure(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse(text, file="c.md")
    return caught.value


def with_front(front: str) -> str:
    return f"---\n{front}\n---\n{GOOD}"


def test_the_config_that_the_mistakes_are_made_in_is_right() -> None:
    assert parse(GOOD, file="c.md").tag == "x"


@pytest.mark.parametrize(
    ("old", "new", "line", "message", "remedy"),
    [
        ("val_bpb", "val\tbpb", 5, "holds a tab", "**Name**: val_bpb"),
        ("val_bpb", "<metric name>", 5, "still the template's placeholder", "**Name**"),
        ("val_bpb", "x" * 101, 5, "longer than 100 characters", "**Name**"),
        ("- **Name**: val_bpb\n", "", 4, "the metric has no name", "**Name**"),
        ("- **Direction**: lower is better\n", "", 4, "the metric has no direction", "**Direction**"),
        ("lower is better", "1 (success) or 0 (failure)", 6, "neither lower nor higher", "**Direction**: lower"),
        ("**Direction**", "**Diretion**", 6, "`Diretion` is not a field", "did you mean `Direction`?"),
        ("is better\n", "is better\n- **Target**: >93% of all\n", 7, "in percent", "**Name**"),
        ("is better\n", "is better\n- **Bounds**: 1 to 0\n", 7, "Metric, Bounds", "**Name**"),
        ("is better\n", "is better\n- **Min delta**: -1\n", 7, "Metric, Min delta: `-1` is negative", "**Name**"),
        ("is better\n", "is better\n- **Name**: other\n", 7, "stands twice, in lines 5 and 7", "remove one"),
        ("is better\n", "is better\n- Extract command: read it off the plot\n", 7, "is prose, not a command", "grep"),
        ("- train.py", "- Cron payloads (via the cron tool)", 9, "`Cron payloads` is not a path", "`src/train.py`"),
        ("- train.py", "- https://example.org/x.py", 9, "is an address", "`src/train.py`"),
        ("- train.py", "- <file1> (what to change)", 9, "placeholder", "`src/train.py`"),
        ("- train.py", "- none", 8, "no target file is named", "`src/train.py`"),
        ("`python train.py`", "Run the training, read the loss.", 12, "is prose, not a command", "`python train.py`"),
        ("`python train.py`", "", 11, "Run Command is empty", "`python train.py`"),
        ("`python train.py`", "```\na\n```\n```\nb\n```", 15, "several blocks of code, in lines 12, 15", "one block"),
        ("`python train.py`", "- `make cpu`\n- `make gpu`", 13, "lists 2 commands", "one fenced block"),
        ("`python train.py`", "python a.py\nOR\npython b.py", 13, "offers alternatives", "choose one"),
        ("`python train.py`", "```\npython train.py", 12, "this code block never ends", "add a line"),
        ("5 minutes", "10-15 minutes", 15, "is a range", "`5 minutes`"),
        ("5 minutes", "- Per experiment: nan", 15, "Time Budget, Per experiment: `nan` is not a duration", "`90s`"),
        ("5 minutes", "- Per experiment: 0", 15, "no usable duration", "`90s`"),
        ("5 minutes", "- Per experiment: 5m\n- Timeout: 1m", 16, "shorter than the budget 5m", "before it is killed"),
        ("autoresearch/x", "feature/x", 18, "it has a slash of its own", "`mar17-lr`"),
        ("autoresearch/x", "a..b", 18, "it has '..'", "`mar17-lr`"),
        ("autoresearch/x", "y" * 61, 18, "61 characters, 60 are allowed", "`mar17-lr`"),
        ("## Branch", "## Metric", 17, "the section Metric stands twice, in lines 4 and 17", "one section"),
        ("## Branch\n", "<!-- ", 17, "this HTML never ends", "close or remove it"),
        ("## Run Command", "## Run Comand", 11, "`Run Comand` has no meaning here", "`Run Command`"),
        ("## Run Command\n`python train.py`\n", "", None, "there is no section Run Command", "`python train.py`"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_line_and_what_to_write(
    old: str, new: str, line: int | None, message: str, remedy: str
) -> None:
    assert old in GOOD
    error = failure(GOOD.replace(old, new, 1))
    assert message in error.message
    assert (error.file, error.line) == ("c.md", line)
    assert remedy in error.remedy


@pytest.mark.parametrize(
    ("front", "line", "message", "remedy"),
    [
        ("patiense: 3", 2, "the key `patiense` is not known", "did you mean `patience`?"),
        ("zzz: 3", 2, "the key `zzz` is not known", "known are: address, agent"),
        ("metric: x", 2, "`metric` does not belong into the front matter", "`## Metric`"),
        ("target_files: x", 2, "`target_files` does not belong into the front matter", "`## Target Files`"),
        ("agent: a\nduration: soon", 3, "`duration`: `soon` is not a duration", ""),
        ("patience: 0", 2, "`patience`: `0` is not a whole number of 1 or more", ""),
        ("experiments: -1", 2, "is not a whole number", ""),
        ("until: nan", 2, "`nan` is not a number", ""),
        ("max_cost: free", 2, "US dollars", ""),
        ("judge: fair", 2, "`fair` is none of grouped, certified, fast, classic", ""),
        ("isolation: bwrap", 2, "is none of strict, auto, none", ""),
        ("network: maybe", 2, "neither `yes` nor `no`", ""),
        ("memory: lots", 2, "`512 MB`", ""),
        ("git: real", 2, "neither `throwaway` nor `none`", ""),
        ("budget: 5m", 2, "the time itself goes to the section Time Budget", ""),
        ("limits: low memory", 2, "is no limit", ""),
        ("limits:\n  peak_mb:\n    maks: 3", 3, "not `maks`", ""),
        ("limits: [a <= 1, a <= 2]", 2, "`a` is limited twice", ""),
        ("limits: {a: {max_regression: -2%}}", 2, "is negative", ""),
        ("holdout: {extract: cat x}", 2, "needs `run`", ""),
        ("holdout: {run: make, hide: x}", 2, "`hide` is not known here", ""),
        ("env: [A, B]", 2, "a list stands where a mapping", ""),
        ("env: {1A: x}", 2, "`1A` is no usable environment variable", ""),
        ("build: Build the thing and look at it", 2, "is prose, not a command", ""),
        ("publish: {results: everywhere}", 2, "`{results: commit|artifact|none}`", ""),
        ("agent: a\nagents: [b]", 3, "`agents` says again", "keep one"),
        ("workers: [1, 2]", 2, "a list stands where one value is expected", ""),
        ("a: 1\na: 2", 3, "`a` stands twice", "remove one"),
        ("a: &x 1\nb: *x", 3, "anchors and aliases", "write the value out"),
        ("a: !!python/object/apply:os.system [x]", 2, "`a` is not known", ""),
        ("a: !evil x", 2, "the tag !evil is not read", ""),
        ("a: [1", 2, "the front matter is not YAML", "`key: value`"),
        ("- a\n- b", 2, "the front matter is not a mapping", "`key: value`"),
        ("a: " + "[" * 50, 2, "nested too deeply", ""),
        ("? [a, b]\n: c", 2, "a key is not a plain word", ""),
        ("a: " + "x" * 70_000, 1, "longer than 64000 characters", ""),
        ("a: b\x07c", 1, "the front matter is not YAML", ""),
        ("a: 1\n--- \nb: 2", None, "", ""),
    ],
)  # fmt: skip
def test_a_mistake_in_the_front_matter_names_its_line(front: str, line: int | None, message: str, remedy: str) -> None:
    error = failure(with_front(front))
    assert message in error.message
    assert line is None or error.line == line
    assert remedy in error.remedy and error.remedy


def test_a_front_matter_that_never_ends_is_named() -> None:
    error = failure("---\nagent: x\n" + GOOD)
    assert (error.line, error.message) == (1, "the front matter never ends")


def test_a_yaml_bomb_is_refused_before_it_grows() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert "anchors and aliases" in failure(with_front(bomb)).message


def test_a_sentence_is_blamed_for_a_direction_and_for_nothing_else() -> None:
    assert "neither lower nor higher" not in str(failure(GOOD.replace("- **Direction**: lower is better\n", "")))
    blamed = failure(GOOD.replace("- **Name**: val_bpb\n- **Direction**: lower is better", "faster is what we like"))
    assert "direction: `faster is what we like` says neither lower nor higher" in str(blamed)


def test_a_key_without_a_value_leaves_its_section_the_say() -> None:
    assert parse(f"---\npatience:\n---\n{GOOD}\n## Patience\n5\n", file="c.md").options.patience == 5


def test_a_target_of_its_own_counts_before_one_beside_the_name() -> None:
    beside = GOOD.replace("val_bpb\n", "val_bpb (target: 0.9)\n")
    assert parse(beside, file="c.md").metric.target == 0.9
    own = beside.replace("lower is better\n", "lower is better\n- **Target**: 0.8\n")
    assert parse(own, file="c.md").metric.target == 0.8


def test_a_remark_that_names_another_file_excepts_nothing() -> None:
    (rule,) = parse(GOOD.replace("- train.py", "- train.py - reads data/prepare.py"), file="c.md").targets
    assert (rule.pattern, rule.note) == ("train.py", "reads data/prepare.py")


def test_of_other_keys_only_a_guard_is_read_from_a_line_of_a_section_about_something_else() -> None:
    protocol = parse(f"{GOOD}\n## Constraints\n- Patience: 3 is enough\n- Guard: tests/\n", file="c.md")
    assert (protocol.options.patience, protocol.guard) == (None, ("tests/",))


def test_several_missing_sections_are_named_together() -> None:
    error = failure("# Plan\n\nWe will think about it.\n")
    assert error.message == "there are no sections Metric, Target Files and Run Command"
    assert "pytest-autoresearch init" in error.remedy


def test_a_code_block_in_a_list_has_to_end_as_well() -> None:
    assert "never ends" in failure(GOOD.replace("- train.py", "- train.py\n  ```\n  x")).message


# Files


def refused(path: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(path, top=path.parent)
    assert caught.value.remedy and "\n" not in caught.value.message
    return caught.value


def test_a_config_that_is_no_readable_text_file_is_refused_by_name(tmp_path: Path) -> None:
    config = tmp_path / "autoresearch.config.md"
    assert refused(config).message == "there is no such file"
    config.mkdir()
    assert refused(config).message == "this is a directory"
    config.rmdir()
    os.mkfifo(config)
    assert refused(config).message == "this is not a regular file"
    config.unlink()
    config.symlink_to(config)
    assert "it can not be read" in refused(config).message
    config.unlink()
    config.write_bytes(GOOD.encode() + b"\n\xff\xfe")
    error = refused(config)
    assert (error.message, error.line) == ("it is not UTF-8", GOOD.count("\n") + 2)
    config.write_bytes(GOOD.encode("utf-16"))
    assert refused(config).message == "it is not UTF-8"
    config.write_bytes(GOOD.encode() + b"\0")
    assert refused(config).message == "there are NUL bytes in it"
    config.write_bytes(b"x" * 10_000_000)
    assert "larger than 1 MB" in refused(config).message
    config.write_text("- a\n" * 30_000, encoding="utf-8")
    assert "larger than 1 MB or 20000 lines" in refused(config).message


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_locked_config_is_refused_by_name(tmp_path: Path) -> None:
    config = tmp_path / "autoresearch.config.md"
    config.write_text(GOOD, encoding="utf-8")
    config.chmod(0)
    assert "it can not be read: Permission denied" in refused(config).message


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    config = tmp_path / "autoresearch.config.md"
    config.write_bytes(b"\xef\xbb\xbf" + with_front("agent: x").replace("\n", "\r\n").encode())
    protocol = load(config, top=tmp_path)
    assert (protocol.options.agents, protocol.run, protocol.origins["run"]) == (("x",), "python train.py", 15)


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=200)
    | st.binary(max_size=30).map(lambda noise: GOOD.encode()[:150] + noise + GOOD.encode()[150:])
)
def test_any_bytes_give_a_protocol_or_a_config_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    config = tmp_path_factory.getbasetemp() / "any.md"
    config.write_bytes(data)
    try:
        load(config, top=config.parent)
    except ConfigError as error:
        assert error.remedy


@pytest.mark.parametrize(
    "text",
    [
        *("> " * 200_000, "- " * 200_000, "[" * 300_000, "`" * 300_001, "*a " * 200_000, "<!-- " * 1_000),
        "|" * 300_000 + "\n" + "|-" * 100_000,
    ],
)
def test_hostile_markdown_is_refused_within_seconds(text: str) -> None:
    with pytest.raises(ConfigError):
        parse(text, file="c.md")


@pytest.mark.parametrize("title", ["Metric", "Target Files", "Read-Only Files", "Run Command", "Time Budget", "Branch"])
@pytest.mark.parametrize(
    "piece", [",", ".", "1", "\xa0x ", "{,", "1h, ", "a.py ", "not ", "- a\n", "| a | b |\n", "`a` "]
)
def test_a_section_of_nothing_but_signs_is_read_within_seconds(title: str, piece: str) -> None:
    text = GOOD.replace(f"## {title}\n", f"## {title}\n{piece * (50_000 // len(piece))}\n", 1)

    def read() -> None:
        try:
            parse(text, file="c.md")
        except ConfigError as error:
            assert error.remedy

    assert seconds(read, tries=1) < 10


# Where a config lies


def test_paths_are_relative_to_the_config_and_absolute_ones_are_made_so(tmp_path: Path) -> None:
    config = tmp_path / "examples" / "a" / "autoresearch.config.md"
    config.parent.mkdir(parents=True)
    config.write_text(GOOD.replace("- train.py", f"- {config.parent}/train.py\n- {tmp_path}/lib/"), encoding="utf-8")
    protocol = load(config, top=tmp_path)
    assert (protocol.source, str(protocol.directory)) == ("examples/a/autoresearch.config.md", "examples/a")
    assert [rule.pattern for rule in protocol.targets] == ["train.py", "../../lib/"]


def test_an_absolute_path_outside_of_the_repository_is_refused_with_its_line(tmp_path: Path) -> None:
    config = tmp_path / "autoresearch.config.md"
    config.write_text(GOOD.replace("- train.py", "- /etc/passwd"), encoding="utf-8")
    error = refused(config)
    assert "`/etc/passwd` lies outside of the repository" in error.message and error.line == 9


def test_a_config_outside_of_the_repository_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "autoresearch.config.md"
    config.write_text(GOOD, encoding="utf-8")
    (tmp_path / "top").mkdir()
    with pytest.raises(ConfigError, match="outside of the repository"):
        load(config, top=tmp_path / "top")


def test_a_repository_behind_a_symbolic_link_is_the_same_repository(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    config = tmp_path / "link" / "autoresearch.config.md"
    config.write_text(
        GOOD.replace("- train.py", f"- {tmp_path}/link/train.py\n- {tmp_path}/real/b.py"), encoding="utf-8"
    )
    protocol = load(config, top=tmp_path / "real")
    assert protocol.source == "autoresearch.config.md"
    assert [rule.pattern for rule in protocol.targets] == ["train.py", "b.py"]
