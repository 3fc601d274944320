"""autoresearch.config.md: from a file to a Protocol, and back.

Any bytes give a Protocol or a ConfigError with file, line and remedy. Nothing is looked up in the repository here.
"""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.protocol import frontmatter
from pytest_autoresearch.protocol.blocks import read_document
from pytest_autoresearch.protocol.fields import KEYS, BadValue, read_keys
from pytest_autoresearch.protocol.model import Options, PathRule, Protocol
from pytest_autoresearch.protocol.render import render
from pytest_autoresearch.protocol.scope import localised
from pytest_autoresearch.protocol.sections import TITLES, SectionReader
from pytest_autoresearch.protocol.vocabulary import METRIC_FIELDS, normalise, section_of

__all__ = ["load", "parse", "render"]

LARGEST = 1_000_000
MOST_LINES = 20_000


def load(path: Path, *, top: Path) -> Protocol:
    """The protocol of a config file in the repository at ``top``."""
    shown = _shown(path)
    protocol = parse(_read(path, shown), file=shown)
    place = Path(os.path.realpath(path.parent)) / path.name
    try:
        source = PurePosixPath(place.relative_to(os.path.realpath(top)).as_posix())
    except ValueError:
        raise ConfigError(
            f"the config lies outside of the repository {top}", file=shown, remedy="move it into the repository"
        ) from None
    directory = source.parent

    def local(name: str, rules: tuple[PathRule, ...]) -> tuple[PathRule, ...]:
        return tuple(
            _local(rule, top, directory, shown, protocol.origins.get(f"{name}[{n}]")) for n, rule in enumerate(rules)
        )

    return replace(
        protocol,
        source=str(source),
        directory=directory,
        targets=local("targets", protocol.targets),
        readonly=local("readonly", protocol.readonly),
    )


def parse(text: str, *, file: str) -> Protocol:
    """The protocol that a config's text writes; ``file`` is its source, and names it in errors."""
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise ConfigError("there are NUL bytes in it", file=file, line=line, remedy="save it as plain text")
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > LARGEST or text.count("\n") > MOST_LINES:
        raise _too_large(file)
    front, body = frontmatter.split(text, file=file)
    values = frontmatter.read(front, file=file)
    fields_of_metric = _metric_fields(values, file)
    if misplaced := _misplaced(values, file):
        raise misplaced
    reader = SectionReader(read_document(body, file=file), file, fields_of_metric)
    said = reader.fields()
    values = _merged(values, reader.values, file)
    try:
        fields, options, lines = read_keys(values)
    except BadValue as error:
        raise ConfigError(
            str(error), file=file, line=error.line, remedy=error.remedy or "docs/configuration.md describes every key"
        ) from None
    source = PurePosixPath(file)
    return Protocol(
        **said,
        **fields,
        options=Options(**options),
        source=file,
        directory=source.parent,
        origins={**reader.origins, **lines},
    )


def _metric_fields(values: dict[frontmatter.Text, Any], file: str) -> list[tuple[str, frontmatter.Text]]:
    """Take `metric: {from: results.json, key: a.b}` out of the front matter: fields of the Metric section."""
    key = next((key for key, value in values.items() if key.lower() == "metric" and isinstance(value, dict)), None)
    fields: list[tuple[str, frontmatter.Text]] = []
    for name, value in (values.pop(key) if key is not None else {}).items():
        meant = METRIC_FIELDS.get(normalise(name))
        if meant is None or not isinstance(value, frontmatter.Text):
            known = "name, direction, from, key, column, row, extract, target, min_delta, bounds"
            raise ConfigError(f"metric: `{name}` is not known", file=file, line=name.line, remedy=f"known are: {known}")
        fields.append((meant, value))
    return fields


def _merged(
    front: dict[frontmatter.Text, Any], sections: list[tuple[frontmatter.Text, Any]], file: str
) -> dict[frontmatter.Text, Any]:
    """The keys of both places. Lists of two sections are joined; anything else that is said twice is an error."""
    found = dict(front)
    for key, value in sections:
        before = found.get(key)
        if key in found and key not in front and isinstance(before, list) and isinstance(value, list):
            found[key] = before + value
        elif key in found and before is not None and value is not None:
            where = "in the front matter and in a section" if key in front else "in two sections"
            raise ConfigError(f"`{key}` stands twice, {where}", file=file, line=key.line, remedy="keep one of the two")
        elif key not in found or value is not None:
            found[key] = value
    return found


def _misplaced(values: dict[frontmatter.Text, object], file: str) -> ConfigError | None:
    """A key of the front matter that has a section of its own."""
    for key in values:
        name = key.lower().replace("_", " ").replace("-", " ")
        title = TITLES.get(section_of(name) or "") or ("Metric" if name in METRIC_FIELDS else None)
        if title and name.replace(" ", "_") not in KEYS:
            return ConfigError(
                f"`{key}` does not belong into the front matter",
                file=file,
                line=key.line,
                remedy=f"write it as `## {title}`",
            )
    return None


def _read(path: Path, shown: str) -> str:
    """The text of a file, refused by name whatever is wrong with it."""
    try:
        kind = path.stat()
        if stat.S_ISDIR(kind.st_mode):
            raise ConfigError("this is a directory", file=shown, remedy="name the config inside of it")
        if not stat.S_ISREG(kind.st_mode):
            raise ConfigError("this is not a regular file", file=shown, remedy="write the config as a plain text file")
        if kind.st_size > LARGEST:
            raise _too_large(shown)
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except FileNotFoundError:
        raise ConfigError("there is no such file", file=shown, remedy="`pytest-autoresearch init` writes one") from None
    except (OSError, ValueError) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"it can not be read: {what}", file=shown, remedy="make it readable for this user") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError("it is not UTF-8", file=shown, line=line, remedy="save it as UTF-8") from None


def _too_large(file: str) -> ConfigError:
    return ConfigError(
        f"it is larger than {LARGEST // 1_000_000} MB or {MOST_LINES} lines",
        file=file,
        remedy="a config is a page or two of text",
    )


def _local(rule: PathRule, top: Path, directory: PurePosixPath, file: str, line: int | None) -> PathRule:
    """An absolute path as seen from the config."""
    if not rule.pattern.startswith("/"):
        return rule
    try:
        return replace(rule, pattern=localised(rule.pattern, top=top, directory=directory))
    except ValueError as error:
        raise ConfigError(str(error), file=file, line=line, remedy="name a path inside of the repository") from None


def _shown(path: Path) -> str:
    """A path as the user would type it from here."""
    try:
        return Path(os.path.abspath(path)).relative_to(Path.cwd()).as_posix()
    except (ValueError, OSError):
        return str(path)
