"""Titles for people, slugs for URLs."""

import unicodedata
from functools import lru_cache

MAX_LENGTH = 60
CACHED_WORDS = 128


def slug(title: str) -> str:
    """`Crème brûlée: a recipe!` is `creme-brulee-a-recipe`, cut between words at MAX_LENGTH characters."""
    words = []
    for part in title.split():
        words += [word for word in plain(part).split("-") if word]
    while len(words) > 1 and len("-".join(words)) > MAX_LENGTH:
        words.pop()
    return "-".join(words)[:MAX_LENGTH]


@lru_cache(maxsize=CACHED_WORDS)
def plain(word: str) -> str:
    """ASCII letters and digits in lower case; accents are dropped, anything else is a hyphen."""
    result = ""
    for character in word:
        for part in unicodedata.normalize("NFKD", character):
            if part.isascii() and part.isalnum():
                result += part.lower()
            elif not unicodedata.combining(part) and part != "'":
                result += "-"
    return result
