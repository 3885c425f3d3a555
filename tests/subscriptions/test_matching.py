"""What fan-out asks of the catalogue, and for how long an answer is remembered."""

from __future__ import annotations

import pytest

from subscriptions import matching
from subscriptions.models import EventType

pytestmark = pytest.mark.django_db


def test_an_event_is_looked_up_once_in_a_while(django_assert_num_queries, monkeypatch):
    with django_assert_num_queries(1):
        assert matching.known_events(["order.created"])["order.created"].name == "order.created"
    with django_assert_num_queries(0):
        assert matching.known_events(["order.created"])["order.created"].name == "order.created"
    monkeypatch.setattr(matching, "REMEMBERED_FOR", -1.0)
    matching.forget_events()
    for _ in range(2):
        with django_assert_num_queries(1):
            matching.known_events(["order.created"])


def test_what_was_not_there_is_asked_for_again():
    assert matching.known_events(["gadget.made"]) == {}
    EventType.objects.bulk_create([EventType(name="gadget.made", source="test")])  # no signal tells of it
    assert "gadget.made" in matching.known_events(["gadget.made", "order.created"])


def test_a_change_made_here_is_seen_at_once():
    entry = EventType.objects.create(name="gadget.made", source="test", aliases=["gadget.built"])
    assert matching.known_events(["gadget.built"])["gadget.built"].name == "gadget.made"
    entry.is_active = False
    entry.save()
    assert matching.known_events(["gadget.made", "gadget.built"]) == {}


def test_the_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(matching, "REMEMBERED_MAX", 1)
    for name in ("order.created", "order.paid", "order.cancelled", "order.updated"):
        matching.known_events([name])
        assert len(matching._remembered) <= 2


def test_another_thread_may_forget_while_this_one_looks(monkeypatch):
    class Forgotten(dict):
        def get(self, *arguments):
            found = super().get(*arguments)
            self.clear()
            return found

    monkeypatch.setattr(matching, "_remembered", Forgotten())
    for _ in range(2):
        assert set(matching.known_events(["order.created", "order.paid"])) == {"order.created", "order.paid"}
