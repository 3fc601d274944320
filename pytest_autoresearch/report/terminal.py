"""Every word the loop says on a terminal, in one place. Pure: values in, lines out; the plugin writes them."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pytest_autoresearch.notebook.record import Verification
from pytest_autoresearch.protocol.experiment import Experiment, Status
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.trust import PAGE, marks
from pytest_autoresearch.report.shares import Share
from pytest_autoresearch.report.squeeze import squeezed
from pytest_autoresearch.report.story import Story, percent

MARKUP = {
    Status.KEEP: {"green": True, "bold": True},
    Status.DISCARD: {"yellow": True},
    Status.CRASH: {"red": True},
}


LONGEST_GUARD = 100
SHORTEST_DETAIL = 12  # columns; in fewer a detail says nothing
LONGEST_AGENT = 40  # characters; a `command:` may be a script


@dataclass(frozen=True, slots=True)
class Opening:
    """What the header of a session tells."""

    protocol: Protocol
    tag: str
    agent: str
    judge: str
    isolation: str
    isolation_why: Sequence[str]
    incumbent: Experiment | None
    experiments: int
    dirty: bool
    deselected: int
    device: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """What the summary needs besides the notebook: this invocation's counts and seconds, and where things are."""

    stopped: str
    experiments: int
    elapsed: float
    run_seconds: float
    table: str
    branch: str
    base: str
    command: str


def header_lines(opening: Opening) -> Iterator[str]:
    protocol, metric = opening.protocol, opening.protocol.metric
    yield f"autoresearch: {protocol.source} on branch autoresearch/{opening.tag}"
    budget = "twice the time of the baseline" if protocol.budget is None else f"{seconds(protocol.budget)} a run"
    yield f"  metric {metric.name}, {metric.direction.value} is better; budget {budget}"
    if told := "; ".join(marks(protocol)):
        yield f"  {told} ({PAGE})"
    yield f"  agent {opening.agent}; judge {opening.judge}; isolation {opening.isolation}"
    if opening.device:
        yield f"  device {opening.device}, held while the session lasts"
    yield f"  guard: {cut(', '.join(protocol.guard) or 'none', LONGEST_GUARD)}"
    for why in opening.isolation_why:
        yield f"    {why}"
    if opening.incumbent is None:
        yield "  incumbent: none yet, the baseline comes first"
    else:
        yield (
            f"  incumbent {opening.incumbent.number:04d} at {number(opening.incumbent.value)}; resumed after "
            + count(opening.experiments, "experiment")
        )
    if opening.dirty:
        yield "  note: uncommitted changes of your checkout are not part of the session (it starts from a commit)"
    if opening.deselected:
        yield f"  note: {count(opening.deselected, 'ordinary test')} deselected"


def nothing_lines(deselected: int) -> Iterator[str]:
    """What to do when no session was selected."""
    yield "autoresearch: nothing to optimise is selected: it takes an autoresearch.config.md or a marked test"
    if deselected:
        yield f"  {count(deselected, 'ordinary test')} deselected: mark one, or name --autoresearch-targets"
    yield "  `pytest-autoresearch init` writes a config"


def experiment_line(experiment: Experiment, width: int) -> str:
    """One row of the live table, cut to ``width`` columns."""
    name = "baseline" if experiment.number == 0 else f"{experiment.number:04d}"
    reason = "" if experiment.number == 0 and experiment.kept else experiment.reason.value
    text = (
        f"{name:<8} {status_word(experiment).upper():<7} {number(experiment.value):>12} {change(experiment):>9}  "
        f"{reason:<12} "
    )
    mark = " [suspicious]" if experiment.suspicious else ""
    detail = f" ({experiment.detail})" if experiment.detail and experiment.number > 0 else ""
    room = max(0, width - len(text) - len(mark))
    if len(experiment.description) + len(detail) > room:
        described = squeezed(experiment.description, room)
        detail = cut(detail, room - len(described)) if room - len(described) > SHORTEST_DETAIL else ""
        return cut(text + described + detail + mark, width)
    return text + experiment.description + detail + mark


def further_line(experiment: Experiment) -> str:
    """What ``-v`` shows of an experiment besides its row: who, how often, how long, and why it should have helped."""
    spent = sum(run.duration for run in experiment.measurements)
    facts = [
        experiment.agent and f"{experiment.agent}, {experiment.agent_seconds:.1f} s",
        experiment.measurements and f"{count(len(experiment.measurements), 'run')} in {seconds(spent)}",
        experiment.commit[:7],
        experiment.hypothesis,
    ]
    return "         " + "; ".join(fact for fact in facts if fact)


def status_word(experiment: Experiment) -> str:
    """The status, with a question mark for a keep that its group has yet to prove."""
    return f"{experiment.status.value}?" if experiment.kept and experiment.provisional else experiment.status.value


def verdict(experiment: Experiment) -> str:
    """The reason with its numbers, for reporters that show one text per test."""
    value = "" if experiment.value is None else f" {number(experiment.value)} ({change(experiment)})"
    detail = f": {experiment.detail}" if experiment.detail else ""
    return f"{experiment.reason.value}{value}: {experiment.description}{detail}"


def live_line(name: str, text: str, elapsed: float, budget: float | None, width: int) -> str:
    """What is going on right now, rewritten in place."""
    of = "" if budget is None else f" of {seconds(budget)}"
    return cut(f"{name:<8} {text}: {elapsed:.0f} s{of}", width)


def summary_lines(summary: Story, ending: Ending) -> Iterator[tuple[str, dict[str, bool]]]:
    """The end of a session: lines with their markup."""
    yield headline(summary), {"bold": True, "green": summary.gain > 0}
    for told in summary.marks:
        yield told, {"yellow": True}
    if summary.verified is not None:
        yield verified_line(summary), {"green": (summary.verified.gain or 0) > 0}
    counted = ", ".join(f"{summary.counts[status]} {status.value}" for status in Status)
    pace = 3600 * ending.experiments / ending.elapsed if ending.elapsed > 0 else 0.0
    outside = 100 * max(0.0, 1 - ending.run_seconds / ending.elapsed) if ending.elapsed > 0 else 0.0
    yield (
        f"{count(summary.tried, 'experiment')}: {counted}; "
        f"{pace:.0f} an hour, {outside:.0f} % of the time outside runs",
        {},
    )
    yield f"stopped: {ending.stopped}", {}
    if summary.cost is not None:
        yield f"cost {summary.cost:.2f} USD", {}
    if len(summary.shares) > 1:
        for share in summary.shares:
            yield share_line(share), {}
    for keep in summary.keeps:
        shown = " [suspicious: look twice]" if keep.suspicious else ""
        yield f"  {keep.number:04d} {keep.commit[:7]} {number(keep.value):>12}  {keep.description}{shown}", {}
    for keep in summary.provisional:
        yield f"  {keep.number:04d} {keep.commit[:7]} {number(keep.value):>12}  {keep.description} [keep?]", {}
    if summary.provisional:
        yield f"  keep?: {count(len(summary.provisional), 'keep')} that their group has yet to prove", {}
    yield f"table   {ending.table}", {}
    yield f"branch  {ending.branch}", {}
    yield f"diff    git diff {ending.base[:12]} {ending.branch}", {}
    yield f"resume  {ending.command}", {}
    yield f"publish pytest-autoresearch publish --tag {ending.branch.removeprefix('autoresearch/')}", {}


def headline(summary: Story) -> str:
    """Start → best with the gain; where a noisy metric is verified, as measured side by side.

    The levels of two recorded experiments lie hours apart: what the machine did in between would be claimed as a gain.
    """
    verified = summary.verified
    has_keep = summary.best.number > 0
    bounds = None if verified is None else verified.interval
    if has_keep and verified is not None and bounds is not None and bounds[0] < bounds[1]:
        return _verified_headline(summary.metric, verified)
    start, best = number(summary.start.value), number(summary.best.value)
    text = f"{summary.metric}: start {start} → best {best}"
    gain = summary.gain_percent
    if not has_keep:
        return f"{text}, no keep is proven yet" if summary.provisional else f"{text}, no keep yet"
    return f"{text}, {summary.gain:.6g} better" if gain is None else f"{text}, {gain:.2f} % better"


def _verified_headline(metric: str, verified: Verification) -> str:
    start, head = (
        statistics.fmean(run.value for run in runs if run.value is not None)
        for runs in (verified.start_runs, verified.head_runs)
    )
    text = f"{metric}: start {number(start)} → best {number(head)}"
    gain = verified.gain or 0.0
    better = "better" if gain >= 0 else "worse"
    size = f"{abs(gain):.6g}" if verified.percent is None else f"{abs(verified.percent):.2f} %"
    return f"{text}, {size} {better}"


def share_line(share: Share) -> str:
    """Who found what."""
    cost = "" if share.cost is None else f", {share.cost:.2f} USD"
    found = f"{count(share.experiments, 'experiment')}, {share.keeps} kept, gain {number(share.gain)}"
    return f"  {cut(share.agent, LONGEST_AGENT):<10} {found}{cost}"


def verified_line(summary: Story) -> str:
    """The gain on fresh runs, and beside it what the best single run promised."""
    verified = summary.verified
    if verified is None or verified.gain is None:
        return "verification: a fresh run of start or head gave no metric"
    runs = f"{count(len(verified.head_runs), 'fresh run')} each"  # with a gain start has as many
    shown = number(verified.gain)
    if verified.percent is not None:
        low, high = verified.percent_interval or (None, None)
        bounds = "" if low is None or low == high else f", {low:.2f} to {high:.2f} %"
        shown += f" ({verified.percent:.2f} %{bounds})"
    promised = f"the best single run promised {number(summary.promised)}"
    return f"verified gain {shown}{interval(verified.interval)} on {runs}{_holdout_words(verified)}; {promised}"


def _holdout_words(verified: Verification) -> str:
    """What of the gain is there on a holdout that no keep has seen, and the gap; nothing without one."""
    if verified.hidden_gain is None:
        return ", the fresh holdout gave no metric" if verified.hidden_start else ""
    fresh = f"{number(verified.hidden_gain)}{interval(verified.hidden_interval)}"
    return f", {fresh} on a holdout that no keep has seen (gap {number(verified.gap)})"


def change(experiment: Experiment) -> str:
    """The metric's change against the incumbent it was judged against."""
    if experiment.value is None or experiment.against is None:
        return "-"
    difference = experiment.value - experiment.against
    relative = percent(difference, experiment.against)
    if relative is None:
        return f"{difference:+.3g}"
    return f"{relative:+.1g} %" if 0 < abs(relative) < 0.005 else f"{relative:+.2f} %"


def number(value: float | None) -> str:
    """A metric for people: seven significant digits."""
    return "-" if value is None else f"{value:.7g}"


def interval(bounds: tuple[float, float] | None) -> str:
    """The 95 % interval in brackets; nothing where one run decides."""
    return "" if bounds is None or bounds[0] == bounds[1] else f" (95 %: {number(bounds[0])} to {number(bounds[1])})"


def seconds(value: float) -> str:
    """A duration as people write it."""
    if value < 120:
        return f"{value:.3g} s"
    return str(timedelta(seconds=round(value)))


def count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(1, width - 1)] + "…"
