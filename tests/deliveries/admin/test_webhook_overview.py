"""A webhook's page: how it fares at the top, its parts, its secrets and whether the endpoint accepted them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from deliveries.admin import webhook_overview
from deliveries.models import WebhookState
from merchant_webhooks import verification
from subscriptions import selectors, services
from subscriptions.models import SigningSecret, Webhook
from tests.deliveries.admin.test_trying_a_webhook import Receiver, receiver
from tests.support.desk import Shop, add_attempt, add_delivery, pause, sign_in
from tests.support.factories import PLAIN_SECRET, STANDARD_SECRET, make_webhook

__all__ = ["receiver"]

pytestmark = pytest.mark.django_db


def url(page: str, webhook: Webhook) -> str:
    return reverse(f"admin:webhooks_subscriptions_webhook_{page}", args=[webhook.pk])


def page_of(browser: Client, webhook: Webhook) -> Any:
    return browser.get(url("change", webhook))


def test_the_overview_shows_state_id_dates_and_the_last_deliveries(shop: Shop, browser: Client) -> None:
    add_attempt(delivery := add_delivery(shop.webhook, status="delivered", event="order.paid"))
    page = page_of(browser, shop.webhook)
    assert page.context["state"] == "active"
    assert [row.pk for _tone, row in page.context["recent"]] == [delivery.pk, shop.delivery.pk]
    for text in (shop.webhook.public_id, shop.webhook.url, "order.paid", "aster-r", "Send test", "Last deliveries"):
        assert text in page.content.decode()


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (lambda webhook: None, "active"),
        (lambda webhook: WebhookState.objects.filter(webhook=webhook).update(failures=3), "failing"),
        (pause, "paused"),
        (lambda webhook: services.disable(webhook=webhook, reason="moved"), "off"),
    ],
)
def test_the_page_says_the_state_that_the_list_says(change: Any, state: str, shop: Shop, browser: Client) -> None:
    change(shop.webhook)
    assert page_of(browser, shop.webhook).context["state"] == state
    changelist = browser.get(reverse("admin:webhooks_subscriptions_webhook_changelist")).context["cl"]
    assert [changelist.model_admin.health(row) for row in changelist.result_list] == [state]


def test_every_field_of_the_form_stands_in_a_part_that_the_page_leads_to(shop: Shop, browser: Client) -> None:
    page = page_of(browser, shop.webhook).content.decode()
    named = set(re.findall(r'data-part="(\w+)"', page))
    assert named == {key for key, _title in webhook_overview.PARTS}
    form = page[page.index('id="webhook_form"') : page.index("</form>", page.index('id="webhook_form"'))]
    before_parts, *parts = form.split("data-part=")
    assert 'id="id_' not in before_parts
    for field in ("url", "patterns", "secret", "retry_policy", "filter", "rate_limit"):
        assert any(f'id="id_{field}"' in part for part in parts)


def test_the_history_names_who_did_what(shop: Shop, browser: Client) -> None:
    browser.post(url("pause", shop.webhook))
    page = page_of(browser, shop.webhook)
    assert [what for what, _change in page.context["changes"]] == ["Paused", "Created"]
    assert shop.people["developer"].username in page.content.decode()


def test_a_viewer_sees_the_overview_and_can_press_nothing(shop: Shop) -> None:
    page = page_of(sign_in(shop.people["viewer"]), shop.webhook).content.decode()
    assert "Last deliveries" in page
    for absent in ("Send test", "Rotate secret", "Test with the newest secret", "/do/"):
        assert absent not in page


@pytest.mark.parametrize(("overlap", "active"), [("0", 1), ("3600", 2), ("", 2), ("nonsense", 2)])
def test_a_rotation_has_the_overlap_that_was_chosen(overlap: str, active: int, shop: Shop, browser: Client) -> None:
    browser.post(url("rotate", shop.webhook), {"overlap": overlap})
    assert len(selectors.signing_secrets([shop.webhook.pk])[shop.webhook.pk]) == active
    if overlap == "3600":
        old = shop.webhook.secrets.defer("value").first()
        assert old is not None
        assert old.expires_at is not None
        assert 3590 < (old.expires_at - shop.webhook.secrets.defer("value").last().created_at).total_seconds() < 3610  # type: ignore[union-attr]


def test_an_overlap_longer_than_may_be_is_refused_in_words(shop: Shop, browser: Client) -> None:
    answer = browser.post(url("rotate", shop.webhook), {"overlap": "99999999"}, follow=True)
    assert "between 0 and 30 days" in answer.content.decode()
    assert shop.webhook.secrets.count() == 1


@pytest.mark.parametrize(("dialect", "secret"), [("alva", PLAIN_SECRET), ("standard", STANDARD_SECRET)])
def test_the_newest_secret_is_tested_alone_and_its_acceptance_is_kept(
    dialect: str, secret: str, shop: Shop, browser: Client, receiver: Receiver
) -> None:
    webhook = make_webhook(shop.merchant, url=receiver.url, dialect=dialect, secret=secret)
    new = services.rotate_secret(webhook=webhook)
    values = {"url": receiver.url, "dialect": dialect, "sample": "order.paid", "sign_with": "newest"}
    receiver.status = 401
    browser.post(url("test", webhook), values)
    assert not SigningSecret.objects.filter(webhook=webhook, accepted_at__isnull=False).exists()
    receiver.status = 200
    answer = browser.post(url("test", webhook), values)
    verification.verify(*receiver.got[-1], new, dialect)
    with pytest.raises(verification.SignatureError):
        verification.verify(*receiver.got[-1], secret, dialect)
    assert "has accepted the newest secret" in answer.content.decode()
    [old, newest] = webhook.secrets.defer("value")
    assert (old.accepted_at, newest.accepted_at is not None) == (None, True)


def test_a_usual_test_says_nothing_of_a_secret(shop: Shop, browser: Client, receiver: Receiver) -> None:
    webhook = make_webhook(shop.merchant, url=receiver.url)
    services.rotate_secret(webhook=webhook)
    browser.post(url("test", webhook), {"url": receiver.url, "dialect": "standard"})
    assert not SigningSecret.objects.filter(accepted_at__isnull=False).exists()


def test_a_secret_typed_into_the_form_is_not_taken_for_the_newest(
    shop: Shop, browser: Client, receiver: Receiver
) -> None:
    webhook = make_webhook(shop.merchant, url=receiver.url, dialect="alva", secret=PLAIN_SECRET)
    values = {"url": receiver.url, "dialect": "alva", "secret": "another-secret-entirely", "sign_with": "newest"}
    browser.post(url("test", webhook), values)
    assert not SigningSecret.objects.filter(accepted_at__isnull=False).exists()
