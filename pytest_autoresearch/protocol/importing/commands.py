"""How another tool's prompt says that an experiment is run: the command with what has to come before it. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.importing.draft import Draft, Rank
from pytest_autoresearch.protocol.importing.pieces import Piece, sentences
from pytest_autoresearch.protocol.shell import names_a_program, not_a_command
from pytest_autoresearch.protocol.text import spans

PRELUDE = regex(
    r"(?:source|\.|export|cd|mkdir|conda activate|mamba activate|module load|ulimit|nvm use|pyenv|eval)\s"
    r"|set -\w|[A-Z_]{1,40}=\S{0,200}$"
)
_RUN_TITLE = regex(
    r"\b(?:how to run|run command|run(?:ning)?|command|benchmark(?: command)?|benchmarks|launch\w*|evaluat\w+|"
    r"verif\w+|measure\w*|experiment command|workload|train(?:ing)? command)\b"
)
_NOT_RUN_TITLE = regex(r"\b(?:rules?|criteria|results?|metrics?|files?|why|what|constraints?|budget|etiquette)\b")
_LAUNCH = regex(
    r"\b(?P<verb>launch(?:ed)?(?: it)?"
    r"|run(?: it| eval(?:uation)?| the (?:experiment|benchmark|evaluation|training|script))?"
    r"|start(?: it)?(?! (?:the|a) (?:\w+ )?(?:server|service|backend|daemon|database|container))"
    r"|execute|invoke|benchmark|command|evaluate|eval|train)\b"
    r"(?P<between>[^`\n]{0,40})`(?P<command>[^`\n]{2,300})`",
    re.IGNORECASE,
)
_READY = regex(
    r"\b(?:if (?:it|they|that|this|not|the data|missing|there)|missing|ensure|verify|make sure|install|download|fetch|"
    r"check that|tell the human|dashboard|resum\w+|set ?up|once|first time|prepare the|populate|before you|clone)\b",
    re.IGNORECASE,
)
_LEADS_UP = regex(
    r"\b(?:launch\w*|run(?: it| the experiment| with)?|command|(?:each|every|one) (?:experiment|run|iteration))\b",
    re.IGNORECASE,
)
MOST_LINES = 400  # of one command in a fence
_NOT_THE_RUN = frozenset(
    "git grep egrep tail head cat cp mv rm ls echo printf mkdir touch wc awk sed jq sort curl wget pip cd source "
    "export conda kill pkill less diff tee find open gh autoresearch sleep watch nvidia-smi".split()
)
_INSTALLS = regex(
    r"^(?:uv (?:sync|pip|venv|add|tool)|pip3? |python3? -m (?:pip|venv)|npm (?:i|ci|install)\b|pnpm (?:i|install)\b|"
    r"yarn install|poetry (?:install|add)|conda (?:create|install|env)|apt|brew|cargo (?:install|add|build ?$)|"
    r"docker (?:pull|build))"
)
_QUOTED = r"'[^']*'|\"(?:\\.|[^\"\\])*\""
_GOES_TO = r"(?:\$\([^()\n]{0,80}\)|\"[^\"\n]{0,200}\"|[^\s\"';&|])+"
_REDIRECTED = regex(
    rf"(?P<kept>{_QUOTED})| {{0,4}}(?:2>&1|&>{{1,2}} ?{_GOES_TO}|[12]?>{{1,2}} ?(?!&){_GOES_TO}|\| ?tee\s[^\n]*"
    r"|(?<!&)&\s*$)"
)
_HEREDOC = regex(r"<<-?\s?([\"']?)([A-Za-z_]\w{0,40})\1")
_STEP = regex(r"^\s{0,8}\d{1,2}[.)]\s{0,3}(?:Run(?: eval\w{0,9}| it| the \w{1,20})?:?\s{1,3})?[`$]{0,2} ?([^`]*)`?")
_NUMBERED = regex(r"^[ \t]{0,8}\d{1,2}[.)] ", re.MULTILINE)
_OPEN = regex(
    r"<[A-Za-z][\w -]{0,40}>|(?<![$\w\\])\{[A-Za-z_]\w{0,30}\}|\[[A-Z][A-Z_ ]{1,30}\]|\bYOUR_\w|"
    r"\bpath/to/|\bREPLACE|\bTODO\b|"
    r"(?<![\w./])\.\.\.(?![\w/])|…"
)
_PROGRAMS = regex(
    r"^(?:[A-Z_][A-Z0-9_]{0,40}=\S{0,200} {1,3}){0,6}(?:time |nice |timeout \S{1,9} )?"
    r"(?:uvx?|python[\d.]{0,5}|torchrun|bash|sh|zsh|make|just|task|cargo|go|npm|npx|pnpm|yarn|bun|node|deno|julia|Rscript|"
    r"ruby|bundle|perl|php|java|mvn|gradle|\./gradlew|dotnet|swift|cmake|ninja|ctest|pytest|hatch|poetry|pdm|pixi|tox|nox|"
    r"hyperfine|accelerate|deepspeed|mpirun|srun|docker|podman|powershell|pwsh|nix|"
    r"[\w./-]{1,80}\.(?:sh|bash)|\./[\w./-]{1,80}|target/[\w./-]{1,80}|build/[\w./-]{1,80})(?:\s|$)"
)


def read_run(draft: Draft, pieces: Sequence[Piece]) -> None:
    """Add every claim on the run command that the prompt makes."""
    for piece in pieces:
        is_run_part = bool(_RUN_TITLE.search(piece.title)) and not _NOT_RUN_TITLE.search(piece.title)
        if piece.kind == "code" and not piece.language.startswith(
            ("json", "tsv", "csv", "yaml", "toml", "diff", "python")
        ):
            script = script_in(piece.text)
            is_loop = _NUMBERED.search(piece.text) is not None
            leads_up = _LEADS_UP.search(piece.label) is not None
            if script and (is_run_part or leads_up) and not is_loop and not piece.is_setup:
                draft.run.add(Rank.DECLARED, script, f"`{piece.raw_title or piece.label}` says so")
            elif script and is_run_part and not is_loop:
                draft.run.add(Rank.SAID, script, f"`{piece.raw_title}` says so")
            elif script and not is_loop and not piece.is_setup and not _READY.search(piece.label):
                draft.run.add(Rank.INFERRED, script, f"`{piece.raw_title or piece.label}` has it")
            for step in steps_in(piece.text):
                if not _READY.search(piece.label):
                    draft.run.add(Rank.INFERRED if piece.is_setup else Rank.SAID, step, "a step of the loop runs it")
        elif piece.kind in ("text", "item", "row", "quote"):
            for sentence in sentences(piece.text):
                _read_sentence(draft, sentence, piece, is_run_part=is_run_part)
    _prefer_whole(draft)


def _read_sentence(draft: Draft, sentence: str, piece: Piece, *, is_run_part: bool) -> None:
    if _READY.search(sentence):
        return
    launched = False
    for found in _LAUNCH.finditer(sentence):
        command = cleaned(found["command"])
        if is_experiment(command):
            declares = found["verb"].lower().startswith(("launch", "command")) or is_run_part
            rank = Rank.DECLARED if declares and not piece.is_setup else Rank.SAID
            draft.run.add(rank, command, f"`{found[0][:60]}`")
            launched = True
    if launched or not is_run_part or piece.is_setup:
        return
    first = next((cleaned(span.code) for span in spans(sentence) if is_experiment(cleaned(span.code))), None)
    bare = cleaned(sentence) if not any(spans(sentence)) and _PROGRAMS.match(sentence.strip()) else None
    if bare is not None and not_a_command(bare):
        bare = None
    command_said = first or bare
    draft.run.add(Rank.DECLARED if first else Rank.SAID, command_said, f"`{piece.raw_title}` says so")


def script_in(code: str) -> str:
    """A fence's script without comments, redirections and what only looks at the outcome; empty for none."""
    lines = [re.sub(r"\s{1,8}#\s[^\n]*$", "", line.removeprefix("$ ")).strip() for line in logical_lines(code)]
    kept: list[str] = []
    has_run = False
    for line in lines:
        if not line or line.startswith(("#", "//")):
            continue
        if is_experiment(cleaned(line)):
            if has_run:
                continue  # a second one checks or reports
            kept.append(cleaned(line))
            has_run = True
        elif PRELUDE.match(line) and not has_run:
            kept.append(line)
    return "\n".join(kept) if has_run else ""


def logical_lines(code: str) -> Iterator[str]:
    """The commands of a script, each with all its lines: of an open quote, a here-document, or one that goes on."""
    held: list[str] = []
    until = ""
    for line in re.sub(r"\\\n\s*", " ", code).split("\n"):
        held.append(line if held else line.strip())
        if until:
            until = "" if line.strip() == until else until
        elif (here := _HEREDOC.search(re.sub(_QUOTED, "", line) if len(held) > 1 else line)) is not None:
            until = here[2]
        whole = "\n".join(held)
        said = "\n".join(each for each in held if not each.lstrip().startswith("#"))
        is_open = re.search("[\"']", re.sub(_QUOTED, "", re.sub(r"\w'\w", "", said))) is not None
        goes_on = re.search(r"(?:&&|\|\||\|)\s*$", line) is not None
        if until or ((is_open or goes_on) and len(held) < MOST_LINES):
            continue
        yield whole
        held = []
    yield from (line.strip() for line in held)  # a quote that nothing closes: prose


def steps_in(code: str) -> Iterator[str]:
    """The commands of a loop that is written as numbered steps."""
    if not _NUMBERED.search(code):
        return
    for line in code.split("\n"):
        step = _STEP.match(line[:300])
        command = cleaned(step[1]) if step else ""
        if command and is_experiment(command):
            yield command


def cleaned(command: str) -> str:
    """A command without where its output goes, in the foreground."""
    plain = command.strip().removeprefix("$ ").removeprefix("nohup ")
    if _HEREDOC.search(plain):
        return plain
    return _REDIRECTED.sub(lambda found: found["kept"] or "", plain).strip()


def is_experiment(command: str) -> bool:
    """Whether a command may be the experiment: a known program, and no tool that only looks or installs."""
    parts = [part.strip() for part in re.split(r"&&|;", _without_bodies(command))]
    words = next((part for part in reversed(parts) if part), "").split()
    while words and re.fullmatch(r"[A-Z_][A-Z0-9_]*=\S*", words[0]):
        words = words[1:]
    if re.search(r"\s[—–]\s|\s→\s", parts[-1]):
        return False  # a file and what it is for
    if not words or words[0].rpartition("/")[2] in _NOT_THE_RUN or _INSTALLS.match(" ".join(words)):
        return False
    return (
        bool(_PROGRAMS.match(" ".join(words)))
        and names_a_program(words[0])
        and not not_a_command(_OPEN.sub("x", command))
    )


def without_installs(command: str) -> tuple[str, str]:
    """A command without the packages that it would install first, and that part."""
    first, joined, rest = command.partition(" && ")
    return (rest.strip(), first.strip()) if joined and _INSTALLS.match(first.strip()) else (command, "")


def is_unfinished(command: str) -> bool:
    """Whether a placeholder is left in a command."""
    return _OPEN.search(re.sub(r"'[^']*'", "''", _without_bodies(command))) is not None


def _without_bodies(command: str) -> str:
    """A command without what it quotes over several lines: a program of its own."""
    bare = re.sub(_QUOTED, lambda found: '"x"' if "\n" in found[0] else found[0], command)
    here = _HEREDOC.search(bare)
    return bare if here is None else bare[: here.start()]


def _prefer_whole(draft: Draft) -> None:
    """A command with a prelude is the same as the one without: the whole one counts, for all that name it."""
    whole = {command for _, command, _ in draft.run.found}
    for at, (rank, command, why) in enumerate(draft.run.found):
        longer = [other for other in whole if other != command and other.endswith((f"&& {command}", f"\n{command}"))]
        if longer:
            draft.run.found[at] = (rank, longer[0], why)


def for_script(draft: Draft, script: str, *, runs: bool) -> str:
    """The run command of a session whose measurement is a script: as the prompt calls it, with what comes before it."""
    name, call = script.rpartition("/")[2], f"bash {shlex.quote(script)}"
    for _, command, _ in sorted(draft.run.found, key=lambda claim: claim[0]):
        if name in command:
            return command if runs and f"./{script}" in command.split() else _called(command, name, call)
    return call


def _called(command: str, name: str, call: str) -> str:
    """A command with another call of the script in it."""
    begin = at = command.find(name)
    while begin > 0 and command[begin - 1] not in _BETWEEN:
        begin -= 1
    for shell in ("bash ", "sh "):
        before = command[:begin]
        if before.endswith(shell) and (before == shell or before[-len(shell) - 1] in _BETWEEN):
            begin -= len(shell)
            break
    return command[:begin] + call + command[at + len(name) :]


_BETWEEN = " ;&|(\n"
