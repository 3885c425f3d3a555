"""Pages that stay open follow what happens, can be paused, and grow no longer than they were."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import STEP, House, Visit
from tests.browser.receiver import Receiver

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def fennel(house: House) -> Iterator[tuple[House, Receiver]]:
    receiver = Receiver()
    house.open_shop("fennel")
    house.call(
        "fennel",
        "webhooks",
        {"url": receiver.url, "events": ["*"], "name": "Hook", "retry_policy": {"delays": [2, 2]}},
    )
    house.publish("fennel", "order.created", {"order": {"id": "0"}})
    yield house, receiver
    receiver.stop()


@pytest.fixture
def visit(fennel: tuple[House, Receiver], chromium: Browser) -> Iterator[Visit]:
    made = Visit(fennel[0], chromium)
    made.sign_in(fennel[0].people["fennel"])
    yield made
    made.close()


def test_the_log_shows_what_comes_and_what_becomes_of_it_without_a_reload(
    fennel: tuple[House, Receiver], visit: Visit
) -> None:
    house, receiver = fennel
    page = visit.go("webhooks_deliveries/delivery/")
    page.evaluate("window.untouched = true")
    receiver.status = 500
    house.call("fennel", "events", {"event": "order.paid", "data": {"order": {"id": "7"}}, "resource_id": "live-7"})
    row = page.locator("table#result_list tr.data-row", has_text="live-7")
    expect(row).to_have_count(1, timeout=STEP)
    expect(row).to_contain_text("Retrying", timeout=STEP)
    receiver.status = 200
    expect(row).to_contain_text("Delivered", timeout=STEP)
    row.locator("td [role=button]").first.click()
    expect(page.get_by_text("200 OK").or_(page.get_by_text('"id": "7"')).first).to_be_visible(timeout=STEP)
    assert page.evaluate("window.untouched") is True


def test_a_paused_log_stays_as_it_is(fennel: tuple[House, Receiver], visit: Visit) -> None:
    page = visit.go("webhooks_deliveries/delivery/")
    page.get_by_role("button", name="Live: pause").click()
    before = page.locator("table#result_list tr.data-row").count()
    with_requests: list[str] = []
    page.on("request", lambda request: with_requests.append(request.url))
    fennel[0].publish("fennel", "order.created", {"order": {"id": "8"}})
    page.wait_for_timeout(5000)
    assert page.locator("table#result_list tr.data-row").count() == before
    assert not [url for url in with_requests if "/live/" in url]
    page.get_by_role("button", name="Paused: go on").click()
    expect(page.locator("table#result_list tr.data-row")).to_have_count(before + 1, timeout=STEP)


def test_a_delivery_goes_from_being_sent_to_its_outcome_by_itself(fennel: tuple[House, Receiver], visit: Visit) -> None:
    house, receiver = fennel
    receiver.status = 500
    event = house.publish("fennel", "order.created", {"order": {"id": "9"}})
    page = visit.go(f"webhooks_deliveries/delivery/?q={event}")
    page.locator("table#result_list a[href*='/change/']").first.click()
    expect(page.get_by_text("Attempt 1", exact=True)).to_be_visible(timeout=STEP)
    receiver.status = 200
    expect(page.locator(".desk-badge", has_text=re.compile("^Delivered$")).first).to_be_visible(timeout=STEP)
