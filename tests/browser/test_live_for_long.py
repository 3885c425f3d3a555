"""The log stays live for as long as it is open: the page grows no larger, nor does what serves it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from playwright.sync_api import Browser, CDPSession, expect

from tests.browser.conftest import STEP, House, Visit
from tests.browser.receiver import Receiver

pytestmark = pytest.mark.nightly

SECONDS = float(os.environ.get("LIVE_SECONDS", "180"))
RATE = int(os.environ.get("LIVE_RATE", "200"))
"""Events a second; an hour is LIVE_SECONDS=3600 LIVE_RATE=20."""
SAMPLES = 12
GROWTH = 1.15
"""So much of what was there after a quarter of the time may be there at its end."""
MEGABYTE = 1024**2


class Source(threading.Thread):
    """Publishes a batch a second until it is stopped."""

    def __init__(self, house: House) -> None:
        super().__init__(daemon=True)
        self.house, self.stopped, self.count = house, threading.Event(), 0

    def run(self) -> None:
        began = time.monotonic()
        for second in range(10**9):
            events = [
                {"event": "order.created", "data": {"order": {"id": f"{second}-{n}"}}, "resource_id": f"{second}-{n}"}
                for n in range(RATE)
            ]
            self.house.call("hyssop", "events/batch", {"events": events})
            self.count += RATE
            if self.stopped.wait(max(0.0, began + second + 1 - time.monotonic())):
                return


@pytest.fixture
def source(house: House) -> Iterator[Source]:
    receiver = Receiver()
    receiver.keeps = False
    house.open_shop("hyssop")
    house.call("hyssop", "webhooks", {"url": receiver.url, "events": ["*"], "name": "Hyssop"})
    house.publish("hyssop", "order.created", {"order": {"id": "0"}})
    made = Source(house)
    made.start()
    yield made
    made.stopped.set()
    made.join(30)
    receiver.stop()


@pytest.fixture
def visit(source: Source, chromium: Browser) -> Iterator[Visit]:
    made = Visit(source.house, chromium)
    made.sign_in(source.house.people["hyssop"])
    yield made
    made.close()


def weigh(session: CDPSession, house: House) -> dict[str, float]:
    """Return what the page holds after a collection of garbage, and megabytes of the web processes."""
    session.send("HeapProfiler.collectGarbage")
    found: Any = session.send("Performance.getMetrics")["metrics"]
    metrics = {each["name"]: each["value"] for each in found}
    web = psutil.Process(house.web.pid)
    resident = sum(each.memory_info().rss for each in [web, *web.children(recursive=True)])
    return {
        "heap": metrics["JSHeapUsedSize"] / MEGABYTE,
        "nodes": metrics["Nodes"],
        "listeners": metrics["JSEventListeners"],
        "web": resident / MEGABYTE,
    }


def test_an_open_log_follows_for_long_with_flat_memory(source: Source, visit: Visit) -> None:
    page = visit.go("webhooks_deliveries/delivery/")
    page.evaluate("window.untouched = true")
    refreshes: list[float] = []
    page.on("requestfinished", lambda request: refreshes.append(time.monotonic()) if "/live/" in request.url else None)
    session = visit.context.new_cdp_session(page)
    session.send("Performance.enable")
    began, samples = time.monotonic(), []
    for number in range(1, SAMPLES + 1):
        page.wait_for_timeout(max(0.0, began + SECONDS * number / SAMPLES - time.monotonic()) * 1000)
        samples.append(weigh(session, source.house))
        shown = {name: round(value, 1) for name, value in samples[-1].items()}
        print(f"{time.monotonic() - began:.0f} s, {source.count} events:", shown, flush=True)
    assert page.evaluate("window.untouched") is True
    assert page.locator("table#result_list tr.data-row").count() <= 100
    assert len(refreshes) > SECONDS / 6, "it stopped asking"
    newest = source.house.call("hyssop", "events", {"event": "order.paid", "data": {}, "resource_id": "the-last"})
    assert newest["id"]
    expect(page.locator("table#result_list tr.data-row", has_text="the-last")).to_have_count(1, timeout=STEP)
    early, late = samples[: SAMPLES // 4], samples[-SAMPLES // 4 :]
    for what in early[0]:
        at_first, at_last = (sorted(each[what] for each in part)[len(part) // 2] for part in (early, late))
        assert at_last <= at_first * GROWTH + 2, f"{what} grew from {at_first:.0f} to {at_last:.0f}"
