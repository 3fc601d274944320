"""The YAML before the Markdown, as plain values that remember their lines. Knows YAML, no key's meaning.

Scalars stay text: what ``5m``, ``yes`` or ``2%`` mean is decided by the key, never by YAML.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.patterns import regex

if TYPE_CHECKING:
    import yaml
    from typing_extensions import Self

LONGEST = 64_000
DEEPEST = 8
FENCE = "---"
_KEY = regex(r"(?:[^\S\n]*(?:#.*)?\n)*[\w-]+:(?:\s|$)")
"""How front matter begins that has blank lines before it; a line between paragraphs does not."""

REMEDY = "front matter is plain YAML: `key: value` lines between two lines of `---`"


class Text(str):
    """A scalar and the line it stands in."""

    __slots__ = ("line",)
    line: int

    def __new__(cls, text: str, line: int) -> Self:
        self = super().__new__(cls, text)
        self.line = line
        return self


def split(text: str, *, file: str) -> tuple[str, str]:
    """The front matter, and the whole text with the front matter blanked so that lines keep their numbers."""
    lines = text.split("\n")
    begin = next((n for n, line in enumerate(lines) if line.strip()), 0)
    is_rule = begin > 0 and not _KEY.match("\n".join(lines[begin + 1 : begin + 20]))
    if lines[begin].rstrip() != FENCE or is_rule:
        return "", text
    end = next((n for n, line in enumerate(lines[begin + 1 :], begin + 1) if line.rstrip() in (FENCE, "...")), None)
    if end is None:
        raise ConfigError("the front matter never ends", file=file, line=begin + 1, remedy="close it with a line `---`")
    front, body = lines[begin + 1 : end], lines[end + 1 :]
    return "\n" * begin + "\n".join(front), "\n" * (end + 1) + "\n".join(body)


def read(text: str, *, file: str) -> dict[Text, Any]:
    """The mapping: texts, None, lists and mappings. ConfigError names the line of whatever is wrong."""
    if not text.strip():
        return {}
    import yaml

    if len(text) > LONGEST:
        raise ConfigError(f"the front matter is longer than {LONGEST} characters", file=file, line=1, remedy=REMEDY)
    builder = _Builder(file)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 2 if mark else 1
        raise ConfigError(
            f"the front matter is not YAML: {error.problem}", file=file, line=line, remedy=REMEDY
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        what = " ".join(str(error).split())[:120]
        raise ConfigError(f"the front matter is not YAML: {what}", file=file, line=1, remedy=REMEDY) from None
    root = builder.root
    if root is None:
        return {}
    if not isinstance(root, dict):
        raise ConfigError("the front matter is not a mapping", file=file, line=2, remedy=REMEDY)
    return root


class _Builder:
    """Builds values from YAML's events, without recursion and without anchors."""

    def __init__(self, file: str) -> None:
        self.root: Any = None
        self._file = file
        self._open: list[list[Any] | dict[Text, Any]] = []
        self._keys: list[Text | None] = []

    def take(self, event: yaml.Event) -> None:
        import yaml

        match event:
            case yaml.AliasEvent():
                raise self._error(event, "anchors and aliases are not read", "write the value out")
            case yaml.ScalarEvent():
                self._add(event, self._scalar(event))
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                if len(self._open) >= DEEPEST:
                    raise self._error(event, "the front matter is nested too deeply", REMEDY)
                value: list[Any] | dict[Text, Any] = [] if isinstance(event, yaml.SequenceStartEvent) else {}
                self._add(event, value)
                self._open.append(value)
                self._keys.append(None)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._open.pop()
                self._keys.pop()
            case yaml.DocumentStartEvent() if self.root is not None:
                raise self._error(event, "the front matter holds several documents", REMEDY)

    def _scalar(self, event: yaml.ScalarEvent) -> Text | None:
        if event.tag and not event.tag.startswith("tag:yaml.org,2002:"):
            raise self._error(event, f"the tag {event.tag} is not read", "write plain values")
        is_null = event.style is None and event.value.lower() in ("", "~", "null")
        return None if is_null else Text(event.value, _line_of(event))

    def _add(self, event: yaml.Event, value: Any) -> None:
        if not self._open:
            self.root = value
            return
        container = self._open[-1]
        if isinstance(container, list):
            container.append(value)
            return
        key = self._keys[-1]
        if key is not None:
            container[key] = value
            self._keys[-1] = None
        elif not isinstance(value, Text):
            raise self._error(event, "a key is not a plain word", REMEDY)
        elif value in container:
            raise self._error(event, f"`{value}` stands twice", "remove one")
        else:
            self._keys[-1] = value

    def _error(self, event: yaml.Event, message: str, remedy: str) -> ConfigError:
        return ConfigError(message, file=self._file, line=_line_of(event), remedy=remedy)


def _line_of(event: yaml.Event) -> int:
    """The line in the file: the fence is line 1."""
    return event.start_mark.line + 2 if event.start_mark else 1
