from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.protocol.markdown import parse, render
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.serialise import from_json, to_json
from tests.protocol.generated import CONFIGS, broken_configs, protocols

START = "## Metric\nlower x_y is better\n## Targets\n- a\n## Run\n`b`\n"

slowly = settings(max_examples=120)


@pytest.mark.timeout(600)  # what makes them takes seconds, and on a busy machine two minutes
@settings(slowly, max_examples=50)
@given(protocols)
def test_a_rendered_protocol_reads_back_as_itself(protocol: Protocol) -> None:
    assert parse(render(protocol), file=protocol.source) == protocol


@settings(slowly, max_examples=30)
@given(protocols)
def test_a_protocol_survives_json(protocol: Protocol) -> None:
    assert from_json(json.loads(json.dumps(to_json(protocol)))) == protocol


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_what_was_understood_of_a_config_survives_rendering(path: object) -> None:
    protocol = parse(path.read_text(encoding="utf-8"), file="c.md")  # type: ignore[attr-defined]
    assert parse(render(protocol), file="c.md") == protocol


@slowly
@given(broken_configs())
@example("# A\n\n**Goal**: # not a heading\n\n## Metric: lower x_y is better\n\n- a: b\n\n## Targets\n`a`\n## Run\n`b`")
@example(f"{START}## Notes\n### Target Files\n- c")
@example(f"{START}## Time Budget\n- Per experiment: 5m\n\n  ## Rules\n- c: d\n  - e")
@example(f"{START}## Time Budget\n5m\n\nsome\n\n===\n\nmore")
def test_a_broken_config_is_understood_for_good_or_refused_by_name(text: str) -> None:
    try:
        protocol = parse(text, file="c.md")
    except ConfigError as error:
        assert str(error).startswith("c.md:") and error.remedy
        return
    assert parse(render(protocol), file="c.md") == protocol


@slowly
@given(st.text(st.characters(codec="utf-8"), max_size=300) | st.text("#*-`<!>|: \n\tMetric", max_size=200))
def test_any_text_gives_a_protocol_or_a_config_error(text: str) -> None:
    try:
        parse(text, file="c.md")
    except ConfigError as error:
        assert error.remedy
