"""Claims at the same time, with real threads and connections."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, connections, transaction

from deliveries.queueing import claims
from deliveries.queueing.claims import LOCK_SPACE
from tests.support.engine import claim, due, due_one, widen
from tests.support.factories import make_webhook

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
def test_claims_at_the_same_time_never_share_a_row_nor_pass_a_cap() -> None:
    """Promises 4 and 5, with real threads and connections."""
    capped, wide = make_webhook(max_in_flight=5), make_webhook()
    widen(capped, wide)
    due(capped, 40)
    due(wide, 40)
    start = threading.Barrier(8)
    batches: list[claims.Batch] = []

    def work() -> None:
        try:
            start.wait(10)
            for _ in range(20):
                batches.append(claim(capped, wide, limit=3))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    rows = [row for batch in batches for row in batch.rows]
    assert len({row.delivery_id for row in rows}) == len(rows)
    assert sum(1 for row in rows if row.webhook.webhook_id == capped.pk) == 5
    assert 0 < sum(1 for row in rows if row.webhook.webhook_id == wide.pk) <= 20


@pytest.mark.django_db(transaction=True)
def test_a_webhook_that_another_claim_is_at_is_reported_busy() -> None:
    free, busy = due_one(), due_one()
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_SPACE, busy.webhook_id])
                locked.set()
                done.wait(30)
        finally:
            connections.close_all()

    thread = threading.Thread(target=hold)
    thread.start()
    assert locked.wait(30)
    try:
        batch = claim(free.webhook, busy.webhook)
        assert [row.delivery_id for row in batch.rows] == [free.pk]
        assert batch.busy == [busy.webhook_id]
    finally:
        done.set()
        thread.join(30)
    assert [row.delivery_id for row in claim(busy.webhook).rows] == [busy.pk]
