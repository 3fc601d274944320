"""What an agent said, read from its last message: two documented lines, everything else tolerated.

    HYPOTHESIS: why the metric should move
    DESCRIPTION: what was changed, in one line

or one that says why nothing was changed:

    NOTHING: why nothing in these files can improve the metric

What an agent says is data that ends up in commits and tables: it leaves this module as clean text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pytest_autoresearch.patterns import regex
from pytest_autoresearch.text import clean, one_line

NOTHING_TO_CHANGE = "nothing to change: "
"""How the detail of a no-change begins that an agent meant."""
LONGEST_DESCRIPTION = 400  # characters; results.tsv shows the first 200 of them, the ledger has them all
LONGEST_HYPOTHESIS = 2000
LONGEST_FAILURE = 600
_LONGEST_MESSAGE = 100_000

_LABELLED = regex(r"^[\s>#*_`\-+]*(hypothesis|description|nothing)[\s*_`]*[:：][\s*_`]*(.*)$", re.IGNORECASE)
_FENCE = regex(r"^\s*(`{3,}|~{3,})")


@dataclass(frozen=True, slots=True)
class Answer:
    """One line each, free of control characters. All may be empty; ``nothing``: why there is nothing to change."""

    description: str = ""
    hypothesis: str = ""
    nothing: str = ""
    is_labelled: bool = field(default=False, compare=False)


def parse_answer(message: str) -> Answer:
    """Read an agent's last message. The last labelled line of each kind counts; without one, the last line said."""
    labelled: dict[str, str] = {}
    last = ""
    for line in clean(message[-_LONGEST_MESSAGE:]).splitlines():
        if match := _LABELLED.match(line):
            labelled[match[1].lower()] = match[2].strip(" *_`")
        elif line.strip() and not _FENCE.match(line):
            last = line.strip(" \t*_`#>")
    nothing = one_line(labelled.get("nothing", ""), LONGEST_DESCRIPTION)
    if nothing and "description" not in labelled:
        return Answer(f"{NOTHING_TO_CHANGE}{nothing}", "", nothing, True)
    description = labelled.get("description") or ("" if "hypothesis" in labelled else last)
    return Answer(
        one_line(description or labelled.get("hypothesis", ""), LONGEST_DESCRIPTION),
        one_line(labelled.get("hypothesis", ""), LONGEST_HYPOTHESIS),
        is_labelled=bool(labelled),
    )


def is_labelled(line: str) -> bool:
    """Whether it is one of the documented lines."""
    return _LABELLED.match(line) is not None
