"""``pytest-autoresearch show``: a protocol as it was understood, where each value came from, and what was filled in."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pytest_autoresearch.agents.search.finders.survey import Survey
from pytest_autoresearch.commands.knobs import knob_lines
from pytest_autoresearch.errors import AutoresearchError, ConfigError
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.amounts import format_amount, format_bounds
from pytest_autoresearch.protocol.discover import find_config
from pytest_autoresearch.protocol.durations import format_duration, format_float
from pytest_autoresearch.protocol.markdown import load
from pytest_autoresearch.protocol.model import Holdout, Limit, PathRule, Protocol
from pytest_autoresearch.protocol.options import OPTIONS
from pytest_autoresearch.protocol.scope import Scope, resolve_paths
from pytest_autoresearch.protocol.serialise import to_json
from pytest_autoresearch.protocol.settings import DEFAULT, PROTOCOL, Settings, resolve
from pytest_autoresearch.protocol.trust import PAGE, SELF_REPORTED, VISIBLE, is_self_reported, reported_limits
from pytest_autoresearch.report.figures import count
from pytest_autoresearch.research.fitting import refuse_misfit, surveyed

WIDEST = 100
LABEL, ORIGIN = 17, 9
FILES_SHOWN = 12


PROMISES = {
    "grouped": "keeps are provisional until a group of them is proven; "
    "of the published groups at most 1 in 20 is no gain, of single keeps nothing is promised",
    "certified": "each keep is proven; of the session's keeps at most 1 in 20 is no gain",
    "fast": "each keep is tested by itself; nothing is promised of the session",
    "classic": "whatever looks better is kept; nothing is promised",
}
"""What each policy promises where the metric is noisy; an exact metric needs one run."""


@dataclass(frozen=True, slots=True)
class Row:
    """A value as it is shown; ``origin`` says where it came from, ``default`` where nothing did."""

    name: str
    value: str
    origin: str


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        type=Path,
        default=Path(),
        help="config or its directory, or a marked test (default: here)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def run(args: argparse.Namespace) -> int:
    """Print the protocol. 1: it is understood, but the commit that is checked out does not fit it."""
    from pytest_autoresearch.commands.asking import file_of, ini_options, marked_protocol, names_a_test

    git: Git | None
    if names_a_test(args.path):
        git, problem = Git.discover(file_of(args.path).absolute().parent), ""
        protocol, ini = marked_protocol(args.path, git.top)
    else:
        path = find_config(args.path)
        git, problem = _repository(path)
        protocol, ini = _understood(path, git), ini_options(path)
    settings = resolve({}, os.environ, protocol.options, ini)
    scope: Scope | None = None
    knobs: Survey | None = None
    misnamed: ConfigError | None = None
    if git is not None:
        with git:
            try:
                found = resolve_paths(protocol, git.files("HEAD").keys())
                refuse_misfit(protocol, git, "HEAD", found.targets)
                scope = found
            except ConfigError as error:
                problem = str(error)
            else:
                knobs, misnamed = _knobs(protocol, git, found.targets)
    if args.json:
        print(json.dumps(_as_json(protocol, settings, scope, problem, knobs), indent=2, ensure_ascii=False))
    else:
        width = min(shutil.get_terminal_size((80, 24)).columns, WIDEST)
        for line in _lines(protocol, settings, scope, problem, knobs, width):
            print(line)
    if misnamed is not None:
        raise misnamed
    return 0 if scope is not None else 1


def _understood(path: Path, git: Git | None) -> Protocol:
    """The protocol of a config; ConfigError with everything that is wrong with it, not the first thing only."""
    try:
        return load(path, top=git.top if git else path.absolute().parent)
    except ConfigError as error:
        from pytest_autoresearch.protocol.problems import problems

        further = [str(each) for each in problems(path.read_text("utf-8", "replace"), file=str(error.file))]
        if len(further) < 2 or str(error) not in further:
            raise
        raise AutoresearchError(f"{len(further)} things are wrong:\n" + "\n".join(further)) from None


def _knobs(protocol: Protocol, git: Git, targets: Collection[str]) -> tuple[Survey | None, ConfigError | None]:
    """The literals of the targets, or what is wrong with the names in ``knobs``."""
    try:
        return surveyed(protocol, git, "HEAD", targets), None
    except ConfigError as error:
        return None, error


def _repository(path: Path) -> tuple[Git | None, str]:
    try:
        return Git.discover(path.absolute().parent), ""
    except AutoresearchError as error:
        return None, str(error)


def _as_json(
    protocol: Protocol, settings: Settings, scope: Scope | None, problem: str, found: Survey | None
) -> dict[str, object]:
    filled = [
        row.name for row in (*protocol_rows(protocol), *setting_rows(protocol, settings)) if row.origin == DEFAULT
    ]
    said = {name: value for name, value in asdict(settings).items() if name != "sources"}
    return {
        **to_json(protocol),
        "lines": dict(protocol.origins),
        "defaults": filled,
        "settings": said,
        "files": None if scope is None else {"targets": scope.targets, "readonly": sorted(scope.readonly)},
        "literals": None if found is None else [asdict(seen) for seen in found.knobs],
        "unread": None if found is None else dict(found.unread),
        "problem": problem or None,
    }


def _lines(
    protocol: Protocol, settings: Settings, scope: Scope | None, problem: str, found: Survey | None, width: int
) -> Iterator[str]:
    yield _bold(protocol.source)
    for title, rows in (("", protocol_rows(protocol)), ("Settings", setting_rows(protocol, settings))):
        yield ""
        if title:
            yield _bold(title)
        for row in rows:
            yield from _shown(row, width)
    if protocol.extra_sections:
        yield ""
        yield _bold("Shown to the agent as well")
        for section in protocol.extra_sections:
            count = len(section.text.split("\n"))
            yield f"  {_plain_text(section.title)} ({count} line{'' if count == 1 else 's'})"
    yield ""
    if scope is not None:
        yield _bold("In the commit that is checked out")
        yield from _files("may change", scope.targets, width)
        yield from _files("read-only", sorted(scope.readonly), width)
    if found is not None and (found.knobs or found.unread):
        yield ""
        yield _bold("Knobs that a search turns")
        yield from knob_lines(found, width)
    if problem:
        yield _bold("Problem")
        yield from (f"  {_plain_text(line)}" for line in problem.split("\n"))


def protocol_rows(protocol: Protocol) -> Iterator[Row]:
    """What is optimised and under which rules."""

    def row(name: str, value: str, *, filled: str = "none", origin: str | None = None) -> Row:
        line = protocol.origins.get(origin or name)
        return Row(name, value if line is not None and value else filled, _line(line))

    yield from _asked(protocol, row)
    yield from _around(protocol, row)


def _asked(protocol: Protocol, row: Callable[..., Row]) -> Iterator[Row]:
    metric, deadline = protocol.metric, protocol.deadline
    yield row("goal", protocol.goal)
    yield row("metric", f"{metric.name}, {metric.direction.value} is better")
    if metric.file is None:
        yield row("metric.extract", metric.extract or "", filled=f"the last line `{metric.name}: N` of the log")
    else:
        yield row("metric.path", metric.file.words())
    trust = f"{SELF_REPORTED}: {PAGE}" if is_self_reported(protocol) else "of an extract command"
    yield row("metric.trust", "", filled=trust)
    yield row("metric.target", "" if metric.target is None else format_float(metric.target))
    yield row("metric.min_delta", format_amount(metric.min_delta), filled="0")
    yield row("metric.bounds", format_bounds(metric.bounds))
    yield row("targets", _rules(protocol.targets))
    yield row("readonly", _rules(protocol.readonly), filled="everything that is no target")
    yield row("run", protocol.run, filled=protocol.run)  # a marked test's is made for it
    budget = "" if protocol.budget is None else format_duration(protocol.budget)
    yield row("budget", budget, filled="2 x the measured baseline")
    measured = "4 x the measured baseline; the baseline itself ends after 1h"
    twice = measured if deadline is None else f"2 x the budget, {format_duration(deadline)}"
    kill = protocol.kill_timeout
    yield row("kill_timeout", "" if kill is None else format_duration(kill), filled=twice)
    yield row("budget_soft", "soft: longer runs count", filled="hard: runs over it are `limit`")
    yield row("constraints", "\n".join(f"- {text}" for text in protocol.constraints))
    yield row("tag", protocol.tag or "", filled="the date the session begins")
    yield row("notes", protocol.notes)


def _around(protocol: Protocol, row: Callable[..., Row]) -> Iterator[Row]:
    yield row("guard", "\n".join(protocol.guard))
    told = reported_limits(protocol)
    yield row("limits", "\n".join(_limit(x) + (f" ({SELF_REPORTED})" if x in told else "") for x in protocol.limits))
    yield row("holdout", _holdout(protocol.holdout))
    yield row("data", "\n".join(protocol.data))
    yield row("caches", "\n".join(protocol.caches))
    yield row("build", protocol.build or "")
    yield row("env", "\n".join(f"{name}={value}" for name, value in protocol.env.items()))
    yield row("network", "yes" if protocol.network else "no", filled="no")
    memory = "" if protocol.memory_mb is None else f"{format_float(protocol.memory_mb)} MB"
    yield row("memory", memory, filled="no limit", origin="memory_mb")
    yield row("git", "throwaway" if protocol.git_throwaway else "none", origin="git_throwaway")
    yield row("knobs", ", ".join(protocol.knobs), filled="every literal that looks like one")
    yield row("one_variable", _plain(protocol.one_variable), filled="no")
    yield row("attribute", "auto" if protocol.attribute else "no", filled="no: by the command")
    seeds = "paired" if protocol.paired_seeds else "a new one for each run"
    yield row("seeds", seeds, filled=seeds, origin="paired_seeds")
    yield row("progress", protocol.progress or "")
    if protocol.aggregate is not None:
        yield row("aggregate", protocol.aggregate)


def setting_rows(protocol: Protocol, settings: Settings) -> Iterator[Row]:
    """How the loop is driven."""
    for option in OPTIONS:
        if option.name in ("tag", "targets", "guard"):
            continue
        field = "agents" if option.name == "agent" else option.name
        value, source = getattr(settings, field), settings.sources[option.name]
        if option.name == "duration" and value is not None:
            value = format_duration(value)
        if option.name == "judge":
            value = f"{value}: {PROMISES[value]}"
        if option.name == "suspicious" and value is None:
            value = "discard, or ask where an agent writes code"
        origin = _line(protocol.origins.get(field)) if source == PROTOCOL else source
        yield Row(option.name, _plain(value), origin)
    for name in (
        "agent_args",
        "agent_env",
        "agent_network",
        "agent_hosts",
        "agent_deadline",
        "agent_try",
        "review",
        "prices",
        "guard_workers",
    ):
        value = getattr(settings, name)
        shown = format_duration(value) if name == "agent_deadline" else _plain(value)
        if name == "agent_network" and value is None:
            shown = "model where the agent is known to work so, else yes"
        if name == "agent_try":
            shown = count(value, "run") if value else "no"
        yield Row(name, shown, _line(protocol.origins.get(name)))


def _line(line: int | None) -> str:
    return DEFAULT if line is None else f"line {line}"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {price:g}" for name, price in value.items()) or "none"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _rules(rules: tuple[PathRule, ...]) -> str:
    return "\n".join(f"{rule.pattern} — {rule.note}" if rule.note else rule.pattern for rule in rules)


def _limit(limit: Limit) -> str:
    bounds = ((">=", limit.at_least), ("<=", limit.at_most))
    said = [f"{limit.name} {sign} {format_float(bound)}" for sign, bound in bounds if bound is not None]
    if limit.max_regression is not None:
        said.append(f"{limit.name} at most {limit.max_regression:.4g} of the baseline worse")
    return ", ".join(said)


def _holdout(holdout: Holdout | None) -> str:
    if holdout is None:
        return ""
    said = {
        "inputs": ", ".join(holdout.inputs),
        "score": holdout.score,
        "extract": holdout.extract,
        "hidden": ", ".join(holdout.files),
        "mark": VISIBLE if holdout.is_visible else "",
    }
    return "\n".join([holdout.run, *(f"{name}: {text}" for name, text in said.items() if text)])


def _shown(row: Row, width: int) -> Iterator[str]:
    """A row in columns: name, value (wrapped), origin."""
    name = row.name.replace("metric.", "  ").replace("_", " ")
    room = width - LABEL - ORIGIN - 4
    wrapped = [line for text in row.value.split("\n") for line in _wrapped(text, room)]
    origin = row.origin if len(row.origin) <= ORIGIN else ""
    first = f"  {name:<{LABEL}}{wrapped[0]:<{room}}"
    yield f"{first} {_dim(origin.rjust(ORIGIN))}".rstrip()
    for line in wrapped[1:]:
        yield " " * (LABEL + 2) + line
    if not origin:
        yield " " * (LABEL + 2) + _dim(f"from {row.origin}")


def _wrapped(text: str, room: int) -> list[str]:
    """A line of a value in lines that fit."""
    return textwrap.wrap(_plain_text(text), room, break_on_hyphens=False, drop_whitespace=False) or [""]


def _plain_text(text: str) -> str:
    """A line of the config of which nothing reaches the terminal as a command."""
    return "".join(char if char.isprintable() else "\N{MIDDLE DOT}" for char in text.expandtabs(4))


def _files(title: str, paths: tuple[str, ...] | list[str], width: int) -> Iterator[str]:
    shown = ", ".join(paths[:FILES_SHOWN]) or "nothing"
    more = f" and {len(paths) - FILES_SHOWN} more" if len(paths) > FILES_SHOWN else ""
    wrapped = textwrap.wrap(shown + more, width - LABEL - 2, break_on_hyphens=False) or [""]
    yield f"  {title:<{LABEL}}{wrapped[0]}"
    for line in wrapped[1:]:
        yield " " * (LABEL + 2) + line


def _styled(text: str, code: str) -> str:
    return (
        f"\x1b[{code}m{text}\x1b[0m"
        if text.strip() and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        else text
    )


def _bold(text: str) -> str:
    return _styled(text, "1")


def _dim(text: str) -> str:
    return _styled(text, "2")
