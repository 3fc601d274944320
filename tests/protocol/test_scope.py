from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.protocol.globs import matches
from pytest_autoresearch.protocol.model import Direction, Holdout, Limit, Metric, PathRule, Protocol
from pytest_autoresearch.protocol.scope import Scope, localised, resolve_paths, retargeted

TRACKED = (
    *("README.md", "pyproject.toml", "conftest.py", ".github/workflows/ci.yml"),
    *("lib/shared.py", "ex/train.py", "ex/prepare.py", "ex/autoresearch.config.md", "ex/conftest.py"),
    *("ex/src/a.py", "ex/src/b.py", "ex/src/deep/c.py", "ex/src/deep/c.txt", "ex/data[1].txt", "ex/My File.py"),
)


def protocol(*targets: str, readonly: tuple[str, ...] = ()) -> Protocol:
    return Protocol(
        goal="",
        metric=Metric("x", Direction.LOWER),
        targets=tuple(PathRule(pattern) for pattern in targets),
        readonly=tuple(PathRule(pattern) for pattern in readonly),
        run="true",
        source="ex/autoresearch.config.md",
        directory=PurePosixPath("ex"),
        origins={"targets[0]": 7, "targets[1]": 8, "readonly[0]": 12},
    )


def scope(*targets: str, readonly: tuple[str, ...] = ()) -> Scope:
    return resolve_paths(protocol(*targets, readonly=readonly), TRACKED)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("train.py", {"ex/train.py"}),
        ("./src/../train.py", {"ex/train.py"}),
        ("src", {"ex/src/a.py", "ex/src/b.py", "ex/src/deep/c.py", "ex/src/deep/c.txt"}),
        ("src/", {"ex/src/a.py", "ex/src/b.py", "ex/src/deep/c.py", "ex/src/deep/c.txt"}),
        ("src/*.py", {"ex/src/a.py", "ex/src/b.py"}),
        ("src/**/*.py", {"ex/src/a.py", "ex/src/b.py", "ex/src/deep/c.py"}),
        ("**/c.*", {"ex/src/deep/c.py", "ex/src/deep/c.txt"}),
        ("src/[ab].py", {"ex/src/a.py", "ex/src/b.py"}),
        ("src/[!a].py", {"ex/src/b.py"}),
        ("src/?.py", {"ex/src/a.py", "ex/src/b.py"}),
        ("data[1].txt", {"ex/data[1].txt"}),
        ("My File.py", {"ex/My File.py"}),
        ("../lib/shared.py", {"lib/shared.py"}),
        ("conftest.py", {"ex/conftest.py"}),
        ("../pyproject.toml", {"pyproject.toml"}),
    ],
)
def test_targets_are_looked_up_in_the_start_commit(target: str, expected: set[str]) -> None:
    assert set(scope(target).targets) == expected


def test_the_protocols_own_directory_is_a_target_without_what_is_protected() -> None:
    found = scope(".")
    assert "ex/train.py" in found.targets and "ex/src/deep/c.txt" in found.targets
    assert not {"ex/conftest.py", "ex/autoresearch.config.md", "README.md"} & set(found.targets)


def test_read_only_files_are_cut_out_of_a_directory_target() -> None:
    found = scope("src", readonly=("src/deep/", "src/b.py"))
    assert found.targets == ("ex/src/a.py",)
    assert found.readonly == {"ex/src/b.py", "ex/src/deep/c.py", "ex/src/deep/c.txt"}
    assert found.refusal("ex/src/b.py", "file") == "ex/src/b.py is read-only"
    assert found.refusal("ex/src/deep/new.py", "file") == "ex/src/deep/new.py is read-only"


@pytest.mark.parametrize(
    ("path", "admitted"),
    [
        ("ex/src/new.py", True),
        ("ex/src/new/deep.py", True),
        ("ex/train.py", False),
        ("ex/srcs/new.py", False),
        ("ex/src/conftest.py", False),
        ("ex/src/.gitattributes", False),
        ("ex/src/evil.pth", False),
        ("ex/src/sitecustomize.py", False),
        ("ex/src/sitecustomize/__init__.py", False),
        ("ex/src/usercustomize.cpython-311-x86_64-linux-gnu.so", False),
        ("ex/src/pytest.toml", False),
        ("ex/src/.pytest.ini", False),
        ("ex/src/.git/config", False),
        ("ex/src/CONFTEST.PY", False),
        ("ex/src/.GIT/config", False),
    ],
)
def test_a_directory_target_admits_new_files_except_protected_names(path: str, admitted: bool) -> None:
    assert scope("src").admits(path) is admitted


def test_a_glob_admits_new_files_that_match_it() -> None:
    found = scope("src/*.py")
    assert found.admits("ex/src/new.py")
    assert not found.admits("ex/src/new.txt") and not found.admits("ex/src/deep/new.py")


def test_workflows_are_protected_from_globs_over_everything() -> None:
    found = resolve_paths(replace(protocol("**"), source="c.md", directory=PurePosixPath(".")), TRACKED)
    assert not found.admits(".github/workflows/ci.yml") and not found.admits(".github/new.yml")
    assert found.admits("lib/new.py")


def test_what_the_harness_writes_is_no_part_of_a_candidate() -> None:
    found = scope(".")
    assert found.refusal("ex/run.log", "file") == "ex/run.log is written by the harness"
    assert found.admits("ex/src/run.log")


def test_a_candidate_holds_regular_files_only() -> None:
    found = scope("train.py")
    assert found.refusal("ex/train.py", "symlink") == "ex/train.py is a symbolic link"
    assert found.refusal("ex/train.py", "special") == "ex/train.py is a device, pipe or socket"
    assert found.refusal("ex/train.py", "deleted") is None
    assert found.refusal("ex/prepare.py", "deleted") == "ex/prepare.py is no target file"


@pytest.mark.parametrize(
    ("targets", "readonly", "line", "message", "remedy"),
    [
        (("new.py",), (), 7, "the target `new.py` is not in the start commit", "commit it first"),
        (("train.py", "other/"), (), 8, "the target `other/` is not in the start commit", "commit it first"),
        (("*.rs",), (), 7, "`*.rs` matches no file of the start commit", "commit it first"),
        (("train.py",), ("data.bin",), 12, "the read-only file `data.bin` is not in the start commit", "`data:`"),
        (("train.py",), ("train.py",), 7, "`train.py` is a target and read-only", "remove it from one"),
        (("src/a.py",), ("src/",), 7, "`src/a.py` is a target and read-only", "remove it from one"),
        (("src/*.py",), ("src/",), 7, "`src/*.py` is a target and read-only", "remove it from one"),
        (("../*.toml",), (), 7, "`../*.toml` covers only protected files", "name each of them exactly"),
        (("../../etc/passwd",), (), 7, "`../../etc/passwd` leads out of the repository", "inside of the repository"),
        (("/etc/passwd",), (), 7, "`/etc/passwd` is no path inside of the repository", "relative to the config"),
    ],
)
def test_paths_that_can_not_be_meant_are_refused_with_their_line(
    targets: tuple[str, ...], readonly: tuple[str, ...], line: int, message: str, remedy: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        scope(*targets, readonly=readonly)
    error = caught.value
    assert (error.message, error.file, error.line) == (message, "ex/autoresearch.config.md", line)
    assert remedy in error.remedy and error.exit_code == 4


def test_absolute_paths_become_relative_to_the_protocols_directory(tmp_path: Path) -> None:
    place = PurePosixPath("ex")
    assert localised(f"{tmp_path}/ex/train.py", top=tmp_path, directory=place) == "train.py"
    assert localised(f"{tmp_path}/lib/", top=tmp_path, directory=place) == "../lib/"
    with pytest.raises(ValueError, match="outside of the repository"):
        localised("/etc/passwd", top=tmp_path, directory=place)


def test_targets_from_the_command_line_are_relative_to_where_it_was_typed(tmp_path: Path) -> None:
    (tmp_path / "ex" / "src").mkdir(parents=True)
    other = retargeted(protocol("train.py"), ("a.py", "../prepare.py"), base=tmp_path / "ex" / "src", top=tmp_path)
    assert [rule.pattern for rule in other.targets] == ["src/a.py", "prepare.py"]
    assert resolve_paths(other, TRACKED).targets == ("ex/prepare.py", "ex/src/a.py")
    with pytest.raises(ConfigError, match="lies outside of the repository"):
        retargeted(protocol("train.py"), ("/etc/passwd",), base=tmp_path, top=tmp_path)


names = st.text("ab.-[]*?é", min_size=1, max_size=4).filter(lambda name: name.strip("."))


@given(st.lists(names, min_size=1, max_size=3))
def test_double_stars_match_at_any_depth_and_single_stars_in_one_directory(parts: list[str]) -> None:
    path = "/".join(parts)
    assert matches("**", path) and matches("/".join("*" for _ in parts), path)
    assert matches("**/*", path)
    assert matches("*", path) is (len(parts) == 1)


@given(st.text(max_size=12), st.text(max_size=12))
def test_no_pattern_is_an_error(pattern: str, path: str) -> None:
    assert matches(pattern, path) in (True, False)


@pytest.mark.parametrize(
    ("target", "remedy"),
    [
        ("trian.py", "did you mean `train.py`? Else commit it first"),
        ("the file train.py", "did you mean `train.py`?"),
        ("Train.py", "did you mean `train.py`?"),
        ("src\\a.py", "did you mean `src/a.py`?"),
        ("a.py", "did you mean `src/a.py`?"),
        ("shared.py", "did you mean `../lib/shared.py`?"),
        ("src/{a,b}.py", "braces are not expanded"),
        ("quite_new.py", "commit it first"),
    ],
)
def test_a_path_that_is_not_there_is_answered_with_the_one_that_was_meant(target: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        scope(target)
    assert caught.value.remedy.startswith(remedy)


PROTOCOL_FILES = {
    "ex/autoresearch.config.md": "the protocol itself",
    "other/autoresearch.config.md": "a session's protocol",
    "ex/score.py": "the extract command's script",
    "ex/tools/held_out.sh": "the extract command's script",
    "ex/tools/score.sh": "the extract command's script",
    "ex/tools/size.py": "the extract command's script",
    "ex/check.sh": "the guard's script",
    "ex/secret/labels.csv": "the holdout's",
    "ex/hidden_7.csv": "the holdout's",
    ".github/workflows/ci.yml": "a workflow",
    ".github/actions/run/action.yml": "a workflow",
    "uv.lock": "the harness's lock file",
    ".github/autoresearch.lock": "the harness's lock file",
    "ex/Poetry.lock": "the harness's lock file",
}


def judged(*targets: str) -> Scope:
    """A scope of a protocol that reads its metric with scripts."""
    measured = replace(
        protocol(*targets),
        metric=Metric("x", Direction.LOWER, extract="FOO=1 python -I score.py | tail -1"),
        holdout=Holdout(
            *("python train.py", "cd tools && ./held_out.sh", ("secret/",), ("hidden_*.csv",)), score="tools/score.sh"
        ),
        limits=(Limit("kb", at_most=1.0, extract="python tools/size.py"),),
        data=("corpus", "/elsewhere"),
        guard=("bash check.sh", "bash measure.sh --dry", "python train.py --check"),
        run="bash measure.sh",
    )
    return resolve_paths(measured, (*TRACKED, *PROTOCOL_FILES))


@pytest.mark.parametrize("path", PROTOCOL_FILES)
def test_a_file_of_the_protocol_named_as_a_target_is_an_error(path: str) -> None:
    name = PurePosixPath(path).relative_to("ex").as_posix() if path.startswith("ex/") else f"../{path}"
    with pytest.raises(ConfigError) as caught:
        judged(name, "train.py")
    assert caught.value.message == f"`{name}` is {PROTOCOL_FILES[path]}, which is never a target"
    assert (caught.value.line, caught.value.exit_code) == (7, 4) and "take it off the list" in caught.value.remedy


@pytest.mark.parametrize("path", PROTOCOL_FILES)
@pytest.mark.parametrize("target", ["../**", ".."])
def test_no_glob_or_directory_admits_a_file_of_the_protocol(target: str, path: str) -> None:
    found = judged(target)
    assert path not in found.targets and "ex/train.py" in found.targets
    assert found.refusal(path, "file") == f"{path} is {PROTOCOL_FILES[path]}, which is never a target"
    assert not found.admits(path.upper()), "there are file systems that do not tell the two apart"


@pytest.mark.parametrize("path", ["ex/train.py", "ex/measure.sh"])
def test_what_a_guard_and_the_run_both_start_or_a_program_can_be_a_target(path: str) -> None:
    files = (*TRACKED, "ex/measure.sh")
    checked = replace(protocol("*"), run="bash measure.sh", guard=("bash measure.sh --dry", "python train.py --check"))
    assert resolve_paths(checked, files).admits(path)


def test_no_glob_admits_a_new_file_where_data_or_the_holdouts_files_lie() -> None:
    found = judged("**")
    for path in ("ex/corpus/train.csv", "ex/corpus", "ex/secret/more.csv", "ex/hidden_9.csv", "ex/Secret/labels.csv"):
        assert not found.admits(path), path
    assert found.admits("ex/corpus2/new.csv") and found.admits("ex/visible.csv")


def test_a_glob_that_covers_nothing_but_the_protocol_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"`\*\.md` covers only what is never a target"):
        judged("*.md")


@pytest.mark.parametrize(
    ("guard", "complaint"),
    [
        ("src/b2.py", "did you mean `src/b.py`?"),
        ("test_a.py::test_x", "commit it first"),
        ("tests/", "commit it first"),
        ("src/a.py", None),
        ("src/a.py::test_x", None),
        ("src/", None),
        ("bash check.sh", None),
        ("./check", None),
        ("-m smoke", None),
        ("affected", None),
    ],
)
def test_a_guard_of_tests_that_are_not_there_is_refused_before_the_run(guard: str, complaint: str | None) -> None:
    guarded = replace(protocol("train.py"), guard=(guard,), origins={"guard": 2})
    if complaint is None:
        resolve_paths(guarded, TRACKED)
        return
    with pytest.raises(ConfigError) as refused:
        resolve_paths(guarded, TRACKED)
    assert f"the guard `{guard}` is not in the start commit" in str(refused.value)
    assert complaint in refused.value.remedy and refused.value.line == 2


@pytest.mark.parametrize("command", ["pytest -q", "python -m pytest -x", "uv run pytest"])
def test_what_pytest_is_called_with_as_a_guard_is_there(command: str) -> None:
    for words, is_there in {
        "src/a.py": True,
        "src/a.py::test_x src/": True,
        "-c gone.py src/a.py": True,
        "$TESTS gone.py": True,
        "src/a.py src/b2.py": False,
    }.items():
        guarded = replace(protocol("train.py"), guard=(f"{command} {words}",))
        if is_there:
            resolve_paths(guarded, TRACKED)
            continue
        with pytest.raises(ConfigError, match=r"the guard `src/b2.py` is not in the start commit") as refused:
            resolve_paths(guarded, TRACKED)
        assert "did you mean `src/b.py`?" in refused.value.remedy
