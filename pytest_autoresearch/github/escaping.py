"""Foreign words made harmless in a job's log, where a line may be a command. Pure."""

from __future__ import annotations

from pytest_autoresearch.text import clean, one_line


def command_data(text: str) -> str:
    """The text of a workflow command such as ``::notice::``."""
    return one_line(text, None).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def command_property(text: str) -> str:
    """A property of a workflow command, such as its title."""
    return command_data(text).replace(":", "%3A").replace(",", "%2C")


def log_lines(text: str, most: int) -> list[str]:
    """The last lines of a foreign log, fit for a job's log: none begins as a command does, in its old form either."""
    return [f"| {line[:500].replace('##[', '# #[')}" for line in clean(text).strip().split("\n")[-most:] if line]
