"""Idempotency-Key: carried out once, answered twice."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from deliveries.models import Event
from subscriptions.models import IdempotencyKey, Webhook
from tests.support.api import Client

EVENTS = "/api/v1/events"
ORDER = {"event": "order.created", "data": {"order": {"id": "1045"}}}
KEY = {"Idempotency-Key": "6f1c"}


def test_the_same_key_and_body_get_the_first_answer(api: Client) -> None:
    first = api.post(EVENTS, ORDER, **KEY)
    second = api.post(EVENTS, ORDER, **KEY)

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert "Idempotent-Replayed" not in first
    assert second["Idempotent-Replayed"] == "true"
    assert Event.objects.count() == 1


def test_the_same_key_for_another_body_or_address_is_409(api: Client) -> None:
    api.post(EVENTS, ORDER, **KEY)

    for path, body in ((EVENTS, {**ORDER, "data": {}}), (f"{EVENTS}/batch", ORDER)):
        answer = api.post(path, body, **KEY)
        assert answer.status_code == 409
        assert answer.json()["errors"][0]["code"] == "idempotency_key_reused"
    assert Event.objects.count() == 1


def test_two_merchants_may_use_one_key(api: Client, stranger: Client) -> None:
    assert api.post(EVENTS, ORDER, **KEY).json() != stranger.post(EVENTS, ORDER, **KEY).json()
    assert Event.objects.count() == 2


def test_a_refused_request_leaves_its_key_free(api: Client) -> None:
    assert api.post(EVENTS, {**ORDER, "event": "nope"}, **KEY).status_code == 422
    assert api.post(EVENTS, "{", **KEY).status_code == 400
    assert api.post(EVENTS, ORDER, **KEY).status_code == 201


def test_a_secret_in_the_answer_is_kept_encrypted(api: Client) -> None:
    body = {"url": "http://127.0.0.1:9/", "events": ["*"]}
    first = api.post("/api/v1/webhooks", body, **KEY).json()
    second = api.post("/api/v1/webhooks", body, **KEY).json()

    assert first == second
    assert Webhook.objects.count() == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT answer FROM webhooks_subscriptions_idempotencykey")
        [(stored,)] = cursor.fetchall()
    assert first["secret"] not in stored
    assert first["id"] not in stored


@pytest.mark.parametrize("key", ["a b", "é", "x" * 256])
def test_a_key_that_is_none_is_400(api: Client, key: str) -> None:
    assert api.post(EVENTS, ORDER, **{"Idempotency-Key": key}).status_code == 400


def test_after_a_day_a_key_may_be_used_anew(api: Client) -> None:
    api.post(EVENTS, ORDER, **KEY)
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=24, seconds=1))

    assert api.post(EVENTS, {**ORDER, "data": {}}, **KEY).status_code == 201
    assert Event.objects.count() == 2
    assert IdempotencyKey.objects.count() == 1


def test_a_request_under_way_turns_its_twin_away_until_it_is_given_up(api: Client) -> None:
    api.post(EVENTS, ORDER, **KEY)
    IdempotencyKey.objects.update(status=None)

    answer = api.post(EVENTS, ORDER, **KEY)
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["code"] == "idempotency_key_in_progress"
    assert answer["Retry-After"] == "1"
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(minutes=3))
    assert api.post(EVENTS, ORDER, **KEY).status_code == 201


def test_a_key_does_not_open_what_the_credential_may_not_do(api: Client) -> None:
    api.post(EVENTS, ORDER, **KEY)

    assert Client(None).post(EVENTS, ORDER, **KEY).status_code == 401


@pytest.mark.django_db(transaction=True)
def test_concurrent_twins_publish_once(api: Client, settings: Any) -> None:
    settings.WEBHOOKS_PUBLISH_RATE_HOUR = settings.WEBHOOKS_PUBLISH_RATE_MINUTE = 0
    trials, twins = 200, 3
    start = threading.Barrier(twins)
    answers: list[tuple[int, int, str]] = []

    def publish() -> None:
        try:
            for number in range(trials):
                start.wait(timeout=60)
                answer = api.post(EVENTS, {**ORDER, "data": {"n": number}}, **{"Idempotency-Key": f"k-{number}"})
                answers.append((number, answer.status_code, answer.json()["id"]))
        finally:
            connection.close()

    threads = [threading.Thread(target=publish) for _ in range(twins)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == trials * twins
    assert {status for _, status, _ in answers} == {201}
    assert len({(number, event) for number, _, event in answers}) == trials
    assert Event.objects.count() == trials
