"""Editable installs that lead into the repository are found, whoever made them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_autoresearch.lab.editable import editable_roots, site_directories


def record(place: Path, name: str, text: str) -> None:
    place.mkdir(exist_ok=True)
    (place / name).write_text(text)


def test_roots_of_path_files_and_import_hooks_are_found(tmp_path: Path) -> None:
    top, place = tmp_path / "repo", tmp_path / "site"
    record(place, "_plain.pth", f"{top}/src\n{tmp_path}/elsewhere\n# {top}/no\nimport os; os.x = '{top}/no'\n")
    record(place, "__editable___a_finder.py", f"MAPPING: dict[str, str] = {{'a': '{top}/lib/a', 'b.c': '{top}/b/c'}}\n")
    record(place, "__editable___old_finder.py", f"X = 1\nMAPPING = {{'d': '{top}/d'}}\n")
    assert editable_roots(top, [place, tmp_path / "missing"]) == ("src", "lib", ".")


@pytest.mark.parametrize("text", ["MAPPING = (", "MAPPING = f()", "", "MAPPING: dict", "MAPPING = 3"])
def test_records_that_are_no_such_thing_are_passed_over(text: str, tmp_path: Path) -> None:
    record(tmp_path / "site", "__editable___x_finder.py", text)
    (tmp_path / "site/x.pth").write_bytes(b"\xff\xfe")
    assert editable_roots(tmp_path, [tmp_path / "site"]) == ()


def test_this_interpreters_records_are_looked_for_where_they_are() -> None:
    assert any(place.name in ("site-packages", "dist-packages") for place in site_directories())
