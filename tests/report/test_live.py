"""The page that follows a session, asked over a real connection."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_autoresearch.errors import AutoresearchError
from pytest_autoresearch.report.changes import Seen
from pytest_autoresearch.report.lanes import Lane
from pytest_autoresearch.report.live import LivePage
from pytest_autoresearch.report.story import Story
from tests.github import histories


def nothing(story: Story) -> Seen:
    return Seen()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LivePage]:
    page = LivePage(0, tmp_path / "live", nothing)
    yield page
    page.close()


def ask(live: LivePage, path: str, **headers: str) -> http.client.HTTPResponse:
    port = int(live.address.split(":")[2].partition("/")[0])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


def path_of(live: LivePage) -> str:
    return "/" + live.address.split("/", 3)[3]


def test_the_page_is_that_of_the_history_told(live: LivePage) -> None:
    assert "baseline is being measured" in ask(live, path_of(live)).read().decode()
    live.tell(histories.history(4))
    answer = ask(live, path_of(live))
    text = answer.read().decode()
    assert 'id="n4"' in text and 'data-stream="events"' in text
    assert answer.headers["Cache-Control"] == "no-store" and answer.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/", "/guess/", "/{token}", "/{token}/../etc", "/{token}/report.html", "//"])
def test_without_the_token_there_is_nothing(live: LivePage, path: str) -> None:
    token = path_of(live).strip("/")
    asked = path.format(token=token)
    expected = 200 if asked == f"/{token}" else 404
    assert ask(live, asked).status == expected


def test_a_browser_led_here_by_another_name_gets_nothing(live: LivePage) -> None:
    live.tell(histories.history(1))
    assert ask(live, path_of(live), Host="evil.example").status == 404


def test_it_only_reads(live: LivePage) -> None:
    port = int(live.address.split(":")[2].partition("/")[0])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", path_of(live), body=b"x")
    assert connection.getresponse().status == 501


def test_events_tell_what_goes_on_and_that_it_has_ended(tmp_path: Path) -> None:
    live = LivePage(0, tmp_path / "live", nothing)
    live.tell(histories.history(1))
    stream = ask(live, path_of(live) + "events")
    heard: list[tuple[str, object]] = []

    def listen() -> None:
        name = ""
        for line in stream:
            kind, _, data = line.decode().strip().partition(": ")
            name = data if kind == "event" else name
            if kind == "data":
                heard.append((name, json.loads(data)))

    listener = threading.Thread(target=listen)
    listener.start()
    live.say([Lane(7, "candidate run", 1000.0, 20.0), Lane(8, "claude proposes", 1001.0)])
    deadline = time.monotonic() + 60
    while ("lanes" not in [name for name, _ in heard] or len(heard) < 3) and time.monotonic() < deadline:
        time.sleep(0.01)
    live.close()
    listener.join(60)
    lanes = [data[1] for name, data in heard if name == "lanes" and isinstance(data, list)]
    assert lanes[-1] == [[7, "candidate run", 1000.0, 20.0], [8, "claude proposes", 1001.0, None]]
    assert [name for name, _ in heard][-2:] == ["told", "ended"]


def test_a_session_that_goes_on_has_the_address_of_the_one_before(tmp_path: Path) -> None:
    first = LivePage(0, tmp_path / "live", nothing)
    first.close()
    second = LivePage(0, tmp_path / "live", nothing)
    third = LivePage(0, tmp_path / "live", nothing)  # the port is taken now
    assert first.address == second.address != third.address
    assert (tmp_path / "live").stat().st_mode & 0o777 == 0o600
    second.close()
    third.close()


def test_a_port_that_is_taken_is_one_line(live: LivePage, tmp_path: Path) -> None:
    port = int(live.address.split(":")[2].partition("/")[0])
    with pytest.raises(AutoresearchError, match=f"port {port} can not be used"):
        LivePage(port, tmp_path / "other", nothing)


def test_pages_are_made_so_seldom_that_the_loop_does_not_notice(live: LivePage) -> None:
    whole = histories.history(600)
    live.tell(replace(whole, experiments=whole.experiments[:400]))
    first = ask(live, path_of(live)).read()
    live.tell(whole)
    assert ask(live, path_of(live)).read() == first  # its hundredfold has not passed
