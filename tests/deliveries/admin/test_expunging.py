"""Taking a payload out on request, on the real pages."""

from __future__ import annotations

import pytest
from django.http import HttpResponse
from django.urls import reverse

from deliveries.models import DeadLetter, Delivery, Event, ExpungedPayload
from deliveries.models.events import EXPUNGED
from tests.support.desk import Shop, make_shop, sign_in
from tests.support.engine import claim_one
from tests.support.factories import make_user

pytestmark = pytest.mark.django_db

REASON = "Ticket 4711, Art. 17"


@pytest.fixture
def aster() -> Shop:
    return make_shop("aster")


def address(shop: Shop, name: str = "expunge") -> str:
    return reverse(f"admin:webhooks_deliveries_event_{name}", args=[shop.event.pk])


def post(shop: Shop, role: str = "owner", note: str = REASON) -> HttpResponse:
    return sign_in(shop.people[role]).post(address(shop), {"note": note})


def test_an_owner_takes_a_payload_out_after_a_page_that_says_what_goes(aster: Shop) -> None:
    browser = sign_in(aster.people["owner"])
    assert address(aster) in browser.get(address(aster, "change")).content.decode()
    asked = browser.get(address(aster)).content.decode()
    assert "its 1 attempt kept" in asked
    assert "1 in the review queue will be discarded." in asked
    assert Event.objects.get().data != EXPUNGED, "asking changes nothing"

    answer = browser.post(address(aster), {"note": REASON})

    assert answer.headers["Location"] == address(aster, "change")
    shown = browser.get(address(aster, "change")).content.decode()
    assert "aster-1045" not in shown
    assert f"Expunged by {aster.people['owner'].username}" in shown
    assert REASON in shown
    assert address(aster) not in shown, "there is nothing left to take out"


def test_the_trace_says_who_and_why_and_the_queue_is_told(aster: Shop) -> None:
    post(aster)
    trace = ExpungedPayload.objects.get(event_id=aster.event.public_id)
    assert (trace.by, trace.note, trace.attempts) == (aster.people["owner"].username, REASON, 1)
    assert DeadLetter.objects.get().resolution == "discarded"
    assert Delivery.objects.get().status == Delivery.Status.DISCARDED


@pytest.mark.parametrize("role", ["viewer", "developer"])
def test_others_than_owners_neither_see_nor_may_do_it(aster: Shop, role: str) -> None:
    browser = sign_in(aster.people[role])
    assert address(aster) not in browser.get(address(aster, "change")).content.decode()
    assert [browser.get(address(aster)).status_code, post(aster, role).status_code] == [403, 403]
    assert Event.objects.get().data != EXPUNGED


def test_another_merchants_event_is_not_there(aster: Shop) -> None:
    other = make_shop("birch")
    browser = sign_in(other.people["owner"])
    assert [browser.get(address(aster)).status_code, browser.post(address(aster)).status_code] == [404, 404]
    assert Event.objects.get(pk=aster.event.pk).data != EXPUNGED


def test_the_platforms_staff_may_do_it(aster: Shop) -> None:
    sign_in(make_user(is_superuser=True)).post(address(aster), {"note": REASON})
    assert Event.objects.get().data == EXPUNGED


def test_without_a_reason_nothing_goes(aster: Shop) -> None:
    answer = post(aster, note="  ")
    assert answer.status_code == 200
    assert "This field is required." in answer.content.decode()
    assert Event.objects.get().data != EXPUNGED


def test_what_is_being_sent_is_left_and_the_person_told(aster: Shop) -> None:
    DeadLetter.objects.all().delete()
    delivery = Delivery.objects.get()
    Delivery.objects.filter(pk=delivery.pk).update(status=Delivery.Status.PENDING, due_at=delivery.created_at)
    claim_one(delivery)
    browser = sign_in(aster.people["owner"])
    page = browser.post(address(aster), {"note": REASON}, follow=True).content.decode()
    assert "being sent right now" in page
    assert Event.objects.get().data != EXPUNGED
