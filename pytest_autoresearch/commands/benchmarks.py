"""``pytest-autoresearch benchmarks BASE``: marked benchmarks of two commits in turn: better, worse, or neither."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from pytest_autoresearch.errors import AutoresearchError, NotebookError, PublishError
from pytest_autoresearch.github.comparison import MARKER, verdict
from pytest_autoresearch.github.verdict import Conclusion
from pytest_autoresearch.judge.pairs import ALPHA, FIRST, Compared, Outcome, Plan, aimed, compared, wants_more
from pytest_autoresearch.lab.job import Executor, Job
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.durations import parse_duration
from pytest_autoresearch.protocol.experiment import FileEntry, Role
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.report.markdown.benchmarks import (
    Benchmark,
    Comparison,
    headline,
    markdown,
    read,
    summary_line,
    to_json,
)

DEADLINE = 600.0  # s for a run of a benchmark without a timeout
SEEDS = 5_000_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("base", metavar="BASE", nargs="?", help="the commit to compare with")
    parser.add_argument("path", metavar="PATH", nargs="?", type=Path, default=Path(), help="tests, or a directory")
    parser.add_argument("--head", default="HEAD", metavar="COMMIT", help="the commit in question; default: HEAD")
    parser.add_argument("--time", default="10m", help="how long to measure at most; default: 10m")
    parser.add_argument("--alpha", type=float, default=ALPHA, help=f"chance of a false alarm (default: {ALPHA})")
    parser.add_argument("--all", action="store_true", help="every benchmark, whether its targets were touched or not")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the results as JSON")
    parser.add_argument("--say", type=Path, metavar="FILE", help="measure nothing: put such results on a pull request")
    parser.add_argument("--pull", type=int, default=0, metavar="N", help="the pull request (with --say)")
    parser.add_argument("--remote", default="origin", help="where the pull request is; default: origin")


def run(args: argparse.Namespace) -> int:
    """Compare; 1 where something is worse or fails now."""
    if args.say is not None:
        return _say(args, read(args.say.read_text("utf-8", "replace")))
    if args.base is None:
        raise PublishError("what is to be compared with is not named\n  pytest-autoresearch benchmarks BASE")
    try:
        budget = parse_duration(args.time)
    except ValueError as error:
        raise PublishError(f"--time: {error}") from None
    began = time.monotonic()
    with closing(Git.discover(args.path)) as git:
        base, head = (_commit(git, each) for each in (args.base, args.head))
        found = _benchmarks(git, args.path, base, head, everything=args.all)
        for each in found:
            each.plan = Plan(len(found), args.alpha)
        isolation = _measure(git, found, base, head, began + budget)
    results = tuple(each.finished() for each in found)
    comparison = Comparison(base, head, args.alpha, time.monotonic() - began, isolation, results)
    if args.output is not None:
        args.output.write_text(to_json(comparison), "utf-8")
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with open(summary, "a", encoding="utf-8") as out:
            out.write(markdown(comparison))
    print(markdown(comparison) if results else summary_line(comparison))
    return 1 if verdict(comparison).conclusion is Conclusion.FAILURE else 0


@dataclass
class _Bench:
    """A marked test that is being compared."""

    protocol: Protocol
    plan: Plan = field(default_factory=lambda: Plan(1))
    pairs: list[tuple[float, float]] = field(default_factory=list)
    over: Compared | None = None

    def finished(self) -> Benchmark:
        """What came out."""
        metric = self.protocol.metric
        result = self.over or compared(self.pairs, metric.direction, self.plan)
        return Benchmark(self.protocol.source, metric.name, metric.direction.value, result)


def _commit(git: Git, name: str) -> str:
    try:
        found = git.resolve(name)
    except NotebookError:  # an entry of a reflog that is shorter
        found = None
    if found is None:
        raise PublishError(f"{git.top}: there is no commit {name}\n  fetch it first, or check its spelling")
    return found


def _benchmarks(git: Git, path: Path, base: str, head: str, *, everything: bool) -> list[_Bench]:
    """The marked tests of the checkout whose targets differ between base and head."""
    from pytest_autoresearch.commands.asking import marked_protocols
    from pytest_autoresearch.protocol.scope import resolve_paths

    before, after = git.files(base), git.files(head)
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    found = []
    for protocol in marked_protocols(path, git.top):
        targets = set(resolve_paths(protocol, after.keys()).targets)
        if everything or targets & changed:
            found.append(_Bench(protocol))
            test = protocol.source.partition("::")[0]
            if test in changed:
                found[-1].over = Compared(Outcome.SKIPPED, 0, why="the benchmark itself was changed")
    return found


def _measure(git: Git, found: Collection[_Bench], base: str, head: str, until: float) -> str:
    """Round by round, base and head in turn, until nothing can change or the time is over; the isolation they had."""
    from pytest_autoresearch.protocol.scope import resolve_paths
    from pytest_autoresearch.protocol.settings import resolve
    from pytest_autoresearch.research.equipping import NoPlugins, equipped

    states = (git.files(base), git.files(head))
    isolation = "nothing was run"
    with ExitStack() as stack:
        labs: dict[int, Executor] = {}
        for index, each in enumerate(bench for bench in found if bench.over is None):
            settings = resolve({}, os.environ, each.protocol.options, {})
            scope = resolve_paths(each.protocol, states[1].keys())
            tag = f".benchmarks-{os.getpid()}-{index}"
            lab = stack.enter_context(equipped(each.protocol, git, settings, tag=tag, scope=scope, hook=NoPlugins()))
            labs[id(each)], isolation = lab, lab.isolation
        began = time.monotonic()
        for turn, each in _turns(found, until, range(FIRST)):
            _pair(labs[id(each)], each, states, turn)
        now = time.monotonic()
        for each in found:
            each.plan = aimed(each.pairs, each.plan.fitted(now - began, until - now))
        most = max((each.plan.most for each in found), default=0)
        for turn, each in _turns(found, until, range(FIRST, most)):
            _pair(labs[id(each)], each, states, turn)
    return isolation


def _turns(found: Collection[_Bench], until: float, rounds: Sequence[int]) -> Iterator[tuple[int, _Bench]]:
    """Whose pair is next."""
    for turn in rounds:
        for each in found:
            if each.over is None and time.monotonic() < until and wants_more(each.pairs, each.plan):
                yield turn, each


def _pair(lab: Executor, each: _Bench, states: Sequence[Mapping[str, FileEntry]], turn: int) -> None:
    """One run of base and of head, the order changing from pair to pair."""
    values: dict[int, float] = {}
    protocol = each.protocol
    for side in (0, 1) if turn % 2 == 0 else (1, 0):
        role = Role.INCUMBENT if side == 0 else Role.CANDIDATE
        timeout = protocol.deadline or DEADLINE
        measured = lab.measure(Job(role, 0, SEEDS + turn, states[side], timeout, protocol.budget), lambda elapsed: None)
        if measured.value is None:
            which, outcome = ("base", Outcome.SKIPPED) if side == 0 else ("head", Outcome.FAILED)
            each.over = Compared(outcome, len(each.pairs), why=f"a run of {which} failed: {measured.detail}"[:200])
            return
        values[side] = measured.value
    each.pairs.append((values[0], values[1]))


def _say(args: argparse.Namespace, comparison: Comparison) -> int:
    """Set the check, and write the one comment."""
    from pytest_autoresearch.github.api import GitHubApi, api_url
    from pytest_autoresearch.github.app import take_token
    from pytest_autoresearch.github.publish import links
    from pytest_autoresearch.github.remote import open_remote
    from pytest_autoresearch.github.tokens import GIVEN

    token = take_token(os.environ)
    if token is None:
        raise PublishError(f"there is no token to speak with\n  set {GIVEN[0]}")
    with closing(Git.discover(args.path)) as git:
        remote = open_remote(git, args.remote, token)
    head = args.head
    if comparison.head != head:
        raise PublishError(f"the results are of {comparison.head[:12]}, not of {head[:12]}\n  run them again")
    api = GitHubApi(remote.repository, token, url=api_url())
    failures = 0
    said: Sequence[Callable[[], None]] = (
        lambda: api.check(head, verdict(comparison, links(remote).run)),
        lambda: api.comment(args.pull, MARKER, markdown(comparison), is_wanted=bool(comparison.benchmarks)),
    )
    for what in said:
        try:
            what()
        except AutoresearchError as error:
            failures += 1
            print(f"pytest-autoresearch: {error}", file=sys.stderr)
    print(headline(comparison))
    return 1 if failures else 0
