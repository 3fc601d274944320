"""Which of a protocol's numbers rest on the run's own word. Pure; every surface takes its marks from here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.experiment import Experiment, Role
from pytest_autoresearch.protocol.marker import MEASURED
from pytest_autoresearch.protocol.model import Limit, Protocol
from pytest_autoresearch.protocol.scripts import with_values

PAGE = "https://github.com/pytest-autoresearch/pytest-autoresearch/blob/main/docs/security.md#self-reported"
SELF_REPORTED = "self-reported"
VISIBLE = "visible to the candidate"

_COPIERS = frozenset(
    """
    grep egrep fgrep zgrep rg ag tail head cut awk gawk mawk sed cat tac tr sort uniq jq yq xq xargs echo printf column
    paste nl rev strings tee true false exit test [ cd set export read dasel fx mlr csvcut perl ruby dd od xxd hexdump
    fold zcat gunzip gzip xz bzcat bunzip2 zstdcat bat less more ack xmllint xmlstarlet csvtool q datamash bc expr
    numfmt base64 iconv mapfile readarray sqlite3 duckdb done fi esac seq basename dirname shuf comm join split
    """.split()
)
"""Programs that hand on what stands in a file. The number is then the run's, as if it were read from the log."""

_BY_HARNESS = frozenset({"peak_mb", "duration", "cpu_time"})
_LOG = regex(r"(?<![\w.-])run\.log(?![\w.-])")
_GRADER = regex(
    r"(?<![\w./-])[\w./-]+\.(?:py|sh|bash|pl|rb|js|mjs|ts|r|jl|lua|php|ipynb)\b|\s-m\s+\w|\bmake\b|\bjust\b", re.I
)
_PROGRAM = regex(r"(?:^|[;&|(\n`]|\$\()[ \t]*(?:\w+=[^\s;|&(]*[ \t]+)*(?!\w+=)(?:[\w./-]*/)?([\w.+\[-]+)")
_REMARK = regex(r"(?:^|\s)#[^\n]*$", re.MULTILINE)
_PATTERNS = regex(r"""(\b[ef]?grep\b[^|;&\n]{0,80}?\s)(?:'[^']*'|"[^"]*")""")
_INLINE = regex(r"(?:python|pypy|node|ruby|perl|julia|Rscript|php|lua)[\d.]*")
_CODE = regex(
    r"""(?:(?<=python)|(?<=node)|(?<=ruby)|(?<=julia)|(?<=Rscript)|(?<=php)|(?<=lua)|(?<=[\d]))"""
    r"""(?:\s+-[A-Za-z]{1,3})?\s+(?:-[a-zA-Z]*[cepr]|--eval)\s*(?:'([^']*)'|"((?:\\.|[^"\\])*)")""",
    re.DOTALL,
)
_HERE = regex(r"<<-?\s*[\"']?\w+(?!\w)[\"']?[^\n<]*\n(.*)", re.DOTALL)
_IMPORTS = regex(r"\bfrom\s+(?:src|lib|tests?)\b|\bimport\s+(?:\w+,\s*)*(?:grad|scor|evaluat|metric|verify|check)\w*")
_FILES = regex(r"(?<![\w./-])[\w./-]+\.\w{1,6}(?=[\"'\s)]|$)")
_SHELLS = regex(r"""\b(?:ba|da|z|k)?sh\s+-[a-z]*c\s+('[^']*'|"[^"]*")""")
_WRAPPERS = frozenset("do then else if while until for in { ! time local declare let pipefail".split())
_WRAPPING = regex(
    r"((?:^|[;&|(\n`{!]|\$\(|\b(?:do|then|else|if|while|until))[ \t]*)"
    r"(?:(?:/[\w./-]{0,60}/)?(?:env|timeout|nice|nohup|exec|command|builtin|sudo|stdbuf|setsid|busybox|time|ionice|do|then|else|if|while|until"
    r"|[{!])(?:[ \t]+(?:-[^\s]*|\d[\d.smhd]*|\w+=[^\s]*))*[ \t]+)+"
)
_REDIRECTED = regex(r"((?:^|[;&|(\n])[ \t]*)<[ \t]*[^\s;&|]+[ \t]*")
_BACKTICKS = regex(r"`([^`]{0,500})`")
_FOUND = regex(r"\$\((?:which|command -v|type -p)[ \t]{1,9}([\w./-]{1,60})\)")
_WORD_IN_QUOTES = regex(r"(['\"])([\w./-]{1,60})\1")
_GIT_GREP = regex(r"\bgit(?:[ \t]{1,9}-[^\s;|&]{1,60}(?:[ \t]{1,9}\.)?){0,4}[ \t]{1,9}grep\b")
_COPYING_MODULE = regex(
    r"(?:[\w./-]{0,60}/)?python[\d.]*(?:[ \t]{1,9}-[A-Za-z]{1,3}){0,3}?[ \t]{1,9}-m[ \t]{0,9}"
    r"(?:json(?:\.tool)?|base64|gzip|quopri|zipfile|tarfile)(?![\w.])"
)
_QUOTED = regex(r"'[^']*'|\"[^\"]*\"")


def only_hands_on(extract: str) -> bool:
    """Whether an extract command looks for a number that the run has written, and computes none.

    It does where it reads ``run.log`` without a program of the repository's, where all its programs copy text, and
    where it is a line of code that reads one file at most: with one to compare it can not be graded. What a program of
    the repository's does is not looked into.
    """
    extract = _in_plain_words(_REMARK.sub("", extract))
    code = " ".join(found for groups in _CODE.findall(extract) for found in groups) + _document(extract)
    shell = _CODE.sub("", extract).replace(_document(extract), "")
    if _GRADER.search(_PATTERNS.sub(r"\1", shell)) or _IMPORTS.search(code):
        return False
    if _LOG.search(extract):
        return True
    inner = [only_hands_on(text.strip("'\"")) for text in _SHELLS.findall(extract)]
    programs = [name for name in _programs(_SHELLS.sub("true", shell)) if name not in _WRAPPERS]
    if code:
        programs = [name for name in programs if not _INLINE.fullmatch(name)] or ["true"]
        if len(set(_FILES.findall(code + shell))) > 1:
            return False
    return (bool(programs) or bool(inner)) and all(inner) and all(program in _COPIERS for program in programs)


def _in_plain_words(extract: str) -> str:
    """The command with its programs by their names: not in variables, behind signs, or asked for."""
    extract = with_values(_FOUND.sub(r"\1", _BACKTICKS.sub(r"$(\1)", extract)))
    return _COPYING_MODULE.sub("cat", _GIT_GREP.sub("grep", extract))


def _programs(shell: str) -> list[str]:
    """The programs that a line of a shell starts, without what only starts another one."""
    shell = re.sub(r"\\(?=[A-Za-z])", "", _WORD_IN_QUOTES.sub(r"\2", shell.replace("\\\n", " ")))
    plain = _QUOTED.sub("''", shell)
    return _PROGRAM.findall(_WRAPPING.sub(r"\1", _REDIRECTED.sub(r"\1", plain)))


def _document(extract: str) -> str:
    """The lines that are given to an interpreter in place."""
    found = _HERE.search(extract)
    return found[1] if found else ""


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
