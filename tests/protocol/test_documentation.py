"""docs/configuration.md names everything that can be written, and its example is a config."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from pytest_autoresearch.protocol.fields import KEYS
from pytest_autoresearch.protocol.markdown import parse
from pytest_autoresearch.protocol.marker import _READERS as MARKER_ARGUMENTS
from pytest_autoresearch.protocol.options import OPTIONS
from pytest_autoresearch.protocol.scope import PROTECTED
from pytest_autoresearch.protocol.sections import TITLES
from pytest_autoresearch.protocol.serialise import to_json

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "configuration.md").read_text(encoding="utf-8")
EXAMPLE = re.findall(r"```markdown\n(.*?)```", PAGE, re.DOTALL)[0]


@pytest.mark.parametrize("key", sorted(KEYS))
def test_every_front_matter_key_is_documented(key: str) -> None:
    assert f"`{key}`" in PAGE.partition("## Front matter")[2].partition("## Options")[0]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_documented_with_its_variable_and_ini_key(option: object) -> None:
    row = f"| `{option.flag}` | `{option.env}` | `{option.ini}` |"  # type: ignore[attr-defined]
    assert row in PAGE


@pytest.mark.parametrize("name", [*TITLES.values(), *PROTECTED, *MARKER_ARGUMENTS])
def test_every_section_protected_name_and_marker_argument_is_documented(name: str) -> None:
    assert name in PAGE


def test_every_key_of_the_json_form_is_documented() -> None:
    protocol = parse(EXAMPLE, file="c.md")
    documented = PAGE.partition("## The JSON form")[2]
    assert [key for key in to_json(protocol) if f"`{key}`" not in documented] == []


def test_the_example_is_a_config() -> None:
    protocol = parse(EXAMPLE, file="c.md")
    assert (protocol.metric.name, protocol.tag, protocol.options.agents) == ("val_bpb", "mar17-lr", ("claude",))


def test_the_reference_is_what_the_code_says_today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    reference = importlib.import_module("reference")
    assert reference.PAGE.read_text(encoding="utf-8") == reference.reference(), "run: python docs/reference.py"
