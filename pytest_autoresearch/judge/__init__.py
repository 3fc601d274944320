"""The judge room: whether an improvement is real. Pure: it sees numbers, and knows no clock, no process, no git."""

from __future__ import annotations

from pytest_autoresearch.judge.judge import Judge
from pytest_autoresearch.judge.settings import JudgeError, JudgeSettings, Policy, Rule
from pytest_autoresearch.judge.standing import Level, Provisional, Standing, Step
from pytest_autoresearch.judge.state import JudgeState
from pytest_autoresearch.judge.verdict import GroupVerdict, Progress, Verdict

__all__ = [
    "GroupVerdict",
    "Judge",
    "JudgeError",
    "JudgeSettings",
    "JudgeState",
    "Level",
    "Policy",
    "Progress",
    "Provisional",
    "Rule",
    "Standing",
    "Step",
    "Verdict",
]
