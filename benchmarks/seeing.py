"""What it costs to see a session of 3,000 experiments: ``python -m benchmarks.seeing``. CPU seconds of this process.

Bounds: a page in 2 s and 3 MB, its first paint in 1 s, 1 % of a core for a live page, also in its first minute; told
record by record, a story costs as much for the last record as for the first, and keeps no more than its points, and a
live page keeps its newest page and no other. First paint needs Chromium and the extra [browser].
"""

from __future__ import annotations

import gc
import random
import shutil
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.protocol.experiment import Measurement, Role
from pytest_autoresearch.report.changes import Seen, read
from pytest_autoresearch.report.html import page, prepare
from pytest_autoresearch.report.live import LivePage
from pytest_autoresearch.report.story import Teller, story
from tests.github import histories

MANY = 3000
T = TypeVar("T")


def cpu(work: Callable[[], T]) -> tuple[float, T]:
    began = time.process_time()
    found = work()
    return time.process_time() - began, found


def night(count: int) -> tuple[History, Seen]:
    """Experiments of a minute with two runs, a log and a diff of forty lines each."""
    chance, began = random.Random(7), histories.NOW
    experiments, changes = [], {}
    for each in histories.history(count, description="halve the learning rate after the warm-up, " * 3).experiments:
        runs = tuple(
            Measurement(
                Role.CANDIDATE, (each.value or 1.0) + chance.gauss(0, 1e-4), duration=25, log_tail="x y z\n" * 40
            )
            for _ in range(2)
        )
        ended = began + timedelta(seconds=60)
        experiments.append(replace(each, measurements=runs, started=began, ended=ended, agent_seconds=8.0))
        lines = "\n".join(f"{sign}    rate_{n} = {chance.random()}" for n in range(20) for sign in "-+")
        changes[each.commit] = read(
            f"diff --git a/m.py b/m.py\n--- a/m.py\n+++ b/m.py\n@@ -1,20 +1,20 @@ def f():\n{lines}"
        )
        began = ended
    return replace(histories.history(0), experiments=tuple(experiments)), Seen(changes)


def first_paint(html: str) -> float | None:
    """Seconds from the navigation to the first paint, in Chromium; None without one."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if chromium is None:
        return None
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as place:
        path = Path(place) / "report.html"
        path.write_text(html, encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        shown = browser.new_page()
        shown.goto(path.as_uri())
        ready = "performance.getEntriesByName('first-contentful-paint').length"
        shown.wait_for_function(ready)
        painted = shown.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        browser.close()
        return float(painted) / 1000


def row(what: str, found: float | None, bound: float, unit: str) -> None:
    said = "not measured" if found is None else f"{found:.3g} {unit}, {100 * found / bound:.0f} % of the bound"
    print(f"{what:<42} {said}")


def main() -> None:
    history, seen = night(MANY)
    told = story(history)
    assert told is not None
    prepare()
    spent, html = cpu(lambda: page(told, seen))
    whole, _ = cpu(lambda: story(history))
    row(f"the story of {MANY}, at once", whole, 2.0, "s")
    row("the page, story included", spent + whole, 2.0, "s")
    row("its size", len(html.encode()) / 1e6, 3.0, "MB")
    row("its first paint", first_paint(html), 1.0, "s")

    teller, costs, sizes = Teller(), [], []
    tracemalloc.start()
    for end in range(1, MANY + 2):
        part = replace(history, experiments=history.experiments[:end])
        costs.append(cpu(lambda: teller.tell(part))[0])  # noqa: B023
        if end in (MANY // 2, MANY):
            sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    print(f"{'a record told at the end / at the start':<42} {sum(costs[-300:]) / sum(costs[300:600]):.2f} times")
    row("a record told at the end (traced)", 1000 * sum(costs[-300:]) / 300, 10.0, "ms")
    row("memory of the story", sizes[1] / 1e6, 10.0, "MB")

    live_page_costs(history, seen)


def live_page_costs(history: History, seen: Seen) -> None:
    """Asked twice a second from the start, in its first minute and in the one after; and what it keeps."""
    with tempfile.TemporaryDirectory() as place:
        live = LivePage(0, Path(place) / "live", lambda story: seen)
        for minute in ("first", "second"):
            began = time.process_time(), time.monotonic()
            while time.monotonic() - began[1] < 60:
                live.tell(history)
                live.html()
                time.sleep(0.5)
            share = (time.process_time() - began[0]) / (time.monotonic() - began[1])
            row(f"a live page in its {minute} minute", 100 * share, 1.0, "% of a core")
        live.close()

        live, kept = LivePage(0, Path(place) / "live", lambda story: seen), []
        tracemalloc.start()
        for pages, end in ((1, MANY // 2), (1, MANY), (10, MANY)):
            part = replace(history, experiments=history.experiments[: end + 1])
            for _ in range(pages):
                live.tell(part)
                live._next = 0.0  # as if the time had passed that a page has to wait
                live.html()
            gc.collect()
            kept.append(tracemalloc.get_traced_memory()[0] / 1e6)
        tracemalloc.stop()
        live.close()
    print(f"{f'it keeps after {MANY // 2}, {MANY}, ten pages more':<42} {kept[0]:.2f}, {kept[1]:.2f}, {kept[2]:.2f} MB")


if __name__ == "__main__":
    main()
