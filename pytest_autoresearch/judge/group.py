"""The proof of a group: its provisional keeps together against the last certified commit, on fresh pairs. Pure.

The runs that selected the keeps are no evidence for them, so base and tip are run anew, in turn (ABBA, which a steady
drift can not fool). The levels of these tests are spent by LORD++ over groups, so that of the certified groups at most
a share alpha is no gain, however long the session.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_autoresearch.judge import beside, calibrating, comparing, paired, statistics
from pytest_autoresearch.judge import tip as tips
from pytest_autoresearch.judge.panel import UNKNOWN
from pytest_autoresearch.judge.rule import LARGEST
from pytest_autoresearch.judge.settings import JudgeError, JudgeSettings
from pytest_autoresearch.judge.standing import HEIGHT, WINSOR, Belief, Run, Standing, Step
from pytest_autoresearch.judge.trial import Heard
from pytest_autoresearch.judge.verdict import GroupVerdict
from pytest_autoresearch.protocol.experiment import Outcome
from pytest_autoresearch.protocol.model import Direction

GONE = 0.3  # evidence at which a group is given up
PAIRS = 24  # at most; a gain that 24 pairs do not show is under half a sigma
TALLEST = 64  # keeps; a stack that is still not shown to be a gain then is none


@dataclass(frozen=True, slots=True)
class Group:
    """A certification under way. ``base`` and ``tip`` are the metrics of their runs so far.

    ``test`` and ``level`` are what is spent on it, ``latest`` the natural logarithm of the evidence, ``answer`` what
    to run next (``Step.BASE``, or ``Step.INCUMBENT`` for the tip) or the verdict. ``pairs`` is how many there may be.
    ``void`` are those that a failed run has left incomplete, where the two runs of a pair share a seed.
    """

    settings: JudgeSettings
    opening: Standing
    standing: Standing
    pairs: int = PAIRS
    heard: tuple[Heard, ...] = ()
    base: tuple[float, ...] = ()
    tip: tuple[float, ...] = ()
    test: int = 0
    level: float = 0.0
    latest: float | None = None
    failed: bool = False
    void: int = 0
    answer: Step | GroupVerdict | None = None

    @property
    def seed(self) -> int | None:
        """Of the next run: the incumbent's while it is calibrated, then the number of the pair. None: not paired."""
        if not self.settings.paired:
            return None
        return self.void + min(len(self.base), len(self.tip)) if self.standing.calibrated else self.standing.seeded

    @property
    def evidence(self) -> float | None:
        return None if self.latest is None else math.exp(min(self.latest, 700.0))


def is_due(settings: JudgeSettings, standing: Standing) -> bool:
    """Whether the provisional keeps are to be proven before the next experiment."""
    belief = standing.belief
    return bool(belief.stack) and (len(belief.stack) >= belief.due or not settings.grouped)


def opened(settings: JudgeSettings, standing: Standing, pairs: int = PAIRS) -> Group:
    """The certification of the stack of this standing; JudgeError where there is none."""
    if not standing.belief.stack:
        raise JudgeError("there is no provisional keep to certify")
    test = standing.tests + 1
    level = statistics.lord_level(settings.alpha, test, standing.keeps)
    begun = replace(standing, tests=test)
    return _answered(Group(settings, standing, begun, min(pairs, PAIRS), test=test, level=level))


def told(group: Group, value: float | None) -> Group:
    """The group after the run that it asked for; None for one that gave no metric.

    A run that fails is made again. Where it fails twice, a tip is no gain, and a base is a JudgeError.
    """
    step = group.answer
    if not isinstance(step, Step):
        raise JudgeError("the judge is told a value it did not ask for")
    sound = float(value) if value is not None and abs(value) < LARGEST else None
    seed, standing = group.seed, replace(group.standing, clock=group.standing.clock + 1)
    if seed is not None and not standing.calibrated:
        standing = replace(standing, seeded=seed + 1)
    group = replace(group, standing=standing, heard=(*group.heard, Heard(step, sound, seed)))
    if sound is None:
        return _failed(group, step)
    failed_before = group.failed and group.settings.paired and standing.calibrated
    group = replace(group, failed=failed_before and len(group.base) == len(group.tip))  # until the pair is complete
    if not standing.calibrated:
        run = Run(standing.clock, sound, seed)
        return _answered(replace(group, standing=calibrating.with_run(standing, run)))
    if step is Step.BASE:
        return _answered(replace(group, base=(*group.base, sound)))
    return _answered(replace(group, tip=(*group.tip, sound)))


def _failed(group: Group, step: Step) -> Group:
    if not group.failed and group.settings.paired and group.standing.calibrated:  # both runs anew, on another seed
        whole = min(len(group.base), len(group.tip))
        group = replace(group, base=group.base[:whole], tip=group.tip[:whole], void=group.void + 1, failed=True)
        return replace(group, answer=_first_of_pair(whole))
    if not group.failed:
        return replace(group, failed=True)
    if step is Step.BASE or not group.standing.calibrated:
        raise JudgeError(
            "the last certified commit gave no metric twice in a row, so nothing can be compared with it; "
            "run it by hand, then start again to resume"
        )
    return _ended(group, Outcome.ROLLED_BACK)


def _answered(group: Group) -> Group:
    if not group.standing.calibrated:
        noisy = replace(group.standing, noisy=True)  # only there keeps are provisional
        group = replace(group, standing=calibrating.finished(group.settings, noisy))
        if not group.standing.calibrated:
            return replace(group, answer=Step.INCUMBENT)
    base, tip = len(group.base), len(group.tip)
    if base != tip:
        return replace(group, answer=Step.BASE if base < tip else Step.INCUMBENT)
    if base:
        group = replace(group, latest=_log_evidence(group))
        assert group.latest is not None
        if base >= paired.FEWEST and group.latest >= -math.log(group.level):
            return _ended(group, Outcome.CERTIFIED)
        if group.latest <= math.log(GONE) or base >= group.pairs or _runs_left(group) < 2:
            goes_on = _gain(group) > 0 and len(group.standing.belief.stack) < TALLEST
            return _ended(group, Outcome.GOES_ON if goes_on else Outcome.ROLLED_BACK)
    return replace(group, answer=_first_of_pair(base))


def _first_of_pair(pairs: int) -> Step:
    """ABBA: which of the two is run first after so many pairs."""
    return Step.BASE if pairs % 2 == 0 else Step.INCUMBENT


def _runs_left(group: Group) -> float:
    return math.inf if group.settings.runs is None else group.settings.runs - group.standing.clock


def _gain(group: Group) -> float:
    return group.settings.gain(statistics.mean(group.base), statistics.mean(group.tip))


def _pulled_in(group: Group, values: Sequence[float]) -> tuple[float, list[float], float]:
    """Mean, residuals with outliers pulled in to WINSOR, and the variance of one run there."""
    center = statistics.mean(values)
    variance = group.standing.spread.variance(center)
    residuals = [value - center for value in values]
    return center, statistics.winsorised(residuals, WINSOR * math.sqrt(variance)) if variance else residuals, variance


def _log_evidence(group: Group) -> float:
    """That the tip is better than the base by more than is demanded, from these pairs alone."""
    if group.settings.adapts:
        demanded = group.settings.demanded(statistics.mean(group.base))
        return paired.log_evidence(group.settings, group.standing, group.base, group.tip, demanded)
    before, base, one = _pulled_in(group, group.base)
    after, tip, other = _pulled_in(group, group.tip)
    gain = group.settings.gain(before + statistics.mean(base), after + statistics.mean(tip))
    pairs, freedom, variance = len(base), group.standing.spread.freedom, (one + other) / 2
    squares = freedom * variance + sum(x * x for x in (*base, *tip))
    return statistics.log_evidence(
        gain=gain - group.settings.demanded(before),
        scale=1 / math.sqrt(2 / pairs),
        squares=squares,
        freedom=freedom + 2 * pairs - 2,
    )


def _ended(group: Group, outcome: Outcome) -> Group:
    return replace(group, answer=_verdict(group, outcome))


def closed(standing: Standing, group: Group) -> Standing:
    """The standing after a group has ended, in which experiments may have ended since it was opened.

    What was kept on top of its keeps meanwhile is proven by a later group, or falls with them.
    """
    verdict, tested = group.answer, group.opening.belief.stack
    assert isinstance(verdict, GroupVerdict)
    is_its_own = standing.tip == group.opening.tip
    standing = group.standing if standing == group.opening else beside.proven(standing, group.opening, group.standing)
    standing = _with_residuals(group, standing)
    if is_its_own:
        is_moving = group.settings.adapts and standing.wander.rate > 0 and standing.clock == group.standing.clock
        standing = _followed(group, standing) if is_moving else _with_tip_runs(group.settings, standing, group.tip)
    belief, stack = standing.belief, standing.belief.stack
    if verdict.outcome is Outcome.GOES_ON:
        belief = replace(belief, due=len(stack) + HEIGHT)
    elif verdict.outcome is Outcome.CERTIFIED:
        belief = replace(belief, base=tested[-1].number, stack=stack[len(tested) :], due=HEIGHT)
        standing = replace(standing, keeps=(*standing.keeps, group.test))
    else:  # the tip is the base again, known by the one run that is made before the next candidate
        mean = statistics.mean(group.base) if group.base else belief.mean
        belief = replace(belief, stack=(), due=HEIGHT, mean=mean, variance=None, levels=())
        belief = _of_base(group, belief, min(len(group.base), len(group.tip)) if is_its_own else 0)
        standing = replace(standing, last=None, wander=standing.wander.of_tip(None), seeded=0)
    standing = replace(standing, belief=belief)
    incumbent = replace(standing.incumbent, window=(), elsewhere=(), level=tips.level_of(standing))
    return replace(standing, incumbent=incumbent)


def _of_base(group: Group, belief: Belief, pairs: int) -> Belief:
    """Where seeds are paired: the tip's level at each seed, less what the pairs have shown."""
    if belief.panel is None:
        return belief
    variance = group.standing.spread.variance(belief.mean)
    by = statistics.mean(group.base[:pairs]) - statistics.mean(group.tip[:pairs]) if pairs else 0.0
    return tips.at_seeds(belief, belief.panel.moved(by, variance * (2 / pairs if pairs else UNKNOWN)))


def _verdict(group: Group, outcome: Outcome) -> GroupVerdict:
    belief = group.opening.belief
    pairs = min(len(group.base), len(group.tip))
    found = None
    if pairs:
        direction = Direction(group.settings.direction)
        compared = comparing.compared_pairs if group.settings.paired else comparing.compared
        found = compared(direction, group.base[:pairs], group.tip[:pairs])
    return GroupVerdict(
        outcome=outcome,
        keeps=tuple(keep.number for keep in belief.stack),
        base=belief.base,
        gain=None if found is None else found.gain,
        interval=None if found is None else found.interval,
        pairs=pairs,
        evidence=group.evidence,
        threshold=1 / group.level,
    )


def _with_residuals(group: Group, standing: Standing) -> Standing:
    pairs = min(len(group.base), len(group.tip))
    if group.settings.paired:
        return _with_pairs(standing, group.base[:pairs], group.tip[:pairs])
    for values in (group.base, group.tip):
        if len(values) > 1:
            center, residuals, _ = _pulled_in(group, values)
            freedom = len(values) - 1
            squares = min(sum(x * x for x in residuals), freedom * standing.largest_square(center))
            standing = replace(standing, spread=standing.spread.pooled(squares, freedom, center, values))
    return standing


def _with_pairs(standing: Standing, base: Sequence[float], tip: Sequence[float]) -> Standing:
    """What pairs scatter by that share a seed, in the noise; only ``grouped`` counts it so."""
    if len(base) < 2 or standing.belief.panel is None:
        return standing
    center, freedom = statistics.mean(tip), len(base) - 1
    squares = statistics.squared_residuals([y - x for x, y in zip(base, tip, strict=True)]) / 2
    squares = min(squares, freedom * standing.largest_square(center))
    return replace(standing, spread=standing.spread.pooled(squares, freedom, center, (*base, *tip)))


def _followed(group: Group, standing: Standing) -> Standing:
    """The tip's level run by run, on a machine that moves: the mean of the runs is where it was on average."""
    belief, doubt, rate = standing.belief, standing.doubt, standing.wander.rate
    if belief.variance is None or doubt is None or belief.panel is not None or not group.tip:
        return _with_tip_runs(group.settings, standing, group.tip)
    runs = group.heard[max(belief.clock - group.opening.clock, 0) :]
    mean, one = belief.mean, belief.variance / doubt if doubt else 1.0
    doubt += rate * max(group.opening.clock - belief.clock, 0)
    for heard in runs:
        doubt += rate
        if heard.step is Step.INCUMBENT and heard.value is not None:
            weight = doubt / (doubt + 1)
            mean, doubt = mean + weight * (heard.value - mean), doubt * (1 - weight)
    belief = replace(belief, mean=mean, variance=doubt * one, levels=(), clock=standing.clock)
    return replace(standing, belief=belief)


def _with_tip_runs(settings: JudgeSettings, standing: Standing, tip: Sequence[float]) -> Standing:
    """The tip's level moves by as much as these runs know better."""
    if not tip:
        return standing
    standing = tips.aged(settings, standing)
    if standing.belief.panel is not None:  # they had other seeds
        return standing
    belief, mean = standing.belief, statistics.mean(tip)
    doubt = standing.doubt
    if belief.variance is None or doubt is None:
        belief = belief.known(mean, 1 / len(tip), standing.spread.deviation(mean), standing.spread)
    else:
        weight = doubt / (doubt + 1 / len(tip))
        moved = belief.mean + weight * (mean - belief.mean)
        belief = replace(belief, mean=moved, variance=belief.variance * (1 - weight), levels=())
    return replace(standing, belief=replace(belief, clock=standing.clock))
