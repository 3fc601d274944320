"""The workflows that a repository needs for nightly sessions, adapted to its protocol. Knows no network and no git."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from pytest_autoresearch.errors import ConfigError

NAMES = ("autoresearch.yml", "verify.yml", "commands.yml")
_CONFIG = "        default: autoresearch.config.md\n"
_TWO_JOBS: Mapping[str, str] = {
    "      contents: write # every keep is pushed while the loop runs\n": (
        "      contents: read # the publish job checks and pushes what this one hands over\n"
    ),
    "      pull-requests: write # one comment says how the session stands, once there is a pull request\n": "",
    'AUTORESEARCH_PUBLISH: "yes"\n': 'AUTORESEARCH_PUBLISH: "no"\n',
    "          OPENAI_API_KEY: ${{ secrets.OPENAI_API_KEY }}\n          GITHUB_TOKEN: ${{ github.token }}\n": (
        "          OPENAI_API_KEY: ${{ secrets.OPENAI_API_KEY }}\n"
    ),
}


def workflows(config: str, *, two_jobs: bool) -> dict[str, str]:
    """The workflows by file name. ``config`` is relative to the repository's top; ``two_jobs``: the machine that runs
    experiments holds no token that can write.
    """
    texts = {name: (files("pytest_autoresearch.github") / "workflows" / name).read_text("utf-8") for name in NAMES}
    loop = texts["autoresearch.yml"]
    changes = {_CONFIG: f"        default: {_scalar(config)}\n", **(_TWO_JOBS if two_jobs else {})}
    for old, new in changes.items():
        assert loop.count(old) == 1, old
        loop = loop.replace(old, new)
    return {**texts, "autoresearch.yml": loop}


def write_workflows(top: Path, config: str, *, two_jobs: bool) -> list[Path]:
    """Write them below ``.github/workflows``; ConfigError, with nothing written, where one is there already."""
    directory = top / ".github" / "workflows"
    texts = {directory / name: text for name, text in workflows(config, two_jobs=two_jobs).items()}
    for path, text in texts.items():
        if path.exists() and path.read_text("utf-8", "replace") != text:
            raise ConfigError(
                "there is another workflow of that name", file=path, remedy="move it out of the way first"
            )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            path.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"it can not be written: {error.strerror}", file=directory) from None
    return list(texts)


def _scalar(text: str) -> str:
    """A string as YAML reads it back."""
    if text.replace("/", "").replace("_", "").replace("-", "").replace(".", "").isalnum() and text[0].isalpha():
        return text
    return "'" + text.replace("'", "''") + "'"
