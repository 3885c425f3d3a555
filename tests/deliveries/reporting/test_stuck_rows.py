"""Every kind of row in a state that nothing leaves is found, and nothing that has a way on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from deliveries.management.doctor.database import database
from deliveries.models import DeadLetter, Delivery, Event, Job, Watch, WebhookState
from deliveries.models.deliveries import HELD
from deliveries.publishing import publish
from deliveries.queueing import ordering
from deliveries.recording import outcomes
from deliveries.reporting import metrics, stuck_rows
from deliveries.worker import periodic_tasks
from subscriptions import services
from subscriptions.models import Webhook
from tests.support.engine import answered, claim, due, due_one
from tests.support.factories import make_webhook

pytestmark = pytest.mark.django_db

AGO = timezone.now() - timedelta(hours=1)
AHEAD = timezone.now() + timedelta(days=2)


def changed(**columns: Any) -> int:
    delivery = due_one()
    Delivery.objects.filter(pk=delivery.pk).update(**columns)
    return delivery.pk


def of_feed(**columns: Any) -> int:
    delivery = due_one(make_webhook(kind="pull", url=""))
    Delivery.objects.filter(pk=delivery.pk).update(**columns)
    return delivery.pk


def dead() -> Delivery:
    delivery = due_one(make_webhook(retry_policy={"delays": []}))
    outcomes.record([answered(row, 500) for row in claim(delivery.webhook).rows])
    return delivery


def without_event() -> int:
    delivery = due_one()
    Event.objects.filter(pk=delivery.event_id)._raw_delete("default")
    return delivery.pk


def without_webhook() -> int:
    return changed(webhook_id=2**40)


def off(**columns: Any) -> int:
    delivery = due_one()
    Webhook.objects.filter(pk=delivery.webhook_id).update(**columns)
    return delivery.pk


def without_dead_letter() -> int:
    delivery = dead()
    DeadLetter.objects.all().delete()
    return delivery.pk


def dead_letter_of_what_was_delivered() -> int:
    delivery = dead()
    Delivery.objects.filter(pk=delivery.pk).update(status="delivered")
    return delivery.pk


def auto_paused(**watch: Any) -> int:
    webhook = make_webhook()
    Webhook.objects.filter(pk=webhook.pk).update(paused_by="auto-pause: 50 failed attempts", paused_at=AGO)
    if watch:
        Watch.objects.create(webhook=webhook, **watch)
    return webhook.pk


def blocked() -> int:
    webhook = make_webhook(rate_limit=1)
    WebhookState.objects.create(webhook=webhook, blocked_until=AHEAD)
    return webhook.pk


def job(status: str) -> int:
    found = Job.objects.create(
        merchant=make_webhook().merchant, kind="replay", source="deliveries", by="ada", status=status
    )
    Job.objects.update(updated_at=AGO)
    return found.pk


STUCK: list[tuple[str, Callable[[], int]]] = [
    *[("closed_but_due", lambda status=status: changed(status=status)) for status in ("delivered", "skipped")],
    *[("open_but_never_due", lambda status=status: changed(status=status, due_at=None)) for status in Delivery.OPEN],
    ("claim_not_taken_back", lambda: changed(status="sending", claim_token=1, due_at=AGO)),
    ("claim_not_taken_back", lambda: changed(status="sending", claim_token=1, due_at=AHEAD)),
    ("claim_not_taken_back", lambda: changed(status="sending", claim_token=None)),
    ("held_behind_nothing", lambda: changed(due_at=HELD, created_at=AGO)),
    ("held_behind_nothing", lambda: changed(due_at=HELD, created_at=AGO, ordering_group="a")),
    ("feed_that_gives_nothing", lambda: changed(feed_position=0)),
    ("feed_that_gives_nothing", lambda: of_feed(feed_position=None)),
    ("feed_that_gives_nothing", lambda: of_feed(claim_token=1)),
    ("open_without_event_or_webhook", without_event),
    ("open_without_event_or_webhook", without_webhook),
    ("open_at_webhook_that_is_off", lambda: off(is_enabled=False, disabled_at=AGO)),
    ("open_at_webhook_that_is_off", lambda: off(is_enabled=False, deleted_at=AGO)),
    ("dead_without_dead_letter", without_dead_letter),
    ("dead_letter_of_nothing_dead", dead_letter_of_what_was_delivered),
    ("pause_that_nobody_probes", auto_paused),
    ("pause_that_nobody_probes", lambda: auto_paused(paused_at=AGO)),
    ("pause_that_nobody_probes", lambda: auto_paused(paused_at=AGO, probe_at=AHEAD)),
    ("pause_that_nobody_probes", lambda: auto_paused(paused_at=AHEAD, probe_at=AGO)),
    ("blocked_for_too_long", blocked),
    ("job_without_progress", lambda: job("queued")),
    ("job_without_progress", lambda: job("running")),
]


@pytest.mark.parametrize(("kind", "make"), STUCK, ids=[f"{number}-{kind}" for number, (kind, _) in enumerate(STUCK)])
def test_each_kind_is_found_and_told(kind: str, make: Callable[[], int], caplog: pytest.LogCaptureFixture) -> None:
    key = make()
    assert {stuck.kind: stuck.keys for stuck in stuck_rows.look()}[kind] == [key]
    assert f'webhooks_stuck_rows{{kind="{kind}"}} 1.0' in metrics.exposition().decode()
    problems = [finding.text for finding in database() if finding.status == "problem"]
    assert any(kind.replace("_", " ") in text and str(key) in text for text in problems)
    periodic_tasks.look_for_stuck_rows()
    assert kind in caplog.text


def test_every_kind_has_a_test() -> None:
    assert {kind for kind, _make in STUCK} == set(stuck_rows.KINDS)


def test_what_has_a_way_on_is_not_found() -> None:
    dead()
    webhook = make_webhook(ordering="webhook")
    due(webhook, 3)
    ordering.heal()
    claim(webhook)
    Delivery.objects.filter(webhook=webhook).update(created_at=AGO)
    off = make_webhook(webhook.merchant)
    publish("order.created", {}, merchant=webhook.merchant)
    services.disable(webhook=off)
    services.pause(webhook=make_webhook(webhook.merchant), by="ada")
    auto_paused(paused_at=AGO, probe_at=timezone.now())
    assert [stuck for stuck in stuck_rows.look() if stuck.keys] == []
