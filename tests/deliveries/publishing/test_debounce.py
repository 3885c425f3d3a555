"""Shopery's debounce: what equals the last event sent is dropped, visibly."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models import F

from deliveries.maintenance import expunging
from deliveries.models import Delivery, LastSent
from deliveries.publishing import publish, publish_many
from deliveries.publishing.service import NewEvent
from deliveries.reasons import ReasonCode
from deliveries.recording import outcomes
from deliveries.review import manual_actions
from deliveries.worker import scheduler
from subscriptions import services
from tests.support.engine import answered, claim, expire, reread
from tests.support.factories import make_merchant, make_webhook

pytestmark = pytest.mark.django_db

ORDER = {"order": {"id": "1045", "total": "49.99"}, "updated_at": "2024-01-15T15:30:00Z"}


def order(**changes: str) -> dict[str, object]:
    return ORDER | changes


def statuses() -> list[str]:
    return list(Delivery.objects.order_by("id").values_list("status", flat=True))


def test_an_event_whose_chosen_fields_equal_the_last_sent_is_skipped_with_the_reason():
    merchant = make_merchant()
    make_webhook(merchant, events=["order.created"], fields=["order.id"])

    publish("order.created", order(updated_at="first"), merchant=merchant)
    publish("order.created", order(updated_at="second"), merchant=merchant)

    assert statuses() == ["pending", "skipped"]
    assert Delivery.objects.order_by("id").last().reason_code == ReasonCode.DEBOUNCED


def test_a_field_that_always_changes_prevents_the_drop():
    merchant = make_merchant()
    make_webhook(merchant, events=["order.created"], fields=["order.id", "updated_at"])

    publish("order.created", order(updated_at="first"), merchant=merchant)
    publish("order.created", order(updated_at="second"), merchant=merchant)

    assert statuses() == ["pending", "pending"]


def test_a_webhook_without_chosen_fields_gets_every_event():
    merchant = make_merchant()
    make_webhook(merchant, events=["order.created"])

    publish_many([NewEvent("order.created", ORDER)] * 3, merchant=merchant)

    assert statuses() == ["pending"] * 3


def test_only_the_last_one_counts_so_a_change_back_is_sent():
    merchant = make_merchant()
    make_webhook(merchant, events=["order.created"], fields=["order.total"])

    for total in ("10.00", "12.00", "10.00", "10.00"):
        publish("order.created", {"order": {"total": total}}, merchant=merchant)

    assert statuses() == ["pending", "pending", "pending", "skipped"]


def test_within_one_batch_each_event_is_compared_with_the_one_before():
    merchant = make_merchant()
    make_webhook(merchant, events=["order.created"], fields=["order.total"])

    publish_many(
        [NewEvent("order.created", {"order": {"total": total}}) for total in ("1", "1", "2", "2", "1")],
        merchant=merchant,
    )

    assert statuses() == ["pending", "skipped", "pending", "skipped", "pending"]


def test_another_resource_is_no_repetition_where_the_source_names_it():
    merchant = make_merchant()
    make_webhook(merchant, events=["order.created"], fields=["order.total"])

    for resource in ("1045", "1046", "1045"):
        publish("order.created", {"order": {"total": "10.00"}}, merchant=merchant, resource_id=resource)

    assert statuses() == ["pending", "pending", "skipped"]


def test_what_is_rolled_back_was_never_sent():
    merchant = make_merchant()
    make_webhook(merchant, events=["order.created"], fields=["order.id"])

    savepoint = transaction.savepoint()
    publish("order.created", ORDER, merchant=merchant)
    transaction.savepoint_rollback(savepoint)
    publish("order.created", ORDER, merchant=merchant)

    assert statuses() == ["pending"]


def test_what_was_given_up_before_it_was_sent_does_not_count_as_the_last_one():
    merchant = make_merchant()
    webhook = make_webhook(merchant, events=["order.created"], fields=["order.id"])

    publish("order.created", ORDER, merchant=merchant)
    services.disable(webhook=webhook, reason="for a while")
    services.enable(webhook=webhook)
    publish("order.created", ORDER, merchant=merchant)
    manual_actions.cancel(delivery=Delivery.objects.latest("id"), by="anna")
    publish("order.created", ORDER, merchant=merchant)

    assert statuses() == ["skipped", "cancelled", "pending"]


def test_an_event_that_has_none_of_the_chosen_fields_is_no_repetition():
    merchant = make_merchant()
    make_webhook(merchant, events=["order.created"], fields=["nothing.like.it"])

    publish("order.created", ORDER, merchant=merchant)
    publish("order.created", ORDER, merchant=merchant)

    assert statuses() == ["pending", "pending"]


def test_enabling_forgets_what_disabling_had_to_leave_to_a_publisher():
    merchant = make_merchant()
    webhook = make_webhook(merchant, events=["order.created"], fields=["order.id"])
    publish("order.created", ORDER, merchant=merchant)
    [left] = LastSent.objects.all()
    services.disable(webhook=webhook, reason="for a while")
    left.save(force_insert=True)  # as if its publisher had committed only now
    services.enable(webhook=webhook)
    publish("order.created", ORDER, merchant=merchant)
    assert statuses() == ["skipped", "pending"]


def cancelled(delivery: Delivery) -> None:
    manual_actions.cancel(delivery=delivery, by="anna")


def disabled(delivery: Delivery) -> None:
    services.disable(webhook=delivery.webhook)
    services.enable(webhook=delivery.webhook)


def expunged(delivery: Delivery) -> None:
    expunging.expunge(delivery.event, by="anna")


def too_old(delivery: Delivery) -> None:
    grow_old(delivery)
    claim(delivery.webhook)


def too_old_when_its_worker_died(delivery: Delivery) -> None:
    claim(delivery.webhook)
    expire(delivery)
    grow_old(delivery)
    claim(delivery.webhook)


def too_old_when_its_worker_died_and_it_is_paused(delivery: Delivery) -> None:
    claim(delivery.webhook)
    expire(delivery)
    grow_old(delivery)
    services.pause(webhook=delivery.webhook, by="anna")
    scheduler.sweep()


def in_review(delivery: Delivery) -> Delivery:
    outcomes.record([answered(claim(delivery.webhook).rows[0], status=None, permanent=True)])
    return reread(delivery)


def discarded(delivery: Delivery) -> None:
    manual_actions.discard(delivery=in_review(delivery), by="anna")


def discarded_with_all(delivery: Delivery) -> None:
    in_review(delivery)
    manual_actions.discard_all(Delivery.objects.all(), by="anna")


def expunged_in_review(delivery: Delivery) -> None:
    expunging.expunge(in_review(delivery).event, by="anna")


def gone(delivery: Delivery) -> None:
    outcomes.record([answered(claim(delivery.webhook).rows[0], 410)])
    services.enable(webhook=reread(delivery).webhook)


def grow_old(delivery: Delivery) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(created_at=F("created_at") - timedelta(days=2))


GIVEN_UP = [
    cancelled,
    disabled,
    expunged,
    too_old,
    too_old_when_its_worker_died,
    too_old_when_its_worker_died_and_it_is_paused,
    discarded,
    discarded_with_all,
    expunged_in_review,
    gone,
]


@pytest.mark.parametrize("given_up", GIVEN_UP)
def test_the_same_again_is_sent_after_the_first_was_given_up(given_up: Callable[[Delivery], None]) -> None:
    merchant = make_merchant()
    make_webhook(merchant, events=["order.created"], fields=["order.total"], expire_after=86_400)
    publish("order.created", {"order": {"id": 1, "total": "9.00"}}, merchant=merchant)
    given_up(Delivery.objects.get())
    publish("order.created", {"order": {"id": 2, "total": "9.00"}}, merchant=merchant)
    assert statuses()[-1] == "pending"


@pytest.mark.parametrize("given_up", GIVEN_UP)
def test_who_got_the_first_does_not_get_the_same_again_whatever_became_of_another_delivery(
    given_up: Callable[[Delivery], None],
) -> None:
    merchant = make_merchant()
    got, other = (
        make_webhook(merchant, events=["order.created"], fields=["order.total"], expire_after=86_400) for _ in range(2)
    )
    publish("order.created", {"order": {"id": 1, "total": "9.00"}}, merchant=merchant)
    outcomes.record([answered(claim(got).rows[0])])
    given_up(Delivery.objects.get(webhook=other))
    publish("order.created", {"order": {"id": 2, "total": "9.00"}}, merchant=merchant)
    last = {row.webhook_id: row.status for row in Delivery.objects.order_by("pk")}
    assert last == {got.pk: "skipped", other.pk: "pending"}
