from __future__ import annotations

import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autoresearch.protocol.tags import parse_tag


@pytest.mark.parametrize("text", ["mar17-lr", "autoresearch/mar17-lr", "  autoresearch/mar17-lr "])
def test_a_branch_and_a_tag_mean_the_same(text: str) -> None:
    assert parse_tag(text) == "mar17-lr"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "autoresearch/",
        "feature/x",
        "autoresearch/a/b",
        "refs/heads/autoresearch/x",
        "two words",
        "a..b",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[0]",
        "a\\b",
        "a@{1}",
        "@",
        ".hidden",
        "end.",
        "x.lock",
        "-x",
        "tab\there",
        "nul\0",
        "esc\x1b[31m",
        "x" * 61,
        "<tag>",
    ],
)
def test_what_can_not_name_a_branch_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no usable branch name"):
        parse_tag(text)


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from("ab.~^:?*[\\@{}-_/ é\x7f") | st.characters(max_codepoint=0x250), min_size=1, max_size=8))
def test_every_accepted_tag_passes_git_check_ref_format(text: str) -> None:
    try:
        tag = parse_tag(text)
    except ValueError:
        return
    ref = os.fsencode(f"refs/heads/autoresearch/{tag}")
    assert subprocess.run(["git", "check-ref-format", ref], check=False).returncode == 0
