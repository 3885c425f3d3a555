"""Idempotency-Key: carried out once, answered twice."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken

from deliveries.models import Event
from subscriptions import services
from subscriptions.models import ApiKey, IdempotencyKey, Webhook
from subscriptions.services import NewMerchant
from tests.support.api import Client
from tests.support.factories import make_member

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


def test_a_preview_which_does_nothing_keeps_no_payload_under_a_key(api: Client) -> None:
    webhook = api.post("/api/v1/webhooks", {"url": "http://127.0.0.1:9/", "events": ["order.*"]}).json()
    api.post(EVENTS, ORDER)
    path = f"/api/v1/webhooks/{webhook['id']}/preview"
    for _ in range(2):
        answer = api.post(path, {"fields": ["order.id"]}, **KEY)
        assert answer.status_code == 200
        assert "1045" in answer.content.decode()
        assert "Idempotent-Replayed" not in answer
    assert not IdempotencyKey.objects.exists()
    assert api.post(path, {}, **{"Idempotency-Key": "no key"}).status_code == 400


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


HOOK = {"url": "http://127.0.0.1:9/", "events": ["*"]}
SECRETS = {
    "/api/v1/webhooks": (HOOK, "secret"),
    "/company/webhooks": (HOOK, "secret"),
    "/api/v1/webhooks/{id}/rotate-secret": ({}, "secret"),
    "/api/v1/api-keys": ({"scopes": ["manage"]}, "key"),
}


@pytest.mark.parametrize("path", SECRETS)
def test_a_secret_shown_once_is_kept_encrypted_and_for_nobody_else(
    path: str, api: Client, shop: NewMerchant, webhook: dict[str, Any]
) -> None:
    body, member = SECRETS[path]
    path = path.format(id=webhook["id"])
    first = api.post(path, body, **KEY)
    secret = first.json()[member]
    assert api.post(path, body, **KEY).json()[member] == secret
    with connection.cursor() as cursor:
        cursor.execute("SELECT answer FROM webhooks_subscriptions_idempotencykey")
        assert all(secret not in stored for (stored,) in cursor.fetchall())
    for scopes in (["manage"], ["manage", "read"], ["manage", "read", "publish"]):
        other = Client(services.create_api_key(merchant=shop.merchant, scopes=scopes).text)
        answer = other.post(path, body, **KEY)
        assert answer.status_code == 409
        assert secret not in answer.content.decode()


OTHERS = {
    "another key with all scopes": lambda shop: services.create_api_key(merchant=shop.merchant).text,
    "a key that only publishes": lambda shop: services.create_api_key(merchant=shop.merchant, scopes=["publish"]).text,
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
@pytest.mark.parametrize("path", [EVENTS, f"{EVENTS}/batch"])
def test_another_credential_never_gets_what_was_kept_and_publishes_nothing_twice(
    path: str, other: Any, api: Client, shop: NewMerchant
) -> None:
    body = ORDER if path == EVENTS else {"events": [ORDER]}
    first = api.post(path, body, **KEY)
    answer = Client(other(shop)).post(path, body, **KEY)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (409, "idempotency_key_reused")
    assert "another credential" in answer.json()["errors"][0]["detail"]
    assert api.post(path, body, **KEY).json() == first.json()
    assert Event.objects.count() == 1


def test_a_credential_that_lost_a_right_does_not_get_what_it_was_told_before(api: Client, shop: NewMerchant) -> None:
    path = "/api/v1/api-keys"
    api.post(path, {}, **KEY)
    ApiKey.objects.filter(name="First key").update(scopes=["manage"])
    assert api.post(path, {}, **KEY).status_code == 409


@pytest.mark.parametrize(("before", "after"), [("owner", "developer"), ("developer", "owner")])
def test_a_member_with_another_role_does_not_either(before: str, after: str, shop: NewMerchant) -> None:
    person = make_member(shop.merchant, before)
    member = Client(str(AccessToken.for_user(person)), **{"X-tenant-ID": shop.merchant.public_id})
    assert member.post("/api/v1/webhooks", HOOK, **KEY).status_code == 201
    shop.merchant.memberships.filter(user=person).update(role=after)
    assert member.post("/api/v1/webhooks", HOOK, **KEY).status_code == 409


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
