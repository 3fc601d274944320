"""Toolchains below HOME: what a run needs of each is there, and a credential planted beside every part is not."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from pytest_autoresearch.lab import reach
from pytest_autoresearch.lab.command import Command
from pytest_autoresearch.lab.process import execute
from pytest_autoresearch.lab.toolchains import TOOLCHAINS, Installed, Toolchain
from pytest_autoresearch.lab.view import View
from tests.attacks.arena import available
from tests.attacks.documented import check

SECRET, TOOL = secrets.token_hex(16), "a tool's own file"
PLANTED = ("credentials", "credentials.toml", "token", ".netrc", ".npmrc", "auth.toml", ".env", "config.toml")
"""Put beside every part, whatever the tool is; the names that a tool really uses come from the list."""

FILES = {"env", "version", "uv", "uvx", "mise", "pnpm", "pnpx", "nvm-exec"}
"""Parts without a dot that are files."""

_WALK = """
import os, sys
def show(top):
    for directory, _, names in os.walk(top, followlinks=True):
        for name in names:
            try:
                print(os.path.join(directory, name), open(os.path.join(directory, name)).read())
            except OSError:
                pass
for top in sys.argv[1:]:
    show(os.path.expanduser(top))
"""


def _example(pattern: str) -> str:
    return pattern.replace("*", "v1")


def _furnish(home: Path, tool: Toolchain, root: Path) -> list[Path]:
    """Make every part of a tool, and credentials beside and inside; returns the files of the tool."""
    own = []
    for pattern in tool.parts:
        part = root / _example(pattern)
        is_file = "." in part.name or pattern in FILES - ({"env"} if tool.name == "hatch" else set())
        file = part if is_file else part / "lib" / "tool"
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_dir():
            file.write_text(TOOL)
            own.append(file)
        for name in PLANTED:
            beside = part.parent / name
            if not beside.exists() and not any(path in own for path in (beside, *beside.parents)):
                beside.write_text(SECRET)
    for pattern in tool.secret:
        file = root / _example(pattern)
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_dir():
            file.write_text(SECRET)
    return own


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "home"
    place.mkdir()
    variables = {name: "" for tool in TOOLCHAINS if (name := tool.variable)}
    with mock.patch.dict(os.environ, {**variables, "HOME": str(place)}):
        reach.reach.cache_clear()
        yield place
    reach.reach.cache_clear()


def _seen(home: Path, level: str, *tops: Path) -> str:
    sandbox = available(level)
    if sandbox is None:
        pytest.skip(f"this machine has no {level}")
    workspace, scratch, shown = home.parent / "scratch/workspace", home.parent / "scratch", home.parent / "repository"
    for place in (workspace, shown):
        place.mkdir(parents=True, exist_ok=True)
    view = View(workspace=workspace, shown_at=shown, scratch=scratch)
    command = Command(
        (os.path.realpath(sys.executable), "-S", "-I", "-c", _WALK, "~", *map(str, tops)),
        shown,
        {"PATH": os.defpath},
        30,
        disk_floor=0,
    )
    with sandbox.wrap(command, view) as confined:
        return execute(confined).stdout.decode()


@pytest.mark.parametrize("level", ["bwrap", "landlock"])
def test_every_part_is_there_and_no_credential_beside_or_inside(home: Path, level: str) -> None:
    own = [file for tool in TOOLCHAINS for file in _furnish(home, tool, home / tool.root)]
    seen = _seen(home, level, home)
    parts = set(Installed(home, {}).parts)
    missing = [f for f in own if not parts.isdisjoint([f, *f.parents]) and str(f.relative_to(home)) not in seen]
    assert TOOL in seen
    assert missing == []
    assert SECRET not in seen


@pytest.mark.parametrize("tool", [tool for tool in TOOLCHAINS if tool.variable], ids=lambda tool: tool.variable)
def test_a_root_that_was_moved_is_found_where_its_variable_says(home: Path, tool: Toolchain) -> None:
    elsewhere = home.parent / "elsewhere"
    own = _furnish(home, tool, elsewhere)
    installed = Installed(home, {tool.variable: str(elsewhere)})
    assert all(any(file.is_relative_to(part) for part in installed.parts) for file in own)
    assert installed.roots == (elsewhere,)


def test_a_moved_root_shows_its_parts_takes_notes_and_hides_the_rest(home: Path) -> None:
    elsewhere = home.parent / "elsewhere"
    (tool,) = (tool for tool in TOOLCHAINS if tool.variable == "CARGO_HOME")
    _furnish(home, tool, elsewhere)
    with mock.patch.dict(os.environ, {"CARGO_HOME": str(elsewhere)}):
        seen = _seen(home, "bwrap", elsewhere)
    assert TOOL in seen
    assert SECRET not in seen


def test_the_whole_home_is_never_a_root(home: Path) -> None:
    (home / "bin").mkdir()
    assert Installed(home, {"CARGO_HOME": str(home), "GOPATH": "/"}).parts == ()


def test_a_link_of_the_persons_bin_that_leads_into_a_part_comes_along(home: Path) -> None:
    (home / ".local/share/pipx/venvs/poetry/bin").mkdir(parents=True)
    (home / ".local/share/pipx/venvs/poetry/bin/poetry").write_text(TOOL)
    (home / ".local/bin").mkdir(parents=True)
    (home / ".local/bin/poetry").symlink_to(home / ".local/share/pipx/venvs/poetry/bin/poetry")
    (home / ".local/bin/mine").write_text(SECRET)
    seen = _seen(home, "bwrap", home)
    assert f"{home}/.local/bin/poetry {TOOL}" in seen
    assert SECRET not in seen


def test_of_mises_settings_only_the_versions_are_shown(home: Path) -> None:
    (home / ".config/mise").mkdir(parents=True)
    (home / ".config/mise/config.toml").write_text(
        f'[env]\nTOKEN = "{SECRET}"\n[tools]\nnode = "20"\n\n[settings]\nx = "{SECRET}"\n'
    )
    for level in ("bwrap", "landlock"):
        seen = _seen(home, level, home)
        assert 'node = "20"' in seen
        assert SECRET not in seen


def table() -> str:
    lines = ["| toolchain | below HOME, or where the variable says | parts a run may read |", "|---|---|---|"]
    for tool in TOOLCHAINS:
        where = f"`~/{tool.root}`".replace("/`", "`") + (f", `{tool.variable}`" if tool.variable else "")
        lines.append(f"| {tool.name} | {where} | {' '.join(f'`{part}`' for part in tool.parts)} |")
    return "\n".join(lines)


def test_the_documentation_shows_exactly_this_list() -> None:
    check("toolchains", table())
