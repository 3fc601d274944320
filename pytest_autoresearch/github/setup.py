"""The workflows that a repository needs for nightly sessions, adapted to it. Knows no network and no git."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.protocol.scope import OWN_LOCK

NAMES = ("autoresearch.yml", "verify.yml", "commands.yml")
PULLS = "pull-requests.yml"
LOCK = Path(OWN_LOCK)
HOSTED = "ubuntu-latest"

_CONFIG = "        default: autoresearch.config.md\n"
_FALLBACK = "  CONFIG: ${{ inputs.config || 'autoresearch.config.md' }}\n"
_LABELS = "    runs-on: [self-hosted, gpu]\n"
_BIN = '"$RUNNER_TEMP/autoresearch/bin/'
_REQUIREMENTS = f'          if [ -f requirements.txt ]; then {_BIN}pip" install --quiet -r requirements.txt; fi\n'
_TOKEN = """\
          GITHUB_TOKEN: ${{ secrets.AUTORESEARCH_TOKEN || github.token }}
          AUTORESEARCH_APP_ID: ${{ vars.AUTORESEARCH_APP_ID }}
          AUTORESEARCH_APP_KEY: ${{ secrets.AUTORESEARCH_APP_KEY }}
"""
_TWO_JOBS: Mapping[str, str] = {
    "      contents: write # every keep is pushed while the loop runs\n": (
        "      contents: read # the publish job checks and pushes what this one hands over\n"
    ),
    "      pull-requests: write # one comment says how the session stands, once there is a pull request\n": "",
    'AUTORESEARCH_PUBLISH: "yes"\n': 'AUTORESEARCH_PUBLISH: "no"\n',
    "          OPENAI_API_KEY: ${{ secrets.OPENAI_API_KEY }}\n" + _TOKEN: (
        "          OPENAI_API_KEY: ${{ secrets.OPENAI_API_KEY }}\n"
    ),
}
_IS_PACKAGE = "grep -q '^\\[build-system]' pyproject.toml"  # else uv and poetry leave the project itself out too
_ITSELF = f'{_BIN}pip" install --quiet --no-deps --editable .'
INSTALLS: Mapping[str, Sequence[str]] = {
    "requirements": [_REQUIREMENTS.strip()],
    "pyproject": [f'{_BIN}pip" install --quiet --editable .'],
    "uv": [
        f'{_BIN}pip" install --quiet uv',
        f'{_BIN}uv" export --quiet --frozen --no-emit-project --output-file "$RUNNER_TEMP/project.txt"',
        f'{_BIN}pip" install --quiet -r "$RUNNER_TEMP/project.txt"',
        f"if {_IS_PACKAGE}; then {_ITSELF}; fi",
    ],
    "poetry": [
        f'{_BIN}pip" install --quiet poetry poetry-plugin-export',
        f'{_BIN}poetry" export --quiet --output "$RUNNER_TEMP/project.txt"',
        f'{_BIN}pip" install --quiet -r "$RUNNER_TEMP/project.txt"',
        f"if {_IS_PACKAGE} && ! grep -q '^package-mode *= *false' pyproject.toml; then {_ITSELF}; fi",
    ],
    "none": [],
}
"""How a project's own needs are installed into the environment of the runs."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a repository's workflows are to be like.

    ``config`` is relative to the repository's top. ``two_jobs``: the machine that runs experiments holds no token that
    can write. ``labels`` are the runner's, :data:`HOSTED` for GitHub's own. ``schedule`` is a cron line, or empty;
    ``install`` one of :data:`INSTALLS`; ``version`` what is installed, empty for the newest; ``pulls``: the workflow of
    ordinary pull requests too.
    """

    config: str = "autoresearch.config.md"
    two_jobs: bool = False
    labels: tuple[str, ...] = ("self-hosted", "gpu")
    schedule: str = ""
    install: str = "requirements"
    version: str = ""
    pulls: bool = False


def workflows(setup: Setup) -> dict[str, str]:
    """The workflows by file name."""
    names = (*NAMES, PULLS) if setup.pulls else NAMES
    texts = {name: (files("pytest_autoresearch.github") / "workflows" / name).read_text("utf-8") for name in names}
    config = _scalar(setup.config)
    quoted = setup.config.replace("'", "''")
    changes = {
        _CONFIG: f"        default: {config}\n",
        _FALLBACK: f"  CONFIG: ${{{{ inputs.config || '{quoted}' }}}}\n",
        **(_TWO_JOBS if setup.two_jobs else {}),
        **({"\non:\n": f"\non:\n  schedule:\n    - cron: {_scalar(setup.schedule)}\n"} if setup.schedule else {}),
    }
    loop = texts["autoresearch.yml"]
    for old, new in changes.items():
        assert loop.count(old) == 1, old
        loop = loop.replace(old, new)
    texts["autoresearch.yml"] = loop.replace("        required: true\n", "") if setup.schedule else loop
    return {name: _adapted(text, setup) for name, text in texts.items()}


def write_workflows(top: Path, setup: Setup) -> list[Path]:
    """Write them below ``.github/workflows``, and the runner's labels where actionlint looks for them.

    ConfigError, with nothing written, where another file of such a name is there already.
    """
    texts = {top / ".github/workflows" / name: text for name, text in workflows(setup).items()}
    texts |= _actionlint(top, setup.labels)
    for path, text in texts.items():
        if path.exists() and path.read_text("utf-8", "replace") != text:
            raise ConfigError(
                f"there is another {'workflow' if path.suffix == '.yml' else 'file'} of that name",
                file=path,
                remedy="move it out of the way first",
            )
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"it can not be written: {error.strerror}", file=top / ".github") from None
    return list(texts)


def suggested_install(top: Path) -> str:
    """How this project is installed, as its files tell."""
    kinds = {"uv.lock": "uv", "poetry.lock": "poetry", "requirements.txt": "requirements"}
    found = next((kind for name, kind in kinds.items() if (top / name).is_file()), None)
    if found is not None:
        return found
    project = top / "pyproject.toml"  # one that only sets up tools is nothing to install
    text = project.read_text("utf-8", "replace") if project.is_file() else ""
    return "pyproject" if re.search(r"^\[(project|build-system)\]", text, re.MULTILINE) else "none"


_CRON = (
    (0, 59, ""),
    (0, 23, ""),
    (1, 31, ""),
    (1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"),
    (0, 6, "SUNMONTUEWEDTHUFRISAT"),
)


def is_cron(line: str) -> bool:
    """Whether GitHub takes it: minute, hour, day, month, day of the week."""
    fields = line.split()
    return len(fields) == len(_CRON) and all(
        _is_field(part, *bounds) for each, bounds in zip(fields, _CRON, strict=True) for part in each.split(",")
    )


def _is_field(part: str, least: int, most: int, names: str) -> bool:
    """``*``, ``4``, ``MON``, ``1-5``, each with ``/2`` behind it."""
    span, stepped, step = part.upper().partition("/")
    if stepped and not (step.isdecimal() and int(step)):
        return False
    if span == "*":
        return True
    known = {names[at : at + 3]: least + at // 3 for at in range(0, len(names), 3)}
    values = [known.get(each, int(each) if each.isdecimal() else -1) for each in span.split("-")]
    return len(values) <= 2 and all(least <= value <= most for value in values) and values == sorted(values)


def _adapted(text: str, setup: Setup) -> str:
    """What is the same in every workflow: labels, the project's needs, and the version."""
    if setup.labels != ("self-hosted", "gpu"):
        one = len(setup.labels) == 1
        shown = _scalar(setup.labels[0]) if one else f"[{', '.join(map(_scalar, setup.labels))}]"
        text = text.replace(_LABELS, f"    runs-on: {shown}\n")
        if setup.labels == (HOSTED,):
            text = text.replace("    timeout-minutes: 7000\n", "    timeout-minutes: 350\n")
            text = text.replace("    timeout-minutes: 1440\n", "    timeout-minutes: 350\n")
    lines = "".join(f"          {line}\n" for line in INSTALLS[setup.install])
    text = text.replace(_REQUIREMENTS, lines)
    if setup.version:
        for name in ("pytest-autoresearch[sandbox]", "pytest-autoresearch"):
            text = text.replace(f"|| '{name}' }}}}", f"|| '{name}=={setup.version}' }}}}")
    return text


def _actionlint(top: Path, labels: Sequence[str]) -> dict[Path, str]:
    """Its list of labels, where there is none yet: a label that it does not know is an error to it."""
    own = [label for label in labels if label not in ("self-hosted", HOSTED)]
    path = top / ".github/actionlint.yaml"
    if not own or path.exists():
        return {}
    return {path: f"self-hosted-runner:\n  labels: [{', '.join(map(_scalar, own))}]\n"}


def _scalar(text: str) -> str:
    """A string as YAML reads it back."""
    is_word = text.lower() in ("y", "n", "yes", "no", "on", "off", "true", "false", "null")  # no string to YAML
    if (
        not is_word
        and text.replace("/", "").replace("_", "").replace("-", "").replace(".", "").isalnum()
        and text[0].isalpha()
    ):
        return text
    return "'" + text.replace("'", "''") + "'"
