"""Taking an event's payload out over the API."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework_simplejwt.tokens import AccessToken

from deliveries.models import Delivery, Event, ExpungedPayload
from subscriptions.models import Membership
from subscriptions.services import NewMerchant
from tests.support.api import Client, attrs
from tests.support.factories import make_member

pytestmark = pytest.mark.django_db


def test_an_events_payload_is_taken_out_and_who_asked_stays(api: Client, deliveries: list[Delivery]) -> None:
    answer = api.post("/api/v1/events/e-0/expunge", {"note": "Art. 17"})

    assert answer.status_code == 200, answer.content
    trace = answer.json()
    assert (trace["id"], trace["event"], trace["note"], trace["cancelled"]) == ("e-0", "order.created", "Art. 17", 1)
    assert trace["by"].startswith("API key ak_live_")
    assert trace["expunged_at"]
    assert Event.objects.get(public_id="e-0").data == "null"


def test_what_shows_the_event_afterwards_says_null(api: Client, deliveries: list[Delivery]) -> None:
    api.post("/api/v1/events/e-0/expunge")

    event = api.get("/api/v1/events/e-0").json()
    delivery = api.get(f"/api/v1/deliveries/{deliveries[0].public_id}").json()
    assert (event["data"], delivery["data"], delivery["status"]) == (None, None, "cancelled")
    assert "expunged by API key" in event["webhooks"][0]["reason"]
    assert api.get("/api/v1/events/e-1").json()["data"] == {"n": 1}


def test_asked_again_it_succeeds_and_leaves_a_second_trace(api: Client, deliveries: list[Delivery]) -> None:
    first = api.post("/api/v1/events/e-0/expunge", {}, **{"Idempotency-Key": "once"})
    twin = api.post("/api/v1/events/e-0/expunge", {}, **{"Idempotency-Key": "once"})
    again = api.post("/api/v1/events/e-0/expunge", {})

    assert twin.json() == first.json()
    assert (again.status_code, again.json()["cancelled"]) == (200, 0)
    assert ExpungedPayload.objects.count() == 2


def test_what_is_being_sent_is_409_and_stays(api: Client, deliveries: list[Delivery]) -> None:
    Delivery.objects.filter(pk=deliveries[0].pk).update(status="sending", due_at="2100-01-01T00:00:00Z", claim_token=1)

    answer = api.post("/api/v1/events/e-0/expunge", {})

    assert answer.status_code == 409, answer.content
    assert Event.objects.get(public_id="e-0").data == '{"n":0}'


def test_a_member_who_is_no_owner_may_not(shop: NewMerchant, deliveries: list[Delivery]) -> None:
    developer = make_member(shop.merchant, Membership.Role.DEVELOPER)
    client = Client(str(AccessToken.for_user(developer)), **{"X-tenant-ID": shop.merchant.public_id})

    answer = client.post("/api/v1/events/e-0/expunge", {})

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, "missing_role")
    assert not ExpungedPayload.objects.exists()


@pytest.mark.parametrize(
    ("body", "attr"), [({"note": 1}, "note"), ({"why": "x"}, "why"), ({"note": "x" * 2001}, "note")]
)
def test_a_malformed_request_expunges_nothing(
    api: Client, deliveries: list[Delivery], body: dict[str, Any], attr: str
) -> None:
    answer = api.post("/api/v1/events/e-0/expunge", body)

    assert answer.status_code == 422
    assert attr in attrs(answer)
    assert not ExpungedPayload.objects.exists()
