"""The door to whoever shows what is going on while it goes on."""

from __future__ import annotations

from typing import Protocol as Interface


class Watch(Interface):
    """Told by the loop; must not fail, and decides nothing."""

    def phase(self, number: int, text: str, *, budget: float | None = None) -> None:
        """Something has begun; ``budget`` seconds are expected at most."""

    def tick(self, elapsed: float) -> None:
        """It still lasts, for ``elapsed`` seconds now."""

    def remark(self, text: str) -> None:
        """A line that the user should see once."""
