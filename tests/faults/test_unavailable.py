"""The database away, or read-only after a fail-over: every route answers 503, and no outcome is lost."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.stage import Stage, came, doubled
from tests.support.factories import make_api_key
from tests.support.receiver import TestReceiver

pytestmark = pytest.mark.faults

READS_ONLY = 6.0
"""Seconds, as of a fail-over."""
SOON = 10.0
"""Seconds within which a page is answered."""
PAGES = ["/admin/login/", "/admin/", "/download?token=x", "/company/webhooks"]


def routes() -> list[tuple[str, str]]:
    """Return method and path of every operation that the API documents."""
    from drf_spectacular.generators import SchemaGenerator

    paths = SchemaGenerator().get_schema(public=True)["paths"]
    return [(method.upper(), re.sub(r"\{.*?\}", "1", path)) for path, each in paths.items() for method in each]


@contextlib.contextmanager
def away(stage: Stage) -> Iterator[None]:
    """End the server for the length of a block."""
    stage.postgres.end()
    try:
        yield
    finally:
        stage.postgres.resume()


def test_every_route_answers_503_with_retry_after_while_the_database_is_away(stage: Stage):
    web = stage.web()
    key = {"Authorization": f"Bearer {make_api_key(stage.merchant).text}"}
    every = routes()
    assert len(every) > 40
    assert web.request("GET", "/api/v1/webhooks", headers=key).status == 200
    wrong, without = [], []
    with away(stage):
        for method, path in every + [("GET", page) for page in PAGES]:
            began = time.monotonic()
            answer = web.request(method, path, {} if method in {"POST", "PUT", "PATCH"} else None, key)
            took = time.monotonic() - began
            if answer.status < 500 and took < SOON:
                without.append(f"{method} {path}")  # nothing that the database would have to say
            elif (answer.status, "Retry-After" in answer.headers) != (503, True) or took > SOON:
                wrong.append((method, path, answer.status, round(took, 1)))
        assert web.answers()
        metrics = web.request("GET", "/metrics")
        assert (metrics.status, b"webhooks_database_up 0.0" in metrics.content) == (200, True)
        assert web.request("GET", "/health/ready").status == 503
    print(f"{len(every) + len(PAGES)} routes; answered without the database: {without}")
    assert not wrong
    assert len(without) < 6
    assert web.request("GET", "/api/v1/webhooks", headers=key).status == 200


def test_what_would_write_is_answered_503_while_the_database_reads_only_and_reads_are_answered(stage: Stage):
    web = stage.web()
    key = {"Authorization": f"Bearer {make_api_key(stage.merchant).text}"}
    event: dict[str, Any] = {"event": "order.created", "data": {"n": 1}, "id": "e1"}
    hook = {"url": "http://127.0.0.1:9/", "events": ["order.created"]}
    with stage.read_only():
        for path, body in (
            ("/api/v1/events", event),
            ("/api/v1/events", event | {"data": {"n": "x" * 300_000}}),
            ("/api/v1/events/batch", {"events": [event]}),
            ("/api/v1/webhooks", hook),
        ):
            answer = web.request("POST", path, body, key)
            assert (answer.status, "Retry-After" in answer.headers) == (503, True), (path, answer.content)
        assert web.request("GET", "/api/v1/webhooks", headers=key).status == 200
    assert web.request("POST", "/api/v1/events", event, key).status == 201
    assert web.request("POST", "/api/v1/webhooks", hook, key).status == 201


def test_a_database_that_reads_only_for_a_while_costs_no_outcome_and_no_duplicate(stage: Stage):
    with TestReceiver(delay=0.3) as receiver:
        for number in range(5):
            stage.webhook(f"{receiver.url}/{number}", window=20)
        workers = [stage.worker(), stage.worker()]
        stage.publish(60)
        receiver.wait_for(60)
        with stage.read_only():
            time.sleep(READS_ONLY)
        healed = time.monotonic()
        before = stage.statuses().get("delivered", 0)
        while stage.statuses().get("delivered", 0) == before:
            assert time.monotonic() < healed + 2.0, "no outcome was written within 2 s of healing"
            time.sleep(0.05)
        stage.wait_for_statuses({"delivered": 300}, 30)
        assert len(set(came(receiver))) == 300
        assert doubled(receiver) == {}
        assert stage.interrupted() == []
        stage.log_agrees()
        for child in workers:
            assert child.runs, child.tail()
            assert "outcome_lost" not in child.log
