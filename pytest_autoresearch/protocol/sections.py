"""The sections of a config, read one by one into the fields of a Protocol. Pure; knows no front matter, no files."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from typing import Any, NoReturn

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.blocks import RUN_IN, Block, Document, Part
from pytest_autoresearch.protocol.budget import check_order, read_budget
from pytest_autoresearch.protocol.durations import says_none
from pytest_autoresearch.protocol.frontmatter import Text
from pytest_autoresearch.protocol.keyed import guarding_lines, read_keyed
from pytest_autoresearch.protocol.keynames import key_of, nearly
from pytest_autoresearch.protocol.metric import EXAMPLE as METRIC_EXAMPLE
from pytest_autoresearch.protocol.metric import EXTRACT_EXAMPLE, read_metric
from pytest_autoresearch.protocol.model import Metric, PathRule, Section
from pytest_autoresearch.protocol.paths import EXAMPLE as PATHS_EXAMPLE
from pytest_autoresearch.protocol.paths import read_paths
from pytest_autoresearch.protocol.shell import read_command
from pytest_autoresearch.protocol.tags import EXAMPLE as TAG_EXAMPLE
from pytest_autoresearch.protocol.tags import PREFIX, parse_tag
from pytest_autoresearch.protocol.text import (
    field_of,
    is_placeholder,
    one_line,
    quoted,
    span_of,
    unescape_start,
    valued,
    without_box,
)
from pytest_autoresearch.protocol.vocabulary import normalise, section_of

TITLES = {
    "goal": "Goal",
    "metric": "Metric",
    "targets": "Target Files",
    "readonly": "Read-Only Files",
    "run": "Run Command",
    "extract": "Extract Command",
    "budget": "Time Budget",
    "constraints": "Constraints",
    "tag": "Branch",
    "notes": "Notes",
}
RUN_EXAMPLE = "python train.py"
METRIC_REST, BUDGET_REST = "Metric notes", "Time budget notes"

_REMEDIES = {
    "metric": METRIC_EXAMPLE,
    "targets": PATHS_EXAMPLE,
    "run": f"add a section `## Run Command` with a command, for example `{RUN_EXAMPLE}`",
}
_BRANCH = regex(rf"(?<![\w/.-]){PREFIX}[^\s/`'\"()\[\]<>,;*]+")
_MERGED = frozenset({"goal", "notes", "constraints", "targets", "readonly"})


class SectionReader:
    """Reads one document. :attr:`origins` says which line each field came from."""

    def __init__(self, document: Document, file: str, metric: Sequence[tuple[str, Text]] = ()) -> None:
        self._document, self._file = document, file
        self._metric_fields = [(name, Block("text", span_of(text), text.line, text.line + 1)) for name, text in metric]
        self._parts: dict[str, list[Part]] = {}
        self._extra: list[tuple[int, Section]] = []
        self.origins: dict[str, int] = {}
        self._keyed: list[tuple[Text, Any]] = []
        for part in document.parts:
            if part.key is not None and self._take_key(part.key, part):
                continue
            if part.name is not None:
                self._parts.setdefault(part.name, []).append(part)
            elif text := document.raw(part):
                if part.key is None and (near := nearly(part.title)):
                    self._fail(
                        f"the section `{part.title}` has no meaning here", part.line, f"did you mean `{near.title()}`?"
                    )
                self._extra.append((part.line, Section(part.title, text)))

    @property
    def values(self) -> list[tuple[Text, Any]]:
        """What the sections say that are keys of the front matter, in its form; read after :meth:`fields`."""
        return self._keyed

    def _take_key(self, key: str, part: Part) -> bool:
        """Read a section that is a key; False where it is a note for the agent."""
        found = read_keyed(key, part.title.partition(":")[0], part.line, part.blocks, file=self._file)
        if found is not None:
            self._keyed.append(found)
        elif part.level != RUN_IN:
            part.inline = ""  # the title says it
        return found is not None or not any(block.text.strip() for block in part.blocks)

    def _take_guarding(self, blocks: list[Block]) -> list[Block]:
        """Read `Guard: …` among what a section says beside its own; the rest."""
        taken = []
        for title, block, value in guarding_lines(blocks):
            found = read_keyed(key_of(title) or "", title, block.line, [value], file=self._file)
            if found is not None:
                self._keyed.append(found)
                taken.append(block)
        return [block for block in blocks if block not in taken]

    def fields(self) -> dict[str, Any]:
        """Everything the sections say; ConfigError for the first thing that makes no sense."""
        self._refuse_missing()
        self._refuse_repeated()
        fields: dict[str, Any] = {
            "goal": self._text("goal"),
            "metric": self._metric(),
            "targets": (targets := self._paths("targets")),
            "readonly": self._paths("readonly", {rule.pattern for rule in targets}),
            "run": self._run(),
            "constraints": self._constraints(),
            "tag": self._tag(),
            "notes": self._text("notes"),
            **self._budget(),
        }
        if not fields["targets"]:
            self._fail("no target file is named", self._parts["targets"][0].line, PATHS_EXAMPLE)
        self._extra.sort(key=lambda found: found[0])
        return {**fields, "extra_sections": tuple(section for _, section in self._extra)}

    def _refuse_missing(self) -> None:
        named = {name for name, _ in self._metric_fields} | self._parts.keys()
        given = self._parts.keys() | ({"metric"} if "name" in named else set())
        missing = [name for name in ("metric", "targets", "run") if name not in given]
        if not missing:
            return
        for line, section in self._extra:
            near = difflib.get_close_matches(
                section.title.lower(), [TITLES[m].lower() for m in missing], n=1, cutoff=0.7
            )
            if near:
                self._fail(
                    f"the section `{section.title}` has no meaning here", line, f"did you mean `{near[0].title()}`?"
                )
        titles = [TITLES[name] for name in missing]
        what = titles[0] if len(titles) == 1 else f"{', '.join(titles[:-1])} and {titles[-1]}"
        remedy = (
            _REMEDIES[missing[0]] if len(missing) == 1 else "`pytest-autoresearch init` writes a config to begin with"
        )
        self._fail(f"there {'is no section' if len(titles) == 1 else 'are no sections'} {what}", None, remedy)

    def _refuse_repeated(self) -> None:
        for name, parts in self._parts.items():
            if len(parts) > 1 and name not in _MERGED:
                first, second = parts[0].line, parts[1].line
                title = TITLES.get(name, parts[1].title)
                self._fail(
                    f"the section {title} stands twice, in lines {first} and {second}", second, "make it one section"
                )

    def _text(self, name: str) -> str:
        parts = self._parts.get(name, [])
        texts = [text for part in parts if (text := self._document.raw(part))]
        if texts:
            self.origins[name] = parts[0].line
        return "\n\n".join(texts)

    def _metric(self) -> Metric:
        parts = self._parts.get("metric") or self._parts.get("name") or [Part("metric", "Metric", 0, 1, 1)]
        part = parts[0]
        own: dict[str, list[Block]] = {
            name: self._blocks(name) for name in ("name", "direction", "extract") if name in self._parts
        }
        for name, block in self._metric_fields:
            own.setdefault(name, []).append(block)
        blocks = part.blocks if part.name == "metric" else []
        metric, lines, rest = read_metric(blocks, own, file=self._file, line=part.line)
        self.origins["metric"] = part.line
        self.origins |= {f"metric.{name}": line for name, line in lines.items()}
        self._keep_rest(METRIC_REST, part, rest)
        if "extract" in own and metric.extract is None and own["extract"]:
            self._fail(
                "the Extract Command is empty",
                self._parts["extract"][0].line,
                f"write, for example, `{EXTRACT_EXAMPLE}`",
            )
        return metric

    def _paths(self, name: str, targets: Collection[str] | None = None) -> tuple[PathRule, ...]:
        found = read_paths(self._blocks(name), what=TITLES[name], file=self._file, targets=targets)
        if found:
            self.origins[name] = self._parts[name][0].line
        self.origins |= {f"{name}[{index}]": line for index, (_, line) in enumerate(found)}
        return tuple(rule for rule, _ in found)

    def _run(self) -> str:
        part = self._parts["run"][0]
        run, line = read_command(part.blocks, what="Run Command", example=RUN_EXAMPLE, file=self._file, line=part.line)
        self.origins["run"] = line
        return run

    def _budget(self) -> dict[str, float | None]:
        found, rest = read_budget(self._blocks("budget"), file=self._file)
        if "kill_timeout" in self._parts:
            own, _ = read_budget(self._blocks("kill_timeout"), file=self._file)
            for value in own.values():
                found["kill_timeout"] = value
            check_order(found, self._file)
        if rest:
            self._keep_rest(BUDGET_REST, self._parts["budget"][0], rest)
        self.origins |= {name: line for name, (seconds, line) in found.items() if seconds is not None}
        return {name: seconds for name, (seconds, _) in found.items()}

    def _constraints(self) -> tuple[str, ...]:
        constraints: list[str] = []
        for block in self._take_guarding(self._blocks("constraints")):
            text = one_line(" | ".join(block.cells) if block.cells else block.text)
            text = unescape_start(without_box(text))
            if not text or block.kind == "head":
                continue
            if block.depth > 1 and block.kind != "heading" and constraints:
                constraints[-1] += ("; " if not constraints[-1].endswith(":") else " ") + text
            else:
                constraints.append(text)
        if len(constraints) == 1 and says_none(constraints[0]) and len(constraints[0].split()) == 1:
            return ()
        if constraints:
            self.origins["constraints"] = self._parts["constraints"][0].line
        return tuple(constraints)

    def _tag(self) -> str | None:
        for block in self._blocks("tag"):
            name = _branch_in(block.text.split("\n")[0])
            if not name or says_none(name):
                continue
            if is_placeholder(name):
                self._fail(f"Branch: {quoted(name)} is still the template's placeholder", block.line, TAG_EXAMPLE)
            try:
                tag = parse_tag(name)
            except ValueError as error:
                self._fail(f"Branch: {str(error).removesuffix(f'; {TAG_EXAMPLE}')}", block.line, TAG_EXAMPLE)
            self.origins["tag"] = block.line
            return tag
        return None

    def _blocks(self, name: str) -> list[Block]:
        return [block for part in self._parts.get(name, ()) for block in part.blocks]

    def _keep_rest(self, title: str, part: Part, rest: list[Block]) -> None:
        """What a section says beyond its fields is still for the agent to read."""
        text = self._document.raw_of(part, self._take_guarding(rest))
        if text:
            self._extra.append((part.line, Section(title, text)))

    def _fail(self, message: str, line: int | None, remedy: str) -> NoReturn:
        raise ConfigError(message, file=self._file, line=line, remedy=remedy)


def _branch_in(text: str) -> str:
    """The branch that a line names: alone, behind a label, or as the one ``autoresearch/…`` in it."""
    label = field_of(text)
    if label and (section_of(label[0]) == "tag" or normalise(label[0]) == "name"):
        text = label[1]
    name = valued(text).value
    found = set(_BRANCH.findall(text))
    return name if name.startswith(PREFIX) or len(found) != 1 else found.pop().rstrip(".")
