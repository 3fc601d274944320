"""What is kept of a stream nobody can trust to end: its head, its tail, and how much was left out between them."""

from __future__ import annotations

KEEP = 256 * 1024
"""Bytes kept at each end."""


class BoundedOutput:
    """Takes any number of bytes in bounded memory; a stream of up to ``2 * keep`` bytes is kept whole."""

    def __init__(self, keep: int = KEEP) -> None:
        self.total = 0
        self._keep = keep
        self._head = bytearray()
        self._tail = bytearray()

    def feed(self, data: bytes) -> None:
        self.total += len(data)
        room = self._keep - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        # Cut at twice the size, so that each byte is moved at most once on average.
        if len(self._tail) > 2 * self._keep:
            del self._tail[: -self._keep]

    def value(self) -> bytes:
        """Head and tail, with a marker on a line of its own where something was left out."""
        tail = bytes(self._tail[-self._keep :])
        omitted = self.total - len(self._head) - len(tail)
        if not omitted:
            return bytes(self._head) + tail
        return b"%s\n[... %d bytes left out ...]\n%s" % (self._head, omitted, tail)
