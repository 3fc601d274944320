"""What an agent said, read from its last message: two documented lines, everything else tolerated.

    HYPOTHESIS: why the metric should move
    DESCRIPTION: what was changed, in one line

What an agent says is data that ends up in commits and tables: it leaves this module as clean text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pytest_autoresearch.text import clean, one_line

LONGEST_DESCRIPTION = 400  # characters; results.tsv shows the first 200 of them, the ledger has them all
LONGEST_HYPOTHESIS = 2000
LONGEST_FAILURE = 600
_LONGEST_MESSAGE = 100_000

_LABELLED = re.compile(r"^[\s>#*_`\-+]*(hypothesis|description)[\s*_`]*[:：][\s*_`]*(.*)$", re.IGNORECASE)
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")


@dataclass(frozen=True, slots=True)
class Answer:
    """One line each, free of control characters. Both may be empty."""

    description: str = ""
    hypothesis: str = ""


def parse_answer(message: str) -> Answer:
    """Read an agent's last message. The last labelled line of each kind counts; without one, the last line said."""
    labelled: dict[str, str] = {}
    last = ""
    for line in clean(message[-_LONGEST_MESSAGE:]).splitlines():
        if match := _LABELLED.match(line):
            labelled[match[1].lower()] = match[2].strip(" *_`")
        elif line.strip() and not _FENCE.match(line):
            last = line.strip(" \t*_`#>")
    description = labelled.get("description") or ("" if "hypothesis" in labelled else last)
    return Answer(
        one_line(description or labelled.get("hypothesis", ""), LONGEST_DESCRIPTION),
        one_line(labelled.get("hypothesis", ""), LONGEST_HYPOTHESIS),
    )


def is_labelled(line: str) -> bool:
    """Whether it is one of the two documented lines."""
    return _LABELLED.match(line) is not None
