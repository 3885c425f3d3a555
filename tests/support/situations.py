"""Situations of deliveries, made by the engine itself, and every sentence that people read of them afterwards."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from deliveries.admin import labels
from deliveries.maintenance.expunging import expunge
from deliveries.models import Attempt, DeadLetter, Delivery, Event, WebhookState
from deliveries.notifications import auto_pause, watcher
from deliveries.publishing import publish
from deliveries.queueing import ordering
from deliveries.recording import feed, outcomes
from deliveries.reporting import explanations
from deliveries.review import manual_actions
from subscriptions import services
from subscriptions.models import Subscription, Webhook
from tests.support.engine import answered, claim, claim_one, due_one, expire, reread
from tests.support.factories import make_merchant, make_webhook

ONCE = {"delays": []}


def told(webhook: Webhook) -> list[str]:
    """Return every sentence that pages and API say of a webhook's deliveries, attempts and dead letters, and events."""
    found: list[str] = []
    for delivery in Delivery.objects.filter(webhook=webhook):
        found += [delivery.reason, ordering.why_held(delivery, ordering.ahead_of(delivery))]
    for attempt in Attempt.objects.filter(webhook=webhook):
        found += [attempt.decision, attempt.what_happened, labels.advice(attempt.error, attempt.status_code)]
    found += [dead_letter.reason for dead_letter in DeadLetter.objects.filter(webhook=webhook, resolved_at=None)]
    for event in Event.objects.filter(merchant=webhook.merchant):
        found += [each.text for each in explanations.explain(event) if each.webhook == webhook]
    return [sentence for sentence in found if sentence]


def delivered() -> Webhook:
    return _answers(200)


def fails_first(**outcome: Any) -> Webhook:
    return _answers(503, **outcome)


def asks_to_wait() -> Webhook:
    return _answers(503, retry_after=60.0)


def fails_last() -> Webhook:
    return _answers(503, retry_policy=ONCE)


def unauthorized_after_a_rotation() -> Webhook:
    webhook = make_webhook()
    services.rotate_secret(webhook=webhook)
    outcomes.record([answered(claim_one(due_one(webhook)), 401)])
    return webhook


def refuses_for_good() -> Webhook:
    return _answers(422, retry_policy={"delays": [5], "clientErrorsFinal": True})


def says_gone() -> Webhook:
    return _answers(410)


def cannot_be_reached_until_changed() -> Webhook:
    return _answers(None, permanent=True)


def answers_late() -> Webhook:
    delivery = due_one()
    late = claim_one(delivery)
    expire(delivery)
    claim_one(delivery)
    outcomes.record([answered(late, 500)])
    return delivery.webhook


def delivers_late() -> Webhook:
    delivery = due_one()
    late = claim_one(delivery)
    expire(delivery)
    claim_one(delivery)
    outcomes.record([answered(late, 200)])
    return delivery.webhook


def loses_its_worker() -> Webhook:
    delivery = due_one()
    claim_one(delivery)
    expire(delivery)
    claim(delivery.webhook, limit=0)
    return delivery.webhook


def loses_its_worker_thrice() -> Webhook:
    delivery = due_one()
    for _ in range(3):
        claim_one(delivery)
        expire(delivery)
    claim(delivery.webhook)
    return delivery.webhook


def disabled_before() -> Webhook:
    webhook = make_webhook()
    services.disable(webhook=webhook, reason="Moved house.")
    publish("order.created", {}, merchant=webhook.merchant)
    return webhook


def disabled_after() -> Webhook:
    delivery = due_one()
    services.disable(webhook=delivery.webhook, reason="Moved house.")
    return delivery.webhook


def deleted_after() -> Webhook:
    delivery = due_one()
    services.delete_webhook(webhook=delivery.webhook)
    return delivery.webhook


def filtered() -> Webhook:
    return _published(filter="data.n > `5`")


def filtered_by_what_no_words_explain() -> Webhook:
    return _published(filter="`false`")


def not_evaluated() -> Webhook:
    return _published(filter="length(data.nothing) > `1`")


def debounced() -> Webhook:
    webhook = make_webhook(dialect="shopery", fields=["n"])
    for _ in range(2):
        publish("order.created", {"n": 1}, merchant=webhook.merchant, resource_id="r-1")
    return webhook


def expired() -> Webhook:
    delivery = due_one(expire_after=60)
    Delivery.objects.filter(pk=delivery.pk).update(created_at=F("created_at") - timedelta(days=2))
    claim(delivery.webhook)
    return delivery.webhook


def cancelled() -> Webhook:
    delivery = due_one()
    manual_actions.cancel(delivery=delivery, by="Ann")
    return delivery.webhook


def discarded() -> Webhook:
    webhook = fails_last()
    manual_actions.discard(delivery=Delivery.objects.get(webhook=webhook), by="Ann", note="A test order.")
    return webhook


def expunged() -> Webhook:
    delivery = due_one()
    expunge(event=delivery.event, by="ada", note="Art. 17")
    return delivery.webhook


def paused_by_a_person() -> Webhook:
    webhook = make_webhook()
    services.pause(webhook=webhook, by="anna")
    due_one(webhook)
    return webhook


def paused_by_itself() -> Webhook:
    """Needs WEBHOOKS_AUTO_PAUSE_FAILURES and WEBHOOKS_AUTO_PAUSE_AFTER of at most 1."""
    webhook = fails_first()
    WebhookState.objects.filter(webhook=webhook).update(failing_since=timezone.now() - timedelta(hours=1))
    watcher.look()
    webhook.refresh_from_db()
    assert webhook.paused_by.startswith(auto_pause.BY[:10])
    return webhook


def held_in_line() -> Webhook:
    webhook = make_webhook(ordering="webhook")
    due_one(webhook)
    due_one(webhook)
    return webhook


def next_in_line() -> Webhook:
    webhook = held_in_line()
    Delivery.objects.filter(webhook=webhook).earliest("pk").delete()
    return webhook


def waits() -> Webhook:
    return due_one().webhook


def being_sent() -> Webhook:
    delivery = due_one()
    claim_one(delivery)
    return delivery.webhook


def replayed_after_it_was_delivered() -> Webhook:
    webhook = delivered()
    manual_actions.replay(delivery=Delivery.objects.get(webhook=webhook), by="Ann")
    return webhook


def replayed_after_it_was_skipped() -> Webhook:
    webhook = disabled_before()
    services.enable(webhook=webhook)
    manual_actions.replay(delivery=Delivery.objects.get(webhook=webhook), by="Ann")
    return webhook


def made_after_the_event() -> Webhook:
    merchant = make_merchant()
    publish("order.created", {}, merchant=merchant)
    return make_webhook(merchant)


def subscribed_after_the_event() -> Webhook:
    webhook = _published(events=["file.uploaded"])
    services.update_webhook(webhook=webhook, events=["order.*"])
    Subscription.objects.filter(webhook=webhook, pattern="order.*").update(
        created_at=Event.objects.get().created_at + timedelta(seconds=1)
    )
    return webhook


def stopped_before_the_event() -> Webhook:
    webhook = make_webhook(events=["order.*"])
    services.update_webhook(webhook=webhook, events=["file.uploaded"])
    _as_if_later(publish("order.created", {}, merchant=webhook.merchant))
    return webhook


def not_subscribed() -> Webhook:
    return _published(events=["file.uploaded"])


def not_subscribed_then() -> Webhook:
    """It listens to something else by now."""
    webhook = _published(events=["file.uploaded"])
    services.update_webhook(webhook=webhook, events=["product.purchased"])
    later = Event.objects.get().created_at + timedelta(seconds=1)
    Subscription.objects.filter(webhook=webhook, pattern="product.purchased").update(created_at=later)
    Subscription.objects.filter(webhook=webhook, pattern="file.uploaded").update(ended_at=later)
    return webhook


def waits_in_a_feed() -> Webhook:
    return due_one(kind="pull", url="").webhook


def was_fetched() -> Webhook:
    webhook = waits_in_a_feed()
    feed.fetch_page(webhook, None, 10, "ada")
    return webhook


def was_acknowledged() -> Webhook:
    webhook = waits_in_a_feed()
    page = feed.fetch_page(webhook, None, 10, "ada")
    feed.fetch_page(webhook, page.cursor, 10, "ada")
    return webhook


def _answers(status: int | None, *, retry_policy: dict[str, Any] | None = None, **outcome: Any) -> Webhook:
    delivery = due_one(retry_policy=retry_policy) if retry_policy else due_one()
    outcomes.record([answered(claim_one(delivery), status, **outcome)])
    return reread(delivery).webhook


def _published(**settings: Any) -> Webhook:
    webhook = make_webhook(**settings)
    _as_if_later(publish("order.created", {"n": 1}, merchant=webhook.merchant))
    return webhook


def _as_if_later(event: Event) -> None:
    """Date an event after its webhooks: PostgreSQL's clock stands still in a test's transaction."""
    Event.objects.filter(pk=event.pk).update(created_at=timezone.now() + timedelta(milliseconds=1))
