"""Your neighbour's outage is not yours: hanging requests hold nobody up, and open requests are capped."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from deliveries.publishing import publish, publish_many
from tests.flows.rows import attempts, delivered, statuses
from tests.support.factories import make_merchant, make_webhook
from tests.support.hostile import Connection, HostileServer, hangs
from tests.support.processes import Process, environment, is_ready, wait_for, worker
from tests.support.receiver import TestReceiver

HANGING = 48


@pytest.fixture(scope="module")
def busy_worker(house: dict[str, str]) -> Iterator[Process]:
    """One worker process."""
    with worker(environment(**house), queues=("deliveries",), wait=False) as process:
        process.wait_until(lambda: is_ready(process))
        yield process


def test_a_healthy_endpoint_is_served_while_many_endpoints_hang(busy_worker):
    with HostileServer(hangs) as stuck, TestReceiver() as receiver:
        silent = [make_webhook(url=stuck.url, timeout=30) for _ in range(HANGING)]
        for webhook in silent:
            publish("order.created", {"order": {"id": "1"}}, merchant=webhook.merchant)
        wait_for(lambda: stuck.connections >= HANGING, 20, "a hanging request of each")
        healthy = make_webhook(url=receiver.url)
        publish_many([{"event": "order.paid", "data": {"n": n}} for n in range(40)], merchant=healthy.merchant)
        delivered(healthy, 40, seconds=15)
        assert all(attempts(webhook) == [] for webhook in silent), "none of the hanging has come to its deadline"


def test_no_more_than_max_in_flight_requests_are_open_at_an_endpoint(busy_worker):
    lock, counts = threading.Lock(), {"open": 0, "most": 0}

    def counting(connection: Connection) -> None:
        while True:
            connection.read_request()
            with lock:
                counts["open"] += 1
                counts["most"] = max(counts["most"], counts["open"])
            connection.sleep(0.1)
            with lock:
                counts["open"] -= 1
            connection.answer()

    with HostileServer(counting) as server:
        webhook = make_webhook(make_merchant(), url=server.url, max_in_flight=3)
        publish_many([{"event": "order.paid", "data": {"n": n}} for n in range(45)], merchant=webhook.merchant)
        delivered(webhook, 45)
    assert counts["most"] == 3, "the cap is held, and used"
    assert statuses(webhook) == {"delivered": 45}
