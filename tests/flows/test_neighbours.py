"""Your neighbour's outage is not yours: slow lanes apart, open requests capped."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from deliveries.publishing import publish, publish_many
from tests.factories import make_merchant, make_webhook
from tests.flows.rows import attempts, delivered, statuses
from tests.hostile import Connection, HostileServer, hangs
from tests.processes import Process, environment, is_ready, wait_for, worker
from tests.receiver import TestReceiver

FAST_SLOTS = 16


@pytest.fixture(scope="module")
def fast_and_slow(house: dict[str, str]) -> Iterator[tuple[Process, Process]]:
    """A worker for each queue, with few enough slots to run out of."""
    variables = environment(**house, WEBHOOKS_FAST_SLOTS=str(FAST_SLOTS))
    with (
        worker(variables, queues=("deliveries",), wait=False) as fast,
        worker(variables, queues=("deliveries.slow",)) as slow,
    ):
        fast.wait_until(lambda: is_ready(fast))
        yield fast, slow


def pids(webhook) -> list[int]:
    return [int(attempt.worker.split(":")[1]) for attempt in attempts(webhook)]


def test_a_healthy_endpoint_is_served_while_more_endpoints_hang_than_there_are_fast_slots(fast_and_slow):
    with HostileServer(hangs) as stuck, TestReceiver() as receiver:
        silent = [make_webhook(url=stuck.url, timeout=30) for _ in range(3 * FAST_SLOTS)]
        for webhook in silent:
            publish("order.created", {"order": {"id": "1"}}, merchant=webhook.merchant)
        wait_for(lambda: stuck.connections >= FAST_SLOTS, 20, "as many hanging requests as there are slots")
        healthy = make_webhook(url=receiver.url)
        publish_many([{"event": "order.paid", "data": {"n": n}} for n in range(40)], merchant=healthy.merchant)
        delivered(healthy, 40, seconds=15)
        assert all(attempts(webhook) == [] for webhook in silent), "none of the hanging has come to its deadline"


def test_a_slow_lane_moves_to_the_slow_worker_and_a_quick_one_stays_with_the_fast(fast_and_slow):
    fast, slow = fast_and_slow
    with TestReceiver(delay=1.6) as dozing, TestReceiver() as awake:
        dozer, riser = make_webhook(url=dozing.url, max_in_flight=1), make_webhook(url=awake.url, max_in_flight=1)
        for webhook in (dozer, riser):
            publish_many([{"event": "order.paid", "data": {"n": n}} for n in range(4)], merchant=webhook.merchant)
        delivered(riser, 4)
        delivered(dozer, 4)
    assert set(pids(riser)) == {fast.pid}
    assert pids(dozer) == [fast.pid, slow.pid, slow.pid, slow.pid]


def test_no_more_than_max_in_flight_requests_are_open_at_an_endpoint(fast_and_slow):
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
