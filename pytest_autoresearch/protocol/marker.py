"""``@pytest.mark.autoresearch(…)``: from a marker's arguments to a Protocol. Pure, knows no pytest.

Paths are relative to the test file. How the test is run is the caller's to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.amounts import parse_amount, parse_bounds
from pytest_autoresearch.protocol.durations import parse_duration, parse_float
from pytest_autoresearch.protocol.fields import KEYS, BadValue, as_text, command, each, nearest, parsed, read_keys
from pytest_autoresearch.protocol.metric import checked_name, read_place
from pytest_autoresearch.protocol.model import Amount, Direction, Metric, MetricFile, Options, PathRule, Protocol
from pytest_autoresearch.protocol.tags import parse_tag
from pytest_autoresearch.protocol.vocabulary import read_direction

EXAMPLE = '@pytest.mark.autoresearch(metric="val_bpb", direction="lower", targets=["train.py"])'

HIGHER_BY_NATURE = ("benchmark.ops",)
INSTRUCTIONS = "instructions"
LOWER_BY_NATURE = ("benchmark.", "duration", "peak_memory", INSTRUCTIONS)
"""Metrics that a marker may name without a direction."""

_OF_METRIC = ("extract", "target", "min_delta", "bounds")

NONCE = "AUTORESEARCH_NONCE"
"""The variable that has the word by which a measuring pytest signs its numbers; what it starts is not told."""

PYTEST = "exec python -m pytest "
"""How the command that measures a body ends, but for pytest's arguments."""

BEST = "AUTORESEARCH_BEST"
"""The variable that has the level which a body's metric assertion compares with."""

ASSERTED = "autoresearch_assertion"
"""Reported as 0 when the metric assertion failed on a candidate that was measured all the same."""

MEASURED = regex(r"duration|cpu_time|peak_memory|peak_mb|instructions|benchmark\..+|autoresearch_.+")
"""Names of numbers that the harness measures: a program can print them, and it counts for nothing."""

LAYOUT = Amount(0.02, relative=True)
"""By how much a count of instructions may change when code that does the same lies elsewhere in memory."""


def from_marker(
    arguments: Mapping[str, Any],
    *,
    test_id: str,
    test_file: str,
    run: str,
    positional: tuple[Any, ...] = (),
    line: int | None = None,
    timeout: float | None = None,
) -> Protocol:
    """The protocol of one marked test.

    ``test_id`` and ``test_file`` relative to the repository's top; ``timeout`` in seconds from ``timeout(N)``, the
    kill timeout, of which half is the budget unless ``budget=`` says otherwise. ConfigError names the test file.
    """

    def fail(message: str, remedy: str = f"write, for example, {EXAMPLE}") -> ConfigError:
        return ConfigError(f"autoresearch marker: {message}", file=test_file, line=line, remedy=remedy)

    if positional:
        raise fail(f"{positional[0]!r} has no name")
    if (unknown := next((name for name in arguments if name not in {*_READERS, *KEYS}), None)) is not None:
        raise fail(f"there is no argument `{unknown}`", nearest(unknown, (*_READERS, *KEYS)))
    try:
        own = {name: _READERS[name](arguments[name]) for name in _READERS if arguments.get(name) is not None}
        rest = {name: value for name, value in arguments.items() if name not in _READERS}
        fields, options, _ = read_keys(rest)
        said = [*_said(own), *fields, *options]
    except BadValue as error:
        raise fail(str(error), error.remedy or f"write, for example, {EXAMPLE}") from None
    if (missing := next((name for name in ("metric", "targets") if not own.get(name)), None)) is not None:
        raise fail(f"`{missing}=` is missing")
    metric = _metric_out_of(own, fail)
    budget, kill = _times(own.pop("budget", None), own.pop("kill_timeout", None), timeout)
    if budget is not None and kill is not None and kill < budget:
        raise fail(f"the budget of {budget:g} s is longer than the timeout of {kill:g} s", "give the run its budget")
    said += [name for name, seconds in (("budget", budget), ("kill_timeout", kill)) if seconds is not None]
    directory = PurePosixPath(test_file).parent
    return Protocol(
        **{"goal": "", **own},
        **fields,
        metric=metric,
        run=run,
        budget=budget,
        kill_timeout=kill,
        options=Options(**options),
        source=test_id,
        directory=directory,
        origins={} if line is None else dict.fromkeys(said, line),
    )


def _metric_out_of(own: dict[str, Any], fail: Callable[..., ConfigError]) -> Metric:
    """The metric, which takes what says something of it away from the other arguments."""
    name, file = own.pop("metric")
    if file is not None and "extract" in own:
        raise fail("`metric=`: an extract command and a file are two ways to read it", "keep one of the two")
    if name == INSTRUCTIONS:
        own.setdefault("min_delta", LAYOUT)
    return Metric(
        name=name,
        direction=own.pop("direction", None) or _natural_direction(name) or _undirected(fail),
        **{name: own.pop(name) for name in _OF_METRIC if name in own},
        file=file,
    )


def _said(own: Mapping[str, Any]) -> list[str]:
    """The names of the fields that the marker fills, each path and each field of the metric by itself."""
    paths = [f"{name}[{n}]" for name in ("targets", "readonly") for n in range(len(own.get(name, ())))]
    return [f"metric.{name}" if name in _OF_METRIC else name for name in own] + ["metric", "metric.name", *paths]


def _times(budget: float | None, kill: float | None, timeout: float | None) -> tuple[float | None, float | None]:
    """Budget and kill timeout from what was said."""
    kill = timeout if kill is None else kill
    return (kill / 2 if budget is None and kill is not None else budget), kill


def direction_of(arguments: Mapping[str, Any]) -> Direction | None:
    """The direction that a marker's arguments say or imply, None where they do neither."""
    said, metric = arguments.get("direction"), arguments.get("metric")
    return read_direction(str(said)) if said is not None else _natural_direction(str(metric))


def _natural_direction(metric: str) -> Direction | None:
    if metric.startswith(HIGHER_BY_NATURE):
        return Direction.HIGHER
    return Direction.LOWER if metric.startswith(LOWER_BY_NATURE) else None


def _undirected(fail: Callable[[str], ConfigError]) -> Direction:
    raise fail('`direction=` is missing: "lower" or "higher"')


def _metric(value: Any) -> tuple[str, MetricFile | None]:
    """A metric's name, or the place in a file where it stands."""
    if not isinstance(value, Mapping):
        return parsed(checked_name)(value), None
    try:
        return read_place(value, has_extract=False)
    except ValueError as error:
        raise BadValue(
            str(error), remedy='write, for example, metric={"from": "results.json", "key": "loss"}'
        ) from None


def _direction(text: str) -> Direction:
    direction = read_direction(text)
    if direction is None:
        raise ValueError(f"`{text}` is neither lower nor higher")
    return direction


def _aggregate(text: str) -> str:
    if text != "geomean":
        raise ValueError(f"`{text}` is not known; parameter sets are aggregated by `geomean`")
    return text


def _bounds(value: Any) -> tuple[float | None, float | None]:
    """``"0 to 1"``, or a pair of numbers or None."""
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise BadValue("bounds are a pair (low, high)")
        low, high = (None if bound is None else parsed(parse_float)(bound) for bound in value)
        if low is not None and high is not None and low >= high:
            raise BadValue("bounds: the lower one is not below the upper one")
        return low, high
    bounds: tuple[float | None, float | None] = parsed(parse_bounds)(value)
    return bounds


def _rule(value: Any) -> PathRule:
    path = as_text(value)
    if not path.isprintable():
        raise BadValue(f"{path!r} is not a path")
    return PathRule(path.removeprefix("./"))


def _prefixed(name: str, read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Errors of a reader, with the argument they are about."""

    def checked(value: Any) -> Any:
        try:
            return read(value)
        except BadValue as error:
            raise BadValue(f"`{name}=`: {error.message}", remedy=error.remedy) from None

    return checked


_READERS: dict[str, Callable[[Any], Any]] = {
    name: _prefixed(name, read)
    for name, read in {
        "metric": _metric,
        "direction": parsed(_direction),
        "targets": each(_rule),
        "readonly": each(_rule),
        "extract": command,
        "target": parsed(parse_float),
        "min_delta": parsed(parse_amount),
        "bounds": _bounds,
        "budget": parsed(parse_duration),
        "kill_timeout": parsed(parse_duration),
        "goal": as_text,
        "constraints": each(as_text),
        "notes": as_text,
        "tag": parsed(parse_tag),
        "aggregate": parsed(_aggregate),
    }.items()
}
