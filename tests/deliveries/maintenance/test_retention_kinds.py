"""Retention of what isn't the log: debounce, traces, the admin's record, keys that are used again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from deliveries.maintenance import retention
from deliveries.models import Delivery, ExpungedPayload
from deliveries.models.debounce import LastSent
from deliveries.publishing import publish
from subscriptions.models import IdempotencyKey, Webhook
from tests.support.aging import LONG_AGO, kind, purge
from tests.support.factories import make_merchant, make_user, make_webhook

pytestmark = pytest.mark.django_db


def remembered(count: int) -> Webhook:
    """Return a webhook that chose fields and was sent an event about each of `count` resources."""
    webhook = make_webhook(fields=["n"])
    for number in range(count):
        publish("order.created", {"n": 1}, merchant=webhook.merchant, resource_id=f"order {number}")
    return webhook


def test_what_was_sent_long_ago_is_forgotten_wherever_young_rows_stand_between() -> None:
    remembered(5)
    rows = list(LastSent.objects.order_by("pk"))
    LastSent.objects.filter(pk__in=[rows[1].pk, rows[3].pk, rows[4].pk]).update(updated_at=timezone.now() - LONG_AGO)
    assert retention.estimate(kind("debounce")) == 3
    assert purge("debounce", batch=1) == 3
    assert list(LastSent.objects.order_by("pk")) == [rows[0], rows[2]]


def test_after_that_an_equal_event_is_sent_once_more() -> None:
    webhook = remembered(1)
    LastSent.objects.update(updated_at=timezone.now() - LONG_AGO)
    purge("debounce")
    for _ in range(2):
        publish("order.created", {"n": 1}, merchant=webhook.merchant, resource_id="order 0")
    assert list(Delivery.objects.order_by("pk").values_list("status", flat=True)) == ["pending", "pending", "skipped"]


def test_an_idempotency_key_used_again_does_not_keep_the_old_ones_behind_it() -> None:
    merchant, old = make_merchant(), timezone.now() - LONG_AGO
    for name in ("again", "old"):
        IdempotencyKey.objects.create(merchant=merchant, key=name, claim=name, fingerprint=name)
    IdempotencyKey.objects.filter(key="old").update(created_at=old)
    assert purge("idempotency keys", batch=1) == 1
    assert IdempotencyKey.objects.get().key == "again"


def test_the_trace_of_an_expunged_payload_stays_unless_an_age_is_set(settings) -> None:
    trace = ExpungedPayload.objects.create(
        merchant=make_merchant(), event_id="evt_1", event_type="order.created", by="ada"
    )
    ExpungedPayload.objects.filter(pk=trace.pk).update(created_at=timezone.now() - LONG_AGO)
    assert purge("expunctions") == 0
    settings.WEBHOOKS_KEEP_EXPUNCTIONS = 365
    assert purge("expunctions") == 1


def test_the_admins_record_of_changes_has_an_age(settings) -> None:
    kept = {"user_id": make_user().pk, "content_type": ContentType.objects.get_for_model(Webhook), "action_flag": 2}
    for days in (399, 401):
        LogEntry.objects.create(action_time=timezone.now() - timedelta(days=days), **kept)
    assert purge("admin log") == 1


def test_every_kind_has_a_setting_that_the_environment_may_change() -> None:
    example = (retention.settings.BASE_DIR / ".env.example").read_text()
    for each in retention.kinds():
        assert f"#{each.setting}={each.days}\n" in example
