"""What the judge knows between two experiments: frozen values, plain JSON. Decides nothing.

``Standing`` is what all experiments of a session share. What is known of one candidate alone is its ``Trial``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, NamedTuple

from pytest_autoresearch.judge.belief import FIRST_PRIOR
from pytest_autoresearch.judge.panel import Panel
from pytest_autoresearch.judge.scatter import States, Weights
from pytest_autoresearch.judge.spread import Spread
from pytest_autoresearch.judge.wander import Wander

_AS_THEY_ARE = frozenset({str, int, float, bool, type(None)})

WINSOR = 3.0  # standard deviations; what lies further out counts as lying there
FIRST_CHECK = 4  # runs; then half as many more each time, so that a machine that stands still costs next to nothing
LAST_CHECK = 64  # runs
HEIGHT = 16  # provisional keeps in a group: groups of 8 cost 1.5 sigma of 42, of 4 cost 4


class Step(str, Enum):
    """Which state to run next. ``BASE`` is the last certified commit, below the provisional keeps."""

    CANDIDATE = "candidate"
    INCUMBENT = "incumbent"
    BASE = "base"


class Run(NamedTuple):
    """One finished run: its place in the session's sequence of runs, its metric, and which paired seed it had."""

    clock: int
    value: float
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """Where a state's metric lies, in metric units; ``interval`` is the 95 % interval, None where one run decides."""

    estimate: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Incumbent:
    """The state to beat. ``debt`` is what it lost to the best certified level for the sake of fewer lines.

    ``window`` are its runs on the standing's slot; ``elsewhere`` has, by slot, those on others and the newest of each.
    """

    window: tuple[Run, ...] = ()
    level: Level | None = None
    debt: float = 0.0
    elsewhere: tuple[tuple[int, tuple[Run, ...], Run | None], ...] = ()


class Provisional(NamedTuple):
    """A keep that waits for its group: the experiment's number, its expected gain in sigma, the chance of harm."""

    number: int
    worth: float
    harm: float


@dataclass(frozen=True, slots=True)
class Belief:
    """What ``grouped`` believes: of effects at large, and of the branch tip.

    ``mean`` of the tip in metric units and its ``variance`` as of ``clock`` (None: the tip has to be run first), in
    metric units squared, or ``counted`` in variances of one run where the noise is constant: what is then learned of
    the noise is learned of the tip as well. ``calibrated_at`` is the level at which the noise was last measured on
    purpose. ``won`` sigma in ``experiments``. The tip stands on experiment ``base``, the last certified one, with the
    keeps of ``stack`` on it; these are certified when there are ``due`` of them. ``levels``: (probability, mean,
    variance) of each place where the tip may lie, on a machine that moves and has left more than one. ``panel``: where
    it lies at each paired seed; mean and variance are then those of its average.
    """

    prior: tuple[float, ...] = FIRST_PRIOR
    mean: float = 0.0
    variance: float | None = None
    counted: bool = False
    clock: int = 0
    calibrated_at: float = 0.0
    won: float = 0.0
    experiments: int = 0
    base: int = 0
    stack: tuple[Provisional, ...] = ()
    due: int = HEIGHT
    levels: tuple[tuple[float, float, float], ...] = ()
    panel: Panel | None = None

    def known(self, mean: float, doubt: float, unit: float, spread: Spread) -> Belief:
        """With a tip at ``mean``, whose variance is ``doubt`` times that of one run, which scatters by ``unit``."""
        variance = doubt if spread.flat else doubt * unit * unit
        return replace(self, mean=mean, variance=variance, counted=spread.flat, levels=())


@dataclass(frozen=True, slots=True)
class Standing:
    """All that one experiment leaves to the next.

    ``clock`` counts runs, ``experiments`` those that were opened, ``places`` how often all levels were forgotten.
    ``slot`` is whose runs of the incumbent are compared with. ``spread`` is the noise of a run. ``tests`` and ``keeps``
    are the error spent so far: the number of tests, and which of them were passed. In exact mode ``agreements`` counts
    runs that repeated a value of their state, ``unchecked`` the experiments since the incumbent was run, and
    ``differences`` are the sizes of the last ones. ``wander`` says whether the machine moves, ``last`` is the
    incumbent's newest run, and it is run again ``check`` runs later. ``seeded`` is the next paired seed that the
    incumbent has not had, ``beside`` the noise of a run beside another with its seed (None: not known).
    """

    calibrated: bool = False
    noisy: bool = False
    clock: int = 0
    experiments: int = 0
    places: int = 0
    spread: Spread = field(default_factory=Spread)
    tests: int = 0
    keeps: tuple[int, ...] = ()
    incumbent: Incumbent = Incumbent()
    agreements: int = 0
    unchecked: int = 0
    differences: tuple[float, ...] = ()
    wander: Wander = field(default_factory=Wander)
    last: Run | None = None
    check: int = FIRST_CHECK
    belief: Belief = Belief()
    slot: int = 0
    seeded: int = 0
    beside: Spread | None = None

    @property
    def tip(self) -> tuple[int, int]:
        """Which state is the incumbent, whether a group has proven it or not: its number, and of the levels' place."""
        return (self.places, self.belief.stack[-1].number if self.belief.stack else self.belief.base)

    def at(self, slot: int) -> Standing:
        """The same, seen from a slot: a comparison is made with runs of its own, never across two."""
        if slot == self.slot:
            return self
        kept = {each[0]: each for each in self.incumbent.elsewhere}
        _, window, last = kept.pop(slot, (slot, (), None))
        if self.incumbent.window or self.last is not None:
            kept[self.slot] = (self.slot, self.incumbent.window, self.last)
        elsewhere = tuple(kept[each] for each in sorted(kept))
        return replace(
            self, slot=slot, last=last, incumbent=replace(self.incumbent, window=window, elsewhere=elsewhere)
        )

    @property
    def noise(self) -> float:
        """The standard deviation of one run of the incumbent, 0 for an exact metric."""
        level = self.incumbent.level
        return 0.0 if level is None else self.spread.deviation(level.estimate)

    @property
    def doubt(self) -> float | None:
        """The variance of the tip's level in variances of one run; None where the tip has to be run first."""
        belief = self.belief
        if belief.variance is None or belief.counted:
            return belief.variance
        one = self.spread.variance(belief.mean)
        return belief.variance / one if one else 1 / 6  # as of a calibration

    def largest_square(self, level: float) -> float:
        """What one run at this level may add to the noise; anything while that is not known."""
        variance = self.spread.variance(level)
        return WINSOR**2 * variance if variance > 0 else float("inf")

    def resting_on(self, base: int, provisional: Sequence[int]) -> Standing:
        """With a tip that is these provisional keeps on top of ``base``."""
        known = {keep.number: keep for keep in self.belief.stack}
        stack = tuple(known.get(number, Provisional(number, 0.0, 0.0)) for number in provisional)
        return replace(self, belief=replace(self.belief, base=base, stack=stack))

    def apart(self, earlier: Run | None, later: Run, own: Weights | None = None) -> Standing:
        """With what two runs of the incumbent say of the machine, the later one its newest.

        ``own``: they are a candidate's, which has each variance with this likelihood.
        """
        variance = self.spread.variance(later.value)
        if earlier is None or not variance:
            return replace(self, last=later)
        distance = later.value - earlier.value
        return self.differing(distance * distance / variance, earlier, later, own)

    def differing(self, square: float, earlier: Run, later: Run, own: Weights | None = None) -> Standing:
        """As :meth:`apart`, of runs that differ by this squared distance in variances of one run at the later."""
        gap = later.clock - earlier.clock
        check = min(3 * self.check // 2, LAST_CHECK) if gap >= self.check else self.check
        wander = self.wander
        if wander.level is None:
            wander = replace(wander, level=earlier.value, variance=self.spread.variance(earlier.value))
        assert wander.level is not None
        square *= self.spread.variance(wander.level) / (wander.variance or 1.0)
        return replace(self, wander=wander.seen(square, gap, own), last=later, check=check)

    def forgotten(self) -> Standing:
        """Without levels and noise, as on another machine; what was spent and learned of effects stays."""
        belief = replace(self.belief, variance=None, levels=(), panel=None)
        return replace(
            self,
            calibrated=False,
            places=self.places + 1,
            spread=Spread(),
            seeded=0,
            beside=None,
            agreements=0,
            wander=Wander(),
            last=None,
            check=FIRST_CHECK,
            incumbent=Incumbent(debt=self.incumbent.debt),
            belief=belief,
        )


def to_plain(value: Any) -> Any:
    """Lists, numbers and words that ``json`` writes; the first prior is left out, it is the same everywhere."""
    if type(value) in _AS_THEY_ARE:
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Belief) and value.prior == FIRST_PRIOR:
        return {**_fields(value), "prior": None}
    if hasattr(value, "__dataclass_fields__"):
        return _fields(value)
    if not isinstance(value, tuple):
        return value
    if getattr(value, "seed", value) is None:  # of runs without paired seeds nothing is said of them
        value = value[:-1]
    return [to_plain(item) for item in value]


def _fields(value: Any) -> dict[str, Any]:
    """Of one slot nothing is said that takes several: programs that know of no slots go on with it."""
    named = {name: to_plain(getattr(value, name)) for name in value.__dataclass_fields__}
    rare = ("slot", "elsewhere", "expected", "levels", "panel", "seeded", "beside")
    return {name: plain for name, plain in named.items() if plain or name not in rare}


def standing_from(data: Mapping[str, Any]) -> Standing:
    """The standing that gave this JSON. KeyError, TypeError or ValueError if it is not one."""
    fields = dict(data)
    fields["keeps"], fields["differences"] = tuple(fields["keeps"]), tuple(fields["differences"])
    fields["spread"] = _spread(fields["spread"])
    fields["beside"] = _spread(fields["beside"]) if "beside" in fields else None
    fields["incumbent"] = incumbent_from(fields["incumbent"])
    fields["wander"] = _wander(fields["wander"])
    fields["last"] = None if fields["last"] is None else Run(*fields["last"])
    fields["belief"] = belief_from(fields["belief"])
    return Standing(**fields)


def _spread(data: Mapping[str, Any]) -> Spread:
    one, two, three = data["squares"]
    return Spread(**{**data, "squares": (one, two, three)})


def _wander(data: Mapping[str, Any]) -> Wander:
    states = data["states"]
    tip = None if states["tip"] is None else tuple(states["tip"])
    states = States(**{**states, "usual": tuple(states["usual"]), "tip": tip})
    return Wander(**{**data, "likelihoods": tuple(data["likelihoods"]), "states": states})


def incumbent_from(data: Mapping[str, Any]) -> Incumbent:
    """As :func:`standing_from`."""
    level = data["level"]
    if level is not None:
        interval = level["interval"]
        level = Level(level["estimate"], None if interval is None else (interval[0], interval[1]))
    elsewhere = tuple(
        (int(slot), _runs(window), None if last is None else Run(*last))
        for slot, window, last in data.get("elsewhere", ())
    )
    return Incumbent(_runs(data["window"]), level, data["debt"], elsewhere)


def _runs(data: Sequence[Sequence[Any]]) -> tuple[Run, ...]:
    return tuple(Run(int(clock), float(value), *seed) for clock, value, *seed in data)


def belief_from(data: Mapping[str, Any]) -> Belief:
    """As :func:`standing_from`."""
    prior = FIRST_PRIOR if data["prior"] is None else tuple(data["prior"])
    stack = tuple(Provisional(int(number), worth, harm) for number, worth, harm in data["stack"])
    levels = tuple((weight, mean, variance) for weight, mean, variance in data.get("levels", ()))
    panel = Panel.of(data["panel"]) if "panel" in data else None
    return Belief(**{**data, "prior": prior, "stack": stack, "levels": levels, "panel": panel})
