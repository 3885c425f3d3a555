"""A request to publish is counted once against the limits, whoever answers it: the loop or its view."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
import redis
from django.db import connection

from subscriptions.conf import settings
from subscriptions.models import ApiKey
from tests.deliveries.api.test_publisher import LEFT_TO_VIEWS, ON_THE_LOOP
from tests.support.publishing_web import BATCH, ORDER, PATH, PublishingWeb

pytestmark = pytest.mark.django_db(transaction=True)


def counted(quick: PublishingWeb, server: redis.Redis) -> int:
    """Return how many requests to publish the shop's key has made in this hour, as the limits count."""
    key = ApiKey.objects.get(merchant=quick.shop.merchant)
    return int(server.get(f"{settings.REDIS_PREFIX}:rate:publish:key:{key.pk}:hour") or 0)


# An address that there isn't has the limits of the rest of the API.
ASKED = [each for each in ON_THE_LOOP + LEFT_TO_VIEWS if not each[0].endswith("/")]


@pytest.mark.parametrize("index", range(len(ASKED)))
def test_a_request_is_counted_once_whoever_answers_it(
    quick: PublishingWeb, empty_redis: redis.Redis, index: int
) -> None:
    path, body, headers = ASKED[index]
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    status, answered, _ = quick.send("POST", path, data, headers)

    is_asked = "x-ratelimit-remaining" in answered
    assert counted(quick, empty_redis) == int(is_asked)
    if is_asked:
        assert int(answered["x-ratelimit-limit"]) - int(answered["x-ratelimit-remaining"]) == 1, status


REFUSED = [{"id": "bad"}, {"id": "bad", "data": {"n": 1}}, {"id": "bad", "resource_id": "r"}]


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("more", REFUSED, ids=str)
@pytest.mark.parametrize("path", [PATH, BATCH])
def test_a_request_that_is_left_to_its_view_after_it_was_counted_is_not_counted_again(
    quick: PublishingWeb, empty_redis: redis.Redis, path: str, more: dict[str, Any], alone: bool
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF NEW.public_id = 'bad' THEN RAISE EXCEPTION 'refused'; END IF; RETURN NEW; END $$;"
            "CREATE TRIGGER refuse BEFORE INSERT ON webhooks_deliveries_event FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    try:
        body = ORDER | more if path == PATH else {"events": [ORDER | more]}
        others = [] if alone else [threading.Thread(target=quick.post, args=(ORDER,)) for _ in range(4)]
        for thread in others:
            thread.start()
        status, answered, _ = quick.post(body, path)
        for thread in others:
            thread.join()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER refuse ON webhooks_deliveries_event; DROP FUNCTION refuse()")
    assert status == 500
    assert path in quick.views
    assert counted(quick, empty_redis) == 1 + len(others)
    if alone:
        assert int(answered["x-ratelimit-limit"]) - int(answered["x-ratelimit-remaining"]) == 1


def test_a_header_cannot_say_that_a_request_was_counted(quick: PublishingWeb, empty_redis: redis.Redis) -> None:
    for number in range(3):
        quick.post(ORDER, webhooks_quota="1", Cookie="a=b")
        assert counted(quick, empty_redis) == number + 1
