"""How real the judge's keeps are, and what they cost: simulated sessions, driving the product's own Judge.

    python -m benchmarks.judge                     a quick look, some minutes
    python -m benchmarks.judge --sessions 600      the figures of the documentation: hours
    python -m benchmarks.judge --first 10000       other sessions, on which nothing was tuned
    python -m benchmarks.judge --only policies     one part
    python -m benchmarks.judge --only tasks --row 't3, *' --policy grouped --into rows.jsonl

The last plays some rows, and keeps each session as it ends: called again it goes on, also with more sessions, and
several may fill one file. (A copy whose arithmetic mypyc has compiled is 1.3 times as fast.)

null: no effect at all. mix: 10 % gains U(.5, 3) sigma, 40 % nothing, 50 % losses U(0, 6). subtle: 10 % gains Exp(.7),
30 % nothing, 60 % losses Exp(1). The other worlds are in benchmarks/worlds.py.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from benchmarks import side_by_side, worlds
from benchmarks.shelf import Shelf
from benchmarks.worlds import MOVING, SCALES, TASKS, Machine, State, World
from pytest_autoresearch.judge import GroupVerdict, Judge, JudgeSettings, JudgeState, Step, Verdict
from pytest_autoresearch.judge.comparing import Residuals, compared, compared_pairs
from pytest_autoresearch.protocol.experiment import Outcome, Status
from pytest_autoresearch.protocol.model import Direction

RESERVE = 8  # runs for the last group
PAIRS = 5  # of the verification
FRESH = 1000  # seeds that one group has for itself


@dataclass
class Ended:
    """One simulated session. ``effects`` of what was published, in sigma when it was found."""

    runs: int = 0
    experiments: int = 0
    effects: list[float] = field(default_factory=list)
    levels: tuple[float, float] = (worlds.START, worlds.START)
    gain: float = 0.0
    groups: int = 0
    false_groups: int = 0
    verified: bool = False
    claimed: float = 0.0
    covered: bool = False
    covered_percent: bool = False
    percent: float = 0.0

    @property
    def false(self) -> int:
        """False keeps, or, where groups are what is published, false groups."""
        return self.false_groups if self.groups else sum(effect <= 0 for effect in self.effects)


class Session:
    """A session of the loop, as far as the judge is concerned."""

    def __init__(self, settings: JudgeSettings, world: World, seed: int) -> None:
        self.machine, self.judge, self.ended = Machine(world, seed), Judge(settings), Ended()
        self.tip = self.base = self.machine.start
        self.stack: list[float] = []
        self._groups = 0
        step: Step | Verdict | None = self.judge.calibrate()
        while isinstance(step, Step):
            step = self.judge.tell(self._own_run(self.tip, self.judge.seed))

    def play(self, *, experiments: int | None = None, runs: int | None = None) -> Ended:
        """So many experiments, or so many runs in all."""
        ended, grouped = self.ended, self.judge.settings.grouped
        while True:
            over = (
                ended.experiments >= experiments
                if experiments is not None
                else self.machine.runs >= (runs or 0) - (RESERVE if grouped else 0)
            )
            if self.judge.stack and (self.judge.due or over):
                self._certify()
            elif not over:
                self._experiment()
            if over:
                return self._closed()

    def _experiment(self) -> None:
        self.ended.experiments += 1
        number = self.ended.experiments
        candidate, effect = self.machine.proposal(self.tip, number)
        answer: Step | Verdict | None = self.judge.start(number=number)
        crashes, runs = self.machine.crashes(), 0
        while isinstance(answer, Step):
            if answer is Step.CANDIDATE:
                runs += 1
                value = (
                    self.machine.run(candidate, self.judge.seed)
                    if runs == 1
                    else self._own_run(candidate, self.judge.seed)
                )
                answer = self.judge.tell(None if crashes else value)
            else:
                answer = self.judge.tell(self._own_run(self.tip, self.judge.seed))
        assert answer is not None
        if answer.status is not Status.KEEP:
            return
        self.tip = candidate
        self.stack.append(effect)
        if not answer.provisional:
            self._publish()

    def _certify(self) -> None:
        step: Step | GroupVerdict = self.judge.certify()
        self._groups += 1
        while isinstance(step, Step):
            seed = None if self.judge.seed is None else self.judge.seed + FRESH * self._groups
            step = self.judge.tell_group(self._own_run(self.base if step is Step.BASE else self.tip, seed))
        if step.outcome is Outcome.CERTIFIED:
            self.ended.groups += 1
            self.ended.false_groups += self.tip.level >= self.base.level
            self._publish()
        elif step.outcome is Outcome.ROLLED_BACK:
            self.tip, self.stack = self.base, []

    def _publish(self) -> None:
        self.base = self.tip
        self.ended.effects += self.stack
        self.stack = []

    def _own_run(self, state: State, seed: int | None) -> float:
        value = self.machine.run(state, seed)
        state.own.append(value)
        return value

    def _closed(self) -> Ended:
        ended, start, head = self.ended, self.machine.start, self.base
        ended.runs = self.machine.runs
        ended.levels = start.level, head.level
        ended.gain = (start.level - head.level) / self.machine.world.sigma
        if head is start:
            return ended
        ended.verified = True
        calibration = Residuals.of(start.own[:6])
        runs: dict[str, list[float]] = {"start": [], "head": []}
        for index in range(2 * PAIRS):
            name = ("start", "head", "head", "start")[index % 4]
            seed = -1 - index // 2 if self.judge.settings.paired else None
            runs[name].append(self.machine.run(start if name == "start" else head, seed))
        if self.judge.settings.paired:
            found = compared_pairs(Direction.LOWER, runs["start"], runs["head"])
        else:
            found = compared(Direction.LOWER, runs["start"], runs["head"], calibration, Residuals.of(head.own))
        moved = self.machine.moved
        true, percent = start.level - head.level, 100 * (1 - (head.level + moved) / (start.level + moved))
        ended.claimed = found.gain / self.machine.world.sigma
        ended.covered = found.interval is not None and found.interval[0] <= true <= found.interval[1]
        low, high = found.percent_interval or (math.nan, math.nan)
        ended.covered_percent = low <= percent <= high
        ended.percent = found.percent or math.nan
        return ended


def sessions(
    settings: JudgeSettings,
    world: World,
    seeds: range,
    *,
    experiments: int | None = None,
    runs: int | None = None,
    kind: type[Session] = Session,
) -> list[Ended]:
    settings = replace(settings, runs=runs)
    return [kind(settings, world, seed).play(experiments=experiments, runs=runs) for seed in seeds]


def summary(ended: Sequence[Ended]) -> str:
    """One row: costs, errors, gains, claims."""
    count = len(ended)
    gain = sum(e.gain for e in ended) / count
    error = math.sqrt(sum((e.gain - gain) ** 2 for e in ended) / count / count)
    effects = [effect for e in ended for effect in e.effects]
    verified = [e for e in ended if e.verified]
    text = (
        f"{sum(e.runs for e in ended) / sum(e.experiments for e in ended):5.2f} runs/exp  "
        f"P(any) {sum(e.false > 0 for e in ended) / count:.3f}  keeps {len(effects) / count:6.2f}  "
        f"gain {gain:7.2f} +- {error:5.2f}"
    )
    if effects:
        won, lost = sum(e for e in effects if e > 0), -sum(e for e in effects if e < 0)
        harmful, vain = (sum(test) / len(effects) for test in ([e < 0 for e in effects], [e <= 0 for e in effects]))
        text += f"  harmful {harmful:.3f} lost {lost / max(won, 1e-9):.3f} harm or 0 {vain:.2f}"
    if len(verified) >= 5:
        true = sum(e.gain for e in verified)
        text += (
            f"  covered {sum(e.covered for e in verified) / len(verified):.3f}"
            f" percent {sum(e.covered_percent for e in verified) / len(verified):.3f}"
            f" most {max(e.percent for e in verified):.1f}"
            f"  claim/true {sum(e.claimed for e in verified) / true if true else math.nan:.3f}"
        )
    groups = sum(e.groups for e in ended)
    return text + (
        f"  groups {groups / count:.1f} false {sum(e.false_groups for e in ended) / groups:.4f}" if groups else ""
    )


def line(
    policy: JudgeSettings | str, world: World, seeds: range, *, experiments: int | None = None, runs: int | None = None
) -> None:
    """A row, played as far as it was asked for and is not on the shelf."""
    began = time.perf_counter()
    settings = JudgeSettings(policy=policy) if isinstance(policy, str) else policy
    name = getattr(settings.policy, "value", settings.policy)
    if not (fnmatchcase(world.name, _asked.row) and fnmatchcase(name, _asked.policy)):
        return
    row = f"{name} {world.name}, {runs or experiments} {'runs' if runs else 'experiments'}"

    def played(seed: int) -> Ended:
        return sessions(settings, world, range(seed, seed + 1), experiments=experiments, runs=runs)[0]

    text = summary([_asked.shelf.get(row, seed, functools.partial(played, seed)) for seed in seeds])
    print(f"{name:10}{world.name:40} {text}  ({time.perf_counter() - began:.0f} s)", flush=True)


@dataclass
class Asked:
    """Which rows are wanted, as shell patterns, and where their sessions are kept."""

    row: str = "*"
    policy: str = "*"
    shelf: Shelf[Ended] = field(default_factory=lambda: Shelf(None, Ended))


_asked = Asked()


EFFECTS = {"null": worlds.nothing, "mix": worlds.mix, "subtle": worlds.subtle}


def with_effect(world: World, effect: str) -> World:
    return replace(world, name=f"{world.name}, {effect}", effect=EFFECTS[effect])


def scale(seeds: range) -> None:
    print("\n## Noise that goes with the level: `certified`, 200 experiments")
    for world in SCALES:
        for effect in EFFECTS:
            line("certified", with_effect(world, effect), seeds, experiments=200)


def policies(seeds: range) -> None:
    print("\n## The policies at equal runs: 400 a session")
    for effect in EFFECTS:
        for policy in ("grouped", "certified", "fast", "classic"):
            line(policy, World(effect, EFFECTS[effect]), seeds, runs=400)


def tasks(seeds: range) -> None:
    print("\n## `grouped` beside `classic` on other tasks, 400 runs")
    for world in TASKS:
        for policy in ("grouped", "classic"):
            line(policy, world, seeds, runs=400)


def moving(seeds: range) -> None:
    print("\n## Machines that move, states that scatter unlike each other: 400 runs")
    for world in (World("none"), *MOVING, *SCALES[-5:-2]):
        for effect in EFFECTS:
            for policy in ("grouped", "certified"):
                line(policy, with_effect(world, effect), seeds, runs=400)


def told(seeds: range) -> None:
    from benchmarks.told import SpreadToldSession, ToldSession, innovation

    settings = JudgeSettings(policy="grouped")
    print("\n## `grouped` where the judge is told the law of the machine and every state's noise: 400 runs")
    unlike = (MOVING[-1], SCALES[-4])
    for kind, among in ((ToldSession, (*MOVING[2:], SCALES[-4])), (SpreadToldSession, unlike)):
        for world in among:
            for effect in ("mix", "subtle"):
                found = sessions(settings, with_effect(world, effect), seeds, runs=400, kind=kind)
                print(f"{kind.__name__:18} {world.name}, {effect:10} {summary(found)}", flush=True)
    print("\n## The still machine that bounds every rule on AR(1) .995")
    for wander in (1, 3, 10):
        deviation = innovation(wander, 0.995)
        for effect in ("mix", "subtle"):
            noise = functools.partial(worlds.wider, deviation)
            line("grouped", World(f"sd {wander}: {deviation:.3f}, {effect}", EFFECTS[effect], noise), seeds, runs=400)


def paired(seeds: range) -> None:
    print("\n## Runs that share a seed with those they are compared with: 400 runs")
    for world in worlds.PAIRED:
        for effect in EFFECTS:
            for policy in ("grouped", "certified", "classic"):
                for shares in (False, True):
                    named = with_effect(world, effect)
                    named = replace(named, name=f"{'paired' if shares else 'not'}, {named.name}")
                    line(JudgeSettings(policy=policy, paired=shares), named, seeds, runs=400)


def attributed(seeds: range) -> None:
    from benchmarks.attributed import AttributedSession

    print("\n## `attribute --drop` after every certified group, 300 experiments")
    for effect in EFFECTS:
        settings = JudgeSettings(policy="grouped")
        played = [AttributedSession(settings, World(effect, EFFECTS[effect]), seed) for seed in seeds]
        ended = [session.play(experiments=300) for session in played]
        again, wrong, back, dropped = (
            sum(getattr(session, name) for session in played) for name in ("again", "wrong", "back", "dropped")
        )
        found = f"{dropped} dropped, {again} proven again: {wrong} falsely, {back} rolled back"
        print(f"{effect:10} {found}; {summary(ended)}", flush=True)


def long(seeds: range) -> None:
    print("\n## 3,000 runs, a sixth of the sessions")
    fewer = range(seeds.start, seeds.start + max(1, len(seeds) // 6))
    for world in (TASKS[0], TASKS[1]):
        for policy in ("grouped", "classic"):
            line(policy, world, fewer, runs=3000)


def decisions(seeds: range) -> None:
    """Time of one ``tell``, and the size of the state, along a session of 3,000 experiments."""
    print("\n## Cost of one decision, after 3,000 experiments")
    for policy in ("grouped", "certified"):
        session = Session(JudgeSettings(policy=policy), World("mix", worlds.mix), seeds.start)
        session.play(experiments=3000)
        judge, times = session.judge, []
        for _again in range(300):
            answer: Step | Verdict | None = judge.start()
            while isinstance(answer, Step):
                value = session.machine.run(session.tip)
                began = time.thread_time()
                answer = judge.tell(value)
                times.append(time.thread_time() - began)
        times.sort()
        state = judge.state()
        size = len(json.dumps(state.to_json()))
        assert JudgeState.from_json(json.loads(json.dumps(state.to_json()))) == state
        middle, most = times[len(times) // 2], times[len(times) * 99 // 100]
        print(f"{policy}: median {middle * 1e6:.0f} us, 99 % below {most * 1e6:.0f} us, {size} bytes of state")


def slots(seeds: range) -> None:
    print("\n## Several slots: answers late and in another order, bases left behind; 200 experiments")
    for effect in ("null", "mix"):
        for count in (16, 4, 1):
            for policy in ("certified", "grouped"):
                print(side_by_side.line(policy, effect, EFFECTS[effect], count, seeds, 200), flush=True)


PARTS: dict[str, Callable[[range], None]] = {
    "policies": policies,
    "tasks": tasks,
    "moving": moving,
    "told": told,
    "paired": paired,
    "attributed": attributed,
    "scale": scale,
    "long": long,
    "decisions": decisions,
    "slots": slots,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=20, help="simulated sessions for each figure (default 20)")
    parser.add_argument("--first", type=int, default=0, help="number of the first session: its seed (default 0)")
    parser.add_argument("--only", choices=PARTS, help="just this part")
    parser.add_argument("--row", default="*", help="just the worlds with such names, as a shell pattern")
    parser.add_argument("--policy", default="*", help="just these policies, as a shell pattern")
    parser.add_argument("--into", type=Path, metavar="FILE", help="keep each session, and go on where FILE ends")
    options = parser.parse_args()
    _asked.row, _asked.policy, _asked.shelf = options.row, options.policy, Shelf(options.into, Ended)
    print(f"{options.sessions} sessions for each line; gains in standard deviations of one run at the start")
    for name, part in PARTS.items():
        if options.only in (None, name):
            part(range(options.first, options.first + options.sessions))


if __name__ == "__main__":
    main()
