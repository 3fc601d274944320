"""Commands in a config: a fence, inline code or a bare line; and telling a command from prose. Pure, runs nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.blocks import Block
from pytest_autoresearch.protocol.text import field_of, is_placeholder, one_line, quoted, spans, without_emphasis
from pytest_autoresearch.protocol.vocabulary import section_of

_PROGRAMS = frozenset(
    (
        "python python3 uv uvx pip pytest bash sh zsh node npm npx pnpm yarn bun deno cargo go gcc g++ clang cmake "
        "ninja java mvn gradle julia Rscript perl ruby php lua swift dotnet docker podman grep egrep awk sed cut tail "
        "head cat jq yq bc wc sort uniq tr tee xargs sqlite3 psql curl wget git cd export env nice time timeout "
        "torchrun accelerate deepspeed mpirun srun sbatch nohup hyperfine perf just task tox nox hatch poetry pipenv "
        "conda mamba make find test echo printf rg ls set source exec nvidia-smi if for while until case "
        "ruff mypy pyright basedpyright black isort flake8 pylint pre-commit tsc eslint biome prettier jest vitest "
        "mocha meson bazel sbt lein mix stack cabal ghc zig rustc clippy-driver rspec rake bundle composer phpunit "
        "golangci-lint staticcheck shellcheck bats ctest coverage papermill jupyter dvc valgrind pdm pixi hyperfine "
        "micromamba asv ty lake gradlew mvnw Rscript octave nbmake codespell yamllint hadolint semgrep bandit"
    ).split()
)
_ALSO_VERBS = frozenset(
    "make find test time set source sort cut task go head black stack mix coverage lake bundle rake pixi".split()
)
_PROSE_WORDS = frozenset(
    "the a an and of from with that is are by after should your this these its "
    "der die das den dem und von aus mit nach jede jeder alle".split()
)
_QUOTES = regex(r"'[^']*'|\"(?:\\.|[^\"\\])*\"|(?:^|\s)#.*$", re.MULTILINE)
_PLACEHOLDER = regex(
    r"(?:^|(?<=[\s=/]))(<[A-Za-z][A-Za-z0-9_-]{0,40}>|\{[A-Za-z_]\w{0,40}\}|\[[A-Z][A-Z_]{2,40}\]"
    r"|(?<!/)(?:\.{3}|…|/?path/to/[\w./-]{1,200}|(?i:your)[_-][\w./-]{1,200}))(?=[\s/:]|$)"
)
_CJK = regex(r"[\u3000-\u9fff\uff00-\uffef]")
_PLAIN_WORD = regex(r"[(\[]?[^\W\d_][\w'’-]*[)\]]?[.,:;!?]?|[+/&–—-]|[\[(]?[A-Z]+[\])]?")
_SENTENCE_END = regex(r"[^\W\d_]{2}[.!?]$")
_REMARK_BEHIND = regex(r"(?<!\s)\s+(?:(?:—|–|→|=>)\s.*|\([^()]*\))$|(?:(?<!\s)\s+)?（[^（）]*）$", re.DOTALL)
_BEFORE_BRACKET = frozenset("then do else elif if while until in".split())
_ALTERNATIVE = regex(r"(?:or|oder|或|或者):?", re.IGNORECASE)
_BETWEEN_COMMANDS = regex(r"(?:[\s,;.&+]|→|->|and|then|or|finally|und|dann|oder|然后|和|或)+", re.IGNORECASE)
_IN_QUOTES = regex(r"([\"'])([^\"'/\s]+\s[^\"']*)\1|“([^“”]*)”|„([^“„]*)“")
_PYTHON = regex(r"(?:import\s+[a-z_][\w.]*(?:\s+as\s.*|,.*)?|from\s+[\w.]+\s+import\s.*)")


def read_command(blocks: Sequence[Block], *, what: str, example: str, file: str, line: int) -> tuple[str, int]:
    """The one command that a section holds, and its line. ConfigError for none, several, or prose."""
    remedy = f"write a command that a shell can run, for example `{example}`"
    fences = [block for block in blocks if block.kind == "code"]
    if len(fences) > 1:
        raise ConfigError(
            f"{what} has several blocks of code, in lines {', '.join(str(b.line) for b in fences)}",
            file=file,
            line=fences[1].line,
            remedy="put the whole script into one block",
        )
    if fences:
        command, at = without_prompts(fences[0].text), fences[0].first
    else:
        text, at = _bare_text(blocks, what, file, line)
        try:
            command = command_in(text)
        except ValueError as error:
            raise ConfigError(
                f"{what}: {error}", file=file, line=at, remedy="put the whole script into one fenced block"
            ) from None
    if not command:
        raise ConfigError(f"{what} is empty", file=file, line=at, remedy=remedy)
    complaint = not_a_command(command)
    if complaint:
        raise ConfigError(f"{what}: {quoted(command)} {complaint}", file=file, line=at, remedy=remedy)
    return command, at


def _bare_text(blocks: Sequence[Block], what: str, file: str, line: int) -> tuple[str, int]:
    """The text that holds the command where it is not in a fence, without the label before it."""
    if any(block.kind == "head" for block in blocks):
        return _in_table([block for block in blocks if block.kind in ("head", "row")], what, file)
    written = [block for block in blocks if block.kind in ("text", "item", "quote") and _without_label(block.text)]
    if not written:
        return "", line
    first = written[0]
    items = [block for block in written if block.kind == "item" and block.depth == 1]
    if len(items) > 1 and first.kind == "item":
        raise ConfigError(
            f"{what} lists {len(items)} commands",
            file=file,
            line=items[1].line,
            remedy="put them as lines of one script into one fenced block",
        )
    lines = first.text.split("\n")
    for number, text in enumerate(lines):
        if number and _ALTERNATIVE.fullmatch(text.strip()):
            raise ConfigError(f"{what} offers alternatives", file=file, line=first.line + number, remedy="choose one")
    return _without_label(first.text), first.line


def _in_table(table: list[Block], what: str, file: str) -> tuple[str, int]:
    """The command in a table: below `Command`, beside it, or all there is."""
    head, rows = table[0], table[1:]
    column = next((n for n, cell in enumerate(head.cells) if section_of(cell) == "run"), None)
    beside = [block for block in table if len(block.cells) > 1 and section_of(block.cells[0]) == "run"]
    if column is not None and len(rows) == 1:
        return rows[0].cells[column], rows[0].line
    if len(beside) == 1:
        return beside[0].cells[1], beside[0].line
    if len(rows) == 1 and len(head.cells) == 1:
        return rows[0].cells[0], rows[0].line
    raise ConfigError(
        f"{what} is a table", file=file, line=head.line, remedy="put the command, or the whole script, into one fence"
    )


def _without_label(text: str) -> str:
    """A text without a `Command:` before it; an assignment like ``run=3`` is none."""
    label = field_of(text)
    is_label = label is not None and section_of(label[0]) == "run" and not re.match(r"\w+=", text)
    return label[1] if label and is_label else text.strip()


def command_in(text: str) -> str:
    """A command in inline code, or a bare one without the remark behind it. ValueError for two of them."""
    first, second = (*spans(text), None, None)[:2]
    if first is not None and _introduces(text[: first.start].split()):
        if second is not None and _BETWEEN_COMMANDS.fullmatch(text[first.end : second.start]):
            raise ValueError(f"{quoted(first.code)} and {quoted(second.code)} are two commands")
        return without_prompts(first.code)
    command = without_remark(text)
    in_quotes = _IN_QUOTES.fullmatch(command)
    command = next(filter(None, in_quotes.groups()[1:])) if in_quotes else without_emphasis(command)
    return without_prompts(re.sub(r"(\w\.\w+)\.$", r"\1", command))


def _introduces(words: list[str]) -> bool:
    """Whether words before inline code lead up to it (`Run …`), rather than being shell themselves (`echo …`)."""
    words = [word for word in words if re.search(r"[^*_]", word) and not re.fullmatch(r"[^\w\x00-\x7f]+", word)]
    is_shell = bool(words) and words[0] in _PROGRAMS and words[0] not in _ALSO_VERBS
    return not is_shell and len(words) <= 6 and all(_PLAIN_WORD.fullmatch(word.strip("*")) for word in words)


def without_remark(text: str) -> str:
    """A bare command without what was written behind it for people: ``python a.py (3 seeds)``."""
    command = text.strip()
    cut = _REMARK_BEHIND.search(command)
    if cut is None or not command[: cut.start()].strip():
        return command
    head = command[: cut.start()].rstrip()
    is_shell = (
        head[-1] in "|&;({!$=" or head.split()[-1] in _BEFORE_BRACKET or head.count("'") % 2 or head.count('"') % 2
    )
    return command if is_shell else head


def without_prompts(script: str) -> str:
    """A fence's script; ``$`` prompts are taken off when every line has one, or goes on from one before."""
    lines = script.strip("\n").rstrip().split("\n")
    begun = [line for before, line in zip(["", *lines], lines, strict=False) if line.strip() and before[-1:] != "\\"]
    if all(line.startswith("$ ") for line in begun):
        lines = [line.removeprefix("$ ") for line in lines]
    return "\n".join(lines).strip()


def not_a_command(command: str) -> str:
    """Why a text can not be meant for a shell, as the end of a sentence; empty if it can."""
    if is_placeholder(command):
        return "is still the template's placeholder"
    lines = [line.strip() for line in command.split("\n")]
    first = next((line for line in lines if line and not line.startswith("#")), "")
    if not first:
        return "has only comments"
    if first.startswith("$ "):
        return "begins with a prompt: leave `$` and what it printed out"
    if _PYTHON.fullmatch(first):
        return "is Python: save it as a file, and run that"
    bare = command.partition("<<")[0] if "<<" in command else command
    if open_end := _PLACEHOLDER.search(_QUOTES.sub(" ", bare)):
        return f"is unfinished: put a value for {open_end[1]}"
    return "is prose, not a command" if _is_prose(first, is_single=len(lines) == 1) else ""


def names_a_program(command: str) -> bool:
    """Whether a text can be a command or a path of tests by its first word: a program, a file, a node id."""
    first = (command.split() or [""])[0]
    return first in _PROGRAMS or first == "affected" or re.search(r"/|::|\.\w+$|=", first) is not None


def _is_prose(line: str, *, is_single: bool) -> bool:
    """Whether a line is a sentence. Words that only sentences have decide, never the length."""
    bare = one_line(_QUOTES.sub(" ", line))
    words = bare.split()
    if not words or words[0] in ("echo", "printf"):
        return False
    first = words[0]
    is_program = first in _PROGRAMS or re.search(r"[/=$~\\]|^[(\[{!:.\"']|\.\w+$|\d", first) is not None
    if (_CJK.search(first) and "/" not in first) or (first.lower() in ("the", "der", "die", "das") and len(words) > 1):
        return True
    telling = sum(word.strip(".,:;").lower() in _PROSE_WORDS for word in words[1:])
    if is_program and re.search(rf"\s(?:or|oder)\s+(?:{'|'.join(map(re.escape, _PROGRAMS))})\s", bare):
        return True
    if is_program and first not in _ALSO_VERBS:
        if re.search(r"\w,\s+[a-z]+\s+[a-z]+", bare) and not re.search(r"[|&;<>]|\s-", bare):
            return True
        return telling >= 2 and not re.search(r"[|&;<>]|\s-", bare)
    has_flag = any(word.startswith("-") and len(word) > 1 for word in words)
    if is_program:
        return telling >= 1 and not has_flag
    if telling >= 1 or (
        first[:1].isupper() and first.isalpha() and not first.isupper() and len(words) > 2 and not has_flag
    ):
        return True
    is_plain = all(_PLAIN_WORD.fullmatch(word) for word in words)
    return is_single and is_plain and (len(words) >= 5 or (len(words) >= 3 and bool(_SENTENCE_END.search(bare))))
