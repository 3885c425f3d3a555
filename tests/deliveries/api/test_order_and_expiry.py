"""Strict order and expiry over the API: the settings, and what a held delivery waits for."""

from __future__ import annotations

from typing import Any

import pytest

from deliveries.models import Delivery
from deliveries.models.deliveries import HELD
from subscriptions.models import Webhook
from tests.support.api import Client, attrs
from tests.support.delivery_log import LOG
from tests.support.ordering_groups import send, told

HOOKS = "/api/v1/webhooks"


@pytest.fixture
def in_order(webhook: dict[str, Any], api: Client) -> Webhook:
    """The webhook of these tests, in order for each resource, with one attempt a delivery."""
    changes = {"ordering": "resource", "retry_policy": {"delays": []}}
    assert api.patch(f"{HOOKS}/{webhook['id']}", changes).status_code == 200
    return Webhook.objects.get(public_id=webhook["id"])


def test_order_and_expiry_are_set_shown_and_taken_back(api: Client, webhook: dict[str, Any]) -> None:
    assert (webhook["ordering"], webhook["expire_after"]) == ("none", None)
    address = f"{HOOKS}/{webhook['id']}"
    for ordering, expire_after in (("resource", 86_400), ("webhook", 60), ("none", None)):
        changed = api.patch(address, {"ordering": ordering, "expire_after": expire_after}).json()
        assert (changed["ordering"], changed["expire_after"]) == (ordering, expire_after)
    assert api.patch(address, {"ordering": None}).json()["ordering"] == "none"


@pytest.mark.parametrize(
    ("attr", "value"),
    [
        ("ordering", "alphabetical"),
        ("ordering", 1),
        ("expire_after", 59),
        ("expire_after", 1.5),
        ("expire_after", True),
        ("expire_after", 31 * 86_400),
    ],
)
def test_a_wrong_order_or_expiry_is_named(api: Client, webhook: dict[str, Any], attr: str, value: Any) -> None:
    answer = api.patch(f"{HOOKS}/{webhook['id']}", {attr: value})
    assert answer.status_code == 422
    assert list(attrs(answer)) == [attr]


@pytest.mark.django_db(transaction=True)
def test_a_held_delivery_says_what_it_waits_for_and_never_the_year(api: Client, in_order: Webhook) -> None:
    first, second = told(in_order, "A", "A")
    shown = api.get(f"{LOG}/{second.public_id}").json()
    assert (shown["is_held"], shown["next_attempt_at"], shown["waits_for"]) == (True, None, first.public_id)
    assert shown["reason"] == f"It waits in line behind {first.public_id}, which is pending."
    send(in_order, 500)
    assert "in review" in api.get(f"{LOG}/{second.public_id}").json()["reason"]
    head = api.get(f"{LOG}/{first.public_id}").json()
    assert (head["is_held"], head["waits_for"]) == (False, None)
    assert str(HELD.year) not in api.get(LOG).content.decode()


@pytest.mark.django_db(transaction=True)
def test_an_event_explains_the_line_its_delivery_stands_in(api: Client, in_order: Webhook) -> None:
    first, second = told(in_order, "A", "A")
    [why] = api.get(f"/api/v1/events/{second.event.public_id}").json()["webhooks"]
    assert why["reason"] == f"It waits in line behind {first.public_id}, which is pending."


@pytest.mark.django_db(transaction=True)
def test_retrying_a_held_delivery_is_a_conflict_that_says_why(api: Client, in_order: Webhook) -> None:
    first, second = told(in_order, "A", "A")
    answer = api.post(f"{LOG}/{second.public_id}/retry")
    assert answer.status_code == 409
    assert first.public_id in answer.content.decode()
    assert Delivery.objects.get(pk=second.pk).is_held
