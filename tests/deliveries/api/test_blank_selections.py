"""Bulk requests that select by nothing: refused, with the field's name. Everything needs the word `all`."""

from __future__ import annotations

from typing import Any

import pytest

from deliveries.models import DeadLetter, Delivery, Job
from deliveries.review import selection
from tests.support.api import Client, attrs
from tests.support.blanks import UNSEEN, name_of
from tests.support.delivery_log import close

ROUTES = ("deliveries/replay", "dead-letters/replay", "dead-letters/discard")
FILTERS = {
    "deliveries/replay": selection.DeliveryFilter.base_filters,
    "dead-letters/replay": selection.DeadLetterFilter.base_filters,
    "dead-letters/discard": selection.DeadLetterFilter.base_filters,
}
SEVERAL = ("status", "ids")
"""Members that are lists."""


@pytest.fixture
def dead(api: Client, deliveries: list[Delivery]) -> list[Delivery]:
    """Three deliveries in review, and two that were delivered."""
    for delivery in deliveries[3:]:
        close(delivery, "delivered")
    return [close(delivery, "dead") for delivery in deliveries[:3]]


def refused(api: Client, route: str, body: Any) -> dict[str, str]:
    """Send a bulk request and the count before it; both must be refused alike. Returns what was said of which field."""
    told = []
    for extra in ({}, {"dry_run": True}):
        answer = api.post(f"/api/v1/{route}", body | extra)
        assert answer.status_code == 422, (route, body, answer.content)
        told.append(attrs(answer))
    assert told[0] == told[1]
    return told[0]


def nothing_happened() -> bool:
    statuses = sorted(Delivery.objects.values_list("status", flat=True))
    waiting = DeadLetter.objects.filter(resolved_at=None).count()
    return (statuses, waiting, Job.objects.count()) == (["dead"] * 3 + ["delivered"] * 2, 3, 0)


@pytest.mark.parametrize("blank", ["", ",", " , ,", *UNSEEN], ids=name_of)
def test_a_blank_filter_is_refused_by_its_name(api: Client, dead: list[Delivery], blank: str) -> None:
    for route in ROUTES:
        for name in FILTERS[route]:
            assert list(refused(api, route, {name: blank})) == [name]
            assert list(refused(api, route, {name: f"{blank}{blank}\n"})) == [name]
    assert nothing_happened()


@pytest.mark.parametrize("blank", ["", ",", *UNSEEN], ids=name_of)
def test_a_list_of_blanks_is_refused_by_its_name(api: Client, dead: list[Delivery], blank: str) -> None:
    for route in ROUTES:
        for name in SEVERAL if route == "deliveries/replay" else ["ids"]:
            for blanks in ([blank], [blank, blank], [blank, " ", ""]):
                assert list(refused(api, route, {name: blanks})) == [name]
    assert nothing_happened()


@pytest.mark.parametrize("route", ROUTES)
def test_an_empty_list_and_null_are_refused(api: Client, dead: list[Delivery], route: str) -> None:
    for name in [*FILTERS[route], "ids"]:
        assert list(refused(api, route, {name: []})) == [name]
        assert list(refused(api, route, {name: None})) == [name]
    assert nothing_happened()


@pytest.mark.parametrize("route", ROUTES)
def test_a_blank_beside_a_real_filter_is_refused_all_the_same(api: Client, dead: list[Delivery], route: str) -> None:
    assert list(refused(api, route, {"event": "order.created", "webhook": "\u2003"})) == ["webhook"]
    assert list(refused(api, route, {"ids": [dead[0].public_id], "event": "\u200b"})) == ["event"]
    assert nothing_happened()


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"note": "All of it."},
        {"all": False},
        {"all": False, "note": ""},
        {"all": None},
        {"all": "true"},
        {"all": 1},
        {"all": []},
        {"all": "yes", "event": "order.created"},
        {"all": None, "ids": ["dlv_1"]},
        {"all": 0, "since": "2024-01-15T15:30:00Z"},
    ],
)
def test_everything_needs_its_own_word(api: Client, dead: list[Delivery], route: str, body: dict[str, Any]) -> None:
    assert list(refused(api, route, body)) == ["all"]
    assert nothing_happened()


@pytest.mark.parametrize("route", ROUTES)
def test_all_means_all_that_waits_for_review(api: Client, dead: list[Delivery], route: str) -> None:
    assert api.post(f"/api/v1/{route}", {"all": True, "dry_run": True}).json()["count"] == 3
    assert nothing_happened()

    answer = api.post(f"/api/v1/{route}", {"all": True, "note": "Fixed."})

    assert (answer.status_code, answer.json()["count"]) == (200, 3)
    assert answer.json()["job"]["selection"] == {"all": True}
    assert not DeadLetter.objects.filter(resolved_at=None).exists()
    assert Delivery.objects.filter(status="delivered").count() == 2


def test_a_real_filter_works_as_it_did(api: Client, dead: list[Delivery], webhook: dict[str, Any]) -> None:
    def count(route: str, **body: Any) -> int:
        return int(api.post(f"/api/v1/{route}", body | {"dry_run": True}).json()["count"])

    assert count("deliveries/replay", status="dead,") == 3
    assert count("deliveries/replay", status=["dead", ""]) == 3
    assert count("deliveries/replay", status=" dead , delivered ") == 5
    assert count("deliveries/replay", webhook=f" {webhook['id']}\n") == 3
    assert count("deliveries/replay", all=False, webhook=webhook["id"]) == 3
    assert count("dead-letters/replay", all=True, ids=[dead[0].public_id]) == 1, "filters narrow it all the same"
    assert count("dead-letters/discard", all=True, event="order.paid") == 0
    assert count("dead-letters/discard", webhook=webhook["id"], since="2000-01-01T00:00:00Z") == 3
    assert count("dead-letters/replay", ids=[dead[0].public_id, ""]) == 1
