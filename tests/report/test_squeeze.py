"""In 80 columns the knob and its values stay, and what leads up to them goes first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autoresearch.report.squeeze import squeezed


@pytest.mark.parametrize(
    ("text", "room", "shown"),
    [
        ("conf/model/base.yaml lr 0.02 -> 0.04", 40, "conf/model/base.yaml lr 0.02 -> 0.04"),
        ("conf/model/base.yaml lr 0.02 -> 0.04", 30, "…/base.yaml lr 0.02 -> 0.04"),
        ("conf/model/base.yaml lr 0.02 -> 0.04", 22, "…/base.yaml lr .02→.04"),
        ("conf/model/base.yaml optimiser.lr 0.02 -> 0.04", 24, "… optimiser.lr .02→.04"),
        ("HIDDEN_WIDTH 8 -> 9", 14, "…DEN_WIDTH 8→9"),
        ("LEARNING_RATE 0.1 -> 0.045, HIDDEN_WIDTH 8 -> 11", 27, "… HIDDEN_WIDTH 8→11"),
        ("LR 0.1 -> 0.05", 14, "LR 0.1 -> 0.05"),
        ("halve the rate because it is too hot", 20, "halve the rate beca…"),
    ],
)
def test_paths_are_shortened_first_then_numbers_then_words(text: str, room: int, shown: str) -> None:
    assert squeezed(text, room) == shown


WORDS = st.lists(st.sampled_from(["LR", "HIDDEN_WIDTH", "0.1", "->", "8→11", "a/b.yaml", "x"])).map(" ".join)


@given(WORDS | st.text(max_size=80), st.integers(min_value=1, max_value=60))
def test_it_always_fits(text: str, room: int) -> None:
    assert len(squeezed(text, room)) <= room
