"""How noisy a protocol is: runs of states that are all the same, and what the judge's policies make of them."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from pytest_autoresearch.judge import GroupVerdict, Judge, JudgeSettings, Policy, Step, Verdict
from pytest_autoresearch.lab.job import Executor, Job, Tick
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.experiment import FileEntry, Measurement, Outcome, Role, Status
from pytest_autoresearch.protocol.model import Metric
from pytest_autoresearch.research.remedies import Remedies, remedies

REPLAYED = 20  # sessions that each policy judges: enough to tell 0.01 false keeps a session from 5
TRIED = 100  # candidates with a true gain that are judged
SHARED_SEEDS = 10  # runs that repeat a seed, of a fifth of all at most
GAIN = 0.01  # of the level; the size of gain whose price is told


@dataclass(frozen=True)
class Noise:
    """What A/A runs show. ``spread`` is the standard deviation of one run, ``drift`` its change over all runs.

    ``drift_certain``: the slope of the values over time is beyond 3 standard errors. ``false_keeps`` a session of as
    many experiments, by policy. ``gain_kept`` is the share of candidates with a true gain of 1 % that are kept,
    ``gain_runs`` what one of them costs, the incumbent's runs included; None where the metric is zero.
    """

    runs: int
    failed: int
    level: float
    spread: float
    drift: float
    drift_certain: bool
    false_keeps: Mapping[Policy, float]
    gain_kept: float | None
    gain_runs: float | None
    remedies: Remedies = field(default_factory=Remedies)

    @property
    def exact(self) -> bool:
        return self.spread == 0.0


def no_op_runs(
    lab: Executor,
    git: Git,
    start: Mapping[str, FileEntry],
    target: str,
    *,
    count: int,
    deadline: float,
    tick: Tick,
    begun: Callable[[int], None],
) -> Iterator[Measurement]:
    """Measure ``count`` states that differ from the start by a comment or blank lines at the end of one target.

    The last few have the seeds of the first few, which shows how much of the noise is the seed's.
    """
    for job in no_op_jobs(git, start, target, count=count, deadline=deadline):
        begun(job.number)
        yield lab.measure(job, tick)


def no_op_jobs(git: Git, start: Mapping[str, FileEntry], target: str, *, count: int, deadline: float) -> Iterator[Job]:
    """The runs of :func:`no_op_runs`."""
    again = count - min(SHARED_SEEDS, count // 5)
    text = git.read([start[target].blob])[start[target].blob]
    for number in range(1, count + 1):
        blob = git.store("blob", text + _nothing(target, number))
        state = {**start, target: FileEntry(start[target].mode, blob)}
        seed = random.Random(f"aa:{number if number <= again else number - again}").getrandbits(31)
        yield Job(Role.CANDIDATE, number, seed, state, deadline)


def describe(values: Sequence[float], failed: int, metric: Metric, seeds: Sequence[int | None] = ()) -> Noise:
    """The noise of at least two values in the order in which they were measured, each with its seed."""
    level, spread = statistics.fmean(values), statistics.stdev(values)
    slope, error = _slope(values)
    judged = {policy: _false_keeps(values, metric, policy) for policy in Policy}
    kept, cost = _price_of_gain(values, metric, GAIN * abs(level)) if level else (None, None)
    return Noise(
        runs=len(values),
        failed=failed,
        level=level,
        spread=spread,
        drift=slope * (len(values) - 1),
        drift_certain=bool(error) and abs(slope) > 3 * error,
        false_keeps=judged,
        gain_kept=kept,
        gain_runs=cost,
        remedies=remedies(values, seeds or [None] * len(values)),
    )


def _nothing(target: str, number: int) -> bytes:
    """An edit without a meaning: a comment where the language is known to have them, else blank lines."""
    if PurePosixPath(target).suffix in (".py", ".yaml", ".yml", ".toml", ".sh", ".cfg", ".ini"):
        return b"\n# no change %d\n" % number
    return b"\n" * number


def _false_keeps(values: Sequence[float], metric: Metric, policy: Policy) -> float:
    """Keeps per session of as many experiments as values, on runs drawn from them: none of them is real.

    A provisional keep counts when its group is certified: only then others get to see it.
    """
    draw = random.Random(0)
    keeps = 0
    for _ in range(REPLAYED):
        judge = Judge(JudgeSettings(metric.direction, policy, min_delta=metric.min_delta))
        for _ in values:
            keeps += _certified(judge, lambda: draw.choice(values)) if judge.due else 0
            verdict, _ = _judge(judge, lambda step: draw.choice(values))
            keeps += verdict.status is Status.KEEP and not verdict.provisional
        keeps += _certified(judge, lambda: draw.choice(values)) if judge.stack else 0
    return keeps / REPLAYED


def _price_of_gain(values: Sequence[float], metric: Metric, gain: float) -> tuple[float, float]:
    """The share of candidates with this true gain that are kept, and the runs that one of them takes."""
    draw = random.Random(0)
    better = -gain if metric.direction.better(0.0, 1.0) else gain
    kept = runs = 0
    for _ in range(TRIED):
        judge = Judge(JudgeSettings(metric.direction, Policy.CERTIFIED, min_delta=metric.min_delta))
        _calibrate(judge, lambda: draw.choice(values))
        verdict, took = _judge(judge, lambda step: draw.choice(values) + (better if step is Step.CANDIDATE else 0.0))
        kept += verdict.status is Status.KEEP
        runs += took
    return kept / TRIED, runs / TRIED


def _calibrate(judge: Judge, value: Callable[[], float]) -> None:
    step: Step | Verdict | None = judge.calibrate()
    while step is not None:
        step = judge.tell(value())


def _judge(judge: Judge, value: Callable[[Step], float]) -> tuple[Verdict, int]:
    """One experiment, and how many runs it took."""
    step: Step | Verdict | None = judge.start()
    runs = 0
    while isinstance(step, Step):
        step = judge.tell(value(step))
        runs += 1
    assert step is not None
    return step, runs


def _certified(judge: Judge, value: Callable[[], float]) -> int:
    """How many keeps a group proves, on runs that are all of one level."""
    answer: Step | GroupVerdict = judge.certify()
    while isinstance(answer, Step):
        answer = judge.tell_group(value())
    return len(answer.keeps) if answer.outcome is Outcome.CERTIFIED else 0


def _slope(values: Sequence[float]) -> tuple[float, float]:
    """Least-squares slope over the index, and its standard error (0 where there is none)."""
    n = len(values)
    middle, level = (n - 1) / 2, statistics.fmean(values)
    squares = sum((i - middle) ** 2 for i in range(n))
    slope = sum((i - middle) * (value - level) for i, value in enumerate(values)) / squares
    residuals = sum((value - level - slope * (i - middle)) ** 2 for i, value in enumerate(values))
    return slope, math.sqrt(residuals / (n - 2) / squares) if n > 2 else 0.0
