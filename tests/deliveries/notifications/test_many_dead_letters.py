"""Dead letters by the thousand: nobody's notice waits for another's, and events about them come in bounded steps."""

from __future__ import annotations

import pytest

from deliveries.models import DeadLetter, Delivery, Event, MaintenanceTask, Notice
from deliveries.notifications import dead_letter_events, new_dead_letters, watcher
from tests.support.factories import make_webhook
from tests.support.notices import AT_ONCE, answer, notices, operational

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("notices_at_once")]


def test_one_behind_more_dead_letters_than_a_batch_is_noticed_in_the_same_look(monkeypatch):
    monkeypatch.setattr(new_dead_letters, "BATCH", 2)
    answer(make_webhook(retry_policy=AT_ONCE), 500, 5)
    behind = make_webhook(retry_policy=AT_ONCE)
    answer(behind, 502)
    watcher.look()
    assert notices(Notice.Kind.DEAD) == [("dead", 5), ("dead", 1)]
    assert "502" in Notice.objects.get(kind=Notice.Kind.DEAD, webhook=behind).reason
    watcher.look()
    assert notices(Notice.Kind.DEAD) == [("dead", 5), ("dead", 1)]


def test_a_look_ends_where_dead_letters_do_not(monkeypatch):
    monkeypatch.setattr(new_dead_letters, "BATCH", 2)
    monkeypatch.setattr(watcher, "PATIENCE", 0.0)
    answer(make_webhook(retry_policy=AT_ONCE), 500, 5)
    for count in (2, 4, 5, 5):
        watcher.look()
        assert notices(Notice.Kind.DEAD) == [("dead", count)]


def subscribed(count: int, *, letters: int):
    """Make a webhook with dead letters, and `count` of its merchant that want to be told of them."""
    failing = make_webhook(retry_policy=AT_ONCE)
    for _ in range(count):
        make_webhook(failing.merchant, events=["delivery.dead"])
    answer(failing, 500, letters)
    return failing


def told() -> list[str]:
    """Return the deliveries that `delivery.dead` events were about."""
    return [event.resource_id for event in Event.objects.filter(type="delivery.dead").order_by("pk")]


def test_events_about_dead_letters_come_in_bounded_transactions_and_none_is_lost_or_doubled(monkeypatch):
    monkeypatch.setattr(dead_letter_events, "FAN_OUT", 6)
    monkeypatch.setattr(dead_letter_events, "PATIENCE", 0.0)
    failing = subscribed(3, letters=5)
    dead = [row.delivery.public_id for row in DeadLetter.objects.select_related("delivery").order_by("pk")]
    watcher.look()
    assert notices(Notice.Kind.DEAD) == [("dead", 5)]  # all are noticed, whatever becomes of the events
    assert told() == []
    for count in (2, 4, 5, 5):
        dead_letter_events._publish_some()
        assert told() == dead[:count]
    assert Delivery.objects.filter(event_type="delivery.dead").count() == 15
    assert set(operational(failing.merchant)) >= {"delivery.dead"}


def test_an_event_that_makes_more_deliveries_than_the_bound_is_published_all_the_same(monkeypatch):
    monkeypatch.setattr(dead_letter_events, "FAN_OUT", 1)
    subscribed(3, letters=2)
    watcher.look()
    assert len(told()) == 2


def test_what_was_told_before_the_place_of_events_was_there_is_not_told_again():
    subscribed(1, letters=2)
    top = DeadLetter.objects.order_by("pk").last().pk
    MaintenanceTask.objects.create(name="notices", position=top)
    watcher.look()
    assert told() == []


def test_an_event_about_a_dead_letter_that_appears_late_is_published_once():
    subscribed(1, letters=3)
    late = DeadLetter.objects.order_by("pk")[1]
    DeadLetter.objects.filter(pk=late.pk).delete()
    watcher.look()
    assert len(told()) == 2
    late.save(force_insert=True)
    watcher.look()
    watcher.look()
    assert len(told()) == 3
