"""The dead letter's page and another's decision at the same moment: no deadlock, one wins, the other is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from deliveries.models import DeadLetter, Delivery
from deliveries.review import manual_actions
from subscriptions.models import Webhook
from tests.support.at_once import Beside
from tests.support.desk import Shop

pytestmark = pytest.mark.django_db(transaction=True)

QUEUE = "/admin/webhooks_deliveries/deadletter/"


@pytest.fixture
def halfway(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a context in which a discard has locked its delivery and not yet written the dead letter."""
    resolve: Callable[..., None] = manual_actions._resolve
    locked, go = threading.Event(), threading.Event()

    def slowly(*args: Any) -> None:
        if not locked.is_set():
            locked.set()
            assert go.wait(60)
        resolve(*args)

    monkeypatch.setattr(manual_actions, "_resolve", slowly)

    @contextmanager
    def discarding(delivery: Delivery) -> Iterator[None]:
        discard = Beside(lambda: manual_actions.discard(delivery=delivery, by="Ann", note="Theirs"))
        try:
            assert locked.wait(60)
            yield
        finally:
            go.set()
            discard.join()

    return discarding


@pytest.mark.parametrize("button", ["_save", "_replay", "_discard"])
def test_a_form_that_meets_a_decision_waits_for_it_and_saves_nothing(
    button: str, shop: Shop, browser: Client, halfway: Any
) -> None:
    page = reverse("admin:webhooks_deliveries_deadletter_change", args=[shop.dead_letter.pk])
    form = {"note": "Mine", "assignee": shop.people["owner"].pk, "url": "https://new.example.com/hooks", button: "1"}
    with halfway(shop.delivery):
        saving = Beside(lambda: browser.post(page, form, follow=True))
        assert saving.waits
    answer = saving.join()
    assert answer.status_code == 200
    assert manual_actions.DECIDED in answer.content.decode()
    dead_letter = DeadLetter.objects.get(pk=shop.dead_letter.pk)
    assert (dead_letter.resolution, dead_letter.resolved_by) == ("discarded", "Ann")
    assert (dead_letter.note, dead_letter.assignee) == ("Theirs", None)
    assert Delivery.objects.get(pk=shop.delivery.pk).status == "discarded"
    assert Webhook.objects.get(pk=shop.webhook.pk).url == shop.webhook.url


def test_a_decision_that_meets_a_form_with_a_decision_waits_and_is_told(
    shop: Shop, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form has saved the note and not yet decided when the API's decision comes."""
    in_review, saved, go = manual_actions.in_review, threading.Event(), threading.Event()

    def slowly(dead_letter: DeadLetter) -> Delivery:
        saved.set()
        assert go.wait(60)
        return in_review(dead_letter)

    monkeypatch.setattr(manual_actions, "in_review", slowly)
    page = reverse("admin:webhooks_deliveries_deadletter_change", args=[shop.dead_letter.pk])
    form = {"note": "Mine", "url": shop.webhook.url, "_discard": "1"}
    saving = Beside(lambda: browser.post(page, form))
    assert saved.wait(60)
    other = Beside(lambda: manual_actions.discard(delivery=shop.delivery, by="Ann", note="Theirs"))
    assert other.waits
    go.set()
    assert saving.join().status_code == 302
    with pytest.raises(manual_actions.StateConflict):
        other.join()
    dead_letter = DeadLetter.objects.get(pk=shop.dead_letter.pk)
    assert (dead_letter.resolution, dead_letter.note) == ("discarded", "Mine")


def test_taking_the_selected_waits_for_a_decision_and_leaves_what_is_decided(
    shop: Shop, browser: Client, halfway: Any
) -> None:
    with halfway(shop.delivery):
        taking = Beside(
            lambda: browser.post(QUEUE, {"action": "take", "_selected_action": [shop.dead_letter.pk], "index": 0})
        )
        assert taking.waits
    assert taking.join().status_code == 302
    assert DeadLetter.objects.get(pk=shop.dead_letter.pk).assignee is None
