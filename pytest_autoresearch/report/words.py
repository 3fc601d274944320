"""Phrases that several surfaces say, each in one place. Plain text; a surface escapes it as it needs. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_autoresearch.notebook.record import Verification
from pytest_autoresearch.notebook.text import signed
from pytest_autoresearch.protocol.experiment import Experiment, Status
from pytest_autoresearch.protocol.model import Limit
from pytest_autoresearch.report.figures import count, interval, number, percent
from pytest_autoresearch.report.story import State, Story

WAITS = "waits for a slot"
"""What an experiment does whose proposal is made, while all slots are taken."""
MACHINE = {
    "drift": "its speed wanders by more than the noise, so levels that lie hours apart do not compare; less is found",
    "steps": "its speed jumps now and then, so levels on either side of a jump do not compare; less is found",
    "uneven noise": "some states or runs scatter much more than others, so less is found",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reviewer has to know first. ``looks`` is ``confirmed``, ``doubtful`` or ``open``."""

    title: str
    words: str
    looks: str


def verdict(story: Story) -> Verdict:
    """Whether the gain is real, as far as fresh runs tell."""
    if not story.keeps and story.provisional:
        waiting = count(len(story.provisional), "provisional keep")
        return Verdict("nothing proven yet", f"{waiting}, of which fresh runs have yet to tell.", "open")
    if not story.keeps:
        return Verdict("nothing kept", "No change was better than the start by more than the noise.", "open")
    verified = story.verified
    if verified is None:
        words = "Start and head were not measured against each other on fresh runs: pytest-autoresearch verify"
        return Verdict("not verified", words, "open")
    if verified.gain is None or verified.gain <= 0 or (verified.interval is not None and verified.interval[0] <= 0):
        return Verdict("not confirmed", verified_line(story), "doubtful")
    if any(keep.is_doubted for keep in story.keeps):
        return Verdict("suspicious", verified_line(story), "doubtful")
    return Verdict("confirmed", verified_line(story), "confirmed")


def machine_line(word: str) -> str:
    """What the machine does, and what that means for the numbers."""
    return f"machine {word}: {MACHINE.get(word, '')}"


def headline(summary: Story) -> str:
    """Start → best with the gain; of a noisy metric only the gain that verify has measured side by side.

    The levels of two recorded experiments lie hours apart: what the machine did in between would be claimed as a gain.
    """
    verified = summary.verified
    has_keep = summary.best.number > 0
    bounds = None if verified is None else verified.interval
    if has_keep and verified is not None and bounds is not None and (summary.noisy or bounds[0] < bounds[1]):
        return _verified_headline(summary.metric, verified)
    start, best = number(summary.start.value), number(summary.best.value)
    text = f"{summary.metric}: start {start} → best {best}"
    gain = summary.gain_percent
    if not has_keep:
        return f"{text}, no keep is proven yet" if summary.provisional else f"{text}, no keep yet"
    if summary.noisy:
        return f"{text}, not verified"
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


def verified_line(summary: Story) -> str:
    """The gain on fresh runs, and beside it what the best single run promised."""
    verified = summary.verified
    if verified is None or verified.gain is None:
        return "verification: a fresh run of start or head gave no metric"
    runs = f"{count(len(verified.head_runs), 'fresh run')} each"  # with a gain start has as many
    shown, bounds = number(verified.gain), interval(verified.interval)
    low, high = verified.percent_interval or (0.0, 0.0)
    if verified.percent is not None:
        share = f"{verified.percent:.2f} %" + (f" ({low:.2f} to {high:.2f} %)" if low < high else "")
        shown += f"{bounds}, {share}," if bounds else f" ({share})"
    else:
        shown += bounds
    promised = f"the best single run promised {number(summary.promised)}"
    return f"verified gain {shown} on {runs}{_holdout_words(verified)}; {promised}"


def _holdout_words(verified: Verification) -> str:
    """What of the gain is there on a holdout that no keep has seen, and the gap; nothing without one."""
    if verified.hidden_gain is None:
        return ", the fresh holdout gave no metric" if verified.hidden_start else ""
    fresh = f"{number(verified.hidden_gain)}{interval(verified.hidden_interval)}"
    return f", {fresh} on a holdout that no keep has seen (gap {number(verified.gap)})"


def experiment_words(experiment: Experiment) -> str:
    """The reason with its numbers, for reporters that show one text per test."""
    value = "" if experiment.value is None else f" {number(experiment.value)} ({change(experiment)})"
    detail = f": {experiment.detail}" if experiment.detail else ""
    return f"{experiment.reason.value}{value}: {experiment.description}{detail}"


def change(experiment: Experiment) -> str:
    """The metric's change against the incumbent it was judged against."""
    if experiment.value is None or experiment.against is None:
        return "-"
    difference = experiment.value - experiment.against
    relative = percent(difference, experiment.against)
    if relative is None:
        return f"{difference:+.3g}"
    return signed(relative)


def status_word(experiment: Experiment) -> str:
    """The status, with a question mark for a keep that its group has yet to prove."""
    return f"{experiment.status.value}?" if experiment.kept and experiment.provisional else experiment.status.value


def state(story: Story) -> str:
    """Whether it runs, and why not, as far as the ledger tells."""
    if story.state is State.RUNNING:
        return "it runs"
    return f"it has ended: {story.why}" if story.why else "it was killed, or runs elsewhere"


def counted(story: Story) -> str:
    """How many experiments, and of each status."""
    statuses = ", ".join(f"{story.counts[status]} {status.value}" for status in Status)
    return f"{count(story.tried, 'experiment')}: {statuses}"


def pace(story: Story) -> str:
    """How fast it went, while it ran; empty where no time is on record."""
    if story.pace is None or story.utilisation is None:
        return ""
    return f"{story.pace:.0f} an hour, {100 * (1 - story.utilisation):.0f} % of the time outside runs"


def several(counted: Mapping[str, int]) -> str:
    """Distinct values, the most frequent first, with their counts where there are several."""
    if len(counted) == 1:
        return next(iter(counted))
    return ", ".join(f"{value} ({times})" for value, times in list(counted.items())[:6])


def limit_words(limit: Limit) -> str:
    """A limit as people say it."""
    said = [(limit.at_most, "at most"), (limit.at_least, "at least")]
    parts = [f"{text} {value:g}" for value, text in said if value is not None]
    if limit.max_regression is not None:
        parts.append(f"at most {100 * limit.max_regression:g} % worse than the baseline")
    return f"{limit.name} {', '.join(parts)}"


def marks(story: Story) -> Iterator[str]:
    """What a reviewer has to know of the circumstances, each in a line."""
    for keep in story.keeps:
        if keep.review.startswith("suspicious"):
            yield f"the review marks {keep.number:04d} as {keep.review}"
    if looks := [f"{keep.number:04d}" for keep in story.keeps if keep.suspicious]:
        yield f"look twice at {', '.join(looks)}: beyond what the noise makes likely"
    if story.machine:
        yield machine_line(story.machine)
    if len(story.devices) > 1 or story.machines > 1:
        yield f"measured on {several(story.devices)}; {count(story.machines, 'machine')}"
    weak = [level for level in story.isolations if level != "bwrap"]
    if weak:
        yield f"isolation was not the strictest everywhere: {several(story.isolations)}"
    yield from story.programs


def unproven_line(keeps: Sequence[int]) -> str:
    """Which keeps have lost their proof."""
    names = ", ".join(f"{keep:04d}" for keep in keeps)
    return f"proven only together with it, and provisional now (keep?): {names}"
