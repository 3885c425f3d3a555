"""CELERY_TASK_ALWAYS_EAGER: without a worker, what is published is delivered by the commit itself."""

from __future__ import annotations

import json
import subprocess
import sys

from django.db import transaction

from deliveries.models import Delivery
from subscriptions.models import Merchant
from tests.support.factories import STANDARD_SECRET, make_webhook
from tests.support.processes import ROOT, environment
from tests.support.receiver import TestReceiver

PLATFORM = """
import json, sys
import django
django.setup()
from django.db import transaction
from deliveries.models import Delivery
from deliveries.publishing import publish

def statuses():
    found = Delivery.objects.filter(merchant__public_id=sys.argv[1])
    return list(found.order_by("pk").values_list("status", flat=True))

seen = []
for _ in range(int(sys.argv[2])):
    with transaction.atomic():
        publish("order.created", {"order": {"id": "1045"}}, merchant=sys.argv[1])
        seen.append(statuses())
    seen.append(statuses())
print(json.dumps(seen))
"""


def platform(house: dict[str, str], merchant: Merchant, events: int) -> list[list[str]]:
    """Publish in a process of its own; return the statuses before and after each commit."""
    variables = environment(
        **house, CELERY_TASK_ALWAYS_EAGER="true", DJANGO_SETTINGS_MODULE="webhooks_project.settings"
    )
    command = [sys.executable, "-c", PLATFORM, merchant.public_id, str(events)]
    done = subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_each_commit_delivers_before_it_returns(house: dict[str, str], merchant: Merchant) -> None:
    with TestReceiver(dialect="standard", secret=STANDARD_SECRET) as receiver:
        make_webhook(merchant, url=receiver.url, secret=STANDARD_SECRET)
        seen = platform(house, merchant, 2)
    assert seen == [["pending"], ["delivered"], ["delivered", "pending"], ["delivered", "delivered"]]
    assert receiver.statuses == [200, 200]
    assert receiver.problems == []


def test_a_failed_attempt_waits_for_a_worker_or_the_webhooks_next_wake(
    house: dict[str, str], merchant: Merchant
) -> None:
    with TestReceiver() as receiver:
        receiver.fail_next(1)
        webhook = make_webhook(merchant, url=receiver.url)
        assert platform(house, merchant, 1) == [["pending"], ["retrying"]]
        with transaction.atomic():
            Delivery.objects.filter(webhook=webhook).update(due_at="2024-01-15T15:30:00Z")
        assert platform(house, merchant, 1)[-1] == ["delivered", "delivered"]
    assert receiver.statuses == [503, 200, 200]
