"""The form of a webhook shows the fields of the way to sign in that is chosen, and none where it leads to a queue."""

from __future__ import annotations

from typing import Any

import pytest

from subscriptions import webhook_rules
from subscriptions.admin import sign_in_fields
from tests.browser.conftest import House, Visit

pytestmark = pytest.mark.browser


def shown(page: Any) -> set[str]:
    """Return the fields that the style sheet doesn't hide, whether or not their section is open."""
    look = "name => getComputedStyle(document.querySelector('.field-' + name)).display !== 'none'"
    return {name for name in sign_in_fields.NAMES if page.evaluate(look, name)}


def test_a_way_to_sign_in_shows_its_own_fields(house: House, visit: Visit) -> None:
    page = visit.sign_in(house.people["aster"])
    visit.go("webhooks_subscriptions/webhook/add/")
    assert shown(page) == {sign_in_fields.METHOD}
    for method in webhook_rules.rules().sign_in_methods():
        page.select_option(f"#id_{sign_in_fields.METHOD}", method.name, force=True)
        own = {field.name for field in (*method.settings, *method.credentials)}
        assert shown(page) == {sign_in_fields.METHOD} | own
    page.select_option("#id_kind", "sqs")
    assert shown(page) == set()
