"""The program that reads a source by its grammar, within limits: ``python -I -S reader.py LANGUAGE PATH…``."""

from __future__ import annotations

import json
import resource
import sys

LONGEST = 5  # s of the processor; a megabyte of usual code takes two
LARGEST = 4 << 30  # bytes of memory


def main(language: str, *places: str) -> None:
    """Print the source on standard input as it is read."""
    sys.path[1:1] = places
    resource.setrlimit(resource.RLIMIT_CPU, (LONGEST, LONGEST + 1))
    resource.setrlimit(resource.RLIMIT_AS, (LARGEST, LARGEST))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from pytest_autoresearch.reading.grammars import plain, read_here
    from pytest_autoresearch.reading.source import Unread

    try:
        told = plain(read_here(language, sys.stdin.buffer.read()))
    except Unread as error:
        told = {"unread": str(error)}
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
