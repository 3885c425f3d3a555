"""What the desk says of deliveries that wait, for others in strict order or for their webhook; how to ask for order."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from deliveries.admin import explanations
from deliveries.admin.backlog import waiting
from deliveries.models import Delivery
from deliveries.models.deliveries import HELD
from subscriptions import services
from subscriptions.models import Webhook
from tests.support.desk import Shop
from tests.support.ordering_groups import ordered, send, told

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def line(shop: Shop) -> list[Delivery]:
    """Two deliveries in line, the first waiting for its second attempt."""
    webhook = ordered(merchant=shop.merchant, retry_policy={"delays": [60]})
    deliveries = told(webhook, "A", "A")
    send(webhook, 500)
    return deliveries


def test_the_page_of_a_held_delivery_leads_to_the_one_it_waits_for(browser: Client, line: list[Delivery]) -> None:
    first, second = line
    page = browser.get(reverse("admin:webhooks_deliveries_delivery_change", args=[second.pk])).content.decode()
    assert "waits in line" in page
    assert f">{first.public_id}</a>, which is retrying" in page
    assert str(HELD.year) not in page
    assert str(HELD.year) not in browser.get(reverse("admin:webhooks_deliveries_delivery_changelist")).content.decode()


def test_the_page_of_a_paused_webhooks_delivery_says_what_it_waits_for(browser: Client, line: list[Delivery]) -> None:
    first, _second = line
    address = reverse("admin:webhooks_deliveries_delivery_change", args=[first.pk])
    assert "next attempt" in browser.get(address).content.decode()
    services.pause(webhook=first.webhook, by="anna")
    page = browser.get(address).content.decode()
    assert "waits until the webhook is resumed; paused by anna" in page
    assert "next attempt" not in page


def test_why_an_event_has_not_arrived_is_the_line_it_stands_in(line: list[Delivery]) -> None:
    first, second = line
    explained = {each.delivery: each for event in (first.event, second.event) for each in explanations.explain(event)}
    assert explained[second].text == f"It waits in line behind {first.public_id}, which is retrying."
    assert explained[second].when is None
    assert explained[first].when is not None


def test_what_is_held_counts_as_open_and_is_never_overdue(line: list[Delivery]) -> None:
    webhooks = Webhook.objects.filter(pk=line[0].webhook_id)
    backlog = waiting(webhooks, [])
    assert (backlog.open, backlog.oldest_due) == ("2", None)
    Delivery.objects.filter(pk=line[0].pk).update(status="dead", due_at=None)
    assert waiting(webhooks, []).overdue_seconds == 0


def test_order_and_expiry_are_chosen_in_the_form(browser: Client, shop: Shop) -> None:
    form = {
        "merchant": shop.merchant.pk,
        "name": "CRM",
        "url": "https://shop.example.com/hooks",
        "dialect": "standard",
        "events": ["order.created"],
        "body_style": "compact",
        "api_version": "2024-01",
        "is_enabled": "on",
        "ordering": "resource",
        "expire_after": "24h",
    }
    browser.post(reverse("admin:webhooks_subscriptions_webhook_add"), form)
    webhook = Webhook.objects.get(name="CRM")
    assert (webhook.ordering, webhook.expire_after) == ("resource", 86_400)
    page = browser.get(reverse("admin:webhooks_subscriptions_webhook_change", args=[webhook.pk])).content.decode()
    assert 'value="1d"' in page
    browser.post(
        reverse("admin:webhooks_subscriptions_webhook_change", args=[webhook.pk]),
        form | {"ordering": "", "expire_after": ""},
    )
    webhook.refresh_from_db()
    assert (webhook.ordering, webhook.expire_after) == ("", None)


@pytest.mark.parametrize(("given", "told_of"), [("a while", "is not a wait"), ("5s", "from 60")])
def test_an_expiry_that_is_none_is_told_beside_it(given: str, told_of: str, browser: Client, shop: Shop) -> None:
    form = {"merchant": shop.merchant.pk, "url": "https://shop.example.com/h", "dialect": "standard"}
    answer = browser.post(
        reverse("admin:webhooks_subscriptions_webhook_add"),
        form | {"events": ["order.created"], "body_style": "compact", "api_version": "1", "expire_after": given},
    )
    assert told_of in str(answer.context["adminform"].form.errors["expire_after"])
