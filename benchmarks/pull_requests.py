"""Ordinary pull requests on a simulated hosted runner: false alarms, slowdowns found, and time, beside a fixed gate.

``python -m benchmarks.pull_requests [--pulls N]``. Runs of one second with CV 2.66 % (what CodSpeed measured on hosted
runners), a drift of the whole machine and now and then a run that was disturbed; 20 benchmarks. Then real processes: a
function against itself and against one with 10 % more work.
"""

from __future__ import annotations

import argparse
import math
import random
import subprocess
import sys
import time
from collections.abc import Callable

from pytest_autoresearch.judge.pairs import Compared, Outcome, Plan, compared, wants_more
from pytest_autoresearch.protocol.model import Direction

BENCHMARKS, CV, MINUTES, RUN = 20, 0.0266, 10.0, 1.0
GATE = 0.02
DRIFT = 0.01  # of the CV, as the standard deviation of the machine as a whole; the rest is each run's own
WHITE = math.sqrt(CV**2 - DRIFT**2)

Measure = Callable[[int, bool], float]


def pull_request(
    measure: Measure, plan: Plan, budget: float, cost: Callable[[float], float]
) -> tuple[list[Compared], float]:
    """Round by round, as the command does it; the results and the seconds it took."""
    pairs: list[list[tuple[float, float]]] = [[] for _ in range(plan.benchmarks)]
    spent = 0.0
    for turn in range(plan.most):
        for index, known in enumerate(pairs):
            if spent >= budget or not wants_more(known, plan):
                continue
            first = measure(index, turn % 2 == 1)
            second = measure(index, turn % 2 == 0)
            spent += cost(first) + cost(second)
            known.append((second, first) if turn % 2 else (first, second))
    return [compared(known, Direction.LOWER, plan) for known in pairs], spent


def simulated(rng: random.Random, slower: float) -> Measure:
    """Benchmark 0 of head is slower by this share; ``measure(index, is_head)``."""
    drift = 0.0

    def measure(index: int, is_head: bool) -> float:
        nonlocal drift
        drift = 0.98 * drift + rng.gauss(0.0, 0.2 * DRIFT)
        disturbed = 1 + rng.expovariate(10) if rng.random() < 0.01 else 1.0
        level = 1 + slower if is_head and index == 0 else 1.0
        return level * math.exp(rng.gauss(0.0, WHITE) + drift) * disturbed

    return measure


def figures(pulls: int, slower: float, seed: int) -> tuple[float, float, float, float]:
    """Share of pull requests with a wrong verdict, with the slowdown found, with the gate wrong; mean minutes."""
    rng = random.Random(seed)
    plan = Plan(BENCHMARKS)
    wrong = found = gate = 0
    minutes = 0.0
    for _ in range(pulls):
        measure = simulated(rng, slower)
        results, spent = pull_request(measure, plan, MINUTES * 60, lambda value: value * RUN)
        told = [result.outcome in (Outcome.BETTER, Outcome.WORSE) for result in results]
        wrong += any(told[1:]) or (told[0] and not slower)
        found += results[0].outcome is Outcome.WORSE
        gate += abs(measure(1, True) - 1) > GATE  # one run against a base that is known exactly
        minutes += spent / 60
    return wrong / pulls, found / pulls, gate / pulls, minutes / pulls


def real(work: int) -> Measure:
    """Processes of this machine that count; head does 10 % more where ``work`` says so."""

    def measure(index: int, is_head: bool) -> float:
        loops = 600_000 + (work if is_head and index == 0 else 0)
        code = f"import time\nb = time.perf_counter()\nfor i in range({loops}): pass\nprint(time.perf_counter() - b)"
        return float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)

    return measure


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pulls", type=int, default=2000)
    parser.add_argument("--real", type=int, default=0, metavar="N", help="also N pull requests of real processes")
    args = parser.parse_args()
    wrong, _, gate, minutes = figures(args.pulls, 0.0, 1)
    print(f"nothing changed: {100 * wrong:.2f} % of pull requests with a verdict, {minutes:.1f} simulated minutes")
    print(f"  a gate of {100 * GATE:.0f} % on single runs of one benchmark is wrong in {100 * gate:.0f} %")
    wrong, found, _, minutes = figures(args.pulls, 0.05, 2)
    print(f"one of {BENCHMARKS} slower by 5 %: found in {100 * found:.1f} %, {minutes:.1f} simulated minutes")
    print(f"  another one blamed in {100 * wrong:.2f} %")
    for name, work in (("itself", 0), ("10 % more work", 60_000)) if args.real else ():
        verdicts, began = [], time.monotonic()
        for _ in range(args.real):
            results, _ = pull_request(real(work), Plan(3), 600.0, lambda value: value)
            verdicts.append(results)
        told = sum(any(r.outcome in (Outcome.BETTER, Outcome.WORSE) for r in results[1:]) for results in verdicts)
        first = sum(results[0].outcome is Outcome.WORSE for results in verdicts)
        took = (time.monotonic() - began) / args.real
        print(
            f"real processes against {name}: worse in {first} of {args.real}, the others told in {told}; {took:.0f} s"
        )


if __name__ == "__main__":
    main()
