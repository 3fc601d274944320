"""The page in Chromium, as a person uses it: nothing is fetched, nothing fails, and everybody can read it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.protocol.experiment import Measurement, Reason, Role
from pytest_autoresearch.report.changes import Seen, read
from pytest_autoresearch.report.chart import staircase
from pytest_autoresearch.report.html import page
from pytest_autoresearch.report.lanes import Lane
from pytest_autoresearch.report.live import LivePage
from pytest_autoresearch.report.story import Story, story
from tests.github import histories

pytestmark = pytest.mark.slow

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HOSTILE = "<img src=x onerror=alert(1)> </script><script>alert(2)</script> <b>bold</b>"
PATCH = f"""\
diff --git a/train.py b/train.py
--- a/train.py
+++ b/train.py
@@ -1,3 +1,3 @@ def train(rate):
     kept
-    RATE = 8
+    RATE = 4  # {HOSTILE}
"""

SERVING = """\
import sys, time
from pathlib import Path
from pytest_autoresearch.report.changes import Seen
from pytest_autoresearch.report.live import LivePage
from tests.github import histories
page = LivePage(0, Path(sys.argv[1]), lambda story: Seen())
page.tell(histories.history(4))
print(page.address, flush=True)
time.sleep(600)
"""

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    sync = pytest.importorskip("playwright.sync_api", reason="the extra [browser]")
    if CHROMIUM is None:
        pytest.skip("there is no chromium")
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.parametrize(("width", "size", "is_named"), [(390, "20px", False), (1200, "12px", True)])
def test_the_picture_of_a_pull_request_is_read_on_a_phone_too(
    chromium: Any, tmp_path: Path, width: int, size: str, is_named: bool
) -> None:
    """It is an image there, so its own width is what its rules go by."""
    told = story(histories.history(30))
    assert told is not None
    (tmp_path / "progress.svg").write_text(staircase(told, "light"))
    opened = chromium.new_page(viewport={"width": width, "height": 800})
    opened.goto(f"file://{tmp_path}/progress.svg")
    style = "name => getComputedStyle(document.querySelector(name))"
    assert opened.evaluate(f"({style})('text.tick').fontSize") == size
    assert (opened.evaluate(f"({style})('text.label').display") != "none") == is_named
    opened.close()


@pytest.fixture
def visit(chromium: Any) -> Iterator[Open]:
    """Opens an address; at the end nothing may have failed, nor been asked of another place."""
    troubles: list[str] = []
    contexts = []

    def visit(address: str, *, width: int = 1280, dark: bool = False, may_fail: bool = False) -> Any:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        shown = context.new_page()
        shown.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        shown.on("dialog", lambda dialog: troubles.append(f"dialog: {dialog.message}"))
        if not may_fail:
            shown.on("console", lambda said: troubles.append(f"console: {said.text}"))
        own = address.rpartition("/")[0]
        shown.on("request", lambda asked: troubles.extend([] if asked.url.startswith(own) else [asked.url]))
        shown.goto(address)
        return shown

    yield visit
    for context in contexts:
        context.close()
    assert troubles == []


def night() -> History:
    """Keeps, discards, a crash with a log, and words that are markup."""
    whole = histories.history(12, verified=True)
    crash = replace(
        histories.experiment(11, reason=Reason.ERROR, description=HOSTILE),
        measurements=(Measurement(Role.CANDIDATE, None, failure=Reason.ERROR, log_tail=f"ValueError: {HOSTILE}\n"),),
        detail=HOSTILE,
        agent="codex",
    )
    return replace(whole, experiments=(*whole.experiments[:11], crash, whole.experiments[12]))


def told(history: History) -> Story:
    found = story(history)
    assert found is not None
    return found


def seen(found: Story) -> Seen:
    changes = {experiment.commit: read(PATCH) for experiment in found.experiments[1:]}
    return Seen(changes, {"train.py": ("train", "load")})


@pytest.fixture
def written(tmp_path: Path) -> str:
    found = told(night())
    path = tmp_path / "report.html"
    path.write_text(page(found, seen(found)), encoding="utf-8")
    return path.as_uri()


def names(shown: Any) -> list[str]:
    """The numbers of the rows that are seen, in order."""
    rows = shown.locator("#experiments tbody tr[id]:visible .more")
    return [text.strip() for text in rows.all_inner_texts()]


def test_a_click_on_a_column_sorts_by_it_and_what_has_no_value_stands_last(visit: Open, written: str) -> None:
    shown = visit(written)
    value = shown.get_by_role("button", name="value")
    value.click()
    assert names(shown) == ["0012", "0010", *[f"{n:04d}" for n in range(9, -1, -1)], "0011"]
    assert shown.locator("#experiments th:nth-child(5)").get_attribute("aria-sort") == "ascending"
    value.click()
    assert names(shown) == [*[f"{n:04d}" for n in range(11)], "0012", "0011"]
    shown.get_by_role("button", name="agent").click()
    assert names(shown)[-1] == "0011"


def test_words_and_statuses_narrow_picture_and_table(visit: Open, written: str) -> None:
    shown = visit(written)
    shown.get_by_label("Search").fill("rate claude 0012")
    assert names(shown) == ["0012"]
    assert shown.locator("#shown").inner_text() == "1 of 13 shown"
    shown.get_by_label("Search").fill("")
    shown.get_by_role("checkbox", name="discard").uncheck()
    assert names(shown) == ["0000", "0003", "0006", "0009", "0011", "0012"]
    assert not shown.locator(".broad svg [data-n='1']").is_visible()
    assert shown.locator(".broad svg [data-n='3']").is_visible()


def test_a_row_opens_to_reason_diff_and_log_and_hostile_words_are_words(visit: Open, written: str) -> None:
    shown = visit(written)
    shown.get_by_role("button", name="0011").click()
    opened = shown.locator("tr.opened")
    opened.locator("pre").first.wait_for()
    text = opened.inner_text()
    assert f"ValueError: {HOSTILE}" in text and text.count(HOSTILE) >= 3 and "codex" in text
    assert opened.locator(".added").inner_text().startswith("+    RATE = 4")
    assert opened.locator(".removed").inner_text().startswith("-    RATE = 8")
    assert shown.locator("img, b").count() == 0
    shown.get_by_role("button", name="0011").click()
    assert opened.count() == 0


def test_a_dot_leads_to_its_row_and_says_what_it_is(visit: Open, written: str) -> None:
    shown = visit(written)
    shown.locator(".broad svg [data-n='7']").click()
    assert shown.evaluate("document.activeElement.textContent") == "0007"
    shown.evaluate("document.querySelector(\".broad svg [data-n='5'] title\").remove()")  # as in a large session
    shown.locator(".broad svg [data-n='5']").hover()
    assert shown.locator(".broad svg [data-n='5'] title").inner_html() == "0005 discard 0.9995 set RATE to 5"


def test_everything_can_be_done_with_the_keyboard(visit: Open, written: str) -> None:
    shown = visit(written)
    shown.get_by_label("Search").focus()
    shown.keyboard.type("RATE 0007")
    for _ in range(20):
        shown.keyboard.press("Tab")
        if shown.evaluate("document.activeElement.className") == "more":
            break
    shown.keyboard.press("Enter")
    shown.locator("tr.opened pre").first.wait_for()
    assert shown.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing(visit: Open, written: str, width: int, dark: bool) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="the extra [browser]")
    shown = visit(written, width=width, dark=dark)
    shown.get_by_role("button", name="0011").click()
    shown.locator("tr.opened pre").first.wait_for()
    found = axe.Axe().run(shown)
    assert found.violations_count == 0, found.generate_report()


def test_dark_where_the_system_is_and_always_light_on_paper(visit: Open, written: str) -> None:
    def paper(shown: Any) -> str:
        return str(shown.evaluate("getComputedStyle(document.body).backgroundColor"))

    light, dark = visit(written), visit(written, dark=True)
    assert (paper(light), paper(dark)) == ("rgb(255, 255, 255)", "rgb(13, 17, 23)")
    dark.emulate_media(media="print")
    assert paper(dark) == "rgb(255, 255, 255)"


@pytest.mark.parametrize("width", [360, 400, 640, 768, 1920])
def test_no_width_makes_the_page_scroll_sideways(visit: Open, written: str, width: int) -> None:
    shown = visit(written, width=width)
    shown.get_by_role("button", name="0011").click()
    shown.locator("tr.opened pre").first.wait_for()
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    assert shown.locator(".picture svg:visible").count() == 1


def test_paper_has_every_kept_diff_and_no_controls(visit: Open, written: str) -> None:
    shown = visit(written)
    shown.evaluate("for (const each of document.querySelectorAll('.kept details')) each.open = false")
    assert shown.pdf(format="A4").startswith(b"%PDF")
    shown.evaluate("dispatchEvent(new Event('beforeprint'))")
    shown.emulate_media(media="print")
    assert shown.locator(".kept details pre:visible").count() == 4
    assert shown.get_by_label("Search").is_hidden()
    shown.evaluate("dispatchEvent(new Event('afterprint'))")
    assert shown.locator(".kept details[open]").count() == 0


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LivePage]:
    served = LivePage(0, tmp_path / "live", seen)
    yield served
    served.close()


def test_a_live_page_follows_and_keeps_what_its_reader_has_set(visit: Open, live: LivePage) -> None:
    live.tell(histories.history(4))
    shown = visit(live.address)
    live.say([Lane(5, "candidate run", 0.0, 20.0), Lane(6, f"claude {HOSTILE}", 0.0)])
    lanes = shown.locator("#lanes li")
    lanes.nth(1).wait_for()
    assert lanes.nth(0).inner_text().startswith("0005 candidate run: ") and HOSTILE in lanes.nth(1).inner_text()
    assert shown.locator("img, b").count() == 0
    shown.get_by_role("button", name="value").click()
    shown.get_by_label("Search").fill("RATE")
    shown.get_by_role("checkbox", name="keep").uncheck()
    live.tell(histories.history(5))
    shown.locator("#n5").wait_for(state="attached", timeout=60_000)
    assert names(shown) == ["0005", "0004", "0002", "0001"]
    assert shown.get_by_label("Search").input_value() == "RATE"
    assert shown.locator("#lanes li").count() == 2


def test_a_lost_connection_is_said_and_a_resumed_session_is_found_again(visit: Open, tmp_path: Path) -> None:
    first = subprocess.Popen(
        [sys.executable, "-c", SERVING, str(tmp_path / "live")],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout is not None
    address = first.stdout.readline().strip()
    shown = visit(address, may_fail=True)  # the browser itself says that a connection was refused
    shown.locator("#n4").wait_for(state="attached")
    first.kill()
    first.communicate()
    shown.get_by_text("the connection is lost; trying again").wait_for()
    second = LivePage(0, tmp_path / "live", seen)
    assert second.address == address
    second.tell(histories.history(6))
    shown.locator("#n6").wait_for(state="attached", timeout=60_000)
    assert shown.locator("#live").inner_text() == "runs"
    second.close()
    shown.get_by_text("ended", exact=True).first.wait_for()
