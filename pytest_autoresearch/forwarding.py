"""Which words of the user's command line the measuring pytest gets too. Pure: words in, words out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_NOT_FORWARDED = re.compile(
    r"""
    --autoresearch.*
    | -[vqsxlkmrn].* | --verbos.* | --quiet | --capture | --exitfirst | --maxfail | --showlocals | --tb | --color
    | --durations.* | --no-header | --no-summary | --code-highlight | --show-capture | --pdb.* | --trace
    | -c | --config-file | --rootdir | --basetemp | --co | --collect.?only | --deselect | --ignore.*
    | --l?f?f | --lf | --nf | --last-failed.* | --failed-first | --new-first | --cache-.* | --sw.* | --stepwise.*
    | --junit.* | --report-log.* | --html | --self-contained-html | --css | --log-file.* | --json-report.*
    | --numprocesses | --dist | --tx | --maxprocesses | --rsyncdir | --cov.* | --no-cov.* | --reruns.*
    | --benchmark-(?:only|skip|disable|enable|save.*|autosave|compare.*|json|storage|histogram|csv)
    | -p=?no:terminal
    """,
    re.VERBOSE,
)
"""What selects tests, reports on them, or is said by the supervisor itself."""


def forwarded(words: Sequence[str], positionals: Sequence[str]) -> list[str]:
    """Options of conftest.py files and of plugins, ``-o``, ``-p``, ``-W``: without positionals and reporting.

    An option that is left out takes its value along: a word after it that is neither an option nor a positional.
    """
    return list(_forwarded(list(words), set(positionals)))


def _forwarded(words: list[str], positionals: set[str]) -> Iterator[str]:
    dropping = False
    for at, word in enumerate(words):
        if not word.startswith("-") or word == "-":
            if not dropping and word not in positionals:
                yield word
            dropping = False
            continue
        name = word.partition("=")[0]
        if word == "-p" and words[at + 1 : at + 2] == ["no:terminal"]:
            dropping = True
        else:
            dropping = _NOT_FORWARDED.fullmatch(name) is not None and word != "--"
        if not dropping and word != "--":
            yield word
        dropping = dropping and "=" not in word and not re.fullmatch(r"-[krmn].+", word)
