"""Commands in a config: a fence, inline code or a bare line; and telling a command from prose. Pure, runs nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.protocol.blocks import Block
from pytest_autoresearch.protocol.text import is_placeholder, one_line, quoted, spans

_PROGRAMS = frozenset(
    (
        "python python3 uv uvx pip pytest bash sh zsh node npm npx pnpm yarn bun deno cargo go gcc g++ clang cmake "
        "ninja java mvn gradle julia Rscript perl ruby php lua swift dotnet docker podman grep egrep awk sed cut tail "
        "head cat jq yq bc wc sort uniq tr tee xargs sqlite3 psql curl wget git cd export env nice time timeout "
        "torchrun accelerate deepspeed mpirun srun sbatch nohup hyperfine perf just task tox nox hatch poetry pipenv "
        "conda mamba make find test echo printf rg ls set source exec nvidia-smi if for while until case"
    ).split()
)
_ALSO_VERBS = frozenset("make find test time set source sort cut task go head".split())
_PROSE_WORDS = frozenset(
    "the a an and of from with that is are by after should your this these its "
    "der die das den dem und von aus mit nach jede jeder alle".split()
)
_QUOTES = re.compile(r"'[^']*'|\"(?:\\.|[^\"\\])*\"|(?:^|\s)#.*$", re.MULTILINE)
_CJK = re.compile(r"[\u3000-\u9fff\uff00-\uffef]")
_PLAIN_WORD = re.compile(r"[(\[]?[^\W\d_][\w'’-]*[)\]]?[.,:;!?]?|[+/&–—-]|[\[(]?[A-Z]+[\])]?")
_SENTENCE_END = re.compile(r"[^\W\d_]{2,}[.!?]$")
_REMARK_BEHIND = re.compile(r"\s+(?:—|–|→|=>)\s+.*$|\s+\([^()]*\)$|\s*（[^（）]*）$", re.DOTALL)
_BEFORE_BRACKET = frozenset("then do else elif if while until in".split())
_ALTERNATIVE = re.compile(r"(?:or|oder|或|或者):?", re.IGNORECASE)


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
        command, at = _bare_command(blocks, what, file, line)
    if not command:
        raise ConfigError(f"{what} is empty", file=file, line=at, remedy=remedy)
    complaint = not_a_command(command)
    if complaint:
        raise ConfigError(f"{what}: {quoted(command)} {complaint}", file=file, line=at, remedy=remedy)
    return command, at


def _bare_command(blocks: Sequence[Block], what: str, file: str, line: int) -> tuple[str, int]:
    written = [block for block in blocks if block.kind in ("text", "item", "quote", "row") and block.text.strip()]
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
    return command_in(first.text), first.line


def command_in(text: str) -> str:
    """A command in inline code, or a bare one without the remark behind it."""
    first = next(spans(text), None)
    if first is not None and _introduces(text[: first.start].split()):
        return first.code.strip()
    return without_remark(text)


def _introduces(words: list[str]) -> bool:
    """Whether words before inline code lead up to it (`Run …`), rather than being shell themselves (`echo …`)."""
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
    """A fence's script; ``$`` prompts are taken off when every line has one."""
    lines = script.strip("\n").rstrip().split("\n")
    if all(line.startswith("$ ") for line in lines if line.strip()) and any(lines):
        lines = [line[2:] for line in lines]
    return "\n".join(lines).strip()


def not_a_command(command: str) -> str:
    """Why a text can not be meant for a shell, as the end of a sentence; empty if it can."""
    if is_placeholder(command):
        return "is still the template's placeholder"
    lines = [line.strip() for line in command.split("\n")]
    first = next((line for line in lines if line and not line.startswith("#")), "")
    if not first:
        return "has only comments"
    return "is prose, not a command" if _is_prose(first, is_single=len(lines) == 1) else ""


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
    if is_program and first not in _ALSO_VERBS:
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
