"""A command's programs and files are shown to it with what they need, and nothing broader."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pytest_autoresearch.lab.programs import named_in, needed_by


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    (home / ".local/bin").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    return home


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_a_program_is_shown_with_its_environment_and_its_interpreter(home: Path, tmp_path: Path) -> None:
    environment = tmp_path / "pipx/venvs/aider"
    program(environment / "bin/python")
    (environment / "pyvenv.cfg").touch()
    program(environment / "bin/aider", f"#!{environment}/bin/python -s\n")
    link = home / ".local/bin/aider"
    link.symlink_to(environment / "bin/aider")
    assert needed_by("aider", search=str(link.parent), top=tmp_path / "repo") == (link, environment)


def test_a_node_program_is_shown_with_its_packages_and_node(home: Path, tmp_path: Path) -> None:
    node = home / ".nvm/versions/node/v20"
    program(node / "bin/node")
    script = program(node / "lib/node_modules/@maker/agent/cli.js", "#!/usr/bin/env node\n")
    (node / "bin/agent").symlink_to(script)
    assert needed_by("agent", search=f"{node}/bin:/usr/bin", top=tmp_path / "repo") == (node,)


def test_an_interpreter_behind_a_link_that_is_moved_on_is_shown_at_every_place_on_the_way(tmp_path: Path) -> None:
    """As uv lays out its interpreters: the environment names the minor version, which is a link to the patch."""
    program(tmp_path / "pythons/3.12.5/bin/python3.12")
    (tmp_path / "pythons/3.12.5/lib/python3.12").mkdir(parents=True)
    (tmp_path / "pythons/3.12.5/lib/python3.12/os.py").touch()
    (tmp_path / "pythons/3.12").symlink_to("3.12.5")
    environment = tmp_path / "environment"
    program(environment / "bin/tool", f"#!{environment}/bin/python\n")
    (environment / "pyvenv.cfg").touch()
    (environment / "bin/python").symlink_to(tmp_path / "pythons/3.12/bin/python3.12")
    shown = needed_by(str(environment / "bin/tool"), search=os.defpath, top=tmp_path / "repo")
    assert shown == (environment, tmp_path / "pythons/3.12", tmp_path / "pythons/3.12.5")


def test_a_single_file_in_home_is_shown_alone(home: Path, tmp_path: Path) -> None:
    binary = program(home / ".local/share/claude/versions/2.0", "\x7fELF")
    link = home / ".local/bin/claude"
    link.symlink_to(binary)
    assert needed_by("claude", search=str(link.parent), top=tmp_path / "repo") == (link, binary)


@pytest.mark.parametrize("name", ["no-such-program", "/no/such/program", "", "ls"])
def test_what_does_not_exist_or_is_shown_anyway_adds_nothing(name: str, tmp_path: Path) -> None:
    assert needed_by(name, search="/usr/bin:/bin", top=tmp_path) == ()


def test_a_path_in_quotes_may_have_spaces(home: Path, tmp_path: Path) -> None:
    agent = program(tmp_path / "my agents/propose one.py")
    for quote in "\"'":
        assert named_in(f"sh {quote}{agent}{quote} --fast", search="", top=tmp_path / "repo") == (agent,)


def test_every_program_of_a_command_is_shown(home: Path, tmp_path: Path) -> None:
    for name in ("first", "second", "third", "argument"):
        program(home / "bin" / name)
    command = "export X=1\nX=2 first --flag argument && (second | third)"
    assert named_in(command, search=f"{home}/bin", top=tmp_path / "repo") == tuple(
        home / "bin" / name for name in ("first", "second", "third")
    )


def test_absolute_paths_in_a_command_are_shown(home: Path, tmp_path: Path) -> None:
    for name in ("data/a.bin", "data/b c", "home/set/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    command = (
        f"FOO=1 python x.py --data={tmp_path}/data/a.bin < ~/set/x > {tmp_path}/new 2>/dev/null; cat {tmp_path}/no"
    )
    assert named_in(command, search="/usr/bin", top=tmp_path / "repo") == (tmp_path / "data/a.bin", home / "set/x")


@pytest.mark.parametrize(
    "command", ["ls /", "ls /home ~ /tmp /etc", "cat $X/etc/passwd", "cat a/etc/passwd", "curl http://a/etc"]
)
def test_nothing_broad_and_nothing_that_only_looks_absolute(command: str, tmp_path: Path) -> None:
    assert named_in(command, search="/usr/bin", top=tmp_path) == ()


def test_the_repository_is_never_shown_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo/x").touch()
    command = f"cat {tmp_path}/repo/x {tmp_path}"
    assert named_in(command, search="/usr/bin", top=tmp_path / "repo") == ()


def test_a_script_that_starts_itself_comes_to_an_end(tmp_path: Path) -> None:
    script = program(tmp_path / "loop/loop")
    script.write_text(f"#!{script}\n")
    assert needed_by(str(script), search=os.defpath, top=tmp_path / "repo") == (script,)


def test_the_interpreter_of_this_test_is_found_with_its_environment(tmp_path: Path) -> None:
    shown = needed_by(sys.executable, search=os.defpath, top=tmp_path)
    inside = [path for path in shown if Path(sys.executable).is_relative_to(path)]
    assert inside or Path(sys.prefix).is_relative_to("/usr")
