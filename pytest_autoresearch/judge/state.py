"""What the judge knows between two runs, and what it says: frozen values, plain JSON. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from pytest_autoresearch.judge.settings import JudgeError
from pytest_autoresearch.judge.spread import Spread
from pytest_autoresearch.protocol.experiment import Reason, Status

FORMAT = 1


class Step(str, Enum):
    """Which state to run next."""

    CANDIDATE = "candidate"
    INCUMBENT = "incumbent"


class Run(NamedTuple):
    """One finished run: its place in the session's sequence of runs, and its metric."""

    clock: int
    value: float


@dataclass(frozen=True, slots=True)
class Level:
    """Where a state's metric lies, in metric units; ``interval`` is the 95 % interval, None where one run decides."""

    estimate: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an experiment ended.

    ``estimate`` and ``interval`` are the candidate's level in metric units (None: nothing was measured), ``samples``
    the runs behind the estimate. ``evidence`` reached ``threshold`` for a keep; both None where one run decided.
    ``against`` is the incumbent's level. ``suspicious``: better by more than a reviewer should believe unseen.
    """

    status: Status
    reason: Reason
    estimate: float | None = None
    interval: tuple[float, float] | None = None
    samples: int = 0
    evidence: float | None = None
    threshold: float | None = None
    against: float | None = None
    suspicious: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the judge is with what it is doing; its text is for the live line."""

    activity: str
    candidate_runs: int
    incumbent_runs: int
    evidence: float | None = None
    threshold: float | None = None

    def __str__(self) -> str:
        """As in ``3 against 4 runs, evidence 12 of 95 needed``."""
        if self.evidence is None or self.threshold is None:
            return self.activity
        runs = f"{self.candidate_runs} against {self.incumbent_runs} runs"
        reached = f"{self.evidence:.0f}" if self.evidence >= 10 else f"{self.evidence:.2g}"
        return f"{runs}, evidence {reached} of {self.threshold:.0f} needed"


@dataclass(frozen=True, slots=True)
class Incumbent:
    """The state to beat. ``debt`` is what it lost to the best certified level for the sake of fewer lines."""

    window: tuple[Run, ...] = ()
    level: Level | None = None
    debt: float = 0.0


@dataclass(frozen=True, slots=True)
class Trial:
    """The experiment under way.

    ``fresh`` counts incumbent runs since the candidate's first; ``first`` and ``latest`` are natural logarithms of the
    evidence; ``test`` and ``level`` what was spent on it; ``reason`` is set once its keep is certain, and ``kept_runs``
    then measure its level.
    """

    complexity: int = 0
    runs: tuple[Run, ...] = ()
    fresh: int = 0
    first: float | None = None
    latest: float | None = None
    test: int | None = None
    level: float | None = None
    reason: Reason | None = None
    kept_runs: tuple[Run, ...] = ()

    @property
    def threshold(self) -> float | None:
        """The evidence a keep needs; None while nothing was spent on it."""
        return None if self.level is None else 1 / self.level


@dataclass(frozen=True, slots=True)
class JudgeState:
    """All of a judge's memory; a judge made from it goes on as if it had never stopped.

    ``spread`` is the noise of a run, ``tests`` and ``keeps`` the error spent so far: the number of
    tests, and which of them were keeps. In exact mode ``agreements`` counts runs that repeated a value of their state,
    ``unchecked`` the experiments since the incumbent was run, and ``differences`` are the sizes of the last ones.
    ``replaced`` is the incumbent before the last keep, until the next experiment starts.
    """

    calibrated: bool = False
    noisy: bool = False
    clock: int = 0
    spread: Spread = field(default_factory=Spread)
    tests: int = 0
    keeps: tuple[int, ...] = ()
    incumbent: Incumbent = Incumbent()
    agreements: int = 0
    unchecked: int = 0
    differences: tuple[float, ...] = ()
    trial: Trial | None = None
    replaced: Incumbent | None = None
    last_test: int | None = None
    pending: Step | None = None
    failed: bool = False

    @property
    def noise(self) -> float:
        """The standard deviation of one run of the incumbent, 0 for an exact metric."""
        level = self.incumbent.level
        return 0.0 if level is None else self.spread.deviation(level.estimate)

    def to_json(self) -> dict[str, Any]:
        """Plain lists, numbers and words that ``json`` writes and :meth:`from_json` reads without loss."""
        return {"format": FORMAT, **_plain(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> JudgeState:
        """The state that gave this; JudgeError if it is not one."""
        fields = dict(data)
        if fields.pop("format", None) != FORMAT:
            raise JudgeError("the judge's state in the ledger is not one this version can read; begin a new tag")
        try:
            fields["keeps"], fields["differences"] = tuple(fields["keeps"]), tuple(fields["differences"])
            fields["spread"] = Spread(**{**fields["spread"], "squares": tuple(fields["spread"]["squares"])})
            fields["incumbent"] = _incumbent(fields["incumbent"])
            fields["replaced"] = None if fields["replaced"] is None else _incumbent(fields["replaced"])
            fields["trial"] = None if fields["trial"] is None else _trial(fields["trial"])
            fields["pending"] = None if fields["pending"] is None else Step(fields["pending"])
            return cls(**fields)
        except (KeyError, TypeError, ValueError) as error:
            raise JudgeError(f"the judge's state in the ledger is damaged ({error}); begin a new tag") from error


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return value


def _runs(data: Any) -> tuple[Run, ...]:
    return tuple(Run(int(clock), float(value)) for clock, value in data)


def _incumbent(data: Mapping[str, Any]) -> Incumbent:
    level = data["level"]
    if level is not None:
        interval = level["interval"]
        level = Level(level["estimate"], None if interval is None else (interval[0], interval[1]))
    return Incumbent(_runs(data["window"]), level, data["debt"])


def _trial(data: Mapping[str, Any]) -> Trial:
    fields = dict(data)
    fields["runs"], fields["kept_runs"] = _runs(fields["runs"]), _runs(fields["kept_runs"])
    fields["reason"] = None if fields["reason"] is None else Reason(fields["reason"])
    return Trial(**fields)
