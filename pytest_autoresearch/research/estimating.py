"""What a night will bring before it begins: experiments an hour, hours, dollars, the gain that noise does not hide.

From what was measured only: a session's own experiments where there are some of this protocol, agent and machine, else
`aa`'s runs, else one proving run. What is not known is left out, and why is said. The arithmetic is pure.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pytest_autoresearch.agents.lessons import own_runs, smallest_seen, spread_of_runs
from pytest_autoresearch.agents.registry import needs_model
from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.judge.statistics import t_quantile
from pytest_autoresearch.lab.machine import machine_fingerprint
from pytest_autoresearch.notebook.chain import read_history, sessions
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.experiment import Experiment
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.serialise import digests
from pytest_autoresearch.protocol.settings import Settings

RUNS: Mapping[str, tuple[float, float]] = {
    "grouped": (1.15, 1.35),
    "certified": (1.6, 2.3),
    "fast": (1.6, 2.0),
    "classic": (1.0, 1.0),
}
"""Runs an experiment, from docs/statistics.md."""
OVERHEAD = 0.2  # s an experiment takes beside its runs and its agent
FEWEST = 3  # experiments that say more than a proving run
NEWEST = 200
CALIBRATION = 6  # runs of the incumbent that a candidate is compared with
ASKED = 100  # experiments, where nobody says how many
FILE = "aa.json"


@dataclass(frozen=True, slots=True)
class Known:
    """What was measured. ``seconds`` and ``dollars`` of whole experiments, agent and all; ``run`` of one run.

    ``spread`` is the standard deviation of one run, None where it is not known; ``source`` says whose numbers they are.
    """

    seconds: tuple[float, ...] = ()
    dollars: tuple[float, ...] = ()
    run: float | None = None
    spread: float | None = None
    level: float | None = None
    source: str = "nothing"


@dataclass(frozen=True, slots=True)
class Estimate:
    """``count`` experiments take ``hours`` and cost ``dollars``, each with a 95 % interval where there is one.

    ``gain`` is the smallest true gain that one run tells from none in four cases of five, in metric units; ``percent``
    of the level. ``unknown`` is what could not be told, in words.
    """

    count: int
    per_hour: float | None = None
    hours: tuple[float, float, float] | None = None
    dollars: tuple[float, float, float] | None = None
    gain: float | None = None
    percent: float | None = None
    source: str = ""
    unknown: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """In one line; empty where nothing is known."""
        parts = []
        if self.per_hour is not None and self.hours is not None:
            parts.append(f"about {_rounded(self.per_hour)} experiments an hour")
            parts.append(f"{self.count} in {_hours(self.hours)}")
        if self.dollars is not None:
            middle, low, high = self.dollars
            parts.append(f"{middle:.2f} USD ({low:.2f} to {high:.2f})")
        if self.gain is not None:
            share = "" if self.percent is None else f" ({self.percent:.2g} %)"
            seen = f"one run tells a gain of {self.gain:.3g}{share} from noise"
            parts.append(seen if self.gain else "no noise: any gain shows")
        return "; ".join(parts)


def known_of(history: Sequence[Experiment], agents: Sequence[str], machine: str) -> Known | None:
    """What a session's own experiments tell; None where they are too few, or of other agents or another machine."""
    mine = [e for e in history[1:] if e.agent in agents and e.machine == machine and e.measurements][-NEWEST:]
    mine = [e for e in mine if e.started is not None and e.ended is not None]
    if len(mine) < FEWEST:
        return None
    seconds = tuple(
        (e.ended - e.started).total_seconds() for e in mine if e.started is not None and e.ended is not None
    )
    dollars = tuple(e.usage.cost for e in mine if e.usage is not None and e.usage.cost is not None)
    spread, freedom = spread_of_runs(history)
    kept = [e.value for e in history if e.kept and e.value is not None]
    tag = f"{len(mine)} experiments of this session"
    return Known(seconds, dollars, None, spread if freedom else None, kept[-1] if kept else None, tag)


def known_of_baseline(baseline: Experiment) -> Known:
    """What a baseline's runs tell."""
    runs = own_runs(baseline)
    spread, freedom = spread_of_runs([baseline])
    took = statistics.median(run.duration for run in runs) if runs else None
    return Known((), (), took, spread if freedom else None, baseline.value, f"{len(runs)} runs of the baseline")


def estimate(known: Known, count: int, judge: str, *, is_paid: bool, prices: Mapping[str, float]) -> Estimate:
    """What ``count`` experiments take. ``is_paid``: the agent's model costs money."""
    unknown = []
    hours = dollars = per_hour = None
    if known.seconds:
        middle, low, high = total(known.seconds, count)
        hours, per_hour = (middle / 3600, low / 3600, high / 3600), 3600 * count / middle if middle else None
    elif known.run is not None:
        ends = [OVERHEAD + runs * known.run for runs in RUNS.get(judge, (1.0, 2.0))]
        middle = sum(ends) / 2
        hours, per_hour = (middle * count / 3600, ends[0] * count / 3600, ends[1] * count / 3600), 3600 / middle
        if is_paid:
            unknown.append("how long the agent's turns take: they come on top, and are known after 3 experiments")
    else:
        unknown.append("the time of a run")
    if known.dollars:
        middle, low, high = total(known.dollars, count)
        dollars = (middle, max(0.0, low), high)
    elif is_paid:
        unknown.append(
            "dollars: they are known after 3 experiments"
            + ("" if prices else "; set `prices` if the agent reports no cost")
        )
    gain = percent = None
    if known.spread is None:
        unknown.append("the noise: `pytest-autoresearch aa` measures it")
    else:
        gain = smallest_seen(known.spread, 1, CALIBRATION)
        percent = 100 * gain / abs(known.level) if known.level else None
        if percent is not None and percent > 100:
            gain = percent = None
            unknown.append("the noise where the metric stands now: what was measured is larger than the metric itself")
    return Estimate(count, per_hour, hours, dollars, gain, percent, known.source, tuple(unknown))


def total(values: Sequence[float], count: int) -> tuple[float, float, float]:
    """The sum of ``count`` further values like these, and its 95 % prediction interval.

    Their mean is known by n values and the further ones scatter as well, so the variance of the sum is
    ``s^2 * (count + count^2 / n)``; with Student's t at n - 1 degrees of freedom.
    """
    n, mean = len(values), statistics.fmean(values)
    middle = mean * count
    if n < 2:
        return middle, middle, middle
    half = t_quantile(0.975, n - 1) * statistics.stdev(values) * math.sqrt(count + count**2 / n)
    return middle, max(0.0, middle - half), middle + half


@dataclass(frozen=True, slots=True)
class Noted:
    """What ``aa`` has found of a protocol on a machine, kept beside the sessions."""

    digests: Mapping[str, str]
    machine: str
    spread: float
    level: float
    runs: int
    run: float

    @property
    def known(self) -> Known:
        """As what an estimate starts from."""
        return Known(run=self.run, spread=self.spread, level=self.level, source=f"{self.runs} runs of `aa`")


def note(common_dir: Path, noted: Noted) -> None:
    """Keep it, in place of what was there; a full disk is no reason to fail."""
    with suppress(OSError):
        place = common_dir / "autoresearch"
        place.mkdir(parents=True, exist_ok=True)
        new = place / f"{FILE}.new"
        new.write_text(json.dumps(asdict(noted)), "utf-8")
        new.replace(place / FILE)


def noted_for(common_dir: Path, digests: Mapping[str, str], machine: str) -> Known | None:
    """What ``aa`` has found of this protocol on this machine."""
    try:
        noted = Noted(**json.loads((common_dir / "autoresearch" / FILE).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return noted.known if dict(noted.digests) == dict(digests) and noted.machine == machine else None


def estimate_for(
    git: Git, protocol: Protocol, settings: Settings, history: Sequence[Experiment] = (), run: float | None = None
) -> Estimate:
    """The estimate of a protocol in a repository, from its ``history`` or its newest session, `aa`, and one run."""
    agents, machine, mine = settings.agents, machine_fingerprint(), digests(protocol)
    noted = noted_for(git.common_dir, mine, machine)
    known = best_known(history, agents, machine, noted, run)
    for session in () if history else reversed(sessions(git)):
        if dict(session.digests) != mine:
            continue
        with suppress(NotebookError):  # of a newer version
            known = best_known(read_history(git, session.tag).experiments, agents, machine, noted, run)
            break
    count = settings.experiments or ASKED
    return estimate(known, count, settings.judge, is_paid=any(map(needs_model, agents)), prices=settings.prices)


def best_known(
    history: Sequence[Experiment], agents: Sequence[str], machine: str, noted: Known | None, run: float | None = None
) -> Known:
    """The most telling of what there is: the session, `aa`, the baseline, and one run of ``run`` seconds."""
    if found := known_of(history, agents, machine):
        return found
    if history and history[0].machine == machine:
        known = known_of_baseline(history[0])
        return replace(known, spread=noted.spread) if noted is not None and known.spread is None else known
    if noted is not None:
        return noted
    return Known(run=run, source="one run") if run is not None else Known()


def _hours(hours: tuple[float, float, float]) -> str:
    unit, name = (3600.0, "s") if hours[0] < 1 / 60 else (60.0, "min") if hours[0] < 1 else (1.0, "h")
    middle, low, high = (_rounded(unit * each, 2) for each in hours)
    return f"{middle} {name} ({low} to {high})" if hours[1] < hours[2] else f"{middle} {name}"


def _rounded(value: float, digits: int = 3) -> str:
    """A number of so many digits, without an exponent where it is large."""
    short = f"{value:.{digits}g}"
    return f"{float(short):.0f}" if "e+" in short else short
