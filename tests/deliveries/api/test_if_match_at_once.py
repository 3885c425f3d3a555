"""Of two who saw the same state and say so one changes it, on every changing route with an ETag; the other is told."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from deliveries.models import Job
from deliveries.review import bulk_jobs
from subscriptions import services
from subscriptions.services import NewMerchant
from tests.support.api import Client
from tests.support.at_once import Beside, uncommitted
from tests.support.delivery_log import close
from tests.support.engine import due
from tests.support.factories import make_webhook

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 200
HOOK = {"url": "http://127.0.0.1:9/", "events": ["*"]}


@dataclass(frozen=True)
class Route:
    """A changing route: `make` returns the address with the ETag, `act` is what is asked below it."""

    method: str
    place: str
    act: str
    make: Callable[[NewMerchant], Any]
    body: Any = None

    def __str__(self) -> str:
        return f"{self.method} {self.place}{self.act}"


def webhook(shop: NewMerchant) -> str:
    return make_webhook(shop.merchant).public_id


def shoperys(shop: NewMerchant) -> str:
    return make_webhook(shop.merchant, dialect="shopery", url=HOOK["url"]).public_id


def paused(shop: NewMerchant) -> str:
    made = make_webhook(shop.merchant)
    services.pause(webhook=made, by="Ann")
    return made.public_id


def delivery(state: str) -> Callable[[NewMerchant], str]:
    def make(shop: NewMerchant) -> str:
        [made] = due(make_webhook(shop.merchant), 1)
        return (made if state == "pending" else close(made, state)).public_id

    return make


def event(shop: NewMerchant) -> str:
    [made] = due(make_webhook(shop.merchant), 1)
    return close(made, "dead").event.public_id


def key(shop: NewMerchant) -> str:
    return services.create_api_key(merchant=shop.merchant).api_key.public_id


def job(shop: NewMerchant) -> str:
    close(due(make_webhook(shop.merchant), 1)[0], "dead")
    made = bulk_jobs.start(
        shop.merchant, kind="replay", source="dead-letters", chosen={"all": True}, by="Ann", note="", rate=1
    )
    Job.objects.filter(pk=made.pk).update(status="queued", finished_at=None, rate=1)
    return made.public_id


WEBHOOKS, COMPANY = "/api/v1/webhooks", "/company/webhooks"
ROUTES = [
    Route("PATCH", WEBHOOKS, "", webhook, {"name": "New"}),
    Route("DELETE", WEBHOOKS, "", webhook),
    Route("POST", WEBHOOKS, "/pause", webhook, {}),
    Route("POST", WEBHOOKS, "/resume", paused, {}),
    Route("POST", WEBHOOKS, "/rotate-secret", webhook, {}),
    Route("PATCH", COMPANY, "", shoperys, {"name": "New"}),
    Route("PUT", COMPANY, "", shoperys, {**HOOK, "name": "New"}),
    Route("DELETE", COMPANY, "", shoperys),
    Route("DELETE", "/api/v1/api-keys", "", key),
    Route("POST", "/api/v1/deliveries", "/retry", delivery("dead"), {}),
    Route("POST", "/api/v1/deliveries", "/cancel", delivery("pending"), {}),
    Route("POST", "/api/v1/dead-letters", "/replay", delivery("dead"), {}),
    Route("POST", "/api/v1/dead-letters", "/discard", delivery("dead"), {}),
    Route("POST", "/api/v1/events", "/expunge", event, {}),
    Route("POST", "/api/v1/jobs", "/stop", job, {}),
]
REFUSED = {404, 409, 412}
"""412, or that it is gone or decided, where the first deleted or decided it."""
SAME = {"DELETE /api/v1/api-keys"}
"""Asked twice it is done twice: a key is revoked since the first moment."""


def ask(api: Client, route: Route, place: str, tag: str) -> int:
    status: int = api.request(route.method, f"{place}{route.act}", route.body, **{"If-Match": tag}).status_code
    return status


def ready(api: Client, shop: NewMerchant, route: Route) -> tuple[str, str]:
    place = f"{route.place}/{route.make(shop)}"
    answer = api.get(place)
    assert answer.status_code == 200, (place, answer.content)
    return place, answer["ETag"]


def test_every_changing_route_with_an_etag_stands_here(api: Client) -> None:
    paths = yaml.safe_load(api.get("/api/schema/").content)["paths"]
    documented = {
        f"{method.upper()} {path.replace('/{id}', '')}"
        for path, methods in paths.items()
        for method, shown in methods.items()
        if "If-Match" in {each["name"] for each in shown.get("parameters", ())}
    }
    assert {str(route) for route in ROUTES} == documented


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_of_two_with_the_same_tag_the_second_is_refused(route: Route, api: Client, shop: NewMerchant) -> None:
    place, tag = ready(api, shop, route)
    first: list[int] = []
    with uncommitted(lambda: first.append(ask(api, route, place, tag))):
        beside = Beside(lambda: ask(api, route, place, tag))
        assert beside.waits
    second = beside.join()
    assert first[0] in {200, 202, 204}
    assert second in REFUSED or (str(route) in SAME and second == first[0])


@pytest.mark.slow
def test_of_two_hundred_random_pairs_with_the_same_tag_one_wins(api: Client, shop: NewMerchant, settings: Any) -> None:
    """Also of two routes of one resource, such as a pause and a deletion."""
    settings.WEBHOOKS_API_RATE_MINUTE = settings.WEBHOOKS_API_RATE_HOUR = 10**6
    draw = random.Random(12)
    families = [list(group) for _, group in itertools.groupby(ROUTES, key=lambda route: (route.place, route.make))]
    for _ in range(ROUNDS):
        pair = draw.choices(draw.choice(families), k=2)
        place, tag = ready(api, shop, pair[0])
        start = threading.Barrier(2)

        def run(route: Route, place: str = place, tag: str = tag, start: Any = start) -> int:
            start.wait(60)
            return ask(Client(shop.api_key), route, place, tag)

        besides = [Beside(lambda run=run, route=route: run(route)) for route in pair]
        statuses = [beside.join() for beside in besides]
        won = sum(status in {200, 202, 204} for status in statuses)
        lost = sum(status in REFUSED for status in statuses)
        assert (won, lost) == (1, 1) or (str(pair[0]) in SAME and won == 2), (list(map(str, pair)), statuses)
