"""What is decided, ended, revoked or deleted is the record: no form and no request changes it any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.admin import site
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from deliveries.admin.jobs import OVER
from deliveries.models import DeadLetter, Job
from deliveries.review import manual_actions
from subscriptions import services
from subscriptions.admin.row_actions import WithRowActions
from subscriptions.admin.scoping import MerchantScoped
from tests.support.api import Client as Api
from tests.support.desk import Shop, add_delivery, make_dead, sign_in
from tests.support.factories import make_api_key

pytestmark = pytest.mark.django_db

WORDS = {
    "note": "rewritten",
    "name": "rewritten",
    "url": "https://rewritten.example.com/",
    "rate": "7",
    "role": "viewer",
}
"""What a form may send, whichever row it is about."""


def decided(shop: Shop, how: Callable[..., Any]) -> DeadLetter:
    dead_letter = make_dead(add_delivery(shop.webhook))
    how(delivery=dead_letter.delivery, by="ann", note="as it was decided")
    dead_letter.refresh_from_db()
    return dead_letter


def ended(shop: Shop, status: str) -> Job:
    return Job.objects.create(
        merchant=shop.merchant, kind="replay", source="deliveries", by="ann", status=status, finished_at=timezone.now()
    )


def finished(shop: Shop) -> Iterator[Any]:
    """Yield a row of each kind that is over."""
    yield decided(shop, manual_actions.replay)
    yield decided(shop, manual_actions.discard)
    yield from (ended(shop, status) for status in OVER)
    yield services.revoke_api_key(api_key=make_api_key(shop.merchant).api_key)
    yield shop.rows["notice"]
    yield shop.rows["expunction"]
    yield shop.rows["subscription"]
    yield shop.event
    yield shop.attempt
    yield services.delete_webhook(webhook=shop.webhook)


def stored(row: Any) -> dict[str, Any]:
    found: dict[str, Any] = type(row).objects.filter(pk=row.pk).values().get()
    return found


def addresses(row: Any) -> Iterator[str]:
    """Yield where a person may post about a row."""
    admin, name = site._registry[type(row)], f"admin:{row._meta.app_label}_{row._meta.model_name}"
    yield reverse(f"{name}_change", args=[row.pk])
    for each in admin.all_row_actions() if isinstance(admin, WithRowActions) else ():
        yield reverse(f"{name}_{each.name}", args=[row.pk])


def test_no_post_of_a_page_changes_what_is_over(shop: Shop) -> None:
    browser = sign_in(shop.people["owner"])
    for row in finished(shop):
        row.refresh_from_db()
        before = stored(row)
        assignee = {"assignee": shop.people["developer"].pk}
        for address in addresses(row):
            for button in ("_save", "_replay", "_discard"):
                browser.post(address, WORDS | assignee | {button: "1"})
        assert stored(row) == before, row
        assert "rewritten" not in browser.get(next(addresses(row))).content.decode()


def test_a_form_that_comes_after_the_decision_is_told_who_was_first(shop: Shop, browser: Client) -> None:
    page = reverse("admin:webhooks_deliveries_deadletter_change", args=[shop.dead_letter.pk])
    assert 'name="note"' in browser.get(page).content.decode()
    manual_actions.discard(delivery=shop.dead_letter.delivery, by="ann", note="moved")
    for button in ("_save", "_replay", "_discard"):
        answer = browser.post(page, {"note": "late", "url": "https://late.example.com/", button: "1"}, follow=True)
        assert manual_actions.DECIDED in answer.content.decode()
    shown = browser.get(page).content.decode()
    assert 'name="note"' not in shown
    assert "moved" in shown
    shop.dead_letter.refresh_from_db()
    shop.webhook.refresh_from_db()
    assert (shop.dead_letter.note, shop.dead_letter.resolution) == ("moved", "discarded")
    assert shop.webhook.url == "https://aster.example.com/hooks"


def test_viewers_are_refused_as_before(shop: Shop) -> None:
    page = reverse("admin:webhooks_deliveries_deadletter_change", args=[shop.dead_letter.pk])
    assert sign_in(shop.people["viewer"]).post(page, {"note": "x"}).status_code == 403


def test_the_api_changes_nothing_that_is_over(shop: Shop) -> None:
    shop.rows["rates"].delete()
    api = Api(make_api_key(shop.merchant).text)
    letters = [decided(shop, manual_actions.discard), decided(shop, manual_actions.replay)]
    job = ended(shop, Job.Status.DONE)
    key = services.revoke_api_key(api_key=make_api_key(shop.merchant).api_key)
    rows = [*letters, job, key, services.delete_webhook(webhook=shop.webhook)]
    before = [stored(row) for row in rows]
    for letter in letters:
        for what in ("replay", "discard"):
            assert api.post(f"/api/v1/dead-letters/{letter.delivery.public_id}/{what}", {}).status_code == 404
    assert api.post(f"/api/v1/jobs/{job.public_id}/stop", {}).status_code == 200
    assert api.delete(f"/api/v1/api-keys/{key.public_id}").status_code == 204
    webhook = f"/api/v1/webhooks/{shop.webhook.public_id}"
    assert api.patch(webhook, {"name": "rewritten"}).status_code == 404
    assert api.delete(webhook).status_code == 404
    for what in ("pause", "resume", "rotate-secret", "test", "preview"):
        assert api.post(f"{webhook}/{what}", {}).status_code == 404
    assert [stored(row) for row in rows] == before


def test_every_page_that_takes_changes_is_looked_at_here(shop: Shop) -> None:
    """A model with a form that changes rows is named: either its rows never end, or they are among those above."""
    never_over = {"merchant", "membership", "noticepreference", "apirates", "eventtype", "user"}
    looked_at = {type(row)._meta.model_name for row in finished(shop)} | {"delivery"}
    for model, admin in site._registry.items():
        of_the_product = model.__module__.startswith(("deliveries", "subscriptions", "django"))
        if of_the_product and isinstance(admin, MerchantScoped) and "change" in admin.needs:
            assert model._meta.model_name in looked_at | never_over, model
