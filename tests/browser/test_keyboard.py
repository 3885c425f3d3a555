"""The desk by Tab, Enter and Space alone: every control of every page is reached, shows it, and does what it says."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import PASSWORD, STEP, House, Visit
from tests.browser.receiver import Receiver

pytestmark = pytest.mark.browser

SCRIPT = (Path(__file__).parent / "keyboard.js").read_text("utf-8")
BESIDE = ("/guide/", "/api/docs/", "/status/")
LEFT_OUT = re.compile(r"/(export|logout|live|expunge)/|/history/$|/password/$")
"""Downloads and ends of sessions; what a page of another row has already."""


@pytest.fixture(scope="module")
def ginger(house: House) -> Iterator[House]:
    """A shop with a row in every list, a viewer, and the platform's operator."""
    receiver = Receiver()
    receiver.status = 500
    house.open_shop("ginger")
    webhook = {"url": receiver.url, "events": ["*"], "name": "Ginger", "retry_policy": {"delays": []}}
    house.call("ginger", "webhooks", webhook)
    for number in range(2):
        house.publish("ginger", "order.created", {"order": {"id": str(number)}})
    house.wait_for_dead_letters("ginger", 2)
    house.call("ginger", "dead-letters/replay", {"all": True})
    house.wait_for_dead_letters("ginger", 2)
    house.variables["DJANGO_SUPERUSER_PASSWORD"] = PASSWORD
    house.command("createsuperuser", "--noinput", "--username", "operator", "--email", "operator@shop.example")
    yield house
    receiver.stop()


@pytest.fixture
def visit(ginger: House, chromium: Browser) -> Iterator[Visit]:
    made = Visit(ginger, chromium)
    made.page.set_viewport_size({"width": 1280, "height": 900})
    yield made
    made.close()


def enter(visit: Visit, role: str) -> None:
    if role == "viewer":
        body = {"role": "viewer", "person": "vera@shop.example"}
        link = visit.house.call("ginger", "portal-links", body)["url"]
        visit.page.goto(visit.house.url + urlsplit(link).path)
    else:
        visit.sign_in("operator" if role == "operator" else visit.house.people["ginger"])


def kind(path: str) -> str:
    """Return what pages of one make have in common in their addresses."""
    return re.sub(r"\d+", "N", path)


def links(page: Page, base: str) -> list[str]:
    found = page.eval_on_selector_all("a[href]", "all => all.map((each) => each.href)")
    paths = [urlsplit(each).path for each in found if each.startswith(base)]
    return [path for path in paths if path.startswith(("/admin/", *BESIDE)) and not LEFT_OUT.search(path)]


def tab_through(page: Page, *, whole: bool) -> list[str]:
    """Press Tab until focus is where it was first; return what was not reached, or didn't show that it was.

    Unless the `whole` page is asked for, from the skip link to the end of the content: the menu is everywhere the same.
    """
    page.evaluate(SCRIPT, whole)
    budget = page.evaluate("window.__keyboard.count") * 2 + 40
    for pressed in range(budget):
        page.keyboard.down("Tab")  # held down: half the messages to the browser
        if pressed % 20 == 19 and page.evaluate("window.__keyboard.turns()"):
            break
    page.keyboard.up("Tab")
    return page.evaluate("window.__keyboard.problems()")


@pytest.mark.parametrize("role", ["owner", "viewer", "operator"])
def test_every_control_of_every_page_is_reached_by_tab_and_shows_it(role: str, visit: Visit) -> None:
    enter(visit, role)
    page, base = visit.page, visit.house.url
    waiting, known, problems = deque(["/admin/"]), {"/admin/"}, {}
    while waiting:
        path = waiting.popleft()
        answer = page.goto(base + path)
        assert answer is not None
        assert answer.status == 200, path
        for link in links(page, base):
            if kind(link) not in known:
                known.add(kind(link))
                waiting.append(link)
        if found := tab_through(page, whole=path in {"/admin/", *BESIDE}):
            problems[kind(path)] = found
    assert len(known) > {"owner": 30, "viewer": 20, "operator": 40}[role]
    assert problems == {}


# --- and used --------------------------------------------------------------------------------------------------------


def press(page: Page, what: Locator, key: str = "Enter") -> None:
    """Reach a control by Tab, from wherever focus is, and press a key there."""
    expect(what.first).to_be_visible()
    handle = what.first.element_handle()
    for _ in range(400):
        if handle.evaluate("element => element === document.activeElement"):
            page.keyboard.press(key)
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab doesn't reach {what}")


@pytest.fixture
def page(visit: Visit) -> Page:
    visit.sign_in(visit.house.people["ginger"])
    return visit.page


def test_the_skip_link_leads_past_the_menu(visit: Visit, page: Page) -> None:
    visit.go("webhooks_deliveries/delivery/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('#main').contains(document.activeElement)")


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_a_row_is_opened_and_closed(key: str, visit: Visit, page: Page) -> None:
    visit.go("webhooks_deliveries/delivery/")
    opener = page.get_by_role("button", name="Show or hide the details of this row")
    press(page, opener, key)
    expect(page.get_by_label("Payload").first).to_be_visible(timeout=STEP)
    page.keyboard.press(key)
    expect(page.get_by_label("Payload").first).to_be_hidden()


def test_a_list_is_filtered_and_the_filter_taken_away(visit: Visit, page: Page) -> None:
    visit.go("webhooks_deliveries/delivery/")
    press(page, page.get_by_role("button", name="Filters").or_(page.get_by_role("link", name="Filters")))
    press(page, page.locator("#changelist-filter [role=combobox]"))
    expect(page.locator(".select2-search__field")).to_be_focused()  # the list moves focus there a moment later
    page.keyboard.type("Failed only")
    expect(page.locator(".select2-results__option--highlighted")).to_have_text("Failed only")
    page.keyboard.press("Enter")
    press(page, page.get_by_role("button", name="Apply Filters"))
    chip = page.get_by_role("link", name=re.compile("^Remove the filter"))
    press(page, chip)
    expect(chip).to_have_count(0)


def test_columns_are_chosen(visit: Visit, page: Page) -> None:
    visit.go("webhooks_deliveries/delivery/")
    press(page, page.locator("summary", has_text="Columns"))
    box = page.locator(".desk-choices input").last
    was = box.is_checked()
    press(page, box, "Space")
    with page.expect_navigation():
        press(page, page.get_by_role("button", name="Show these"))
    expect(page.locator(".desk-choices input").last).to_be_checked(checked=not was)
    press(page, page.locator("summary", has_text="Columns"), "Space")
    with page.expect_navigation():
        press(page, page.get_by_role("button", name="Usual columns"), "Space")
    expect(page.locator(".desk-choices input").last).to_be_checked(checked=was)


def test_a_view_is_saved_used_and_deleted(visit: Visit, page: Page) -> None:
    visit.go("webhooks_deliveries/delivery/?outcome=failed")
    press(page, page.locator("summary", has_text="Save view"))
    press(page, page.locator("input[name=name]"), "F")
    page.keyboard.type("ailures")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Failures", exact=True)).to_be_visible()
    visit.go("webhooks_deliveries/delivery/")
    with page.expect_navigation():
        press(page, page.get_by_role("link", name="Failures", exact=True))
    press(page, page.get_by_role("button", name="Delete view “Failures”"))
    expect(page.get_by_role("link", name="Failures", exact=True)).to_have_count(0)


def test_the_menu_folds_away_and_comes_back(visit: Visit, page: Page) -> None:
    visit.go("")
    entry = page.get_by_role("link", name="Delivery log")
    expect(entry).to_be_visible()
    switch = page.get_by_role("button", name="Show or hide the menu")
    press(page, switch)
    expect(entry).to_be_hidden()
    press(page, switch, "Space")
    expect(entry).to_be_visible()


def test_a_group_of_the_menu_opens(visit: Visit, page: Page) -> None:
    visit.go("")
    entry = page.get_by_role("link", name="Orders", exact=True)
    expect(entry).to_be_hidden()
    press(page, page.get_by_role("button", name=re.compile("^Example shop")))
    expect(entry).to_be_visible()


def test_ones_own_menu_opens_and_leads_to_the_account(visit: Visit, page: Page) -> None:
    visit.go("")
    press(page, page.get_by_role("button", name=re.compile("ginger@shop.example")))
    press(page, page.get_by_role("link", name="Your account"))
    expect(page.get_by_role("heading", name="Two-factor sign-in")).to_be_visible()


def test_a_question_is_answered_and_focus_comes_back(visit: Visit, page: Page) -> None:
    visit.go("webhooks_subscriptions/webhook/")
    press(page, page.locator("table#result_list a[href*='/change/']"))
    press(page, page.get_by_role("link", name="Signing", exact=True))
    rotate = page.get_by_role("button", name="Rotate secret")
    expect(rotate).to_be_visible()
    press(page, page.get_by_role("link", name="Overview", exact=True))
    expect(rotate).to_be_hidden()
    asking = page.locator("form[data-confirm] button").filter(visible=True).first
    press(page, asking)
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(asking).to_be_focused()


def test_a_test_is_sent_and_dead_letters_replayed(visit: Visit, page: Page) -> None:
    visit.go("webhooks_subscriptions/webhook/")
    press(page, page.locator("table#result_list a[href*='/change/']"))
    press(page, page.get_by_role("button", name="Send test"))
    expect(page.locator("[data-diagnosis]")).to_contain_text("500", timeout=STEP)
    press(page, page.get_by_role("link", name=re.compile("^Review queue")))
    press(page, page.get_by_role("link", name="Replay everything since…"))
    press(page, page.get_by_role("button", name=re.compile("^Replay ")), "Space")
    expect(page.locator("[data-results]")).to_be_visible(timeout=STEP)
