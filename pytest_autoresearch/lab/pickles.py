"""Files that run code when they are loaded: a run can leave one for its grader. Found by name and by their first bytes.

It can not be prevented inside of the grader; so it is said, in the record and by ``doctor``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from pytest_autoresearch.lab.workspace import Workspace
from pytest_autoresearch.patterns import regex

MOST_PICKLES = 8  # named in a record
_MOST_FILES = 500
_BY_NAME = regex(
    r"\.(?:pt|pth|ckpt|pkl|pickle|p|joblib|sav|dill|cloudpickle|mar|rds|rdata|jls|shelf)(?:\.(?:gz|bz2|xz|lzma|zst|z|lz4))?$",
    re.IGNORECASE,
)
_ARRAYS = regex(r"\.np[yz]$", re.IGNORECASE)
_HEAD = 4096
_PICKLE = regex(rb"\x80[\x02-\x05]")
_OBJECTS = regex(rb"\x93NUMPY.{0,12}\{[^{}]{0,200}?'descr':\s{0,9}(?:'\|O|\[[^{}]*?'\|O)", re.DOTALL)


def pickles(workspace: Workspace) -> Iterator[str]:
    """The files that a run made or changed and that are pickles, numpy arrays of objects among them, sorted by path."""
    for path in islice(workspace.left(), _MOST_FILES):
        if _BY_NAME.search(path):
            yield path
            continue
        head = workspace.read(path, at_most=_HEAD) or b""
        if _PICKLE.match(head) or (_ARRAYS.search(path) and (_OBJECTS.search(head) or b"\x93NUMPY" not in head)):
            yield path
