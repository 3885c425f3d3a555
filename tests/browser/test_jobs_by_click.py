"""The jobs that people do every day, walked in a browser and counted: clicks and nothing hidden."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import STEP, House, Visit
from tests.browser.receiver import Receiver

pytestmark = pytest.mark.browser

HOOKS = 10


class Hand:
    """Clicks, and counts them."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks = page, 0

    def click(self, what: Locator) -> None:
        what.first.click()
        self.clicks += 1


@pytest.fixture(scope="module")
def dill(house: House) -> Iterator[tuple[House, Receiver]]:
    """A shop whose ten webhooks failed for good, each at an order."""
    receiver = Receiver()
    receiver.status = 503
    house.open_shop("dill")
    for number in range(HOOKS):
        settings = {
            "url": f"{receiver.url}/{number}",
            "events": ["order.*"],
            "name": f"Hook {number}",
            "retry_policy": {"delays": []},
        }
        house.call("dill", "webhooks", settings)
    house.call(
        "dill", "events", {"event": "order.created", "data": {"order": {"number": "1045"}}, "resource_id": "1045"}
    )
    house.wait_for_dead_letters("dill", HOOKS)
    yield house, receiver
    receiver.stop()


@pytest.fixture
def visit(dill: tuple[House, Receiver], chromium: Browser) -> Iterator[Visit]:
    made = Visit(dill[0], chromium)
    made.sign_in(dill[0].people["dill"])
    yield made
    made.close()


def test_why_an_order_was_not_delivered_takes_two_clicks(visit: Visit) -> None:
    hand = Hand(visit.page)
    hand.click(visit.page.get_by_role("link", name="Delivery log"))
    visit.page.fill("#searchbar", "1045")
    visit.page.keyboard.press("Enter")
    hand.click(visit.page.locator("table#result_list a[href*='/change/']"))
    expect(visit.page.get_by_text("Your endpoint is overloaded or in maintenance.").first).to_be_visible()
    assert hand.clicks <= 2


def test_the_first_page_names_the_failing_webhook_the_reason_and_the_remedy(visit: Visit) -> None:
    page = visit.go("")
    card = page.locator("[data-failing]").first
    expect(card).to_contain_text("Hook")
    expect(card).to_contain_text("Your endpoint answered 503")
    expect(card).to_contain_text("What to do.")
    card.get_by_role("link", name="Open the webhook").click()
    expect(page.locator("[data-state]")).to_have_text("Failing")
    expect(page.get_by_text("What to do.").first).to_be_visible()


def test_a_test_is_sent_two_clicks_from_the_list(visit: Visit) -> None:
    visit.go("webhooks_subscriptions/webhook/")
    hand = Hand(visit.page)
    hand.click(visit.page.locator("table#result_list a[href*='/change/']"))
    hand.click(visit.page.get_by_role("button", name="Send test"))
    expect(visit.page.locator("[data-diagnosis]")).to_contain_text("503", timeout=STEP)
    assert hand.clicks <= 2


def test_a_secret_is_rolled_in_four_clicks_with_its_overlap_chosen(visit: Visit) -> None:
    visit.go("webhooks_subscriptions/webhook/")
    hand = Hand(visit.page)
    hand.click(visit.page.locator("table#result_list a[href*='/change/']"))
    hand.click(visit.page.get_by_role("link", name="Signing", exact=True))
    visit.page.select_option("select[name=overlap]", "3600")
    hand.clicks += 1
    hand.click(visit.page.get_by_role("button", name="Rotate secret"))
    expect(visit.page.locator("[data-secret]")).to_be_visible()
    expect(visit.page.get_by_text("for at most 1 hour.")).to_be_visible()
    assert hand.clicks <= 4
    visit.page.get_by_role("link", name="I have copied it").click()
    expect(visit.page.get_by_role("button", name="Test with the newest secret")).to_be_visible()


def test_the_note_of_a_dead_letter_survives_every_button(visit: Visit) -> None:
    visit.go("webhooks_deliveries/deadletter/")
    visit.page.locator("table#result_list a[href*='/change/']").first.click()
    visit.page.fill("#id_note", "Waits for the new server")
    visit.page.get_by_role("button", name="Save the note").click()
    visit.go("webhooks_deliveries/deadletter/?q=")
    visit.page.locator("table#result_list a[href*='/change/']").first.click()
    expect(visit.page.locator("#id_note")).to_have_value("Waits for the new server")


def test_an_outage_of_ten_webhooks_is_cleared_in_four_clicks_and_the_page_says_what_arrived(
    dill: tuple[House, Receiver], visit: Visit
) -> None:
    hand = Hand(visit.page)
    dill[1].status = 200
    hand.click(visit.page.get_by_role("link", name="Review queue"))
    hand.click(visit.page.get_by_role("link", name="Replay everything since…"))
    hand.click(visit.page.get_by_role("button", name=f"Replay {HOOKS}"))
    assert hand.clicks <= 4
    expect(visit.page.locator("[data-result=arrived]")).to_have_text(str(HOOKS), timeout=STEP)
