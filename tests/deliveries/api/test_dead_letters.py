"""The review queue over the API: dead letters one at a time and by filter."""

from __future__ import annotations

from typing import Any

import pytest

from deliveries.models import DeadLetter, Delivery
from tests.support.api import Client, attrs
from tests.support.delivery_log import QUEUE, close, ids


def test_the_queue_shows_the_oldest_first_and_a_dead_letter_by_its_deliverys_id(
    api: Client, deliveries: list[Delivery]
) -> None:
    dead = [close(delivery, "dead") for delivery in deliveries[:3]]

    assert ids(api.get(QUEUE)) == [delivery.public_id for delivery in dead]
    assert ids(api.get(f"{QUEUE}?error=http_error&event=order.created")) == [delivery.public_id for delivery in dead]
    assert ids(api.get(f"{QUEUE}?error=response_timeout")) == []
    assert api.get(f"{QUEUE}/{dead[0].public_id}").json()["reason"] == (
        "Your endpoint answered 500. That was the last of 4 attempts; it waits for review."
    )


def test_a_dead_letter_is_replayed_with_a_note(api: Client, deliveries: list[Delivery]) -> None:
    dead = close(deliveries[0], "dead")

    answer = api.post(f"{QUEUE}/{dead.public_id}/replay", {"note": "Receiver is fixed."})

    assert answer.status_code == 200, answer.content
    assert answer.json()["status"] == "retrying"
    dead_letter = DeadLetter.objects.get()
    assert (dead_letter.resolution, dead_letter.note) == ("replayed", "Receiver is fixed.")
    assert dead_letter.resolved_by.startswith("API key ak_live_")
    assert api.post(f"{QUEUE}/{dead.public_id}/replay").status_code == 404


def test_a_dead_letter_is_discarded(api: Client, deliveries: list[Delivery]) -> None:
    dead = close(deliveries[0], "dead")

    answer = api.post(f"{QUEUE}/{dead.public_id}/discard", {"note": "Obsolete."})

    assert answer.status_code == 200, answer.content
    assert answer.json()["status"] == "discarded"


@pytest.mark.parametrize("body", [{"note": 5}, {"note": "x" * 2001}, {"nota": ""}, [1], "text"])
def test_a_wrong_note_is_refused(api: Client, deliveries: list[Delivery], body: Any) -> None:
    dead = close(deliveries[0], "dead")

    assert api.post(f"{QUEUE}/{dead.public_id}/discard", body if body != "text" else '"text"').status_code == 422
    assert Delivery.objects.get(pk=dead.pk).status == "dead"


def test_a_dry_run_counts_and_changes_nothing(api: Client, deliveries: list[Delivery]) -> None:
    for delivery in deliveries[:3]:
        close(delivery, "dead")

    assert api.post(f"{QUEUE}/replay", {"all": True, "dry_run": True}).json()["count"] == 3
    assert api.post(f"{QUEUE}/discard", {"dry_run": True, "event": "order.paid"}).json()["count"] == 0
    assert Delivery.objects.filter(status="dead").count() == 3


def test_dead_letters_are_replayed_by_filter(api: Client, deliveries: list[Delivery], webhook: dict[str, Any]) -> None:
    for delivery in deliveries[:3]:
        close(delivery, "dead")

    chosen = {"ids": [deliveries[0].public_id, deliveries[1].public_id], "webhook": webhook["id"]}
    assert api.post(f"{QUEUE}/replay", chosen).json()["count"] == 2
    assert api.post(f"{QUEUE}/discard", {"all": True}).json()["count"] == 1
    statuses = Delivery.objects.order_by("id").values_list("status", flat=True)
    assert list(statuses) == ["retrying", "retrying", "discarded", "pending", "pending"]


def test_the_queue_is_filtered_by_the_last_answer_and_nonsense_is_refused(
    api: Client, deliveries: list[Delivery]
) -> None:
    dead_letter = close(deliveries[0], "dead")

    assert ids(api.get(f"{QUEUE}?status_code=500")) == [dead_letter.public_id]
    assert ids(api.get(f"{QUEUE}?status_code=503")) == []
    for nonsense in ("1e999", "NaN", "500.0", "-500", ""):
        assert "status_code" in attrs(api.get(f"{QUEUE}?status_code={nonsense}"))


@pytest.mark.parametrize("empty", ["", None])
@pytest.mark.parametrize("name", ["webhook", "event", "error", "status_code", "ids"])
def test_an_empty_filter_does_not_mean_everything(
    api: Client, deliveries: list[Delivery], name: str, empty: str | None
) -> None:
    close(deliveries[0], "dead")

    answer = api.post(f"{QUEUE}/discard", {name: empty})

    assert (answer.status_code, list(attrs(answer))) == (422, [name])
    assert DeadLetter.objects.filter(resolved_at=None).count() == 1
