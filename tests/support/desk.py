"""What tests of the desk stand on: a shop with rows of every kind, and people signed in."""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import models
from django.test import Client
from django.utils import timezone

from deliveries.db import counters
from deliveries.models import (
    Attempt,
    Counter,
    DeadLetter,
    Delivery,
    Event,
    ExpungedPayload,
    Job,
    Notice,
    NoticePreference,
    WebhookState,
)
from deliveries.publishing import publish
from deliveries.reporting import stats
from subscriptions import services
from subscriptions.models import ApiRates, Membership, Merchant, Webhook
from tests.support.factories import make_api_key, make_member, make_merchant, make_webhook

_numbers = itertools.count(1)


@dataclass
class Shop:
    """A merchant with one row of every model, and its people by role."""

    merchant: Merchant
    people: dict[str, User]
    webhook: Webhook
    event: Event
    delivery: Delivery
    attempt: Attempt
    dead_letter: DeadLetter
    rows: dict[str, Any] = field(default_factory=dict)


def make_shop(name: str) -> Shop:
    """Make a shop whose every text holds its name, so that a leak is seen wherever it happens."""
    merchant = make_merchant(name, domain=f"{name}.example.com", email=f"{name}@mail.example")
    people = {
        role: make_member(merchant, role, username=f"{name}-{role}@mail.example") for role in Membership.Role.values
    }
    webhook = make_webhook(merchant, name=f"{name} hook", url=f"https://{name}.example.com/hooks")
    event = publish("order.created", {"order": {"number": f"{name}-1045"}}, merchant=merchant, resource_id=f"{name}-r")
    delivery = Delivery.objects.get(event=event)
    attempt = add_attempt(delivery, status_code=503)
    dead_letter = make_dead(delivery)
    rows = {
        "membership": merchant.memberships.first(),
        "api_key": make_api_key(merchant, name=f"{name} key").api_key,
        "counter": add_counter(webhook),
        "webhook": WebhookState.objects.get_or_create(webhook=webhook)[0],
        "job": Job.objects.create(merchant=merchant, kind="replay", source="deliveries", by=f"{name}-owner"),
        "notice": Notice.objects.create(
            merchant=merchant,
            webhook=webhook,
            kind="dead",
            first_at=timezone.now(),
            last_at=timezone.now(),
            due_at=timezone.now(),
        ),
        "preference": NoticePreference.objects.create(merchant=merchant),
        "expunction": ExpungedPayload.objects.create(
            merchant=merchant, event_id=f"{name}-expunged", event_type="order.created", by=f"{name}-owner"
        ),
        "rates": ApiRates.objects.create(merchant=merchant, per_hour=5),
        "subscription": webhook.subscriptions.first(),
        "secret": webhook.secrets.first(),
    }
    return Shop(merchant, people, webhook, event, delivery, attempt, dead_letter, rows)


def make_row(model: Any, merchant: Merchant) -> Any:
    """Make a row of any model that belongs to merchants, with the merchant's name in its texts. Sends no signals."""
    values: dict[str, Any] = {}
    for column in model._meta.concrete_fields:
        if column.primary_key or column.has_default() or column.null:
            continue
        if column.is_relation:
            is_merchant = column.related_model is Merchant
            values[column.name] = merchant if is_merchant else _some_row(column.related_model, merchant)
        elif isinstance(column, models.EmailField):
            values[column.name] = f"{merchant.name}-{next(_numbers)}@mail.example"
        elif isinstance(column, models.CharField | models.TextField):
            values[column.name] = f"{merchant.name}-{next(_numbers)}"[: column.max_length]
        elif isinstance(column, models.DateField):
            values[column.name] = timezone.now()
        elif isinstance(column, models.IntegerField | models.DecimalField | models.FloatField):
            values[column.name] = 1
    return model._default_manager.bulk_create([model(**values)])[0]


def _some_row(model: Any, merchant: Merchant) -> Any:
    names = {column.name for column in model._meta.concrete_fields}
    found = model._default_manager.filter(merchant=merchant).first() if "merchant" in names else None
    return found or make_row(model, merchant)


def add_attempt(delivery: Delivery, *, status_code: int | None = 200, **columns: Any) -> Attempt:
    """Log an attempt of a delivery, as the recorder would."""
    ok = status_code is not None and 200 <= status_code < 300
    number = delivery.attempts.count() + 1
    now = timezone.now()
    values: dict[str, Any] = {
        "result": "delivered" if ok else "failed",
        "error": "" if ok else "http_error",
        "started_at": now - timedelta(milliseconds=42),
        "answered_at": now,
        "detail": f"Your endpoint answered {status_code}.",
        "decision_code": "delivered" if ok else "retry_scheduled",
        "decision_values": None if ok else {"next": number + 1, "of": 4},
        "next_at": None if ok else now + timedelta(seconds=5),
        "url": delivery.webhook.url,
        "request_headers": json.dumps([["Content-Type", "application/json"], ["webhook-id", "evt_1"]]),
        "request_digest": hashlib.sha256(b"{}").hexdigest(),
        "response_headers": json.dumps([["Server", "nginx"]]),
        "response_body": b"sorry \xff\x00",
        "dns_ms": 1.0,
        "connect_ms": 2.0,
        "tls_ms": 10.0,
        "first_byte_ms": 30.0,
        "total_ms": 42.0,
        "lateness_ms": 3.0,
    }
    attempt = Attempt.objects.create(
        delivery=delivery, webhook=delivery.webhook, number=number, status_code=status_code, **{**values, **columns}
    )
    Delivery.objects.filter(pk=delivery.pk).update(
        attempt_count=number,
        last_status_code=status_code,
        last_error=attempt.error,
        last_attempt_at=now,
        response_ms=42.0,
    )
    delivery.refresh_from_db()
    return attempt


def make_dead(delivery: Delivery, *, error: str = "http_error", status_code: int | None = 503) -> DeadLetter:
    """Let a delivery run out of attempts."""
    Delivery.objects.filter(pk=delivery.pk).update(status="dead", due_at=None, closed_at=timezone.now())
    delivery.refresh_from_db()
    return DeadLetter.objects.create(
        delivery=delivery,
        merchant_id=delivery.merchant_id,
        webhook_id=delivery.webhook_id,
        reason_code="attempts_exhausted",
        reason_values={"of": 4},
        error=error,
        status_code=status_code,
    )


def add_counter(
    webhook: Webhook, *, result: str = "delivered", ms: float = 42.0, count: int = 3, ago: int = 0
) -> Counter:
    """Count some attempts, `ago` minutes ago, and return their cell of five minutes."""
    at = timezone.now() - timedelta(minutes=ago)
    counters.add([counters.Count(webhook.merchant_id, webhook.pk, at, result, ms)] * count)
    cells = Counter.objects.filter(webhook=webhook, result=result, band=stats.band_of(ms))
    return cells.filter(bucket__gte=stats.bucket_of(at)).earliest("bucket")


def add_delivery(
    webhook: Webhook, *, status: str = "delivered", event: str = "order.created", **columns: Any
) -> Delivery:
    """Publish an event to everything the merchant has, and bring this webhook's delivery into a state."""
    published = publish(event, columns.pop("data", {"order": {"id": "1"}}), merchant=webhook.merchant)
    delivery = Delivery.objects.get(event=published, webhook=webhook)
    is_open = status in Delivery.OPEN
    columns = {"due_at": timezone.now() if is_open else None, "status": status, **columns}
    Delivery.objects.filter(pk=delivery.pk).update(**columns)
    delivery.refresh_from_db()
    return delivery


def sign_in(user: User) -> Client:
    """Return a browser in which the person is signed in."""
    client = Client(raise_request_exception=True)
    client.force_login(user)
    return client


def pause(webhook: Webhook) -> None:
    """Pause a webhook."""
    services.pause(webhook=webhook, by="anna")
