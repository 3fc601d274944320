"""The one table of options: what may come from the command line, the environment, the front matter and the ini file.

pytest loads this at every start, so it is names and words only; what parses a value is loaded when there is one.
"""

from __future__ import annotations

from typing import Any


class Option:
    """One option; ``kind`` names the parser of its text (`values`), ``default`` None: not set."""

    __slots__ = ("default", "help", "kind", "metavar", "name")

    def __init__(self, name: str, metavar: str, kind: str, default: Any, help: str) -> None:
        self.name, self.metavar, self.kind, self.default, self.help = name, metavar, kind, default, help

    @property
    def flag(self) -> str:
        return "--autoresearch-" + self.name.replace("_", "-")

    @property
    def dest(self) -> str:
        return f"autoresearch_{self.name}"

    @property
    def env(self) -> str:
        return f"AUTORESEARCH_{self.name.upper()}"

    @property
    def ini(self) -> str:
        return f"autoresearch_{self.name}"

    def parse(self, text: str) -> Any:
        """The value that a text means. ValueError: it means none."""
        from pytest_autoresearch.protocol import values

        if self.kind == "choice":
            return values.parse_choice(text, tuple(self.metavar.split("|")))
        return values.PARSERS[self.kind](text)


JUDGES = ("grouped", "certified", "fast", "classic")
ISOLATIONS = ("strict", "auto", "none")
SUSPICIOUS = ("ask", "keep", "discard", "stop")
LOOK_AHEAD = ("auto", "yes", "no")
FAIL_ON = ("never", "no-keep", "crash")

OPTIONS: tuple[Option, ...] = (
    Option("tag", "NAME", "tag", None, "session to begin or resume, on branch autoresearch/NAME (default: the date)"),
    Option(
        "agent",
        "NAME",
        "agents",
        ("auto",),
        "who proposes: auto, claude, codex, command:PROGRAM, … (default: auto, a search without a model)",
    ),
    Option("model", "NAME", "name", None, "model of the agent (default: the agent's own)"),
    Option("judge", "|".join(JUDGES), "choice", "grouped", "rule for a keep (default: grouped)"),
    Option("experiments", "N", "count", None, "stop after N more experiments (default: no limit)"),
    Option("duration", "TIME", "duration", None, "stop after this time, e.g. 8h (default: no limit)"),
    Option("max_cost", "USD", "cost", None, "stop when the agent has cost this much (default: no limit)"),
    Option(
        "max_tokens",
        "N",
        "positive count",
        None,
        "stop when the agent has used this many tokens (default: no limit)",
    ),
    Option("patience", "N", "positive count", None, "stop after N experiments without a keep (default: no limit)"),
    Option(
        "until", "VALUE", "number", None, "stop when the metric is this good (default: the metric's Target, if any)"
    ),
    Option("targets", "FILES", "files", (), "target files, with commas, instead of the protocol's"),
    Option("guard", "TESTS", "lines", (), "what must stay green for a keep, one a line, instead of the protocol's"),
    Option("workers", "N|gpus|auto", "workers", 1, "experiments at the same time, each on a slot (default: 1)"),
    Option(
        "look_ahead",
        "|".join(LOOK_AHEAD),
        "choice",
        "auto",
        "ask for the next proposal while runs go on (default: auto, where a turn takes over a tenth of the runs)",
    ),
    Option("executor", "NAME", "name", "local", "where experiments run: local, ray, or a plugin's (default: local)"),
    Option("address", "auto|HOST:PORT", "name", None, "the Ray cluster of executor ray (default: auto)"),
    Option(
        "isolation",
        "|".join(ISOLATIONS),
        "choice",
        "auto",
        "how runs are fenced in (default: auto, the best there is)",
    ),
    Option(
        "publish",
        "yes|no",
        "bool",
        False,
        "push branch and ledger while running, and open the pull request (default: no)",
    ),
    Option("live", "PORT", "port", None, "a page on 127.0.0.1 that follows the session (without PORT: any free one)"),
    Option("observers", "NAMES", "files", (), "who is told of every record: mlflow, trackio, FILE.jsonl; with commas"),
    Option("notify", "COMMAND", "name", None, "a command, or a webhook's address, that hears of keeps and of the end"),
    Option("fail_on", "|".join(FAIL_ON), "choice", "never", "what makes an ended loop exit with 1 (default: never)"),
    Option(
        "suspicious",
        "|".join(SUSPICIOUS),
        "choice",
        None,
        "what becomes of an artefact of the metric (default: discard it; ask where the agent writes code)",
    ),
    Option("seed", "N", "count", 0, "seed of the session's own random choices (default: 0)"),
)
