"""`publishes()`: a project's own rows become events, in the transaction of the change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db import connection, connections, transaction
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save
from rest_framework import serializers

from deliveries.models import Event
from deliveries.publishing import becomes, changes, model_events, publishes
from deliveries.publishing.changes import on_change
from deliveries.publishing.testing import capture_events
from subscriptions.models import Merchant
from tests.support.factories import make_merchant, make_user
from webhooks_project.postgresql.base import DatabaseWrapper

pytestmark = pytest.mark.django_db


@pytest.fixture
def merchant() -> Merchant:
    return make_merchant()


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """Forget what a test registers."""
    plain = {model: model.save_base for model in (Group, User)}
    yield
    for model, save_base in plain.items():
        model.save_base = save_base  # type: ignore[method-assign]
        for rules in (model_events._saved, model_events._deleted):
            rules.pop(model, None)
        for signal in (pre_save, post_save, pre_delete, post_delete):
            label = f"publishes.{model._meta.label}"
            for name in (label, f"{model_events.__name__}.{label}", f"{__name__}.tell"):
                signal.disconnect(sender=model, dispatch_uid=name)


def told(events: list[Any]) -> list[tuple[str, Any, str]]:
    return [(each.event, each.data, each.resource_id) for each in events]


def test_a_row_that_is_made_changed_and_deleted_is_three_events(merchant: Merchant) -> None:
    for event, when in (("order.created", "created"), ("order.updated", changes("name")), ("file.deleted", "deleted")):
        publishes(event, on=Group, when=when, data=lambda row: {"name": row.name}, merchant=lambda _row: merchant)
    with capture_events() as events:
        group = Group.objects.create(name="first")
        key = group.pk
        group.save()  # nothing changed
        group.name = "second"
        group.save()
        group.delete()
    assert told(events) == [
        ("order.created", {"name": "first"}, f"group-{key}"),
        ("order.updated", {"name": "second"}, f"group-{key}"),
        ("file.deleted", {"name": "second"}, f"group-{key}"),
    ]


def test_saved_is_every_save_and_a_function_decides_for_itself(merchant: Merchant) -> None:
    @publishes("order.updated", on=Group, merchant=lambda _row: merchant)
    def every(row: Group) -> dict[str, Any]:
        return {"every": row.name}

    @publishes("order.paid", on=Group, when=lambda _before, after: after.name > "b", merchant=lambda _row: merchant)
    def some(row: Group) -> dict[str, Any]:
        return {"some": row.name}

    with capture_events() as events:
        for name in ("a", "c"):
            Group.objects.create(name=name).save()
    assert [each.data for each in events] == [{"every": "a"}] * 2 + [{"every": "c"}, {"some": "c"}] * 2


TRANSITIONS = [
    # what the row was made with, what it is changed to; whether it has become so
    (None, {"first_name": "paid"}, True),
    (None, {"first_name": "open"}, False),
    ({"first_name": "open"}, {"first_name": "paid"}, True),
    ({"first_name": "paid"}, {"first_name": "paid"}, False),
    ({"first_name": "paid"}, {"first_name": "open"}, False),
    ({"first_name": "paid"}, {"last_name": "other"}, False),
    ({"first_name": "open"}, {"first_name": "paid", "last_name": "other"}, True),
]


@pytest.mark.parametrize(("made", "changed", "expected"), TRANSITIONS)
@pytest.mark.parametrize("how", ["save", "update_fields", "an instance loaded long ago"])
def test_a_transition_is_told_once_however_it_is_saved(
    merchant: Merchant, made: Any, changed: Any, expected: bool, how: str
) -> None:
    person = make_user(**(made or changed))
    publishes(
        "order.paid",
        on=User,
        when=becomes(first_name="paid"),
        data=lambda row: {"id": str(row.pk)},
        merchant=lambda _row: merchant,
    )
    with capture_events() as events:
        if made is None:
            User.objects.create(username="new", **changed)
        else:
            stale = User.objects.only("pk").get(pk=person.pk) if how == "an instance loaded long ago" else person
            for name, value in changed.items():
                setattr(stale, name, value)
            stale.save(**({"update_fields": list(changed)} if how == "update_fields" else {}))
            stale.save()  # told once
    assert len(events) == int(expected)


def test_a_serializer_makes_the_payload_and_a_path_leads_to_the_merchant(merchant: Merchant) -> None:
    class PersonSerializer(serializers.ModelSerializer[User]):
        class Meta:
            model = User
            fields = ["username", "date_joined"]

    User.owner = property(lambda _row: type("Owner", (), {"merchant": merchant}))  # type: ignore[attr-defined]
    try:
        publishes("order.created", on=User, when="created", data=PersonSerializer, merchant="owner.merchant")
        with capture_events() as events:
            User.objects.create(username="ada")
        assert events[0].data["username"] == "ada"
        assert events[0].merchant == merchant
    finally:
        del User.owner  # type: ignore[attr-defined]


def test_fixtures_tell_nothing(merchant: Merchant) -> None:
    publishes("order.created", on=Group, data=lambda row: {"name": row.name}, merchant=lambda _row: merchant)
    with capture_events() as events:
        Group(name="loaded").save_base(raw=True)
    assert events == []


@pytest.mark.parametrize("when", ["create", "", "Deleted"])
def test_a_misspelt_word_is_said_at_once(merchant: Merchant, when: Any) -> None:
    with pytest.raises(ValueError, match="use created, saved, deleted"):
        publishes("order.created", on=Group, when=when, data=dict, merchant=lambda _row: merchant)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("problem", ["the payload can't be made", "the event is unknown", "the payload is none"])
def test_what_fails_leaves_neither_row_nor_event_also_without_a_transaction(merchant: Merchant, problem: str) -> None:
    def data(row: Group) -> Any:
        if problem == "the payload can't be made":
            raise RuntimeError("no payload")
        return {"name": row.name} if problem == "the event is unknown" else "text"

    name = "no.such.event" if problem == "the event is unknown" else "order.created"
    publishes(name, on=Group, data=data, merchant=lambda _row: merchant)
    assert not connection.in_atomic_block
    with pytest.raises((RuntimeError, ValidationError)):
        Group.objects.create(name="first")
    assert not Group.objects.exists()
    assert not Event.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_row_and_event_stand_or_fall_with_the_callers_transaction(merchant: Merchant) -> None:
    publishes("order.created", on=Group, data=lambda row: {"name": row.name}, merchant=lambda _row: merchant)
    with transaction.atomic():
        Group.objects.create(name="first")
        assert Event.objects.count() == 1
        transaction.set_rollback(True)
    assert (Group.objects.count(), Event.objects.count()) == (0, 0)
    Group.objects.create(name="second")
    assert (Group.objects.count(), Event.objects.count()) == (1, 1)


def test_an_error_that_the_caller_handles_leaves_its_transaction_usable(merchant: Merchant) -> None:
    publishes("no.such.event", on=Group, data=lambda row: {"name": row.name}, merchant=lambda _row: merchant)
    with transaction.atomic():
        with pytest.raises(ValidationError), transaction.atomic():
            Group.objects.create(name="first")
        assert not Group.objects.exists()


@pytest.fixture
def another_database(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An alias that a project's router may send its rows to; here another session of the same database."""
    connections.settings["elsewhere"] = connections.settings["default"]
    # pytest-django lets tests connect to the aliases only that there were when it began.
    monkeypatch.setattr(DatabaseWrapper, "ensure_connection", lambda self: self.connection or self.connect())
    try:
        yield "elsewhere"
    finally:
        connections["elsewhere"].close()
        del connections.settings["elsewhere"], connections["elsewhere"]


@pytest.mark.django_db(transaction=True)
def test_a_save_in_another_database_is_told_by_the_rows_there(merchant: Merchant, another_database: str) -> None:
    seen: list[tuple[str | None, str, str | None]] = []

    def tell(before: Group | None, after: Group) -> None:
        seen.append((before and before.name, after.name, after._state.db))

    tell.__qualname__ = "tell"
    on_change(Group)(tell)
    group = Group(name="first")
    group.save(using=another_database)
    with transaction.atomic(using=another_database):
        group.name = "second"
        group.save(using=another_database)
        group.name = "third"
        group.save(using=another_database)
    assert seen == [(None, "first", "elsewhere"), ("first", "second", "elsewhere"), ("second", "third", "elsewhere")]
