"""The error budget of a session: what each test may cost. Knows levels and counts, no metric."""

from __future__ import annotations

from pytest_autoresearch.judge import statistics
from pytest_autoresearch.judge.settings import JudgeSettings, Policy


class Spending:
    """How many tests a session has made, and which of them were keeps. Judges that work side by side share one.

    A test is counted when a candidate is worth a second run; one that its first run rules out costs nothing.
    """

    def __init__(self, tests: int = 0, keeps: tuple[int, ...] = ()) -> None:
        self.tests, self.keeps = tests, keeps

    def next_level(self, settings: JudgeSettings) -> float:
        """Count one more test, and return the level at which it is made."""
        self.tests += 1
        if settings.policy is Policy.FAST:
            return settings.alpha
        if settings.workers > 1:
            return statistics.lond_level(settings.alpha, self.tests, len(self.keeps))
        return settings.numbers.slack * statistics.lord_level(settings.alpha, self.tests, self.keeps)

    def keep(self, test: int) -> None:
        """The test with this number was passed: later ones may cost more."""
        self.keeps = (*self.keeps, test)

    def withdraw(self, test: int) -> None:
        """It was not, after all."""
        self.keeps = tuple(kept for kept in self.keeps if kept != test)
