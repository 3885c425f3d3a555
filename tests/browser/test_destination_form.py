"""The form of a new webhook shows the fields of the kind that is chosen, and no others."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from subscriptions.admin import destination_fields
from tests.browser.conftest import House, Visit

pytestmark = pytest.mark.browser

KINDS = ("https", "eventbridge", "sqs", "pubsub", "pull")
OTHERS = {"https": ["url", "dialect"], "pull": ["dialect"]}


def test_a_kind_shows_its_own_fields(house: House, visit: Visit) -> None:
    page = visit.sign_in(house.people["aster"])
    visit.go("webhooks_subscriptions/webhook/add/")
    for kind in (*KINDS, "https"):
        page.select_option("#id_kind", kind)
        own = OTHERS.get(kind) or destination_fields.of_kind(kind)
        for name in {*destination_fields.NAMES, "url", "dialect"}:
            field = page.locator(f"#id_{name}")
            (expect(field).to_be_visible if name in own else expect(field).to_be_hidden)()
