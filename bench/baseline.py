"""The naive way, as django-webhook does it: a Celery task a delivery, with its own reads, session, writes and commit.

celery -A bench.baseline worker -Q baseline
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time

import django
import redis
import requests
from celery import Celery
from celery.signals import worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webhooks_project.settings")
django.setup()

from django.utils import timezone  # noqa: E402

from deliveries.models import Attempt, Delivery  # noqa: E402
from subscriptions.conf import settings  # noqa: E402

app = Celery("baseline", broker=settings.CELERY_BROKER_URL)
app.conf.update(
    task_ignore_result=True, worker_hijack_root_logger=False, broker_transport_options={"visibility_timeout": 600}
)


@worker_ready.connect
def say_ready(sender: object, **_kwargs: object) -> None:
    redis.Redis.from_url(settings.REDIS_URL).incr("bench:baseline:ready")


@app.task(name="bench.fire")
def fire(delivery_id: int) -> None:
    """Load, sign, post, log, close."""
    delivery = Delivery.objects.select_related("event", "webhook").get(pk=delivery_id)
    secret = delivery.webhook.secrets.first().value
    body = json.dumps({"event": delivery.event_type, "data": json.loads(delivery.event.data)}).encode()
    headers = {
        "Content-Type": "application/json",
        "Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
    }
    started_at, clock = timezone.now(), time.monotonic()
    with requests.Session() as session:
        response = session.post(delivery.webhook.url, data=body, headers=headers, timeout=10, allow_redirects=False)
    Attempt.objects.create(
        delivery=delivery,
        webhook=delivery.webhook,
        number=1,
        result="delivered" if response.ok else "failed",
        started_at=started_at,
        answered_at=timezone.now(),
        status_code=response.status_code,
        total_ms=(time.monotonic() - clock) * 1000,
        url=delivery.webhook.url,
        response_body=response.content[:4096],
    )
    delivery.status, delivery.due_at = "delivered", None
    delivery.save(update_fields=["status", "due_at"])
