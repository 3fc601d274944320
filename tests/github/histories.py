"""Histories as sessions leave them, made up in memory."""

from __future__ import annotations

from datetime import datetime, timezone

from pytest_autoresearch.notebook.record import History, Session, Verification
from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Reason, Role, Usage
from pytest_autoresearch.protocol.model import Direction, Limit, Metric, PathRule, Protocol
from pytest_autoresearch.protocol.serialise import digests, to_json

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
PROTOCOL = Protocol(
    goal="Make the loss small.",
    metric=Metric("loss", Direction.LOWER),
    targets=(PathRule("train.py"),),
    run="python train.py",
    limits=(Limit("peak_mb", at_most=512.0),),
    guard=("tests/",),
    budget=20.0,
)


def session(tag: str = "demo", start: str = "0" * 40) -> Session:
    return Session(
        tag, PROTOCOL.source, start, to_json(PROTOCOL), digests(PROTOCOL), "m1", {"python": "3.12.1"}, NOW, seed=7
    )


def experiment(
    number: int, *, description: str = "", reason: Reason | None = None, agent: str = "claude"
) -> Experiment:
    """Every third is a keep; the loss falls by one part in ten thousand with the number."""
    reason = reason or (Reason.IMPROVED if number % 3 == 0 else Reason.WORSE)
    value = 1 - number / 10_000
    measured = number == 0 or reason.status.value != "crash"
    role = Role.CANDIDATE if number else Role.INCUMBENT
    return Experiment(
        number=number,
        status=reason.status,
        reason=reason,
        description=description or f"set RATE to {number}",
        commit=f"{number + 1:040x}"[::-1],
        parent="0" * 40,
        tree="1" * 40,
        fingerprint=f"state {number}",
        value=value if measured else None,
        interval=(value - 1e-5, value + 1e-5) if measured else None,
        against=1 - max(0, number - 3) / 10_000 if number else None,
        measurements=(Measurement(role, value, duration=1.5),) if measured else (),
        agent=agent if number else "",
        usage=Usage(100, 10, cost=0.01) if number else None,
        isolation="bwrap",
        machine="m1",
        started=NOW,
        ended=NOW,
    )


def history(count: int, *, description: str = "", verified: bool = False) -> History:
    """``count`` experiments after the baseline."""
    experiments = tuple(experiment(n, description=description if n else "baseline") for n in range(count + 1))
    found = History(session(), experiments)
    head = found.incumbent
    assert head is not None and head.value is not None
    runs = (Measurement(Role.INCUMBENT, 1.0),)
    gain, best = 1 - head.value, (Measurement(Role.INCUMBENT, head.value),)
    verification = Verification("0" * 40, head.commit, runs, best, gain, (gain * 0.9, gain * 1.1), NOW, "bwrap")
    return History(session(), experiments, verifications=(verification,) if verified else ())
