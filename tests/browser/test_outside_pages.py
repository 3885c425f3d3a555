"""Pages for who isn't signed in: accessible as the others, and without a word to other hosts."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import STEP, House, Visit
from tests.browser.test_pages import violations

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("path", ["/admin/login/", "/portal/none/", "/invitations/none/"])
def test_a_page_breaks_no_accessibility_rule(path: str, house: House, visit: Visit, axe: str) -> None:
    visit.page.goto(f"{house.url}{path}")
    visit.page.wait_for_load_state("networkidle")
    visit.page.evaluate(axe)
    found = visit.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    visit.complaints.clear()  # the browser notes a 404 or 410 that we asked for
    assert violations(found) == []


@pytest.mark.parametrize(("path", "shown"), [("/api/docs/", "Publish an event"), ("/api/redoc/", "portal-links")])
def test_the_apis_pages_come_from_this_host_alone(path: str, shown: str, house: House, visit: Visit) -> None:
    """`visit` fails where a request left for another host."""
    visit.page.goto(f"{house.url}{path}")
    expect(visit.page.get_by_text(shown).first).to_be_visible(timeout=STEP)
    visit.complaints.clear()  # of the policy, about what it kept from being asked for
