"""The judge room: whether an improvement is real. Pure: it sees numbers, and knows no clock, no process, no git."""

from __future__ import annotations

from pytest_autoresearch.judge.rule import Judge
from pytest_autoresearch.judge.settings import JudgeError, JudgeSettings, Policy, Rule
from pytest_autoresearch.judge.spending import Spending
from pytest_autoresearch.judge.state import JudgeState, Level, Progress, Step, Verdict

__all__ = [
    "Judge",
    "JudgeError",
    "JudgeSettings",
    "JudgeState",
    "Level",
    "Policy",
    "Progress",
    "Rule",
    "Spending",
    "Step",
    "Verdict",
]
