"""Publishing on the loop answers as the views do, word for word; what isn't plain is the views' own answer."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.db import connection, transaction
from django.utils import timezone

from deliveries.models import Delivery, Event
from subscriptions import limits, services
from subscriptions.conf import settings
from subscriptions.models import ApiKey, ApiRates, Merchant
from tests.support.publishing_web import BATCH, ORDER, PATH, PublishingWeb, publishing_web

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def by_views(quick: PublishingWeb) -> Iterator[PublishingWeb]:
    with publishing_web("plain", on_the_loop=False) as made:
        yield made


def text(value: str) -> bytes:
    return value.encode()


# Requests that the loop answers; then those that it leaves to the views.
ON_THE_LOOP: list[tuple[str, Any, dict[str, str | None]]] = [
    (PATH, ORDER, {}),
    (PATH, ORDER | {"id": "mine-1"}, {}),
    (PATH, ORDER | {"id": "mine-1"}, {}),  # published before
    (PATH, ORDER | {"occurred_at": "2024-01-15T15:30:00+02:00", "resource_id": "r-1"}, {}),
    (PATH, {"event": "product.purchased", "data": {}}, {}),  # nobody listens
    (PATH, text('{"event": "order.created", "data": {"n": 25.50, "s": "\\u00e9\\u2028"}}'), {}),
    (PATH, text(' {\n "data" : { } ,\t"event" : "order.created" } \r\n'), {}),
    (PATH, ORDER, {"Content-Type": "application/json; charset=utf-8"}),
    (PATH, ORDER, {"Content-Type": "Application/JSON"}),
    (PATH, ORDER, {"Accept": "*/*"}),
    (PATH, ORDER, {"Accept": "application/json, text/plain, */*"}),
    (PATH, ORDER, {"Host": "127.0.0.1:8000"}),
    (PATH, ORDER, {"X-Forwarded-Proto": "https"}),
    (PATH + "?", ORDER | {"id": "questioned"}, {}),
    (PATH, ORDER, {"If-None-Match": '"abc"', "User-Agent": "x", "Origin": "http://other.example"}),
    (PATH, ORDER, {"Idempotency-Key": "key-1"}),
    (BATCH, {"events": [ORDER, ORDER]}, {}),
    (BATCH, {"events": [ORDER | {"id": "twice"}, ORDER | {"id": "twice"}, ORDER | {"id": "mine-1"}]}, {}),
    (BATCH, {"events": [ORDER] * 100}, {"Idempotency-Key": "key-2"}),
]
LEFT_TO_VIEWS: list[tuple[str, Any, dict[str, str | None]]] = [
    (PATH, ORDER, {"Idempotency-Key": "key-1"}),  # a replay
    (PATH, ORDER | {"id": "other"}, {"Idempotency-Key": "key-1"}),  # used for another request
    (PATH, ORDER, {"Idempotency-Key": "two words"}),
    (PATH, ORDER, {"Authorization": None}),
    (PATH, ORDER, {"Authorization": "Bearer"}),
    (PATH, ORDER, {"Authorization": "Basic abc"}),
    (PATH, ORDER, {"Authorization": "Bearer ak_live_" + "1" * 43}),
    (PATH, ORDER, {"Authorization": "Bearer ak_nonsense"}),
    (PATH, ORDER, {"Authorization": "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x", "X-tenant-ID": "mch_x"}),
    (PATH, ORDER, {"Content-Type": "text/plain"}),
    (PATH, ORDER, {"Content-Type": None}),
    (PATH, ORDER, {"Content-Type": "application/x-www-form-urlencoded"}),
    (PATH, ORDER, {"Accept": "text/html"}),
    (PATH, ORDER, {"Accept": "application/json; indent=4"}),
    (PATH, ORDER, {"Accept": "application/json;q=0.5, */*;q=0.1"}),
    (PATH, ORDER, {"Host": "evil.example"}),
    (PATH + "?x=1", ORDER, {}),
    (PATH, ORDER, {"Cookie": "sessionid=abc; csrftoken=def"}),
    (PATH + "/", ORDER, {}),
    (PATH, b"", {}),
    (PATH, b"{", {}),
    (PATH, b"\xff", {}),
    (PATH, b"\xef\xbb\xbf{}", {}),
    (PATH, b"[]", {}),
    (PATH, b"{}", {}),
    (PATH, b'{"event": "order.created", "data": {}} x', {}),
    (PATH, text('{"event": "order.created", "event": "order.created", "data": {}}'), {}),
    (PATH, text('{"event": "order.created", "data": {"n": NaN}}'), {}),
    (PATH, text('{"event": "order.created", "data": {"n": 9007199254740993}}'), {}),
    (PATH, text('{"event": "order.created", "data": ' + '{"a":' * 90 + "1" + "}" * 91), {}),
    (PATH, ORDER | {"event": "order.creatd"}, {}),
    (PATH, ORDER | {"data": []}, {}),
    (PATH, ORDER | {"id": "a b"}, {}),
    (PATH, ORDER | {"id": 7}, {}),
    (PATH, ORDER | {"occurred_at": "yesterday"}, {}),
    (PATH, ORDER | {"resource_id": "x" * 201}, {}),
    (PATH, ORDER | {"more": 1}, {}),
    (PATH, ORDER | {"data": {"x": "y" * 300_000}}, {}),  # large, though fine
    (PATH, ORDER | {"data": {"x": "y" * 1_100_000}}, {}),
    (BATCH, {"events": []}, {}),
    (BATCH, {"events": [ORDER, ORDER | {"event": "nope"}, {"data": {}}]}, {}),
    (BATCH, {"events": [ORDER] * 1001}, {}),
    (BATCH, {"events": ORDER}, {}),
    (BATCH, [ORDER], {}),
]


def test_every_answer_is_that_of_the_views(quick: PublishingWeb, by_views: PublishingWeb):
    for path, body, headers in [*ON_THE_LOOP, *LEFT_TO_VIEWS]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        ours, theirs = (each.send("POST", path, data, headers) for each in (quick, by_views))
        assert ours == theirs, (path, data[:200], headers)
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        assert quick.send(method, BATCH, b"", {}) == by_views.send(method, BATCH, b"", {})
    columns = ("type", "data", "size", "resource_id")
    stored = [
        list(Event.objects.filter(merchant=of.shop.merchant).order_by("id").values_list(*columns))
        for of in (quick, by_views)
    ]
    assert stored[0] == stored[1]
    assert len(stored[0]) > 100
    made = [Delivery.objects.filter(merchant=of.shop.merchant).count() for of in (quick, by_views)]
    assert made[0] == made[1] > 100


@pytest.mark.parametrize(("path", "body", "headers"), ON_THE_LOOP)
def test_what_is_plain_needs_no_view(quick: PublishingWeb, path: str, body: Any, headers: dict[str, str | None]):
    status, _, answer = quick.post(body, path, **headers)
    assert status == 201, answer
    assert quick.views == []


@pytest.mark.parametrize(("path", "body", "headers"), LEFT_TO_VIEWS[3:])
def test_what_is_not_plain_goes_to_its_view(quick: PublishingWeb, path: str, body: Any, headers: dict[str, str | None]):
    quick.post(body, path, **headers)
    assert quick.views == [path.partition("?")[0]]


def test_the_limit_is_that_of_the_views_whichever_way_requests_take(quick: PublishingWeb, by_views: PublishingWeb):
    for each in (quick, by_views):
        ApiRates.objects.create(merchant=each.shop.merchant, publish_per_hour=4, publish_per_minute=3)
    limits.forget_rates()
    for _ in range(5):
        ours, theirs = quick.post(ORDER), by_views.post(ORDER)
        ours[1].pop("retry-after", None), theirs[1].pop("retry-after", None)
        assert (ours[:2], ours[2][:80]) == (theirs[:2], theirs[2][:80])
    assert ours[0] == 429
    assert ours[1]["x-ratelimit-remaining"] == "1"
    assert quick.views == []
    assert Event.objects.filter(merchant=quick.shop.merchant).count() == 3
    assert quick.post(b"{")[0] == 429  # what the view counts, it counts in the same window


def test_no_request_too_many_passes_among_many_at_once(quick: PublishingWeb):
    ApiRates.objects.create(merchant=quick.shop.merchant, publish_per_hour=1000, publish_per_minute=25)
    limits.forget_rates()
    statuses: list[int] = []

    def publish() -> None:
        for _ in range(5):
            statuses.append(quick.post(ORDER)[0])

    threads = [threading.Thread(target=publish) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (statuses.count(201), statuses.count(429)) == (25, 25)
    assert Event.objects.count() == 25


def test_a_revoked_key_ends_with_the_next_request(quick: PublishingWeb):
    assert quick.post(ORDER)[0] == 201
    services.revoke_api_key(api_key=ApiKey.objects.get(merchant=quick.shop.merchant))
    assert quick.post(ORDER)[0] == 401
    assert Event.objects.count() == 1


def test_a_merchant_that_is_switched_off_publishes_no_more(quick: PublishingWeb):
    assert quick.post(ORDER)[0] == 201
    merchant = Merchant.objects.get(pk=quick.shop.merchant.pk)
    merchant.is_active = False
    merchant.save()
    assert quick.post(ORDER)[0] == 401


def test_an_expired_key_ends_on_time(quick: PublishingWeb):
    ends = timezone.now() + timedelta(seconds=1)
    made = services.create_api_key(merchant=quick.shop.merchant, expires_at=ends)
    headers = {"Authorization": f"Bearer {made.text}"}
    assert quick.post(ORDER, **headers)[0] == 201
    time.sleep(1.1)
    assert quick.post(ORDER, **headers)[0] == 401


def test_a_key_without_the_scope_may_not_publish(quick: PublishingWeb):
    made = services.create_api_key(merchant=quick.shop.merchant, scopes=["read"])
    assert quick.post(ORDER, Authorization=f"Bearer {made.text}")[0] == 403


def test_without_redis_requests_pass_uncounted(quick: PublishingWeb, settings: Any):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    status, headers, _ = quick.post(ORDER)
    assert status == 201
    assert headers["x-ratelimit-remaining"] == headers["x-ratelimit-limit"]
    assert quick.views == []


def test_twins_under_one_idempotency_key_are_carried_out_once(quick: PublishingWeb):
    answers: list[tuple[int, Any, str]] = []
    threads = [
        threading.Thread(target=lambda: answers.append(quick.post(ORDER, Idempotency_Key="once"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {status for status, _, _ in answers} == {201}
    assert len({body for _, _, body in answers}) == 1
    assert Event.objects.count() == 1
    assert sum("idempotent-replayed" in headers for _, headers, _ in answers) == 7


def test_requests_at_once_share_statements_and_each_gets_its_own_answer(quick: PublishingWeb):
    bodies = [ORDER | {"data": {"n": number}, "id": f"e-{number}"} for number in range(40)]
    got: dict[int, tuple[int, Any, str]] = {}

    def publish(number: int) -> None:
        got[number] = quick.post(bodies[number])

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, (status, _, body) in got.items():
        assert status == 201
        assert json.loads(body)["id"] == f"e-{number}"
    assert len(got) == Event.objects.count() == Delivery.objects.count() == 40


def test_what_the_database_refuses_in_one_request_harms_no_other(quick: PublishingWeb):
    """A trigger refuses one event's row: its own request fails, those of the same moment don't."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF NEW.public_id = 'bad' THEN RAISE EXCEPTION 'refused'; END IF; RETURN NEW; END $$;"
            "CREATE TRIGGER refuse BEFORE INSERT ON webhooks_deliveries_event FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    try:
        got: dict[str, int] = {}

        def publish(name: str) -> None:
            got[name] = quick.post(ORDER | {"id": name})[0]

        names = ["bad", *(f"good-{number}" for number in range(20))]
        threads = [threading.Thread(target=publish, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert got.pop("bad") == 500
        assert set(got.values()) == {201}
        assert Event.objects.count() == 20
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER refuse ON webhooks_deliveries_event; DROP FUNCTION refuse()")


def test_the_version_of_credentials_goes_up_only_once_that_is_committed(quick: PublishingWeb, empty_redis: redis.Redis):
    name = f"{settings.REDIS_PREFIX}:{limits.CREDENTIALS}"
    with transaction.atomic():
        before = empty_redis.get(name)
        services.revoke_api_key(api_key=ApiKey.objects.get(merchant=quick.shop.merchant))
        assert empty_redis.get(name) == before
    assert int(empty_redis.get(name) or 0) == int(before or 0) + 1


OTHER = [
    {"data": {"n": 2}},
    {"event": "order.paid"},
    {"resource_id": "8"},
]


@pytest.mark.parametrize("change", OTHER, ids=str)
def test_an_id_that_stands_for_another_event_is_a_conflict_as_at_the_views(quick: PublishingWeb, change: dict) -> None:
    known = ORDER | {"id": "order-1045", "data": {"n": 1}, "resource_id": "7"}
    assert quick.post(known)[0] == 201
    assert quick.post(known)[0] == 200
    refused = quick.post(known | change)
    assert refused[0] == 409
    assert Event.objects.count() == 1
