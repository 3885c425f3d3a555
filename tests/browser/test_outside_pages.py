"""Pages for who isn't signed in: accessible as the others, and without a word to other hosts."""

from __future__ import annotations

import pytest

from tests.browser.conftest import House, Visit
from tests.browser.test_pages import violations

pytestmark = pytest.mark.browser

PAGES = [
    "/admin/login/",
    "/admin/password_reset/",
    "/admin/password_reset/none/none/",
    "/portal/none/",
    "/invitations/none/",
    "/api/docs/",
    "/guide/",
    "/guide/events/",
    "/status/",
]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_breaks_no_accessibility_rule(path: str, theme: str, house: House, visit: Visit, axe: str) -> None:
    """`visit` fails where a request left for another host."""
    visit.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    visit.page.goto(f"{house.url}{path}")
    visit.page.wait_for_load_state("networkidle")
    visit.page.evaluate(axe)
    found = visit.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    visit.complaints.clear()  # the browser notes a 404 or 410 that we asked for, and the status page's 503
    assert violations(found) == []


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("path", ["/api/docs/", "/guide/", "/guide/limits/", "/status/"])
def test_a_page_is_no_wider_than_the_window(path: str, width: int, house: House, visit: Visit) -> None:
    visit.page.set_viewport_size({"width": width, "height": 900})
    visit.page.goto(f"{house.url}{path}")
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    visit.complaints.clear()  # the status page answers 503 once beat, which this house has none of, was missed
