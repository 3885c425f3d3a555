"""A merchant's first day, walked in a real browser against the running product."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

import merchant_webhooks
from tests.browser.conftest import PASSWORD, STEP, House, Visit
from tests.browser.receiver import Receiver

pytestmark = pytest.mark.browser

VIEWER = "viewer@aster.example"
NEW_LINK = """
from subscriptions import services
from subscriptions.models import Invitation
found = Invitation.objects.get()
print(f"/invitations/{services.invite(merchant=found.merchant, email=found.email, role=found.role)[1]}/")
"""
"""Sends the invitation again: its first link may have been mailed already."""


def reload_until(page: Page, condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come"
        page.wait_for_timeout(300)
        page.reload()


def create_webhook(visit: Visit, url: str) -> str:
    """Create a webhook in the form and return its secret, as the page showed it."""
    page = visit.page
    page.get_by_role("link", name="Create your first webhook").click()
    page.fill("#id_name", "Bookkeeping")
    page.fill("#id_url", url)
    page.get_by_role("checkbox", name=re.compile(r"order\.created")).check()
    page.get_by_text("Retries", exact=True).click()
    page.fill("#id_retry_policy", "1s, 2s")
    page.click("button[name=_save]")
    secret = page.locator("[data-secret]").inner_text()
    page.reload()
    expect(page.get_by_text("This was shown already")).to_be_visible()
    page.get_by_role("link", name="Back").click()
    return secret


def status_of(page: Page, name: str) -> int:
    return page.locator("table#result_list tr.data-row", has_text=re.compile(name, re.I)).count()


def test_a_merchants_first_day(house: House, visit: Visit, receiver: Receiver, chromium: Browser) -> None:
    page = visit.sign_in(house.people["aster"])
    expect(page.get_by_role("heading", name="Welcome. Let's get your events to your server.")).to_be_visible()
    secret = create_webhook(visit, receiver.url)

    # Test: a signed sample, and what the server answered.
    page.get_by_role("button", name="Send test").click()
    expect(page.locator("[data-diagnosis]")).to_contain_text("It works: your endpoint answered 200")
    merchant_webhooks.verify(*receiver.got[0], secret)
    webhook_page = page.url

    # An event is published, arrives, and stands in the log.
    house.publish("aster", "order.created", {"order": {"id": "7", "number": "AS-7"}})
    visit.go("webhooks_deliveries/delivery/")
    reload_until(page, lambda: status_of(page, "delivered") == 1, "the delivery")
    assert json.loads(receiver.got[1][1])["data"] == {"order": {"id": "7", "number": "AS-7"}}
    page.fill("#searchbar", "AS-7")
    page.keyboard.press("Enter")
    expect(page.locator("table#result_list tr.data-row")).to_have_count(1)
    page.locator("table#result_list tr.data-row td").first.click()
    expect(page.get_by_text('"number": "AS-7"')).to_be_visible()

    # The receiver breaks: retries, then review.
    receiver.status = 503
    for number in (8, 9, 10):
        house.publish("aster", "order.created", {"order": {"id": str(number)}})
    visit.go("webhooks_deliveries/delivery/?outcome=failed")
    reload_until(page, lambda: status_of(page, "retrying|in review") == 3, "three failures")
    page.locator("table#result_list a").first.click()
    expect(page.get_by_text("Your endpoint is overloaded or in maintenance.").first).to_be_visible()
    reload_until(page, lambda: page.get_by_text("Attempt 3", exact=True).count() == 1, "the last attempt")
    assert status_of(page, ".") == 0

    # The review queue: grouped, counted, and after mending replayed in bulk.
    visit.go("webhooks_deliveries/deadletter/")
    reload_until(page, lambda: page.get_by_text("3 waiting").count() == 1, "the group of three")
    receiver.status = 200
    page.get_by_role("link", name="Replay all").click()
    expect(page.get_by_role("heading", name="Replay 3 of the review queue?")).to_be_visible()
    page.fill("input[name=note]", "Server restarted")
    page.get_by_role("button", name="Replay 3").click()
    expect(page.get_by_role("status")).to_have_text("Done: 3 on their way.")
    visit.go("webhooks_deliveries/delivery/?outcome=delivered")
    reload_until(page, lambda: status_of(page, "delivered") == 4, "the replayed deliveries")
    visit.go("webhooks_deliveries/deadletter/")
    expect(page.get_by_role("heading", name="Nothing waits for you")).to_be_visible()
    visit.go("webhooks_deliveries/deadletter/?decision=replayed")
    decided = page.locator("#result_list tbody tr.data-row").first
    expect(decided).to_contain_text("Replayed")
    expect(decided).to_contain_text(house.people["aster"])

    # Pausing holds, resuming delivers.
    page.goto(webhook_page)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused. Events wait here")).to_be_visible()
    held = house.publish("aster", "order.created", {"order": {"id": "11"}})
    visit.go(f"webhooks_deliveries/event/?q={held}")
    page.locator("table#result_list a").first.click()
    expect(page.get_by_text("The webhook was paused on")).to_be_visible()
    page.goto(webhook_page)
    page.get_by_role("button", name="Resume").click()
    visit.go("webhooks_deliveries/delivery/?outcome=delivered")
    reload_until(page, lambda: status_of(page, "delivered") == 5, "what was held")

    viewer = invite_viewer(visit, Visit(house, chromium))
    look_as_viewer(Visit(house, chromium), viewer, webhook_page)
    look_as_stranger(Visit(house, chromium), webhook_page)


def invite_viewer(visit: Visit, guest: Visit) -> tuple[str, str]:
    """Invite a viewer, who accepts by the link of the mail; return the user name and the password that they chose."""
    page = visit.go("webhooks_subscriptions/membership/add/")
    page.fill("#id_email", VIEWER)
    page.select_option("#id_role", "viewer")
    page.click("button[name=_save]")
    expect(page.get_by_text("The invitation is on its way")).to_be_visible()
    link = visit.house.command("shell", "-c", NEW_LINK).split()[-1]
    guest.page.goto(f"{visit.house.url}{link}")
    guest.page.fill("#id_password", PASSWORD)
    guest.page.get_by_role("button", name="Choose this password").click()
    guest.page.fill("#id_username", VIEWER)
    guest.page.fill("#id_password", PASSWORD)
    guest.page.get_by_role("button", name="Log in").click()
    guest.page.get_by_role("button", name="Accept as").click()
    expect(guest.page.get_by_text("You are a member of aster now, as viewer.")).to_be_visible()
    guest.close()
    return VIEWER, PASSWORD


def look_as_viewer(visit: Visit, viewer: tuple[str, str], webhook_page: str) -> None:
    page = visit.sign_in(*viewer)
    page.goto(webhook_page)
    expect(page.get_by_text("Bookkeeping").first).to_be_visible()
    for absent in ("Pause", "Rotate secret", "Send test", "Save"):
        assert page.get_by_role("button", name=absent, exact=True).count() == 0
    visit.go("webhooks_deliveries/delivery/")
    assert status_of(page, "delivered") == 5
    page.locator("table#result_list a").first.click()
    assert page.get_by_role("button", name="Send again now").count() == 0
    visit.go("webhooks_deliveries/deadletter/")
    assert page.get_by_role("link", name="Replay all").count() == 0
    assert page.get_by_role("link", name="API keys").count() == 0
    visit.close()


def look_as_stranger(visit: Visit, webhook_page: str) -> None:
    page = visit.sign_in(visit.house.people["borage"], PASSWORD)
    for path in (
        "",
        "webhooks_subscriptions/webhook/",
        "webhooks_deliveries/delivery/",
        "webhooks_deliveries/event/",
        "webhooks_deliveries/deadletter/",
    ):
        visit.go(path)
        assert "Bookkeeping" not in page.content()
        assert page.locator("table#result_list").count() == 0
    with page.expect_console_message(lambda said: "404" in said.text):  # the browser notes the 404 we asked for
        answer = page.goto(webhook_page)
    assert answer is not None
    assert answer.status == 404
    visit.complaints.clear()
    visit.close()


def test_signing_in_with_a_wrong_password_says_so(house: House, visit: Visit) -> None:
    page = visit.page
    page.goto(f"{house.url}/admin/login/")
    page.fill("#id_username", house.people["aster"])
    page.fill("#id_password", "wrong")
    page.click("button[type=submit]")
    expect(page.get_by_text("Please enter the correct username and password")).to_be_visible(timeout=STEP)
