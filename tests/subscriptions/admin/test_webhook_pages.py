from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from subscriptions import selectors
from subscriptions.models import Webhook
from tests.support.desk import Shop, sign_in
from tests.support.desk_fixtures import browser, shop
from tests.support.factories import PLAIN_SECRET

__all__ = ["browser", "shop"]

pytestmark = pytest.mark.django_db

FORM = {
    "name": "CRM",
    "url": "https://crm.example.com/hooks",
    "dialect": "standard",
    "events": ["order.created", "file.*"],
    "patterns": "",
    "secret": "",
    "is_enabled": "on",
    "body_style": "compact",
    "api_version": "2024-01",
}


def url(page: str, *args: Any) -> str:
    return reverse(f"admin:webhooks_subscriptions_webhook_{page}", args=args)


def create(browser: Client, shop: Shop, **changes: Any) -> Any:
    return browser.post(url("add"), {**FORM, "merchant": shop.merchant.pk, **changes})


def errors(answer: Any) -> dict[str, Any]:
    return answer.context["adminform"].form.errors


def test_a_webhook_made_in_the_form_has_what_was_chosen(browser: Client, shop: Shop) -> None:
    create(
        browser,
        shop,
        patterns="orders-*\n",
        headers="X-Shop: 42\nX-Team: crm",
        retry_policy="5s, 2m, 1h",
        chosen_fields="order.id, order.total",
        filter="data.order.total > `100`",
        timeout="3.5",
        max_in_flight="7",
        rate_limit="2.5",
    )
    webhook = Webhook.objects.get(name="CRM")
    assert selectors.patterns_of(webhook) == ["order.created", "file.*", "orders-*"]
    assert webhook.headers == {"X-Shop": "42", "X-Team": "crm"}
    assert webhook.retry_policy is not None
    assert webhook.retry_policy["delays"] == [5, 120, 3600]
    assert webhook.fields == ["order.id", "order.total"]
    assert (webhook.filter, webhook.timeout, webhook.max_in_flight) == ("data.order.total > `100`", 3.5, 7)
    assert webhook.rate_limit == 2.5


def test_the_secret_is_shown_once_and_kept_nowhere_in_the_clear(browser: Client, shop: Shop) -> None:
    answer = create(browser, shop)
    secret = selectors.signing_secrets([Webhook.objects.get(name="CRM").pk]).popitem()[1][0]
    stored = [session.get_decoded() for session in Session.objects.all()]
    assert secret not in str(stored)
    first = browser.get(answer["Location"])
    assert secret in first.content.decode()
    assert "no-store" in first["Cache-Control"]
    assert secret not in browser.get(answer["Location"]).content.decode()
    assert "was shown already" in browser.get(answer["Location"]).content.decode()


def test_no_page_of_the_webhook_shows_its_secret(browser: Client, shop: Shop) -> None:
    create(browser, shop, secret=PLAIN_SECRET, dialect="alva")
    webhook = Webhook.objects.get(name="CRM")
    browser.get(url("shown", webhook.pk))
    for page in ("change", "history", "delete"):
        assert PLAIN_SECRET not in browser.get(url(page, webhook.pk)).content.decode()
    assert PLAIN_SECRET not in browser.get(url("changelist")).content.decode()


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("url", "not a url", "url"),
        ("url", "", "needs a URL"),
        ("events", [], "at least one event"),
        ("retry_policy", "5 parsecs", "is not a wait"),
        ("retry_policy", '{"delays": [5', "not JSON"),
        ("headers", "no colon", "Line 1 is not a header"),
        ("headers", "Host: x", "Host is set by"),
        ("filter", "data.[", "parse: Invalid"),
        ("secret", "short", "whsec_"),
        ("patterns", "or*", "cuts a word"),
        ("timeout", "99", "30"),
    ],
)
def test_a_wrong_field_is_told_beside_it(field: str, value: Any, told: str, browser: Client, shop: Shop) -> None:
    answer = create(browser, shop, **{field: value})
    assert answer.status_code == 200
    shown = "events" if field == "patterns" else field
    assert told in str(errors(answer)[shown])
    assert not Webhook.objects.filter(name="CRM").exists()


def test_saving_again_without_a_change_changes_nothing(browser: Client, shop: Shop) -> None:
    create(browser, shop, headers="X-Shop: 42", retry_policy="5s, 2m", patterns="orders-*", chosen_fields="order.id")
    webhook = Webhook.objects.get(name="CRM")
    before = Webhook.objects.filter(pk=webhook.pk).values().get()
    form = browser.get(url("change", webhook.pk)).context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    answer = browser.post(url("change", webhook.pk), {name: value for name, value in values.items() if value})
    assert answer.status_code == 302
    after = Webhook.objects.filter(pk=webhook.pk).values().get()
    assert {**after, "updated_at": None} == {**before, "updated_at": None}
    assert selectors.patterns_of(webhook) == ["order.created", "file.*", "orders-*"]


def test_editing_ends_what_is_no_longer_ticked_and_keeps_it_as_history(browser: Client, shop: Shop) -> None:
    create(browser, shop)
    webhook = Webhook.objects.get(name="CRM")
    browser.post(url("change", webhook.pk), {**FORM, "events": ["order.paid"], "url": "https://new.example.com/"})
    webhook = Webhook.objects.get(pk=webhook.pk)
    assert (webhook.url, selectors.patterns_of(webhook)) == ("https://new.example.com/", ["order.paid"])
    assert webhook.subscriptions.exclude(ended_at=None).count() == 2


def test_pause_and_resume(browser: Client, shop: Shop) -> None:
    browser.post(url("pause", shop.webhook.pk))
    shop.webhook.refresh_from_db()
    assert shop.webhook.paused_by == shop.people["developer"].username
    assert "Events wait" in browser.get(url("change", shop.webhook.pk)).content.decode()
    browser.post(url("resume", shop.webhook.pk))
    shop.webhook.refresh_from_db()
    assert shop.webhook.paused_at is None


def test_rotating_shows_the_new_secret_and_the_overlap_until_switched(browser: Client, shop: Shop) -> None:
    old = selectors.signing_secrets([shop.webhook.pk])[shop.webhook.pk]
    shown = browser.post(url("rotate", shop.webhook.pk), follow=True).content.decode()
    both = selectors.signing_secrets([shop.webhook.pk])[shop.webhook.pk]
    assert both[0] == old[0]
    assert both[1] in shown
    assert "Two secrets overlap" in browser.get(url("change", shop.webhook.pk)).content.decode()
    browser.post(url("switch", shop.webhook.pk))
    assert selectors.signing_secrets([shop.webhook.pk])[shop.webhook.pk] == both[1:]


def test_deleting_keeps_the_log_and_does_not_count_it(browser: Client, shop: Shop) -> None:
    page = browser.get(url("delete", shop.webhook.pk)).content.decode()
    assert "its log stays" in page
    browser.post(url("delete", shop.webhook.pk), {"post": "yes"})
    shop.webhook.refresh_from_db()
    shop.delivery.refresh_from_db()
    assert shop.webhook.deleted_at is not None
    assert browser.get(url("change", shop.webhook.pk)).status_code == 404


def test_a_viewer_reads_the_webhook_and_can_change_nothing(shop: Shop) -> None:
    viewer = sign_in(shop.people["viewer"])
    page = viewer.get(url("change", shop.webhook.pk)).content.decode()
    assert shop.webhook.url in page
    assert not re.search(r'name="_save"|/do/', page)
    assert viewer.post(url("change", shop.webhook.pk), FORM).status_code == 403
    assert viewer.get(url("add")).status_code == 403


def test_the_only_merchant_is_chosen_already(browser: Client, shop: Shop) -> None:
    form = browser.get(url("add")).context["adminform"].form
    assert form["merchant"].value() == shop.merchant.pk
