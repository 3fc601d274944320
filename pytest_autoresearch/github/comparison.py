"""A pull request's benchmarks as a check, and where their comment is found again."""

from __future__ import annotations

from pytest_autoresearch.github.verdict import Conclusion, Verdict
from pytest_autoresearch.judge.pairs import Outcome
from pytest_autoresearch.report.markdown.benchmarks import Comparison, headline, markdown

MARKER = "<!-- pytest-autoresearch: benchmarks -->"
CHECK = "autoresearch benchmarks"


def verdict(comparison: Comparison, address: str = "") -> Verdict:
    """The check: red where something is worse or fails now, neutral where nothing was compared."""
    outcomes = [each.result.outcome for each in comparison.benchmarks]
    is_bad = Outcome.WORSE in outcomes or Outcome.FAILED in outcomes
    was_compared = any(outcome is not Outcome.SKIPPED for outcome in outcomes)
    conclusion = Conclusion.FAILURE if is_bad else Conclusion.SUCCESS if was_compared else Conclusion.NEUTRAL
    return Verdict(conclusion, headline(comparison), markdown(comparison), address, CHECK)
