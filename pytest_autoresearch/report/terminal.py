"""Every word the loop says on a terminal, in one place. Pure: values in, lines out; the plugin writes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_autoresearch.protocol.experiment import Experiment, Status
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.trust import PAGE, marks
from pytest_autoresearch.report.figures import count, cut, number, seconds
from pytest_autoresearch.report.shares import Share
from pytest_autoresearch.report.squeeze import squeezed
from pytest_autoresearch.report.story import Story
from pytest_autoresearch.report.words import (
    change,
    counted,
    headline,
    machine_line,
    pace,
    status_word,
    verified_line,
)

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
    estimate: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """What the summary needs besides the story: why it stopped, and where things are."""

    stopped: str
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
    if opening.estimate:
        yield f"  estimate: {opening.estimate}"
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
    mark = " [suspicious]" if experiment.is_doubted else ""
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


def live_line(name: str, text: str, elapsed: float, budget: float | None, width: int) -> str:
    """What is going on right now, rewritten in place."""
    of = "" if budget is None else f" of {seconds(budget)}"
    return cut(f"{name:<8} {text}: {elapsed:.0f} s{of}", width)


def summary_lines(summary: Story, ending: Ending) -> Iterator[tuple[str, dict[str, bool]]]:
    """The end of a session: lines with their markup."""
    yield headline(summary), {"bold": True, "green": summary.gain > 0}
    for told in summary.marks:
        yield told, {"yellow": True}
    if summary.machine:
        yield machine_line(summary.machine), {"yellow": True}
    if summary.verified is not None:
        yield verified_line(summary), {"green": (summary.verified.gain or 0) > 0}
    elif summary.keeps:
        yield "not verified: `pytest-autoresearch verify` measures start and head anew", {"yellow": True}
    yield "; ".join(filter(None, (counted(summary), pace(summary)))), {}
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


def share_line(share: Share) -> str:
    """Who found what."""
    cost = "" if share.cost is None else f", {share.cost:.2f} USD"
    found = f"{count(share.experiments, 'experiment')}, {share.keeps} kept, gain {number(share.gain)}"
    return f"  {cut(share.agent, LONGEST_AGENT):<10} {found}{cost}"
