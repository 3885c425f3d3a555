"""Every page of the desk: accessible, usable by keyboard, whole at both widths, without a word to other hosts."""

from __future__ import annotations

from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import House, Visit
from tests.browser.receiver import Receiver

pytestmark = pytest.mark.browser

LISTS = [
    "",
    "webhooks_subscriptions/webhook/",
    "webhooks_subscriptions/webhook/add/",
    "webhooks_deliveries/delivery/",
    "webhooks_deliveries/event/",
    "webhooks_deliveries/deadletter/",
    "webhooks_deliveries/attempt/",
    "webhooks_deliveries/deadletter/all/replay/",
    "webhooks_subscriptions/eventtype/",
    "webhooks_subscriptions/apikey/",
    "webhooks_subscriptions/apikey/add/",
    "webhooks_subscriptions/membership/",
    "webhooks_subscriptions/invitation/",
    "webhooks_subscriptions/invitation/add/",
    "webhooks_subscriptions/merchant/",
    "webhooks_deliveries/job/",
    "webhooks_deliveries/notice/",
    "shop/",
    "account/",
]
ROWS = [
    "webhooks_subscriptions/webhook/",
    "webhooks_deliveries/delivery/",
    "webhooks_deliveries/event/",
    "webhooks_deliveries/deadletter/",
    "webhooks_subscriptions/eventtype/",
]
LISTS_OF_LONG_ROWS = [
    "webhooks_subscriptions/webhook/",
    "webhooks_deliveries/delivery/",
    "webhooks_deliveries/event/",
    "webhooks_deliveries/deadletter/",
    "webhooks_deliveries/attempt/",
]


@pytest.fixture(scope="module")
def filled(house: House) -> Iterator[House]:
    """A shop with rows in every list."""
    receiver = Receiver()
    receiver.status = 500
    house.open_shop("cedar")
    house.call(
        "cedar", "webhooks", {"url": receiver.url, "events": ["*"], "name": "Cedar", "retry_policy": {"delays": []}}
    )
    house.call(
        "cedar",
        "webhooks",
        {
            "url": f"{receiver.url}/{'long' * 45}",
            "events": ["order.created", "trial_activation.created"],
            "name": "A name as long as people give them, and longer",
            "retry_policy": {"delays": []},
        },
    )
    for number in range(3):
        house.publish("cedar", "order.created", {"order": {"id": str(number)}})
    house.publish("cedar", "trial_activation.created", {"trialActivation": {"id": "1"}})
    house.wait_for_dead_letters("cedar", 8)
    yield house
    receiver.stop()


@pytest.fixture
def cedar(filled: House, chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Visit]:
    theme, width = getattr(request, "param", ("light", 1440))
    visit = Visit(filled, chromium, color_scheme=theme)
    visit.page.set_viewport_size({"width": width, "height": 900})
    visit.sign_in(filled.people["cedar"])
    yield visit
    visit.close()


def pages(visit: Visit) -> Iterator[str]:
    yield from LISTS
    for path in ROWS:
        visit.go(path)
        link = visit.page.locator("table#result_list a[href*='/change/']").first.get_attribute("href")
        assert link is not None
        yield link.removeprefix("/admin/")


BOTH = [(theme, width) for theme in ("light", "dark") for width in (1440, 390)]


@pytest.mark.parametrize("cedar", BOTH, indirect=True, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def test_no_page_is_wider_than_the_window_or_breaks_an_accessibility_rule(cedar: Visit, axe: str) -> None:
    problems = []
    for path in list(pages(cedar)):
        page = cedar.go(path)
        page.wait_for_timeout(200)
        width = page.viewport_size["width"] if page.viewport_size else 0
        if page.evaluate("document.documentElement.scrollWidth") > width:
            problems.append(f"{path} is wider than the window")
        page.evaluate(axe)
        found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        problems += [f"{path} {violation}" for violation in violations(found)]
    assert problems == []


def violations(found: Any) -> list[str]:
    return [
        f"{violation['id']}: {violation['help']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
        for violation in found["violations"]
        for node in violation["nodes"][:3]
    ]


def test_the_form_can_be_filled_with_the_keyboard_alone(cedar: Visit) -> None:
    page = cedar.go("webhooks_subscriptions/webhook/add/")
    page.focus("#id_url")
    page.keyboard.type("http://127.0.0.1:1/hooks")
    page.focus("input[name=events][value='order.paid']")
    page.keyboard.press("Space")
    page.focus("button[name=_save]")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-secret]")


def test_the_retry_policy_is_spelled_out_as_it_is_typed(cedar: Visit) -> None:
    page = cedar.go("webhooks_subscriptions/webhook/add/")
    page.fill("#id_url", f"{cedar.house.url}/hooks")
    page.get_by_text("Retries", exact=True).click()
    page.fill("#id_retry_policy", "5s, 2m")
    page.keyboard.press("Tab")
    expect(page.locator("[data-policy]")).to_contain_text("At once, then 5 s and 2 min after each failure")


def test_times_stand_in_utc_for_everybody_and_the_pointer_tells_the_viewers_zone(
    filled: House, chromium: Browser
) -> None:
    shown, heads = [], []
    for zone in ("UTC", "Asia/Tokyo"):
        visit = Visit(filled, chromium, timezone_id=zone, locale="en-GB")
        visit.sign_in(filled.people["cedar"])
        page = visit.go("webhooks_deliveries/delivery/")
        element = page.locator("table#result_list time").first
        shown.append((element.inner_text(), element.get_attribute("title")))
        heads.append(page.locator("#result_list").get_by_text("Time, UTC", exact=True).count())
        visit.close()
    assert shown[0][0] == shown[1][0]
    assert heads == [1, 1]
    assert "UTC" in shown[0][1]
    assert shown[0][1] != shown[1][1]
    assert "GMT+9" in shown[1][1]


def test_the_page_may_load_nothing_from_elsewhere(cedar: Visit) -> None:
    answer = cedar.page.goto(f"{cedar.house.url}/admin/")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "'unsafe-inline'" not in policy.split("script-src", 1)[1].split(";", 1)[0]


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("page", LISTS_OF_LONG_ROWS)
def test_no_list_scrolls_sideways_with_long_addresses(cedar: Visit, page: str, width: int) -> None:
    cedar.page.set_viewport_size({"width": width, "height": 900})
    cedar.go(page)
    rows = cedar.page.locator("#result_list")
    expect(rows).to_be_visible()
    assert rows.evaluate("each => each.scrollWidth - each.closest('[data-simplebar]').clientWidth") <= 2


@pytest.mark.parametrize("page", [*LISTS_OF_LONG_ROWS, "webhooks_subscriptions/membership/"])
def test_a_row_of_a_list_is_a_short_card_on_a_phone(cedar: Visit, page: str) -> None:
    """A delivery takes 120 pixels at most; what says more in sentences, a line or two besides."""
    cedar.page.set_viewport_size({"width": 390, "height": 900})
    rows = cedar.go(page).locator("#result_list tr.data-row")
    expect(rows.first).to_be_visible()
    tallest = max(rows.evaluate_all("rows => rows.map((row) => row.getBoundingClientRect().height)"))
    assert tallest <= (120 if page == "webhooks_deliveries/delivery/" else 185)


def test_a_condition_is_tried_when_it_is_saved_and_the_page_says_what_it_would_do(cedar: Visit) -> None:
    page = cedar.go("webhooks_subscriptions/webhook/add/")
    page.fill("#id_url", "http://127.0.0.1:1/filtered")
    page.locator("input[name=events][value='order.created']").check()
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.fill("#id_filter", "data.order.totl > `100`")
    page.click("button[name=_save]")
    cedar.go("webhooks_subscriptions/webhook/?q=filtered")
    page.locator("table#result_list a[href*='/change/']").first.click()
    expect(page.locator("[data-warning]").first).to_be_visible()
    page.get_by_role("link", name="Settings", exact=True).click()
    expect(page.get_by_text("What “Only if” would do with")).to_be_visible()


UNKNOWN = [
    ("webhooks_deliveries/delivery/?outcome=lost", "There is no outcome “lost”"),
    ("webhooks_deliveries/deadletter/?error=lost", "There is no error “lost”"),
    ("webhooks_deliveries/deadletter/all/discard/?error=lost", "There is no error 'lost'"),
    ("webhooks_deliveries/deadletter/all/replay/?error=%20", "names error without a value"),
    ("webhooks_deliveries/delivery/export/json/?outcome=lost", "Nothing was exported"),
    ("webhooks_deliveries/delivery/export/csv/?q=%E2%80%83", "names q without a value"),
]


@pytest.mark.parametrize(("address", "told"), UNKNOWN)
def test_what_a_filter_does_not_know_or_lacks_is_refused_in_words(cedar: Visit, address: str, told: str) -> None:
    answer = cedar.page.request.get(f"{cedar.house.url}/admin/{address}")  # by this browser's session
    assert answer.status == 422
    assert told in unescape(answer.text())
