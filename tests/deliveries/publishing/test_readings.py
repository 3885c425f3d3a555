"""Strangers' filters and fields have a time for a request together, and none on a thread that others wait behind."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from deliveries.models import Delivery, Event
from deliveries.publishing import NewEvent, publish_many, readings, service
from deliveries.publishing.chunks import publish_chunk
from deliveries.publishing.readings import Costly
from deliveries.reasons import ReasonCode
from subscriptions.models import Merchant
from tests.support.factories import make_merchant, make_webhook

pytestmark = pytest.mark.django_db(transaction=True)

DATA = {"order": {"id": "1", "note": "x" * 5000, "lines": [{"sku": str(n), "tags": ["a", "b"]} for n in range(200)]}}
MONSTERS = (
    "to_string(data.order.lines[].tags[]) == 'x{}'",
    "sort_by(data.order.lines, &to_string(@))[0].sku == 'x{}'",
    "data.order.lines[?contains(to_string(@), 'y{}')]",
    "length(data.*.*[][]) == `-{}`",
)


@pytest.fixture(autouse=True)
def nobody_is_costly() -> Iterator[None]:
    readings._costly.clear()
    readings._dear.clear()
    yield
    readings._costly.clear()
    readings._dear.clear()


def request_of(merchant: Merchant, count: int = 1) -> service.Checked:
    return service.check([NewEvent("order.created", DATA)] * count, merchant)


@pytest.mark.parametrize("monster", MONSTERS)
@pytest.mark.parametrize("is_kept", [False, True], ids=["plain", "with a key"])
def test_a_costly_merchant_is_left_to_its_view_and_its_neighbour_is_stored(
    monster: str, is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "SHARED_SECONDS", 0.002)
    hostile, normal = make_merchant(), make_merchant()
    for number in range(150):
        make_webhook(hostile, filter=monster.format(number))
    make_webhook(normal, filter="data.order.id == '1'")
    requests = [request_of(hostile), request_of(normal)]
    results = publish_chunk(requests, keep=lambda _: None, kept=[0, 1] if is_kept else [])
    assert isinstance(results[0], Costly)
    assert isinstance(results[1], list)
    assert list(Event.objects.values_list("merchant_id", flat=True)) == [normal.pk]
    assert readings.is_costly(hostile.pk)
    assert not readings.is_costly(normal.pk)


@pytest.mark.parametrize("monster", MONSTERS[:3])  # five of the fourth take less than a millisecond
def test_events_that_are_each_within_the_time_make_their_merchant_costly_together(monster: str) -> None:
    """Eleven a chunk, fifty a second: each took 6 ms of the thread that stores everybody's events."""
    hostile, normal = make_merchant(), make_merchant()
    for number in range(5):
        make_webhook(hostile, filter=monster.format(number))
    make_webhook(normal, filter="data.order.id == '1'")
    for _ in range(200):
        publish_chunk([request_of(hostile), request_of(normal)])
        if readings.is_costly(hostile.pk):
            break
    assert readings.is_costly(hostile.pk)
    assert not readings.is_costly(normal.pk)


def test_a_merchant_with_many_cheap_filters_is_not_costly_however_many_events_it_has() -> None:
    merchant = make_merchant()
    make_webhook(merchant, filter="data.order.id == '1'")
    for _ in range(100):
        publish_chunk(
            [service.check([NewEvent("order.created", {"order": {"id": str(n)}})], merchant) for n in range(9)]
        )
    assert not readings.is_costly(merchant.pk)


def test_what_dear_events_took_is_forgotten_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    readings.note_dear(7, readings.DEAR_SUM * 0.9)
    now = time.monotonic()
    monkeypatch.setattr(readings.time, "monotonic", lambda: now + 61)
    readings.note_dear(7, readings.DEAR_SUM * 0.9)
    assert not readings.is_costly(7)
    readings.note_dear(7, readings.DEAR_SUM * 0.2)
    assert readings.is_costly(7)


def test_a_merchant_is_costly_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    readings.note_costly(7)
    assert readings.is_costly(7)
    now = time.monotonic()
    monkeypatch.setattr(readings.time, "monotonic", lambda: now + 61)
    assert not readings.is_costly(7)


def test_one_event_to_many_webhooks_makes_its_merchant_costly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deliveries.publishing.storing.COSTLY_FANOUT", 3)
    many, few = make_merchant(), make_merchant()
    for merchant, count in ((many, 4), (few, 3)):
        for _ in range(count):
            make_webhook(merchant)
        publish_many([NewEvent("order.created", DATA)], merchant=merchant)
    assert (readings.is_costly(many.pk), readings.is_costly(few.pk)) == (True, False)


@pytest.mark.parametrize("monster", MONSTERS)
def test_filters_of_one_request_have_a_time_together(monster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "REQUEST_SECONDS", 0.0002)
    merchant = make_merchant()
    for number in range(20):
        make_webhook(merchant, filter=monster.format(number))
    publish_many([NewEvent("order.created", DATA)] * 3, merchant=merchant)
    reasons = list(Delivery.objects.values_list("reason_code", flat=True))
    assert len(reasons) == 60
    assert set(reasons) == {ReasonCode.FILTERED, ReasonCode.FILTER_NOT_EVALUATED}
    late = Delivery.objects.filter(reason_code=ReasonCode.FILTER_NOT_EVALUATED).last()
    assert late is not None
    assert "all the time that one request has" in late.reason


def test_without_the_time_for_fields_nothing_counts_as_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "REQUEST_SECONDS", 0.0)
    merchant = make_merchant()
    make_webhook(merchant, fields=["order.id"])
    publish_many([NewEvent("order.created", DATA, resource_id="1")] * 3, merchant=merchant)
    assert list(Delivery.objects.values_list("status", flat=True)) == ["pending"] * 3
