"""Any program as an agent: it reads the briefing, edits the target files, and its last line says what it did.

The briefing is on its stdin and in the file that ``AUTORESEARCH_BRIEFING`` names. What the program changed is read from
the workspace, never from its word.
"""

from __future__ import annotations

import os
import shlex

from pytest_autoresearch.agents.answer import LONGEST_DESCRIPTION, LONGEST_FAILURE, Answer, is_labelled, parse_answer
from pytest_autoresearch.agents.base import AgentSettings, Briefing, Desk, Proposal, Turn
from pytest_autoresearch.agents.hosts import model_hosts, with_refused
from pytest_autoresearch.errors import AgentError
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.text import clean, last_words, one_line

_ASSIGNMENT = regex(r"\w+=")
_PLAIN = regex(r"[\w./~+-]+")
_SHELL = frozenset(
    """
    . : [ alias bg bind break builtin case cd command continue declare dirs echo enable eval exec exit export false
    fg for function getopts hash help history if jobs kill let local logout mapfile popd printf pushd pwd read readarray
    readonly return select set shift shopt source test time times trap true type typeset ulimit umask unalias unset
    until wait while
    """.split()
)
"""What bash knows without a program."""

PREFIX = "command:"
_BRIEFING = "briefing.md"
LONGEST_LOG = 2_000  # characters
_LONGEST_OUTPUT = 1_000_000  # bytes; of a longer one the end is read


class CommandAgent:
    """``command:PROGRAM …``, run as ``bash -c`` in the protocol's directory of the workspace."""

    concurrent = True

    def __init__(self, settings: AgentSettings) -> None:
        self.name, self._settings = settings.name, settings
        self.network = settings.reach(is_proven=False)
        program = settings.name.removeprefix(PREFIX).strip()
        if not program:
            raise AgentError("the agent `command:` names no program; write `command:python propose.py`")
        self._command = " ".join([program, *map(shlex.quote, settings.args)])

    def propose(self, briefing: Briefing, desk: Desk) -> Proposal:
        """One turn of the program."""
        text = briefing.text.encode("utf-8", "replace")
        turn = desk.run(
            f'export AUTORESEARCH_BRIEFING="$HOME/{_BRIEFING}"\n{self._command}',  # only the sandbox knows its HOME
            stdin=text,
            env={
                "AUTORESEARCH_EXPERIMENT": str(briefing.number),
                "AUTORESEARCH_TARGET_FILES": "\n".join(desk.targets),
            },
            pass_env=self._settings.pass_env,
            network=self.network == "yes",
            hosts=self._hosts() if self.network == "model" else None,
            timeout=self._settings.deadline,
            home={_BRIEFING: text},
        )
        answer = _answer(_text(turn.stdout))
        return Proposal(
            answer.description,
            hypothesis=answer.hypothesis,
            failure=with_refused(_failure(turn), turn.refused),
            log=_log(turn),
            nothing=answer.nothing,
        )

    def _hosts(self) -> tuple[str, ...]:
        """Where the keys lead that it is handed, and what the config names."""
        handed = {name: os.environ[name] for name in self._settings.pass_env if os.environ.get(name)}
        return model_hosts(handed, (self._command,), self._settings.hosts)


def words_of(name: str) -> list[str]:
    """The words of ``command:PROGRAM …``; none for another agent, or what no shell would take."""
    try:
        return shlex.split(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else []
    except ValueError:
        return []


def program_of(name: str) -> str | None:
    """The program that ``command:PROGRAM …`` starts first; None where that is the shell's, or can not be told."""
    for word in words_of(name):
        if _ASSIGNMENT.match(word):
            continue
        word = word.rstrip(";&|")
        return word if _PLAIN.fullmatch(word) and word not in _SHELL else None
    return None


def _answer(said: str) -> Answer:
    """The two documented lines where the output ends with one of them, else its last line as it stands."""
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "")
    return parse_answer(said) if is_labelled(last) else Answer(one_line(last, LONGEST_DESCRIPTION))


def _failure(turn: Turn) -> str | None:
    """Why the turn gave nothing, with the program's last words."""
    if not turn.timed_out and turn.exit_code == 0:
        return None
    words = _text(turn.stderr).strip() or _text(turn.stdout).strip()
    said = last_words(words.splitlines()[-1], LONGEST_FAILURE) if words else ""
    if turn.timed_out:
        return f"no answer within {turn.duration:.0f} s" + (f"; its last words: {said}" if said else "")
    return f"exit status {turn.exit_code}" + (f": {said}" if said else ", without a word")


def _log(turn: Turn) -> str:
    """What a turn said beside its answer, for the record of one that came to nothing."""
    if turn.exit_code == 0 and not turn.timed_out and not turn.stderr.strip():
        return ""
    said = _text(turn.stderr).strip() or _text(turn.stdout).strip()
    how = "killed at its deadline" if turn.timed_out else f"exit status {turn.exit_code}"
    return f"{said[-LONGEST_LOG:]}\n({how})".strip()


def _text(output: bytes) -> str:
    return clean(output[-_LONGEST_OUTPUT:])
