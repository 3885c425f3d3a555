"""Fail-over to a standby that streams from the primary: read-only at first, then back, or promoted."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from tests.faults.stage import Stage, came, doubled
from tests.flows import ground
from tests.support.factories import make_api_key
from tests.support.processes import Process, Web
from tests.support.proxies import Proxy
from tests.support.receiver import TestReceiver
from tests.support.standby import Standby, synchronous

pytestmark = pytest.mark.faults

READS_ONLY = 5.0
"""Seconds between the fail-over and the return, or the promotion."""
HEALED = 2.0
"""Seconds after which outcomes are written and requests to publish are accepted again."""
WEBHOOKS, EVENTS = 5, 40


@pytest.fixture
def standby(stage: Stage) -> Iterator[Standby]:
    """A standby that has all that the primary has told of."""
    with Standby(stage.postgres) as server:
        yield server


@pytest.fixture
def address(stage: Stage) -> Iterator[Proxy]:
    """The address that everybody has of the database, the test included: first the primary's."""
    with Proxy(stage.postgres.port) as proxy:
        url = stage.postgres.url.replace(f":{stage.postgres.port}/", f":{proxy.port}/")
        stage.elsewhere["DATABASE_URL"] = url
        with ground.database(ground.postgres(url)):
            yield proxy


def _published(stage: Stage, receiver: TestReceiver) -> tuple[Web, list[Process], dict[str, str]]:
    """Return web, the others, and the headers of a key, amid the first deliveries of many."""
    key = {"Authorization": f"Bearer {make_api_key(stage.merchant).text}"}
    for number in range(WEBHOOKS):
        stage.webhook(f"{receiver.url}/{number}", window=20)
    web, workers, beat = stage.web(), [stage.worker(), stage.worker()], stage.beat()
    stage.publish(EVENTS)
    receiver.wait_for(EVENTS)
    return web, [*workers, beat], key


def _refuses(web: Web, key: dict[str, str]) -> None:
    """Check that publishing answers 503, while reading goes on."""
    answer = web.request("POST", "/api/v1/events", {"event": "order.created", "data": {"n": "x"}}, key)
    assert (answer.status, "Retry-After" in answer.headers) == (503, True), answer.content
    assert web.request("GET", "/api/v1/webhooks", headers=key).status == 200


def _heals(stage: Stage, web: Web, key: dict[str, str], healed: float, before: int) -> None:
    while stage.statuses().get("delivered", 0) == before:
        assert time.monotonic() < healed + HEALED, "no outcome was written within 2 s of healing"
        time.sleep(0.05)
    print(f"the first outcome was written {time.monotonic() - healed:.2f} s after healing")
    body = {"event": "order.created", "data": {"n": "y"}, "id": "healed"}
    while web.request("POST", "/api/v1/events", body, key).status != 201:
        assert time.monotonic() < healed + HEALED, "nothing was accepted within 2 s of healing"
        time.sleep(0.05)
    print(f"the first event was accepted {time.monotonic() - healed:.2f} s after healing")


def _whole(stage: Stage, receiver: TestReceiver, processes: list[Process]) -> None:
    total = WEBHOOKS * (EVENTS + 1)
    stage.wait_for_statuses({"delivered": total}, 30)
    assert len(set(came(receiver))) == total
    assert doubled(receiver) == {}
    assert stage.interrupted() == []
    stage.log_agrees()
    for child in processes:
        assert child.runs, child.tail()
        assert "outcome_lost" not in child.log


def test_a_fail_over_to_a_read_only_standby_and_back_costs_no_outcome_and_no_duplicate(
    stage: Stage, standby: Standby, address: Proxy
):
    with TestReceiver(delay=0.3) as receiver:
        web, others, key = _published(stage, receiver)
        address.lead_to(standby.port)
        began = time.monotonic()
        _refuses(web, key)
        time.sleep(max(0.0, began + READS_ONLY - time.monotonic()))
        before = stage.statuses().get("delivered", 0)
        address.lead_to(stage.postgres.port)
        _heals(stage, web, key, time.monotonic(), before)
        _whole(stage, receiver, [web, *others])


def test_a_primary_that_dies_and_whose_standby_is_promoted_costs_no_event_no_outcome_and_no_duplicate(
    stage: Stage, standby: Standby, address: Proxy
):
    with TestReceiver(delay=0.3) as receiver, synchronous(stage.postgres):
        web, others, key = _published(stage, receiver)
        stage.postgres.end(signal.SIGKILL)
        try:
            address.lead_to(standby.port)
            began = time.monotonic()
            _refuses(web, key)
            time.sleep(max(0.0, began + READS_ONLY - time.monotonic()))
            before = stage.statuses().get("delivered", 0)
            standby.promote()
            _heals(stage, web, key, time.monotonic(), before)
            _whole(stage, receiver, [web, *others])
        finally:
            stage.postgres.resume()
