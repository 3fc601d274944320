"""Ordinary pull requests on a simulated hosted runner: false alarms, slowdowns found, and time, beside a fixed gate.

``python -m benchmarks.pull_requests [--pulls N] [--real N]``. Runs of one second with CV 2.66 % (what CodSpeed measured
on hosted runners), a drift of the whole machine and now and then a run that was disturbed; 20 benchmarks. Then real
processes of this machine, by the clock and by their processor time: a loop against itself, and against 10 % more work.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from pytest_autoresearch.judge.pairs import FIRST, Compared, Outcome, Plan, aimed, compared, wants_more
from pytest_autoresearch.protocol.model import Direction

BENCHMARKS, CV, MINUTES, RUN = 20, 0.0266, 10.0, 1.0
LOOPS = 600_000
GATE = 0.02
DRIFT = 0.01  # of the CV, as the standard deviation of the machine as a whole; the rest is each run's own
WHITE = math.sqrt(CV**2 - DRIFT**2)

Measure = Callable[[int, bool], float]


def pull_request(
    measure: Measure, plan: Plan, budget: float, cost: Callable[[float], float]
) -> tuple[list[Compared], float]:
    """Round by round, as the command does it; the results and the seconds it took."""
    pairs: list[list[tuple[float, float]]] = [[] for _ in range(plan.benchmarks)]
    plans = [plan] * plan.benchmarks
    spent, turn = 0.0, 0
    while turn < max(each.most for each in plans) and spent < budget:
        if turn == FIRST:
            plans = [aimed(known, plan.fitted(spent, budget - spent)) for known in pairs]
        for index, known in enumerate(pairs):
            if spent >= budget or not wants_more(known, plans[index]):
                continue
            first = measure(index, turn % 2 == 1)
            second = measure(index, turn % 2 == 0)
            spent += cost(first) + cost(second)
            known.append((second, first) if turn % 2 else (first, second))
        turn += 1
    return [compared(known, Direction.LOWER, each) for known, each in zip(pairs, plans, strict=True)], spent


def simulated(rng: random.Random, slower: float, white: float = WHITE) -> Measure:
    """Benchmark 0 of head is slower by this share; ``measure(index, is_head)``."""
    drift = 0.0

    def measure(index: int, is_head: bool) -> float:
        nonlocal drift
        drift = 0.98 * drift + rng.gauss(0.0, 0.2 * DRIFT)
        disturbed = 1 + rng.expovariate(10) if rng.random() < 0.01 else 1.0
        level = 1 + slower if is_head and index == 0 else 1.0
        return level * math.exp(rng.gauss(0.0, white) + drift) * disturbed

    return measure


@dataclass(frozen=True)
class Figures:
    """Shares of pull requests: with a wrong verdict, with the slowdown found, with the gate wrong; mean minutes."""

    wrong: float
    found: float
    gate: float
    minutes: float


def figures(pulls: int, slower: float, seed: int, run: float = RUN, white: float = WHITE) -> Figures:
    """``run`` are the seconds that one run takes, ``white`` its own noise."""
    rng = random.Random(seed)
    plan = Plan(BENCHMARKS)
    wrong = found = gate = 0
    minutes = 0.0
    for _ in range(pulls):
        measure = simulated(rng, slower, white)
        results, spent = pull_request(measure, plan, MINUTES * 60, lambda value: value * run)
        told = [result.outcome in (Outcome.BETTER, Outcome.WORSE) for result in results]
        wrong += any(told[1:]) or (told[0] and not slower)
        found += results[0].outcome is Outcome.WORSE
        gate += abs(measure(1, True) - 1) > GATE  # one run against a base that is known exactly
        minutes += spent / 60
    return Figures(wrong / pulls, found / pulls, gate / pulls, minutes / pulls)


def real(work: int, clock: str) -> tuple[Measure, Callable[[float], float]]:
    """Processes of this machine that count, measured by ``time.<clock>``; head does more where ``work`` says so.

    The second function gives the seconds that the last one took.
    """
    took = 0.0

    def measure(index: int, is_head: bool) -> float:
        nonlocal took
        loops = LOOPS + (work if is_head and index == 0 else 0)
        code = f"import time\nb = time.{clock}()\nfor i in range({loops}): pass\nprint(time.{clock}() - b)"
        began = time.monotonic()
        value = float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        took = time.monotonic() - began
        return value

    return measure, lambda value: took


def print_real(pulls: int, minutes: float) -> None:
    """Print what comes out on this machine, three benchmarks each."""
    for clock in ("perf_counter", "process_time"):
        for name, work in (("itself", 0), ("10 % more work", LOOPS // 10)):
            began, verdicts = time.monotonic(), list[list[Compared]]()
            for _ in range(pulls):
                measure, cost = real(work, clock)
                verdicts.append(pull_request(measure, Plan(3), 60 * minutes, cost)[0])
            others = sum(any(r.outcome in (Outcome.BETTER, Outcome.WORSE) for r in results[1:]) for results in verdicts)
            first = [results[0] for results in verdicts]
            told = sum(each.outcome in (Outcome.BETTER, Outcome.WORSE) for each in first)
            least = statistics.median(each.detectable or 0.0 for each in first)
            print(
                f"real processes by {clock}, against {name}: told in {told} of {pulls}, the others in {others}; "
                f"{statistics.median(each.pairs for each in first):.0f} pairs, {100 * least:.1f} % would have been "
                f"found in 80 %; {(time.monotonic() - began) / pulls:.0f} s each",
                flush=True,
            )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pulls", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--real", type=int, default=0, metavar="N", help="also N pull requests of real processes")
    parser.add_argument("--minutes", type=float, default=2.0, help="for each of those")
    args = parser.parse_args()
    nothing = figures(args.pulls, 0.0, args.seed)
    print(f"nothing changed: {100 * nothing.wrong:.2f} % with a verdict, {nothing.minutes:.1f} simulated minutes")
    print(f"  a gate of {100 * GATE:.0f} % on single runs of one benchmark is wrong in {100 * nothing.gate:.0f} %")
    for run, white, pulls in ((RUN, WHITE, args.pulls), (RUN / 10, 3 * WHITE, args.pulls // 20)):
        told = figures(pulls, 0.05, args.seed + 1, run, white)
        print(
            f"one of {BENCHMARKS} slower by 5 %, runs of {run:g} s, CV {100 * math.hypot(white, DRIFT):.2f} %: "
            f"found in {100 * told.found:.1f} %, another one blamed in {100 * told.wrong:.2f} %, "
            f"{told.minutes:.1f} simulated minutes"
        )
    if args.real:
        print_real(args.real, args.minutes)


if __name__ == "__main__":
    main()
