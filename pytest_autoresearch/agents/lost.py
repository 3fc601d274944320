"""Passes on the lines of a program that are read, and ends a turn whose program does nothing but look for its model.

A program of its own: lost.py KEEP LOST SECONDS, two regular expressions. It runs inside the agent's sandbox at the end
of a pipe. When for SECONDS nothing came but lines with LOST in them, it prints END and ends its process group.
"""

import os
import re
import select
import signal
import sys
import time

END = '{"type": "lost"}'
LONGEST_LINE = 4 << 20  # bytes; what is longer is cut


def main(arguments: "list[str]") -> None:
    keep, lost = (re.compile(pattern.encode()) for pattern in arguments[:2])
    patience, since, rest = float(arguments[2]), None, b""
    while True:
        ready, _, _ = select.select([0], [], [], 1.0)
        if ready:
            data = os.read(0, 1 << 16)
            *lines, rest = (rest + data).split(b"\n")
            rest = rest[:LONGEST_LINE]
            for line in lines or ([rest] if rest and not data else []):
                since = (since or time.monotonic()) if lost.search(line) else None
                if keep.search(line):
                    os.write(1, line + b"\n")
            if not data:
                return
        if since is not None and time.monotonic() - since > patience:
            os.write(1, END.encode() + b"\n")
            os.kill(0, signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1:])
