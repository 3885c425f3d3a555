from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from deliveries.admin import explanations
from deliveries.models import Event
from deliveries.publishing import publish
from deliveries.reporting import filter_explanations
from subscriptions import services
from subscriptions.models import Merchant, Webhook
from tests.support.desk import make_shop, pause, sign_in
from tests.support.factories import make_merchant, make_webhook


@pytest.fixture
def merchant() -> Merchant:
    return make_merchant()


def publish_order(merchant: Merchant, total: object = 12) -> Event:
    event = publish("order.created", {"order": {"id": "1", "total": total}}, merchant=merchant)
    # PostgreSQL's clock stands still in a transaction, and a test is one; webhooks are dated by this process.
    Event.objects.filter(pk=event.pk).update(created_at=timezone.now())
    event.refresh_from_db()
    return event


def explanation_for(event: Event, webhook: Webhook) -> explanations.Explanation:
    return next(each for each in explanations.explain(event) if each.webhook == webhook)


@pytest.mark.django_db
def test_a_filtered_event_says_what_it_has_and_what_the_filter_asks_for(merchant: Merchant) -> None:
    webhook = make_webhook(merchant, filter="data.order.total > `100`")
    explanation = explanation_for(publish_order(merchant), webhook)
    assert explanation.text == "Filtered: data.order.total is 12, the filter asks for > 100."


@pytest.mark.django_db
def test_a_paused_webhook_says_since_when_and_by_whom(merchant: Merchant) -> None:
    webhook = make_webhook(merchant)
    pause(webhook)
    text = explanation_for(publish_order(merchant), webhook).text
    assert text.startswith("The webhook was paused on ")
    assert "by anna" in text


@pytest.mark.django_db
def test_a_disabled_webhook_gives_its_reason(merchant: Merchant) -> None:
    webhook = make_webhook(merchant)
    services.disable(webhook=webhook, reason="the endpoint answered 410")
    assert "the endpoint answered 410" in explanation_for(publish_order(merchant), webhook).text


@pytest.mark.django_db
def test_an_event_nobody_asked_for_says_what_the_webhook_listens_to(merchant: Merchant) -> None:
    webhook = make_webhook(merchant, events=["download.*", "file.uploaded"])
    assert explanation_for(publish_order(merchant), webhook).text == (
        "Not subscribed: it listened to download.*, file.uploaded."
    )


@pytest.mark.django_db
def test_a_subscription_that_ended_before_or_began_after_says_so(merchant: Merchant) -> None:
    ended, begun = make_webhook(merchant, events=["order.*"]), make_webhook(merchant, events=["file.*"])
    services.update_webhook(webhook=ended, events=["file.*"])
    event = publish_order(merchant)
    services.update_webhook(webhook=begun, events=["order.created"])
    assert explanation_for(event, ended).text == "It stopped listening to order.* before the event."
    assert explanation_for(event, begun).text == "It listens to order.created only since after the event."


@pytest.mark.django_db
def test_a_webhook_made_after_the_event_says_so(merchant: Merchant) -> None:
    event = publish_order(merchant)
    assert explanation_for(event, make_webhook(merchant)).text == "The webhook was made after the event."


@pytest.mark.django_db
def test_webhooks_of_other_merchants_are_no_part_of_the_answer(merchant: Merchant) -> None:
    make_webhook(make_merchant())
    mine = make_webhook(merchant)
    assert [each.webhook for each in explanations.explain(publish_order(merchant))] == [mine]


@pytest.mark.django_db
def test_the_events_page_carries_the_reasons() -> None:
    shop = make_shop("aster")
    make_webhook(shop.merchant, name="quiet", events=["file.*"])
    event = publish_order(shop.merchant, "aster-77")
    page = sign_in(shop.people["viewer"]).get(reverse("admin:webhooks_deliveries_event_change", args=[event.pk]))
    text = page.content.decode()
    assert "Not subscribed: it listened to file.*." in text
    assert "aster-77" in text


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("data.total > `100`", "data.total is 12, the filter asks for > 100"),
        ("data.currency == 'EUR'", 'data.currency is "USD", the filter asks for = "EUR"'),
        ("data.missing == 'x'", 'data.missing is missing, the filter asks for = "x"'),
        ("data.total > `1` && data.currency == 'EUR'", 'data.currency is "USD", the filter asks for = "EUR"'),
        ("contains(data.tags, 'vip')", "contains(data.tags) is not true"),
        ("data.flag", "data.flag is false"),
        ("data.[", ""),
        ("sum(data.currency) > `1`", ""),
    ],
)
def test_a_filter_explains_itself(expression: str, told: str) -> None:
    data = '{"total":12,"currency":"USD","tags":["new"],"flag":false}'
    assert filter_explanations.explain(expression, "order.created", data) == told
