"""Records as JSON documents: the published schema, exact round trips, old and new versions."""

from __future__ import annotations

import json
import math
import types
from dataclasses import fields, is_dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook import codec
from pytest_autoresearch.notebook.codec import KINDS, decode, encode
from pytest_autoresearch.notebook.record import Record
from pytest_autoresearch.notebook.schema import record_schema
from tests.notebook.diary import Diary, git

PUBLISHED = Path(codec.__file__).with_name("record.schema.json")
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a record type, its fields filled at random."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is datetime:
        return st.datetimes(timezones=st.just(timezone.utc), min_value=datetime(1970, 1, 1))
    if hint is Any:
        return PLAIN
    if isinstance(hint, type) and is_dataclass(hint):
        return st.builds(hint, **{name: values(each) for name, each in get_type_hints(hint).items()})
    if origin in (Union, types.UnionType):
        return st.one_of(*map(values, args))
    if origin is tuple:
        if args[-1] is ...:
            return st.lists(values(args[0]), max_size=3).map(tuple)
        return st.tuples(*map(values, args))
    if origin is not None:
        return st.dictionaries(values(args[0]), values(args[1]), max_size=3)
    if hint is float:
        return st.floats(allow_nan=False)
    if hint is int:
        return st.integers(-(2**53), 2**53)
    return st.from_type(hint)


RECORDS = st.one_of(*map(values, KINDS.values()))


@settings(max_examples=80, deadline=None)
@given(RECORDS)
def test_a_record_reads_back_exactly_and_follows_the_schema(record: Record) -> None:
    text = encode(record)
    assert "\n" not in text
    text.encode()
    assert decode(text) == record
    jsonschema.Draft202012Validator(record_schema()).validate(json.loads(text))


def test_the_published_schema_is_the_one_of_the_code() -> None:
    assert json.loads(PUBLISHED.read_text()) == record_schema(), "python -m pytest_autoresearch.notebook.schema"
    jsonschema.Draft202012Validator.check_schema(record_schema())


def test_every_record_of_a_real_session_follows_the_schema(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(4)
        diary.notebook.note("stop", "enough")
    validator = jsonschema.Draft202012Validator(json.loads(PUBLISHED.read_text()))
    log = git(root, "log", "--first-parent", "--format=%B", "refs/autoresearch/demo/log")
    documents = [json.loads(line) for line in log.splitlines() if line]
    assert len(documents) == 6
    for document in documents:
        validator.validate(document)


def test_the_schema_refuses_what_is_no_record() -> None:
    validator = jsonschema.Draft202012Validator(record_schema())
    for wrong in (
        {},
        {"version": 1, "kind": "poem", "data": {}},
        {"version": 1, "kind": "note", "data": {"text": "x"}},
    ):
        assert not validator.is_valid(wrong)


@settings(max_examples=25, deadline=None)
@given(RECORDS)
def test_an_older_record_without_the_fields_that_came_later_is_read(record: Record) -> None:
    document = json.loads(encode(record))
    old = {name for name in document["data"] if name in record_schema()["$defs"][type(record).__name__]["required"]}
    document["data"] = {name: value for name, value in document["data"].items() if name in old}
    read = decode(json.dumps(document))
    assert all(
        getattr(read, field.name) == getattr(record, field.name) for field in fields(record) if field.name in old
    )


def test_fields_that_this_version_does_not_know_are_ignored() -> None:
    text = '{"version":1,"kind":"note","data":{"kind":"stop","text":"x","when":"2024-01-01T00:00:00Z","mood":"good"}}'
    record = decode(text)
    assert record == decode(encode(record))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "[]",
        "{}",
        "null",
        '{"version":1,"kind":"note","data":{}}',
        '{"version":1,"kind":"note","data":[]}',
        '{"version":1,"kind":"note","data":{"kind":"a","text":"b","when":"yesterday"}}',
        '{"version":"1","kind":"note","data":{}}',
        '{"version":1,"kind":["note"],"data":{}}',
    ],
)
def test_what_is_no_record_is_an_error_that_a_user_can_read(text: str) -> None:
    with pytest.raises(NotebookError):
        decode(text)


def test_a_newer_version_or_kind_asks_for_an_upgrade() -> None:
    for text in ('{"version":3,"kind":"note","data":{}}', '{"version":1,"kind":"dream","data":{}}'):
        with pytest.raises(NotebookError, match="pip install -U pytest-autoresearch"):
            decode(text)


def test_numbers_that_json_lacks_become_words() -> None:
    assert codec.to_plain([math.inf, -math.inf]) == ["inf", "-inf"]
    assert codec.from_plain(tuple[float, ...], ["inf", "-inf", 1]) == (math.inf, -math.inf, 1.0)
