"""What a slug is. The guard: no experiment is kept that breaks this."""

import pytest
from slugs import slug


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Hello", "hello"),
        ("Crème brûlée: a recipe!", "creme-brulee-a-recipe"),
        ("  lots\tof\n space ", "lots-of-space"),
        ("state-of-the-art -- 2nd edition", "state-of-the-art-2nd-edition"),
        ("Don't panic", "dont-panic"),
        ("e\u0301tude", "etude"),
        ("ﬁne ½ Ⅷ ２", "fine-1-2-viii-2"),
        ("Москва, 東京 & Łódź", "odz"),
        ("¡!", ""),
        ("", ""),
    ],
)
def test_a_slug_has_only_letters_digits_and_single_hyphens(title: str, expected: str) -> None:
    assert slug(title) == expected


def test_a_long_title_is_cut_between_words() -> None:
    assert slug("word " * 30) == "-".join(["word"] * 12)


def test_a_word_that_is_too_long_is_cut_within() -> None:
    assert slug("x" * 100 + " y") == "x" * 60


def test_a_slug_is_its_own_slug() -> None:
    once = slug("The quick – brown – fóx; jumps over: the lazy “dog”, again and again and again")
    assert slug(once) == once
