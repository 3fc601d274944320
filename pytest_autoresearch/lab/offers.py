"""Says how to read a metric that a log has in a form which is not read by itself. Pure; runs nothing.

An offer is an extract command that fits this log: it was tried on the log here, with the same pattern in Python, and
gives one number. What stands around the number (a unit, a `%`) is part of its pattern, so that a later run that prints
another unit has no metric rather than a wrong one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_autoresearch.lab.documents import documents_in, nearest_keys
from pytest_autoresearch.lab.lines import lines_of
from pytest_autoresearch.lab.numbers import parse_number
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.text import one_line

_WRITTEN = {
    "clock": r"[0-9]+(:[0-9]{2})+(\.[0-9]+)?",
    "spelt": r"([0-9]+h ?)?[0-9]+m ?[0-9]+(\.[0-9]+)?s",
    "ratio": "[0-9]+ ?/ ?[0-9]+",
    "grouped": r"[-+]?[0-9]{1,3}([,_][0-9]{3})+(\.[0-9]+)?",
    "comma": r"[-+]?[0-9]+,[0-9]+",
    "minus": r"−[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?",
    "plain": r"[-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?",
}
_ENDS = {
    "clock": "",
    "spelt": r"(?!\w)",
    "ratio": r"(?![\w/])",
    "grouped": "(?![0-9])",
    "comma": "(?![0-9])",
    "minus": "",
    "plain": "",
}
_VALUE = regex("|".join(f"(?P<{kind}>{text.replace('(', '(?:')}){_ENDS[kind]}" for kind, text in _WRITTEN.items()))
_NEAR = regex(r"(?:\s*\([^()]{0,40}\))?[^\w\n]{0,30}(?:\w{1,12}[^\w\n]{1,3}){0,2}")
_NEAR_AHEAD = regex(r"[^\w\n]{0,6}(?:[\w/%µ]{1,12}[^\w\n]{1,3}){0,2}")
_GOES_ON = regex(r"['’](?=[0-9])|[ \u00a0\u202f][0-9]{3}(?![\w.]*[A-Za-z]{3})(?!\w)")  # thousands: 3'000, 15 200
_GLUED = regex(r"(?<=0)[xXoObB][0-9A-Fa-f]|\.[0-9]")  # 0x1p-1, 1.2.3: what goes on is no unit
_LABEL = regex(r"[^\w\n]{0,3}[:=]\s*(?=[-+]?\.?[0-9])")
_TWO = regex(r"[\s,;]+[-+]?\.?[0-9]")
_UNIT = regex(r"\s?(?:%|[A-Za-zµμ°$€/]+[A-Za-z0-9/²]*)")
_TIMES = "s=0; for (i=1; i<=NF; i++) s=s*60+$i; print s"
_HOURS = "s=0; for (i=1; i<NF; i++) s=s*60+$i; print s"
_NAMED = regex(r"(?:^|[\s,;|│┃({\[])[\"']?([A-Za-z_][\w./@%-]{0,63})[\"']?\s*[:=|│┃]\s*[+-]?\.?[0-9]")
MOST_LINES = 5_000
LONGEST_LINE = 2_000  # characters
MOST_NAMES = 8


@dataclass(frozen=True, slots=True)
class Offer:
    """``extract`` reads the metric from this log's ``line`` as ``value``; ``words`` is what is known without one."""

    extract: str | None = None
    value: float | None = None
    line: str = ""
    words: str = ""
    is_sure: bool = False  # the metric's own name with one number behind it


@dataclass(frozen=True, slots=True)
class _Pattern:
    """Text before and after the value, as it stands in the log, and how the value is written."""

    before: str
    kind: str
    after: str
    is_sure: bool = False

    def expression(self) -> str:
        """What `sed -E` looks for; the second group is the value."""
        end = "([^0-9A-Za-z%].*)?$" if self.kind in ("plain", "minus") else "([^0-9].*)?$"
        return f"^(.*[^[:alnum:]_.])?{_escaped(self.before)}({_WRITTEN[self.kind]}){_escaped(self.after)}{end}"


def offer_for(log: bytes, name: str) -> Offer:
    """How to read the metric from a log of which it was not read."""
    lines = [line[:LONGEST_LINE] for line in lines_of(log)[-MOST_LINES:]]
    joined = "\n".join(lines)
    found_nan = re.search(
        rf"{re.escape(name)}[\"']?[ \t]{{0,9}}[:=]?[ \t]{{0,9}}[+-]?(?:nan|inf)\b", joined, re.IGNORECASE
    )
    if found_nan is not None and next(_patterns(lines, name), None) is None:
        return Offer(words=f"`{name}` is no number in this run (nan or inf): mend that first")
    for pattern, line in _patterns(lines, name):
        extract, value = _command(pattern, log, lines)
        if value is not None:
            return Offer(extract, value, one_line(line), is_sure=pattern.is_sure)
    return Offer(words=_known_tool(joined) or _other_names(log, lines, name))


def _patterns(lines: Sequence[str], name: str) -> Iterator[tuple[_Pattern, str]]:
    """Where the metric's name stands near a number, the surest first: the name as it is, then in another spelling."""
    parts = [re.escape(part) for part in re.split(r"[\s_./-]+", name) if part]
    exact = re.compile(rf"(?<![\w.]){re.escape(name)}(?![\w])")
    spelt = re.compile(rf"(?<![A-Za-z0-9]){r'[ _./-]*'.join(parts)}(?![A-Za-z0-9])", re.IGNORECASE) if parts else exact
    for wanted in (exact, spelt):
        for line in reversed(lines):
            found = list(wanted.finditer(line))
            if found:
                is_exact = wanted is exact and len(found) == 1
                yield from ((pattern, line) for pattern in _around(line, found[-1], is_exact=is_exact))


def _around(line: str, name: re.Match[str], *, is_exact: bool) -> Iterator[_Pattern]:
    """The number behind a name, else the one before it."""
    behind = _VALUE.search(line, name.end())
    if behind is not None and (
        _GOES_ON.match(line, behind.end()) or _GLUED.match(line, behind.end()) or _is_interval(line, behind)
    ):
        return
    if behind is not None and not _is_told(line[name.end() : behind.start()]):
        # `loss[3]: 0.4`, `loss at step 3: 0.4`: the first number says which one it is
        label = _LABEL.match(line, behind.end())
        told = _VALUE.match(line, label.end()) if label else None
        if label and told:
            before = f"{line[name.start() : behind.start()]}\1{label[0]}"
            yield _Pattern(before, told.lastgroup or "plain", _unit_at(line, told.end()))
        if label or _TWO.match(line, behind.end()):
            return
    if behind is not None and _NEAR.fullmatch(line, name.end(), behind.start()):
        arrow = re.compile(r"\s*(?:->|→|=>|to)\s*").match(line, behind.end())
        last = _VALUE.match(line, arrow.end()) if arrow else None
        if arrow and last:
            before = f"{name[0]}\0{arrow[0]}"
            yield _Pattern(before, last.lastgroup or "plain", _unit_at(line, last.end()))
            return
        lead = re.search(r"\b(?:val|valid|test|eval|final|best)[ :]\s*$", line[: name.start()], re.IGNORECASE)
        before = (lead[0] if lead else "") + line[name.start() : behind.start()]
        is_alone = (
            is_exact and not lead and not re.search("[0-9]", line[behind.end() :]) and behind.lastgroup != "comma"
        )
        yield _Pattern(before, behind.lastgroup or "plain", _unit_at(line, behind.end()), is_alone)
        return
    ahead = list(_VALUE.finditer(line, 0, name.start()))
    if ahead and _NEAR_AHEAD.fullmatch(line, ahead[-1].end(), name.start()):
        yield _Pattern("", ahead[-1].lastgroup or "plain", line[ahead[-1].end() : name.end()])


def _is_told(between: str) -> bool:
    """Whether what stands between a name and a number says at once that its value comes now."""
    return re.match(r"[\"')]*\s*(?:[:=|│┃→-]|(?:is|was)\b)", between) is not None


def _is_interval(line: str, value: re.Match[str]) -> bool:
    """Whether a number opens brackets that hold more of them: `[1.2 ms 1.3 ms 1.4 ms]`, `Fraction(41, 100)`."""
    inside = re.match(r"[^\[\]]{0,80}\]", line[value.end() :])
    if line[: value.start()].endswith("[") and inside is not None and re.search("[0-9]", inside[0]) is not None:
        return True
    return (
        line[: value.start()].endswith(("(", "["))
        and re.match(r"\s*,\s*[-+]?\.?[0-9]", line[value.end() :]) is not None
    )


def _unit_at(line: str, end: int) -> str:
    unit = _UNIT.match(line, end)
    if unit is None:
        return ""
    follows = line[unit.end() :].lstrip()
    is_field = unit[0][:1] == " " and re.match(r"[:=]|[+-]?\.?[0-9]", follows) is not None
    return "" if is_field else unit[0]


def _command(pattern: _Pattern, log: bytes, lines: Sequence[str]) -> tuple[str, float | None]:
    """The shell command of a pattern, and what it gives for this log."""
    expression, source = pattern.expression(), "run.log"
    steps: list[str] = []
    if b"\x1b" in log:
        steps.append(f"sed $'s/\\x1b\\\\[[0-9;?]*[A-Za-z]//g' {source}")
    if b"\r" in log.replace(b"\r\n", b""):
        steps.append("tr '\\r' '\\n'" + ("" if steps else f" < {source}"))
    elif b"\r\n" in log:
        steps.append("tr -d '\\r'" + ("" if steps else f" < {source}"))
    quoted = expression.replace("/", "\\/").replace("'", "'\\''")
    steps.append(f"sed -nE 's/{quoted}/\\2/p'" + ("" if steps else f" {source}"))
    steps.append("tail -n 1")
    steps += {
        "grouped": ["tr -d ',_'"],
        "comma": ["tr , ."],
        "minus": ["sed 's/−/-/'"],
        "ratio": ["awk -F/ '{printf \"%.10g\", $1 / $2}'"],
        "clock": [f"awk -F: '{{{_TIMES}}}'"],
        "spelt": [f"awk -F'[hms]' '{{{_HOURS}}}'"],
    }.get(pattern.kind, [])
    tried = re.compile(expression.replace("[:alnum:]", "A-Za-z0-9").replace("[[:space:]]", r"\s"))
    found = next((match for line in reversed(lines) if (match := tried.search(line))), None)
    return " | ".join(steps), None if found is None else _value(found[2], pattern.kind)


def _value(text: str, kind: str) -> float | None:
    if kind in ("clock", "spelt"):
        value = 0.0
        for part in re.findall(r"[0-9.]+", text):
            value = value * 60 + float(part)
        return value
    if kind == "ratio":
        above, below = (float(part) for part in text.split("/"))
        return above / below if below else None
    return parse_number(re.sub("[,_]", "", text) if kind == "grouped" else text.replace(",", ".").replace("−", "-"))


def _escaped(text: str) -> str:
    """A text as `sed -E` takes it; runs of blanks match runs of blanks, character 0 anything, character 1 a number."""
    parts = []
    for run in re.findall(r"\s+|[\x00\x01]|[^\s\x00\x01]+", text):
        if run.isspace():
            parts.append("[[:space:]]+" if "\t" in run or len(run) > 1 else " +")
        elif run == "\0":
            parts.append(".*")
        elif run == "\1":
            parts.append("[-+.0-9eE]+")
        else:
            parts.append(re.sub(r"([][.^$*+?(){}|\\])", r"\\\1", run))
    return "".join(parts)


# Tools that write a file for this


_TOOLS = (
    (
        regex(r"^(\S{1,200}(?: \S{1,80}){0,9}) {1,80}time: {1,20}\[[\d.]{1,20} \S{1,3} [\d.]{1,20} ", re.MULTILINE),
        "criterion keeps its estimates, in nanoseconds:",
        ("target/criterion/{first}/new/estimates.json", "mean.point_estimate"),
    ),
    (
        regex(r"Time \(mean ± σ\):"),
        "add `--export-json bench.json` to hyperfine, and",
        ("bench.json", "results[0].mean"),
    ),
    (
        regex(r"^-{1,80} benchmark.{0,80}: \d{1,6} tests -|^Name \(time in ", re.MULTILINE),
        "add `--benchmark-json=bench.json` to pytest, and",
        ("bench.json", "benchmarks[0].stats.median"),
    ),
    (
        regex(r"^Benchmark[ \t]{1,200}Time[ \t]{1,40}CPU[ \t]{1,40}Iterations", re.MULTILINE),
        "add `--benchmark_out=bench.json` to the benchmark, and",
        ("bench.json", "benchmarks[0].real_time"),
    ),
    (
        regex(r"^\[ ?[\d.]{1,9}%\] [·.]{1,40} ", re.MULTILINE),
        "asv keeps what it measured:",
        (".asv/results/MACHINE/COMMIT.json", "results.NAME[0][0]"),
    ),
)
_GO = regex(r"^(Benchmark[^\s-]{1,200})(?:-\d{1,4})?[ \t]{1,80}\d{1,12}[ \t]{1,80}[\d.]{1,20} ns/op", re.MULTILINE)


def _known_tool(text: str) -> str:
    if (go := _GO.search(text)) is not None:
        number = "([-+]?[0-9.]+) ns\\/op.*"
        sed = f"s/^{_escaped(go[1]).replace('/', chr(92) + '/')}(-[0-9]+)?[[:space:]]+[0-9]+[[:space:]]+{number}/\\2/p"
        return f"`go test -bench` prints nanoseconds; Extract command: `sed -nE '{sed}' run.log | tail -n 1`"
    for pattern, words, (path, key) in _TOOLS:
        if (found := pattern.search(text)) is not None:
            first = found[1] if pattern.groups else ""
            return f"{words} write in Metric: From: `{path.format(first=first)}`, Key: `{key}`"
    return ""


def _other_names(log: bytes, lines: Sequence[str], name: str) -> str:
    """What the log reports instead, those most like the name first."""
    reported = list(dict.fromkeys(found for line in lines[-500:] for found in _NAMED.findall(line)))
    for document in documents_in(log)[-1:]:
        reported += [key for key in nearest_keys(document, name) if key not in reported]
    if not reported:
        return "the log reports no number by name: print one line `" + name + ": <number>` at the end of the run"
    near = difflib.get_close_matches(name, reported, n=3, cutoff=0.5)
    ordered = [*near, *(other for other in reported if other not in near)][:MOST_NAMES]
    return f"the log reports {', '.join(f'`{other}`' for other in ordered)}" + (
        " …" if len(reported) > MOST_NAMES else ""
    )
