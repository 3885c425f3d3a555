"""Rate limits, on a real Valkey."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest
import redis

from subscriptions import limits, redis_clients, services, tallies
from subscriptions.conf import settings as django_settings
from subscriptions.models import ApiRates
from subscriptions.services import NewMerchant
from tests.support.api import Client

PATH = "/api/v1/webhooks"


def test_every_answer_says_where_the_credential_stands(api: Client, settings: Any) -> None:
    settings.WEBHOOKS_API_RATE_HOUR = 10
    before = time.time()
    answers = [api.get(PATH), api.post(PATH, {}), api.get("/api/v1/nothing"), api.post(PATH, "{"), api.put(PATH, {})]

    assert [answer.status_code for answer in answers] == [200, 422, 404, 400, 405]
    assert [answer["X-RateLimit-Limit"] for answer in answers] == ["10"] * 5
    assert [answer["X-RateLimit-Remaining"] for answer in answers] == ["9", "8", "7", "6", "5"]
    assert {int(answer["X-RateLimit-Reset"]) - round(before + 3600) for answer in answers} <= {-1, 0, 1, 2}


def test_past_the_hours_limit_requests_are_429_until_the_window_ends(
    api: Client, settings: Any, empty_redis: redis.Redis
) -> None:
    settings.WEBHOOKS_API_RATE_HOUR = 3
    for _ in range(3):
        assert api.get(PATH).status_code == 200

    refused = api.get(PATH)
    assert refused.status_code == 429
    assert refused.json()["errors"][0]["code"] == "rate_limited"
    assert refused["X-RateLimit-Remaining"] == "0"
    assert 3590 <= int(refused["Retry-After"]) <= 3600
    [window] = empty_redis.keys("*:rate:api:*:hour")
    empty_redis.pexpire(window, 1)
    time.sleep(0.01)
    assert api.get(PATH)["X-RateLimit-Remaining"] == "2"


def test_the_minutes_limit_bounds_bursts_and_refused_requests_do_not_count(api: Client, settings: Any) -> None:
    settings.WEBHOOKS_API_RATE_MINUTE = 2
    answers = [api.get(PATH) for _ in range(5)]

    assert [answer.status_code for answer in answers] == [200, 200, 429, 429, 429]
    assert {int(answer["Retry-After"]) for answer in answers[2:]} <= {59, 60}
    assert answers[-1]["X-RateLimit-Remaining"] == "998"


def test_each_credential_has_its_own_limit(api: Client, stranger: Client, settings: Any) -> None:
    settings.WEBHOOKS_API_RATE_HOUR = 1

    assert [client.get(PATH).status_code for client in (api, api, stranger)] == [200, 429, 200]


@pytest.mark.parametrize("keys", [1, 2, 3, 5])
@pytest.mark.parametrize("window", ["HOUR", "MINUTE"])
def test_more_keys_are_no_more_quota(
    window: str, keys: int, shop: NewMerchant, stranger: Client, settings: Any
) -> None:
    setattr(settings, f"WEBHOOKS_API_RATE_{window}", 3)
    clients = [Client(services.create_api_key(merchant=shop.merchant).text) for _ in range(keys)]
    passed = [[client.get(PATH).status_code for _ in range(4)].count(200) for client in clients]

    assert sum(passed) == min(keys, limits.PER_MERCHANT) * 3
    assert max(passed) == 3
    assert stranger.get(PATH).status_code == 200


def test_what_remains_is_the_less_of_the_keys_and_the_merchants(shop: NewMerchant, settings: Any) -> None:
    settings.WEBHOOKS_API_RATE_HOUR = 10
    first, second, third = [Client(services.create_api_key(merchant=shop.merchant).text) for _ in range(3)]
    for _ in range(9):
        first.get(PATH)
        second.get(PATH)

    assert [int(client.get(PATH)["X-RateLimit-Remaining"]) for client in (third, first)] == [1, 0]
    refused = third.get(PATH)
    assert (refused.status_code, refused["X-RateLimit-Remaining"]) == (429, "0")
    assert 3590 <= int(refused["Retry-After"]) <= 3600


def test_publishing_has_a_limit_of_its_own(api: Client, settings: Any) -> None:
    settings.WEBHOOKS_API_RATE_HOUR, settings.WEBHOOKS_PUBLISH_RATE_HOUR = 1, 7
    assert api.get(PATH).status_code == 200

    answer = api.post("/api/v1/events", {"event": "order.created", "data": {}})

    assert answer.status_code == 201
    assert (answer["X-RateLimit-Limit"], answer["X-RateLimit-Remaining"]) == ("7", "6")
    assert api.get("/api/v1/events").status_code == 429


def test_a_merchants_own_rates_go_before_the_platforms(shop: NewMerchant, api: Client) -> None:
    ApiRates.objects.create(merchant=shop.merchant, per_hour=5, publish_per_minute=1)

    assert api.get(PATH)["X-RateLimit-Limit"] == "5"
    statuses = [api.post("/api/v1/events", {"event": "order.created", "data": {}}).status_code for _ in range(2)]
    assert statuses == [201, 429]


def test_zero_means_no_limit_and_no_headers(api: Client, settings: Any) -> None:
    settings.WEBHOOKS_API_RATE_HOUR = settings.WEBHOOKS_API_RATE_MINUTE = 0

    assert "X-RateLimit-Limit" not in api.get(PATH)


def test_with_redis_away_requests_pass_which_is_logged_and_counted(
    api: Client, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client = redis_clients.client(url=settings.REDIS_URL)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    before = tallies.totals(client).get(tallies.UNCOUNTED, 0)

    answers = [api.get(PATH) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert answers[-1]["X-RateLimit-Remaining"] == "1000"
    assert tallies.totals(client)[tallies.UNCOUNTED] == before + 3
    assert len([record for record in caplog.records if "Redis is away" in record.getMessage()]) == 1


PROCESSES = 12
TAKE_MANY = """
import json, sys, time
import django
import redis
django.setup()
from subscriptions import limits
url, everybody = sys.argv[1], int(sys.argv[2])
client = redis.Redis.from_url(url, socket_timeout=30)
limiter = limits.Limiter(url)
limiter._take = client.register_script(limits._TAKE)  # patient: nothing may pass uncounted here
client.incr("test:ready")
while int(client.get("test:ready")) < everybody:
    time.sleep(0.01)
quotas = [limiter.take("test", "one", limits.Rates(500, 500)) for _ in range(100)]
print(json.dumps([quota.remaining for quota in quotas if not quota.blocked_for]))
"""


def test_twelve_processes_together_let_exactly_the_limit_pass() -> None:
    """In processes of their own: a fork of this one, with its threads, could wait for a lock for ever."""
    command = [sys.executable, "-c", TAKE_MANY, django_settings.REDIS_URL, str(PROCESSES)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
    remaining: list[int] = []
    for worker in workers:
        output, _ = worker.communicate(timeout=120)
        remaining += json.loads(output)

    assert sorted(remaining) == list(range(500))
