"""Which options the measuring pytest gets too: those that change what is measured. Pure: words in, words out.

An unknown option of somebody's plugin is more likely a report than a size, and a report outside of the repository
breaks every run in the sandbox. So what passes is listed: known names, and what the repository's own files define.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from pytest_autoresearch.patterns import regex

_PASSES = regex(
    r"""
    -[poW] | --override-ini | --pythonwarnings | --import-mode | --strict.* | --assert | --runxfail | --pyargs
    | --confcutdir | --noconftest | --disable-plugin-autoload | --enable-assertion-pass-hook | --doctest-.*
    | --asyncio-.* | --anyio-.* | --trio-.* | --ds | --dc | --django-.* | --reuse-db | --create-db | --no-?migrations
    | --migrations | --liveserver | --hypothesis-(?:profile|seed|verbosity) | --disable-socket | --allow-.*
    | --benchmark-(?:min-rounds|min-time|max-time|timer|calibration-precision|warmup.*|disable-gc)
    | --codspeed-(?:warmup-time|max-time|max-rounds) | --(?:typeguard|beartype|jaxtyping)-packages | --browser.*
    | --force-enable-socket | --headed | --device | --env | --envfile | --(?:postgresql|redis|mysql)-.*
    """,
    re.VERBOSE,
)
"""Options of pytest and of plugins that many have."""

_TAKES_NOTHING = regex(
    r"--strict.*|--runxfail|--pyargs|--noconftest|--disable-.*|--enable-.*|--reuse-db|--create-db|--no-?migrations"
    r"|--migrations|--headed|--benchmark-disable-gc|--allow-unix-socket|--force-enable-socket"
    r"|--doctest-(?:modules|continue-on-failure)"
)


def forwarded(words: Sequence[str], positionals: Sequence[str], own: Collection[str] = ()) -> list[str]:
    """The options among ``words`` that pass, with their values; ``own`` are the names that the repository defines.

    A word after an option that is neither an option nor a positional is the option's value.
    """
    return list(_forwarded(list(words), set(positionals), frozenset(own)))


def _forwarded(words: list[str], positionals: set[str], own: frozenset[str]) -> Iterator[str]:
    passing = False
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if not word.startswith("-") or word in ("-", "--") or re.fullmatch(r"-\.?\d\S*", word):
            if passing and word not in positionals and word != "--":
                yield word
            continue
        name = word.partition("=")[0] if word.startswith("--") else word[:2]
        following = words[at] if at < len(words) else ""
        passing = (name in own or _PASSES.fullmatch(name) is not None) and "no:terminal" not in (following, word[2:])
        if passing:
            yield word
            joined = "=" in word if word.startswith("--") else len(word) > 2
            takes_next = name in ("-p", "-o", "-W") and not joined
            if takes_next and following:  # its value may begin with anything
                yield following
                at += 1
            passing = not joined and not takes_next and not _TAKES_NOTHING.fullmatch(name)
        elif name in ("-p", "-o", "-W", "-k", "-m", "-c", "-r", "-n") and len(word) == 2:
            at += 1
