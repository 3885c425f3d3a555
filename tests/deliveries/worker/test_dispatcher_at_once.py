"""Several tasks and dispatchers at the same time, with real threads and connections."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import connections

from deliveries.models import Delivery
from deliveries.worker import dispatcher
from deliveries.worker.engine import _made, engine
from tests.support.engine import due
from tests.support.factories import make_webhook
from tests.support.hostile import HostileServer, answers


@pytest.mark.django_db(transaction=True)
def test_tasks_side_by_side_send_everything_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise 4: no delivery is sent twice, however many tasks arrive."""
    monkeypatch.setattr(dispatcher, "IDLE", 0.3)
    _made.cache_clear()
    with HostileServer(answers()) as server:
        hooks = [make_webhook(url=server.url) for _ in range(4)]
        for webhook in hooks:
            due(webhook, 15)
        threads = [threading.Thread(target=_work, args=([w.pk for w in hooks],)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        deadline = time.monotonic() + 20
        while set(Delivery.objects.values_list("status", flat=True)) != {"delivered"}:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        ids = [request.headers["webhook-id"] for request in server.requests]
    assert len(ids) == len(set(ids)) == 60
    assert engine().stop(20)
    _made.cache_clear()


def _work(webhook_ids: list[int]) -> None:
    try:
        dispatcher.work(webhook_ids)
    finally:
        connections.close_all()
