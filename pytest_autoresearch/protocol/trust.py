"""Which of a protocol's numbers rest on the run's own word. Pure; every surface takes its marks from here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pytest_autoresearch.protocol.experiment import Experiment, Role
from pytest_autoresearch.protocol.marker import MEASURED
from pytest_autoresearch.protocol.model import Limit, Protocol

PAGE = "https://github.com/pytest-autoresearch/pytest-autoresearch/blob/main/docs/security.md#self-reported"
SELF_REPORTED = "self-reported"
VISIBLE = "visible to the candidate"

_COPIERS = frozenset(
    """
    grep egrep fgrep zgrep rg ag tail head cut awk gawk mawk sed cat tac tr sort uniq jq yq xq xargs echo printf column
    paste nl rev strings tee true test [ cd set export read dasel fx mlr csvcut perl ruby
    """.split()
)
"""Programs that hand on what stands in a file. The number is then the run's, as if it were read from the log."""

_BY_HARNESS = frozenset({"peak_mb", "duration", "cpu_time"})
_LOG = re.compile(r"(?<![\w.-])run\.log(?![\w.-])")
_GRADER = re.compile(
    r"(?<![\w./-])[\w./-]+\.(?:py|sh|bash|pl|rb|js|mjs|ts|r|jl|lua|php|ipynb)\b|\s-m\s+\w|\bmake\b|\bjust\b", re.I
)
_PROGRAM = re.compile(r"(?:^|[;&|(\n`]|\$\()[ \t]*(?:\w+=[^\s;|&]*[ \t]+)*(?:[\w./-]*/)?([\w.+\[-]+)")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


def only_hands_on(extract: str) -> bool:
    """Whether an extract command looks for a number that the run has written, and computes none.

    It does where it reads ``run.log`` without a program of the repository's, and where all its programs copy text.
    """
    if _GRADER.search(extract):
        return False
    if _LOG.search(extract):
        return True
    programs = _PROGRAM.findall(_QUOTED.sub("''", extract))
    return bool(programs) and all(program in _COPIERS for program in programs)


def is_self_reported(protocol: Protocol) -> bool:
    """Whether the metric is what the run says it is."""
    extract = protocol.metric.extract
    return extract is None or only_hands_on(extract)


def reported_limits(protocol: Protocol) -> tuple[Limit, ...]:
    """The limits whose numbers are the run's word: neither the harness's nor of an extract command of their own."""
    measured = MEASURED.fullmatch if "::" in protocol.source else _BY_HARNESS.__contains__
    told = (limit for limit in protocol.limits if limit.extract is None or only_hands_on(limit.extract))
    return tuple(limit for limit in told if not measured(limit.name))


def times_asked(experiments: Iterable[Experiment]) -> int:
    """In how many experiments the holdout had a say: one that is asked 300 times is a validation set."""
    return sum(any(run.role is Role.HOLDOUT for run in each.measurements) for each in experiments)


def marks(protocol: Protocol, asked: int = 0) -> Iterator[str]:
    """What a reader of any number of this session has to know, in few words. ``asked``: see :func:`times_asked`."""
    if is_self_reported(protocol):
        yield f"metric: {SELF_REPORTED}"
    if limits := reported_limits(protocol):
        yield f"limits: {SELF_REPORTED} ({', '.join(limit.name for limit in limits)})"
    if protocol.holdout is not None and protocol.holdout.is_visible:
        yield f"holdout: {VISIBLE}"
    if asked:
        yield f"holdout asked {asked} {'time' if asked == 1 else 'times'}"
