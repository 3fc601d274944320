"""Reads the set-ups of other autoresearch tools into a protocol, and says what it guessed and what it could not map.

Known are sessions of pi-autoresearch and codex-autoresearch (a prompt, a script that prints ``METRIC name=value``,
checks), prompts in prose (``program.md`` and its many relatives), autoloop's programs, evo, hillclimb, autoanything,
and one-line parameters (``Goal: … Scope: … Metric: … Verify: …``). Reads files only; runs nothing.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol import frontmatter
from pytest_autoresearch.protocol.durations import parse_duration
from pytest_autoresearch.protocol.globs import is_glob, matches
from pytest_autoresearch.protocol.importing import problems, sources
from pytest_autoresearch.protocol.importing.commands import for_script, is_unfinished, read_run, without_installs
from pytest_autoresearch.protocol.importing.draft import Draft, Guess, Rank
from pytest_autoresearch.protocol.importing.files import finish_files, read_files
from pytest_autoresearch.protocol.importing.metrics import infer_metric, read_metric
from pytest_autoresearch.protocol.importing.pieces import Piece, pieces_of
from pytest_autoresearch.protocol.importing.safe import fenced_texts, free_title, reads_back, without_headings
from pytest_autoresearch.protocol.importing.sources import first_of, text_of
from pytest_autoresearch.protocol.model import Direction, Metric, Options, Protocol, Section
from pytest_autoresearch.protocol.text import one_line

PLACEHOLDER = "<metric name>"
"""Stands for a metric that was not found; the config can not be used before somebody fills it in."""

PROGRAMS = ("program.md", "PROGRAM.md", "Program.md", "autoresearch/program.md", "research.md")
_PROBLEMS = ("problem.yaml", "problem.yml", "hillclimb.toml")
_MOST_FILES = 50_000
_TIME = (  # `200M` is no time
    r"(?P<{0}>\d[\d.]{{0,6}})[- ]?(?P<{0}u>secs?|seconds?|mins?|minutes?|hours?|(?-i:[smh]))\b"
    r"(?! ?(?:param|token|step|row|example|sample))"
)
_BUDGET = regex(
    r"\b(?:fixed|time|wall.clock|training|generation|per experiment|per run)\b[^.\n]{0,40}?" + _TIME.format("a"),
    re.IGNORECASE,
)
_KILL = regex(
    rf"(?:exceeds|longer than|more than|over|after)\s{{1,3}}~?{_TIME.format('a')}[^.\n]{{0,30}}(?:kill|abort|fail)"
    rf"|kill[^.\n]{{0,40}}?{_TIME.format('b')}",
    re.IGNORECASE,
)
_BOLD_START = regex(r"^\*\*([^*]{1,80}?)[:.]?\*\*[:.]?\s*")
_LOOP_RULES = (
    *("first run", "goal is", "can do", "cannot do", "timeout", "crash", "never stop", "not do", "you can", "primary"),
    *("metric", "the goal", "what you", "time budget", "budget"),
)


@dataclass(frozen=True, slots=True)
class Imported:
    """A protocol as far as it was understood, where from, what of it is a guess, and what is not mapped."""

    protocol: Protocol
    source: Path
    unmapped: tuple[str, ...]
    guesses: tuple[Guess, ...] = ()


def import_session(place: Path) -> Imported:
    """The protocol of the session at ``place``: a directory, or the file itself.

    Raises ConfigError where there is nothing that is known.
    """
    directory, source = _found(place)
    draft = Draft(Looker(directory))
    measure = None
    if source is not None and source.suffix in (".yaml", ".yml"):
        problems.read_problem(draft, frontmatter.read(text_of(source), file=str(source)), source)
    elif source is not None and source.suffix == ".toml":
        problems.read_climb(draft, source)
    elif source is not None and source.suffix == ".json":
        sources.read_evo_config(draft, source)
    else:
        is_program = source is not None and source.relative_to(directory).as_posix() not in sources.PI_PROMPTS
        if source is not None:
            _read_prompt(draft, text_of(source), source, is_program=is_program)
        if not is_program:
            measure = sources.read_scripts(draft, directory)
    infer_metric(draft)
    run, installs = without_installs(draft.run.best() or "")
    if installs:
        draft.tell(f"Run Command: `{installs}` is left out: do it once, a run installs nothing")
    if measure is not None:
        run = for_script(draft, measure, runs=os.access(directory / measure, os.X_OK))
        draft.run.found.clear()
    finish_files(draft, [measure] if measure else [])
    sources.lock_scripts(draft, directory, measure)
    return _imported(draft, run, source or directory)


def _found(place: Path) -> tuple[Path, Path | None]:
    """The session's directory, and the file that says what it is about."""
    if place.is_file():
        inside = [above for above in place.parents if above.name in (".auto", ".autoloop", ".evo")]
        return (inside[-1].parent if inside else place.parent), place
    if (prompt := first_of(place, sources.PI_PROMPTS)) is not None:
        return place, place / prompt
    if first_of(place, sources.PI_MEASURES) is not None:
        return place, None
    if (program := first_of(place, (*PROGRAMS, *_PROBLEMS))) is not None:
        return place, place / program
    loops = sorted({*place.glob(".autoloop/programs/*.md"), *place.glob(".autoloop/programs/*/program.md")})
    evo = sorted(place.glob(".evo/*/config.json"))
    if len(loops) > 1:
        listed = ", ".join(str(path.relative_to(place)) for path in loops)
        raise ConfigError(f"there are several programs: {listed}", file=place, remedy="name one with --from")
    if loops or evo:
        return place, (loops or evo[-1:])[0]
    known = ", ".join(
        (*sources.PI_PROMPTS, *sources.PI_MEASURES[:3], "program.md", *_PROBLEMS[::2], ".autoloop/programs/", ".evo/")
    )
    raise ConfigError(
        "nothing to import", file=place, remedy=f"known are {known}; without them: pytest-autoresearch init"
    )


class Looker:
    """Tells whether a path or pattern is there, beside the session's files."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: list[str] | None = None

    def __call__(self, path: str) -> bool:
        if not is_glob(path):
            return (self._directory / path).exists()
        return any(matches(path, name) or matches(path.removeprefix("**/"), name) for name in self._listed())

    def _listed(self) -> list[str]:
        if self._files is None:
            self._files = []
            for base, folders, names in os.walk(self._directory):
                folders[:] = [name for name in folders if name not in (".git", "node_modules", ".venv", "target")]
                below = Path(base).relative_to(self._directory)
                self._files += [(below / name).as_posix() for name in names]
                if len(self._files) > _MOST_FILES:
                    break
        return self._files


def _read_prompt(draft: Draft, text: str, source: Path, *, is_program: bool) -> None:
    with suppress(ConfigError):
        front, text = frontmatter.split(text, file=str(source))
        sources.read_front_matter(draft, frontmatter.read(front, file=str(source)), source.name)
    text = _without_comments(text)
    pieces = pieces_of(text, str(source))
    if sources.is_inline(text):
        sources.read_inline(draft, text)
    sources.read_evo_command(draft, text)
    read_metric(draft, pieces)
    read_run(draft, pieces)
    read_files(draft, pieces)
    prose = "\n".join(piece.text for piece in pieces if piece.kind in ("text", "item", "row"))
    draft.budget = draft.budget or _seconds(_BUDGET.search(prose))
    draft.kill_timeout = _seconds(_KILL.search(prose))
    if draft.kill_timeout is not None and draft.budget is not None and draft.kill_timeout < draft.budget:
        draft.kill_timeout = None
    _read_goal(draft, pieces)
    if is_program:
        _read_program(draft, prose, "\n".join(p.text for p in pieces if p.kind == "text"), source.name)
    else:
        _keep_sections(draft, pieces)


def _without_comments(text: str) -> str:
    """A prompt without what its template says to whoever fills it in."""
    parts = text.split("<!--")
    return parts[0] + "".join(part.partition("-->")[2] for part in parts[1:])


def _seconds(found: re.Match[str] | None) -> float | None:
    if found is None:
        return None
    groups = found.groupdict()
    amount, unit = (groups["a"], groups["au"]) if groups.get("a") else (groups.get("b"), groups.get("bu"))
    try:
        return parse_duration(f"{amount} {unit}")
    except ValueError:
        return None


def _read_goal(draft: Draft, pieces: list[Piece]) -> None:
    """The section about the goal, else the sentence that has it."""
    if draft.goal:
        return
    wanted = [
        p for p in pieces if p.kind != "heading" and p.titles and re.search(r"\b(?:objective|goal|mission)\b", p.title)
    ]
    if wanted:
        draft.goal = "\n\n".join(
            p.text.strip() for p in wanted if p.kind in ("text", "item") and p.title == wanted[0].title
        )
        return
    lines = [one_line(line) for p in pieces if p.kind == "text" for line in p.text.split("\n")]
    draft.goal = next((line.replace("**", "") for line in lines if re.search(r"\bgoal\b", line, re.IGNORECASE)), "")


def _read_program(draft: Draft, prose: str, paragraphs: str, name: str) -> None:
    draft.data += dict.fromkeys(path.rstrip("/") for path in re.findall(r"`(~/\.cache/[^`\s]{1,100})`", prose))
    for line in paragraphs.split("\n"):
        bold = _BOLD_START.match(line.strip())
        if bold and not any(word in bold[1].lower() for word in _LOOP_RULES):
            draft.notes.append(line.strip())
    metric = draft.name.best()
    if metric is not None and metric in draft.grepped:
        draft.extract.add(Rank.SAID, f"grep '^{metric}:' run.log | tail -n 1", "the prompt reads it so")
    draft.tell(f"{name}: what it says on git, results.tsv and the loop is the supervisor's work now")


def _keep_sections(draft: Draft, pieces: list[Piece]) -> None:
    """What the other sections of a prompt say is still for the agent to read."""
    used = re.compile(
        r"\b(?:objective|goal|metrics?|run|command|benchmark|scope|target|off limits|read only|constraints?)\b"
    )
    texts: dict[str, list[str]] = {}
    for piece in pieces:
        if piece.titles and re.search(r"\bconstraints?\b", piece.title) and piece.kind in ("item", "text"):
            draft.constraints.append(one_line(piece.text))
        top = piece.titles[1] if len(piece.titles) > 1 else piece.title
        if len(piece.titles) > 1 and not used.search(top):
            shown = f"{piece.text.strip()}" if piece.kind != "item" else f"- {piece.text.strip()}"
            shown = f"```\n{piece.text.rstrip()}\n```" if piece.kind == "code" else shown
            texts.setdefault(top, []).append(f"**{piece.text}**" if piece.kind == "heading" else shown)
    titles = {
        piece.titles[1]: piece.raw_title for piece in pieces if len(piece.titles) == 2 and piece.kind == "heading"
    }
    for top, parts in texts.items():
        body = "\n".join(parts[1:] if parts[0].startswith("**") else parts).strip()
        if body:
            draft.sections.append(Section(titles.get(top, top.capitalize()), body))


def _imported(draft: Draft, run: str, source: Path) -> Imported:
    """The draft as a protocol; what must be there and is not is told, and left for the user to fill in."""
    name, direction = draft.name.best(), draft.direction.best()
    guesses = [
        Guess(field, str(value.value if isinstance(value, Direction) else value), doubt)
        for field, value, doubt in (
            ("metric", name, draft.name.doubt()),
            ("direction", direction, draft.direction.doubt()),
            ("run", run, draft.run.doubt()),
            ("extract", draft.extract.best(), draft.extract.doubt()),
        )
        if doubt and value
    ]
    if name is None:
        draft.tell("Metric: no name was found; fill it in")
    if direction is None:
        draft.tell("Metric: neither lower nor higher was said; lower is assumed")
        guesses.append(Guess("direction", "lower", "the prompt says neither lower nor higher"))
    if not draft.targets:
        draft.tell("Target Files: no list of files was found; fill it in")
    if not run:
        draft.tell("Run Command: none was found; fill it in")
    elif is_unfinished(run):
        draft.tell(f"Run Command: `{run}` is unfinished: put a value for what stands in brackets")
    if draft.budget is None:
        draft.tell("Time Budget: none was said; twice the baseline's run time is taken")
    if run.startswith("uv "):
        draft.caches.append("~/.cache/uv")
        draft.tell("`uv run` needs an environment that is in place: a run has no network by default")
    targets = {rule.pattern for rule in draft.targets}
    protocol = Protocol(
        goal=without_headings(draft.goal),
        metric=Metric(
            name or PLACEHOLDER, direction or Direction.LOWER, extract=draft.extract.best(), target=draft.target
        ),
        targets=tuple(draft.targets),
        run=run,
        readonly=tuple(rule for rule in draft.readonly if rule.pattern not in targets),
        budget=draft.budget,
        kill_timeout=draft.kill_timeout,
        constraints=tuple(dict.fromkeys(draft.constraints)),
        notes=without_headings("\n\n".join(dict.fromkeys(draft.notes))),
        extra_sections=tuple(Section(free_title(s.title), without_headings(s.text)) for s in draft.sections),
        guard=tuple(dict.fromkeys(draft.guard)),
        limits=tuple(limit for limit in draft.limits if limit.name in draft.printed),
        data=tuple(draft.data),
        caches=tuple(draft.caches),
        options=Options(experiments=draft.experiments),
    )
    return Imported(_that_reads_back(protocol, draft), source, tuple(draft.told), tuple(guesses))


def _that_reads_back(protocol: Protocol, draft: Draft) -> Protocol:
    """The protocol as our own parser will see it; texts that would be read for something else stand in a fence."""
    is_open = not protocol.targets or is_unfinished(protocol.run or "…") or protocol.metric.name == PLACEHOLDER
    if is_open or reads_back(protocol):
        return protocol
    fenced = fenced_texts(protocol)
    if reads_back(fenced):
        return fenced
    draft.tell("Notes and other sections could not be written so that they read back; they are left out")
    return replace(protocol, notes="", extra_sections=(), constraints=())
