"""Half-open connections: what was sent is never answered, and nobody says goodbye. All give up and connect anew."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.faults.stage import Stage, doubled
from tests.faults.test_redis import SOON, once_each
from tests.support.factories import make_api_key
from tests.support.processes import Web
from tests.support.proxies import Proxy
from tests.support.receiver import TestReceiver

pytestmark = pytest.mark.faults

GIVES_UP = 10.0
"""Seconds within which every client notices."""
DEADLINE = 12.0
"""Seconds within which a request to publish is answered, whatever the database does."""


@pytest.fixture
def database(stage: Stage) -> Iterator[Proxy]:
    """A proxy before PostgreSQL that all processes but the test use."""
    with Proxy(stage.postgres.port) as proxy:
        stage.elsewhere["DATABASE_URL"] = stage.postgres.url.replace(f":{stage.postgres.port}/", f":{proxy.port}/")
        yield proxy


@pytest.fixture
def redis_proxy(stage: Stage) -> Iterator[Proxy]:
    """The same before Redis."""
    with Proxy(stage.valkey.port) as proxy:
        stage.elsewhere["REDIS_URL"] = stage.valkey.url.replace(f":{stage.valkey.port}/", f":{proxy.port}/")
        yield proxy


def _busy(stage: Stage, receiver: TestReceiver) -> None:
    stage.webhook(receiver.url, window=20)
    stage.worker()
    stage.publish(5)
    stage.wait_for_statuses({"delivered": 5}, SOON)


def test_a_redis_that_falls_silent_and_is_replaced_delays_deliveries_for_ten_seconds_at_most(
    stage: Stage, redis_proxy: Proxy
):
    with TestReceiver() as receiver:
        _busy(stage, receiver)
        assert redis_proxy.silence() > 3
        began = time.monotonic()
        receipt = stage.publish(5, batch=False)
        assert max(receipt.seconds) < 1.0, receipt.seconds
        stage.wait_for_statuses({"delivered": 10}, GIVES_UP)
        print(f"delivered {time.monotonic() - began:.2f} s after the silence began")
        once_each(stage, receiver)


def test_a_redis_that_is_silent_to_all_for_a_while_is_waited_for(stage: Stage, redis_proxy: Proxy):
    with TestReceiver() as receiver:
        _busy(stage, receiver)
        redis_proxy.silence(new=False)
        receipt = stage.publish(5, batch=False)
        assert max(receipt.seconds) < 1.0, receipt.seconds
        time.sleep(8)
        redis_proxy.silence()  # whoever connected meanwhile stays without an answer
        stage.wait_for_statuses({"delivered": 10}, GIVES_UP)
        once_each(stage, receiver)


def test_a_database_that_falls_silent_and_is_replaced_delays_deliveries_for_ten_seconds_at_most(
    stage: Stage, database: Proxy
):
    with TestReceiver(delay=0.3) as receiver:
        _busy(stage, receiver)
        stage.publish(40)
        receiver.wait_for(20)
        assert database.silence() > 2
        in_flight = set(stage.in_flight())
        began = time.monotonic()
        stage.wait_for_statuses({"delivered": 45}, GIVES_UP + 5)
        print(f"delivered {time.monotonic() - began:.2f} s after the silence began; {len(in_flight)} in flight")
        assert set(doubled(receiver)) <= in_flight
        stage.log_agrees()


def test_requests_to_publish_are_answered_503_in_time_while_the_database_is_silent_and_kept_after(
    stage: Stage, database: Proxy
):
    web = stage.web()
    key = make_api_key(stage.merchant).text
    assert _post(web, key, "e0")[0] == 201
    database.silence(new=False)
    for name, size in (("e1", 10), ("e2", 400_000)):  # answered on the loop; by a view
        began = time.monotonic()
        status, after = _post(web, key, name, size)
        print(f"{size} bytes: {status} after {time.monotonic() - began:.1f} s")
        assert (status, after > 0) == (503, True)
        assert time.monotonic() - began < DEADLINE
    database.heal()
    began = time.monotonic()
    assert _post(web, key, "e1")[0] in {200, 201}
    assert time.monotonic() - began < GIVES_UP
    assert web.answers()


def _post(web: Web, key: str, name: str, size: int = 10) -> tuple[int, int]:
    """Publish an event; return the status, and the seconds that Retry-After names."""
    body = {"event": "order.created", "data": {"n": "x" * size}, "id": name}
    answer = web.request("POST", "/api/v1/events", body, {"Authorization": f"Bearer {key}"})
    return answer.status, int(answer.headers.get("Retry-After", 0))
