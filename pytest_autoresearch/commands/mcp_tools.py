"""What ``pytest-autoresearch mcp`` offers: each tool with its arguments, and the command line that it stands for.

Data and small functions. A tool is one of our own commands, in a process of its own; nothing is done here that a person
could not do on a terminal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Arguments = Mapping[str, Any]

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
}


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a tool, as JSON schema knows types; ``flag`` is how the command spells it, empty: by itself."""

    type: str
    about: str
    flag: str = ""
    choices: tuple[str, ...] = ()
    required: bool = False

    def schema(self) -> dict[str, Any]:
        """Its JSON schema."""
        items = {"items": {"type": "string"}} if self.type == "array" else {}
        return {
            "type": self.type,
            "description": self.about,
            **items,
            **({"enum": list(self.choices)} if self.choices else {}),
        }

    def fault(self, value: object) -> str:
        """What is wrong with a value, empty where it may be used."""
        if not isinstance(value, _TYPES[self.type]) or (isinstance(value, bool) and self.type != "boolean"):
            return f"is no {self.type}"
        if isinstance(value, list) and not all(isinstance(each, str) for each in value):
            return "is no list of texts"
        if self.choices and value not in self.choices:
            return f"is none of {', '.join(self.choices)}"
        texts = value if isinstance(value, list) else [value]
        return "holds a NUL" if any(isinstance(text, str) and "\0" in text for text in texts) else ""

    def words(self, value: Any) -> list[str]:
        """The words of the command line. Joined to their flags, so that none is ever taken for a flag itself."""
        if self.type == "boolean":
            return [self.flag] if value else []
        values = value if isinstance(value, list) else [value]
        return [f"{self.flag}={each}" for each in values]


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool: ``words`` begin its command, ``positional`` arguments come last, after ``--``.

    ``changes``: whether it changes anything; ``is_session``: it is ``pytest`` that runs, in the background.
    """

    about: str
    arguments: Mapping[str, Argument]
    words: tuple[str, ...] = ()
    positional: tuple[str, ...] = ("path",)
    changes: bool = False
    is_session: bool = False

    def schema(self, name: str) -> dict[str, Any]:
        """The tool as ``tools/list`` tells it."""
        required = [key for key, argument in self.arguments.items() if argument.required]
        return {
            "name": name,
            "description": self.about,
            "inputSchema": {
                "type": "object",
                "properties": {key: argument.schema() for key, argument in self.arguments.items()},
                "required": required,
                "additionalProperties": False,
            },
            "annotations": {"readOnlyHint": not self.changes, "destructiveHint": name == "drop"},
        }

    def fault(self, given: Arguments) -> str:
        """What is wrong with a call, empty where nothing is. A misspelt argument is wrong, not ignored."""
        for key, value in given.items():
            if key not in self.arguments:
                return f"there is no argument {key!r}; there are: {', '.join(self.arguments)}"
            if fault := self.arguments[key].fault(value):
                return f"{key} {fault}"
        missing = [key for key, argument in self.arguments.items() if argument.required and key not in given]
        return f"{missing[0]} is missing" if missing else ""

    def command(self, given: Arguments) -> list[str]:
        """The command line of a call that has no fault."""
        flags = [
            word
            for key, value in given.items()
            if key not in self.positional
            for word in self.arguments[key].words(value)
        ]
        last = [str(given.get(key, ".")) for key in self.positional if key in given or key == "path"]
        return [*self.words, *flags, "--", *last]


_PATH = Argument("string", "directory of the config (absolute, or below where the server was started); default: there")
_SESSION = Argument("string", "config, or marked test FILE.py::TEST, or the directory of one; default: here")
_TAG = Argument("string", "name of the session; default: the running one, else the newest", "--tag")

TOOLS: Mapping[str, Tool] = {
    "init": Tool(
        "Write an autoresearch.config.md for this repository, and prove it with one run. Say what you know: a metric"
        " and a direction that are only guessed make it fail. Commit the target files first.",
        {
            "path": _PATH,
            "goal": Argument("string", "what should get better, and why", "--goal"),
            "metric": Argument("string", "name of the number that decides, as the run prints it", "--metric"),
            "direction": Argument("string", "which way it improves", "--direction", ("lower", "higher")),
            "run": Argument("string", "shell command of one experiment", "--run"),
            "extract": Argument("string", "shell command that prints the metric, else the log is read", "--extract"),
            "targets": Argument("array", "files that may be changed", "--target"),
            "readonly": Argument("array", "files that must not be changed", "--readonly"),
            "budget": Argument("string", "time of one run, such as 5m", "--budget"),
            "from": Argument("string", "another tool's session to take over", "--from"),
            "accept_guesses": Argument("boolean", "take what was guessed as if it were said", "--accept-guesses"),
        },
        words=("init", "--yes"),
        changes=True,
    ),
    "doctor": Tool(
        "Say whether a session would work here: isolation, agents and their keys, devices, one run of the protocol, and"
        " what a night will bring.",
        {"path": _SESSION, "no_run": Argument("boolean", "look only, run nothing", "--no-run")},
        words=("doctor", "--json", "--estimate"),
    ),
    "start": Tool(
        "Begin a session in the background, or go on with it. It runs on when this server ends; `status` follows it.",
        {
            "path": _SESSION,
            "tag": Argument("string", "name of the session; default: its date", "--autoresearch-tag"),
            "agent": Argument("string", "who proposes: auto, claude, acp:PROGRAM, ...", "--autoresearch-agent"),
            "experiments": Argument("integer", "stop after so many", "--autoresearch-experiments"),
            "duration": Argument("string", "stop after this time, such as 8h", "--autoresearch-duration"),
            "max_cost": Argument("number", "stop at so many US dollars", "--autoresearch-max-cost"),
            "until": Argument("number", "stop when the metric reaches this", "--autoresearch-until"),
        },
        words=("--autoresearch",),
        changes=True,
        is_session=True,
    ),
    "status": Tool(
        "How a session stands now: whether it runs, what it does, baseline, best, counts, and the newest experiments.",
        {"path": _SESSION, "tag": _TAG},
        words=("status", "--json"),
    ),
    "log": Tool(
        "The experiments of a session; with `show` everything about one, with `diff` what it changed.",
        {
            "path": _SESSION,
            "tag": _TAG,
            "show": Argument("integer", "number of an experiment", "--show"),
            "diff": Argument("integer", "number of an experiment", "--diff"),
        },
        words=("log", "--json"),
    ),
    "show": Tool(
        "The protocol as understood, and where each value came from.", {"path": _SESSION}, words=("show", "--json")
    ),
    "note": Tool(
        "Hand the proposing agent a hint; it reaches every briefing from the next one on.",
        {"text": Argument("string", "the hint, one line", required=True), "path": _PATH, "tag": _TAG},
        words=("note", "--json"),
        positional=("text", "path"),
        changes=True,
    ),
    "pause": Tool(
        "Let a running session wait after its current experiment, or go on with `off`.",
        {"path": _PATH, "tag": _TAG, "off": Argument("boolean", "go on", "--off")},
        words=("pause", "--json"),
        changes=True,
    ),
    "stop": Tool(
        "Let a running session stop after its current experiment. Nothing is lost; `start` goes on with it.",
        {"path": _PATH, "tag": _TAG},
        words=("stop", "--json"),
        changes=True,
    ),
    "drop": Tool(
        "Take one keep out of the branch of a session that does not run; the record stays.",
        {
            "number": Argument("integer", "the kept experiment", required=True),
            "path": _SESSION,
            "tag": _TAG,
            "why": Argument("string", "a line for the record", "--why"),
        },
        words=("drop", "--json"),
        positional=("number", "path"),
        changes=True,
    ),
    "verify": Tool(
        "Measure start against head on fresh, interleaved runs: the gain that may be claimed, with its interval. It"
        " takes as long as its runs.",
        {"path": _PATH, "tag": _TAG, "pairs": Argument("integer", "pairs of runs; default: as the noise asks", "-n")},
        words=("verify", "--json"),
        changes=True,
    ),
}
