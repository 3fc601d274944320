"""``pytest-autoresearch log``: the experiments of a session, one of them, or what it changed."""

from __future__ import annotations

import argparse
import json
import re
import shutil
from pathlib import Path
from statistics import fmean

from pytest_autoresearch.commands.width import hung
from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.chain import metric_name, read_history
from pytest_autoresearch.notebook.codec import to_plain
from pytest_autoresearch.notebook.export import as_json, experiment_diff, find
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.notebook.tags import locate
from pytest_autoresearch.notebook.text import percent
from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Reason, Role
from pytest_autoresearch.report.figures import number
from pytest_autoresearch.report.words import status_word
from pytest_autoresearch.text import clean, one_line


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "path", metavar="PATH", nargs="?", type=Path, default=Path(), help="config, test file or directory"
    )
    parser.add_argument("--tag", help="the session; default: the newest of PATH")
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--show", metavar="N", help="everything about one experiment, by number or commit")
    one.add_argument("--diff", metavar="N", help="what one experiment changed, discarded ones too")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def run(args: argparse.Namespace) -> int:
    """Print the log."""
    if not args.path.exists() and re.fullmatch(r"\d{1,6}|[0-9a-f]{7,40}", str(args.path)):
        raise NotebookError(f"{args.path}: no such file\n  to see an experiment: log --show {args.path}")
    located = locate(args.path, args.tag)
    # A pipe is no terminal and keeps a line a row, for grep and cut, unless COLUMNS says how wide it is.
    width = shutil.get_terminal_size((0, 0)).columns
    with located.git as git:
        history = read_history(git, located.tag)
        if args.diff is not None:
            print(experiment_diff(git, find(history, args.diff)), end="")
        elif args.show is not None:
            experiment = find(history, args.show)
            print(
                json.dumps(to_plain(experiment), indent=1) if args.json else "\n".join(_one(experiment, history, width))
            )
        else:
            print(as_json(history) if args.json else "\n".join(_all(history, width)))
    return 0


def _all(history: History, width: int) -> list[str]:
    rows = [("", "commit", metric_name(history), "change", "status", "reason", "description")]
    rows += [
        (
            f"{e.number:04d}",
            e.commit[:7],
            number(e.value),
            "" if e.value is None or e.against is None else percent(e.against, e.value),
            status_word(e),
            e.reason.value if e.number else "baseline",
            one_line(e.description, None),
        )
        for e in history.experiments
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    heads = ("".join(f"{cell:<{room}}  " for cell, room in zip(row, widths, strict=False)) for row in rows)
    return [line for head, row in zip(heads, rows, strict=True) for line in hung(head, row[6], width)]


def _one(experiment: Experiment, history: History, width: int) -> list[str]:
    e, metric = experiment, metric_name(history)
    low, high = e.interval or (0.0, 0.0)  # equal where one run decides
    facts = {
        "experiment": f"{e.number:04d} of {history.session.tag}",
        "commit": e.commit,
        "parent": e.parent,
        "status": f"{e.status.value}, {e.reason.value}" + (", suspicious" if e.suspicious else ""),
        "review": e.review,
        "detail": one_line(e.detail, None) or _meaning(e),
        metric: _value(e),
        "interval": f"{low:.6g} to {high:.6g}" if low < high else "",
        "incumbent": number(e.against) if e.against is not None else "",
        "agent": f"{e.agent}, {e.agent_seconds:.1f} s" if e.agent else "",
        "network": f"{e.agent_network} (the agent's)" if e.agent_network else "",
        "cost": f"{e.usage.cost:.4f} USD" if e.usage and e.usage.cost is not None else "",
        "isolation": e.isolation,
        "device": " ".join([e.device, *(e.place.devices if e.place is not None else ())]),
        "began": e.started.isoformat(timespec="seconds") if e.started else "",
        "ended": e.ended.isoformat(timespec="seconds") if e.ended else "",
    }
    room = max(map(len, facts))
    lines = [line for name, value in facts.items() if value for line in hung(f"{name:<{room}}  ", value, width)]
    lines += ["", *hung("", one_line(e.description, None), width)]
    if e.hypothesis:
        lines += ["", *(line for said in clean(e.hypothesis).strip().split("\n") for line in hung("", said, width))]
    if e.measurements:
        lines += ["", *(line for run in e.measurements for line in hung(f"{run.role.value:9}  ", _run(run), width))]
    if e.agent_log:
        lines += ["", "the agent said at its end:", clean(e.agent_log).strip()]
    tails = [m.log_tail for m in e.measurements if m.log_tail]
    if tails:
        lines += ["", "the log ends:", clean(tails[-1]).strip()]
    return lines


def _value(e: Experiment) -> str:
    """What stands in the table; of a provisional keep that is no mean of its runs, and so it is said."""
    own = [run.value for run in e.measurements if run.role is Role.CANDIDATE and run.value is not None]
    if e.value is None:
        return "not measured"
    if e.worth is None or not own:
        return number(e.value)
    return f"{number(e.value)}, weighed with what was known of the incumbent; its runs alone: {number(fmean(own))}"


def _meaning(e: Experiment) -> str:
    """What a verdict means whose word alone says little, and that has no detail of its own."""
    if e.reason is Reason.PROBE:
        return "a look at several knobs at once, never kept; what it shows is tried one knob at a time"
    return "so much better than what was there that a person should look at it" if e.suspicious else ""


def _run(m: Measurement) -> str:
    result = (
        number(m.value)
        if m.value is not None
        else f"{m.failure.value if m.failure else 'no number'} {m.detail}".strip()
    )
    memory = f", {m.peak_memory / 1e6:.0f} MB" if m.peak_memory else ""
    others = "".join(f", {name} {value:g}" for name, value in m.secondary.items())
    return f"{result}  ({m.duration:.2f} s{memory}{others})"
