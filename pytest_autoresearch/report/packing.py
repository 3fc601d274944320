"""Diffs, reasons and ends of logs of all experiments, compressed into a page whose script opens one on demand. Pure."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from itertools import chain

from pytest_autoresearch.protocol.experiment import Experiment
from pytest_autoresearch.report.changes import Seen
from pytest_autoresearch.report.story import Story
from pytest_autoresearch.text import clean

LARGEST = 480_000
"""Bytes, compressed; with base64 a third more. What does not fit is left out: the oldest that were not kept."""
LONGEST_LOG = 4_000  # characters of a log's end


def packed(story: Story, seen: Seen) -> str:
    """A gzip stream in base64: a line of JSON for each experiment, keeps first, then the newest."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    out = b""
    for experiment in chain(reversed(story.keeps), _others(story)):
        line = json.dumps([experiment.number, _known(experiment, seen)], ensure_ascii=False) + "\n"
        out += packer.compress(line.encode("utf-8", "replace"))
        if len(out) > LARGEST:
            break
    return base64.b64encode(out + packer.flush()).decode()


def _others(story: Story) -> Iterator[Experiment]:
    proven = {keep.number for keep in story.keeps}
    return (each for each in reversed(story.experiments) if each.number not in proven)


def _known(experiment: Experiment, seen: Seen) -> dict[str, str]:
    runs = experiment.measurements
    peak = max((run.peak_memory for run in runs if run.peak_memory is not None), default=None)
    cost = None if experiment.usage is None else experiment.usage.cost
    known = {
        "detail": experiment.detail,
        "hypothesis": experiment.hypothesis,
        "memory": "" if peak is None else f"{peak / 1e6:.0f} MB",
        "cost": "" if cost is None else f"{cost:.4g} USD",
        "patch": seen.of(experiment.commit).patch,
        "log": next((run.log_tail[-LONGEST_LOG:] for run in reversed(runs) if run.log_tail), ""),
        "said": experiment.agent_log[-LONGEST_LOG:],
    }
    return {name: text if name == "patch" else clean(text) for name, text in known.items() if text}
