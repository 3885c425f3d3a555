"""Strict order: one of a line is on its way, the others are held; docs/adr/0012."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from deliveries.models import Delivery
from deliveries.models.deliveries import HELD
from deliveries.publishing import publish_many
from deliveries.publishing.service import NewEvent
from deliveries.queueing import claims, ordering, webhook_changes
from deliveries.queueing.ordering import OrderingGroup
from deliveries.recording import outcomes
from subscriptions import services
from subscriptions.models import Webhook
from tests.support.engine import EVENT, answered, claim, reread, shift_due
from tests.support.ordering_groups import due_now, keys, ordered, send, told

pytestmark = pytest.mark.django_db(transaction=True)

S = Delivery.Status


def test_only_the_first_of_each_resource_is_due_and_each_success_lets_the_next_go() -> None:
    webhook = ordered()
    a1, b1, a2, b2, a3 = keys(told(webhook, "A", "B", "A", "B", "A"))
    assert due_now(webhook) == [a1, b1]
    assert send(webhook) == [a1, b1]
    assert send(webhook) == [a2, b2]
    assert send(webhook) == [a3]
    assert send(webhook) == []


def test_a_webhook_in_order_has_one_delivery_on_its_way_whatever_the_resource() -> None:
    webhook = ordered("webhook")
    deliveries = keys(told(webhook, "A", "", "B"))
    assert [send(webhook) for _ in range(4)] == [[pk] for pk in deliveries] + [[]]


def test_events_that_name_no_resource_keep_no_order() -> None:
    webhook = ordered()
    deliveries = told(webhook, "", "", "A")
    assert [delivery.ordering_group for delivery in deliveries] == [None, None, "A"]
    assert send(webhook) == keys(deliveries)


def test_without_an_ordering_nothing_is_held() -> None:
    webhook = ordered("none")
    deliveries = told(webhook, "A", "A")
    assert send(webhook) == keys(deliveries)


def test_a_batch_is_stored_in_the_order_it_was_given() -> None:
    """The line is the order of the ids, which the database gives while it reads one JSON document."""
    webhook = ordered("webhook")
    publish_many([NewEvent(EVENT, {"n": n}) for n in range(1000)], merchant=webhook.merchant)
    rows = Delivery.objects.filter(webhook=webhook).order_by("pk").values_list("event_id", "event__data")
    assert [data for _event, data in rows] == [f'{{"n":{n}}}' for n in range(1000)]
    assert [event for event, _data in rows] == sorted(event for event, _data in rows)


def test_a_retrying_head_holds_its_line_and_no_other() -> None:
    webhook = ordered(retry_policy={"delays": [60]})
    a1, b1, _a2, b2 = told(webhook, "A", "B", "A", "B")
    [row_a, row_b] = claim(webhook).rows
    outcomes.record([answered(row_a, 500), answered(row_b, 200)])
    assert reread(a1).status == S.RETRYING
    assert send(webhook) == [b2.pk]
    assert send(webhook) == []
    assert reread(b1).status == S.DELIVERED


def test_a_claim_that_is_given_back_keeps_its_place() -> None:
    webhook = ordered()
    first, _second = told(webhook, "A", "A")
    claims.release(claim(webhook).rows)
    assert send(webhook) == [first.pk]


def test_held_deliveries_of_a_webhook_that_is_switched_off_are_closed_too() -> None:
    webhook = ordered()
    told(webhook, "A", "A")
    services.disable(webhook=webhook)
    assert set(Delivery.objects.values_list("status", flat=True)) == {S.SKIPPED}


def test_the_sweep_closes_what_is_held_behind_a_dead_one_of_a_webhook_that_is_off() -> None:
    webhook = ordered(retry_policy={"delays": []})
    told(webhook, "A")
    send(webhook, 500)
    [late] = told(webhook, "A")
    Webhook.objects.filter(pk=webhook.pk).update(is_enabled=False)  # while it was being published
    assert claims.due_webhooks() == ([], [webhook.pk])
    webhook_changes.close_open(webhook.pk)
    assert reread(late).status == S.SKIPPED
    assert claims.due_webhooks() == ([], [])


def test_held_deliveries_make_no_webhook_due() -> None:
    webhook = ordered(retry_policy={"delays": [60]})
    told(webhook, "A", "A")
    send(webhook, 500)
    assert claims.due_webhooks() == ([], [])


def test_a_paused_line_goes_on_where_it_stood() -> None:
    webhook = ordered()
    first, second = told(webhook, "A", "A")
    services.pause(webhook=webhook, by="Ann")
    [third] = told(webhook, "A")
    assert send(webhook) == []
    services.resume(webhook=webhook, by="Ann")
    assert [send(webhook) for _ in range(3)] == [[first.pk], [second.pk], [third.pk]]


def test_switching_ordering_off_concerns_what_is_published_after() -> None:
    webhook = ordered()
    first, second = told(webhook, "A", "A")
    services.update_webhook(webhook=webhook, ordering="none")
    free = told(webhook, "A", "A")
    assert send(webhook) == [first.pk, *keys(free)]
    assert send(webhook) == [second.pk]


def test_a_line_left_behind_by_a_crash_is_found_by_the_next_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise 2: whoever closed the head died before it could let the next one go."""
    webhook = ordered()
    with monkeypatch.context() as crash:
        crash.setattr(ordering, "advance", lambda lines: set())
        a1, b1 = told(webhook, "A", "B")
        assert due_now(webhook) == []
    _others = told(ordered(), "A")
    assert ordering.heal() == ({webhook.pk}, ordering.FRONT)
    assert due_now(webhook) == [a1.pk, b1.pk]
    assert ordering.heal() == (set(), ordering.FRONT)


def test_a_look_at_many_lines_stops_in_time_and_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    webhook, other = ordered(), ordered()
    with monkeypatch.context() as crash:
        crash.setattr(ordering, "advance", lambda lines: set())
        mine, others = told(webhook, "C", "A", "B", "a", "B"), told(other, "A")
    monkeypatch.setattr(ordering, "CHUNK", 2)

    found, after = ordering.heal(seconds=0)

    assert found == {webhook.pk}
    assert len(due_now(webhook)) == 2
    assert ordering.heal(after) == ({webhook.pk, other.pk}, ordering.FRONT)
    assert (due_now(webhook), due_now(other)) == (keys(mine[:4]), keys(others))


def test_a_look_leaves_lines_alone_that_wait_for_good_reason() -> None:
    webhook = ordered(retry_policy={"delays": []})
    told(webhook, "dead", "busy", "dead", "busy")
    [dead, _busy] = claim(webhook).rows
    outcomes.record([answered(dead, 500)])
    assert ordering.heal() == (set(), ordering.FRONT)


def test_a_failure_to_let_the_next_go_costs_nothing_but_time(monkeypatch: pytest.MonkeyPatch) -> None:
    webhook = ordered()
    first, second = told(webhook, "A", "A")

    def fail(lines: object) -> set[int]:
        raise OperationalError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(ordering, "advance", fail)
        assert send(webhook) == [first.pk]  # recorded all the same
        assert reread(first).status == S.DELIVERED
    ordering.heal()
    assert send(webhook) == [second.pk]


def test_the_database_refuses_a_second_delivery_of_a_line_on_its_way() -> None:
    webhook = ordered()
    first, second = told(webhook, "A", "A")
    with pytest.raises(IntegrityError), transaction.atomic():
        Delivery.objects.filter(pk=second.pk).update(due_at=reread(first).due_at)


def test_lateness_counts_from_when_the_delivery_was_let_go() -> None:
    webhook = ordered()
    first, second = told(webhook, "A", "A")
    shift_due(first, -1000)
    send(webhook)
    [row] = claim(webhook).rows
    assert row.delivery_id == second.pk
    assert (row.expires_at - row.due_at).total_seconds() < 100


def test_moving_nothing_on_asks_the_database_nothing(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert ordering.move_on([]) == set()
        assert ordering.groups_of([(1, None), (1, ""), (1, "A")]) == {OrderingGroup(1, ""), OrderingGroup(1, "A")}


def test_what_lets_the_next_go_reads_one_row_a_line_however_many_are_held() -> None:
    """A blocked line costs a probe of the index, not a scan of what it holds."""
    webhook = ordered()
    told(webhook, *["A"] * 500, *["B"] * 500)
    Delivery.objects.filter(webhook=webhook, due_at__lt=HELD).update(status=S.DEAD, due_at=None)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE webhooks_deliveries_delivery")
        cursor.execute(
            "SET enable_seqscan = off; SET enable_hashjoin = off"
        )  # which a table of a thousand rows invites
        for sql, parameters in (
            (ordering._SQL["look"], {"webhook_id": 0, "ordering_group": "", "limit": 1000}),
            (ordering._SQL["heads"], ordering._arrays([OrderingGroup(webhook.pk, "A")])),
        ):
            cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + sql, parameters)
            [[plan]] = cursor.fetchall()
            assert max(_rows_read(plan[0]["Plan"])) <= 10
        cursor.execute("RESET enable_seqscan; RESET enable_hashjoin")


def _rows_read(plan: dict[str, Any]) -> list[float]:
    here = plan["Actual Rows"] * plan["Actual Loops"] + plan.get("Rows Removed by Filter", 0)
    return [here] + [rows for part in plan.get("Plans", []) for rows in _rows_read(part)]


def test_a_line_goes_on_when_a_chunk_is_written_whose_commit_was_not_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    webhook = ordered()
    _first, second = keys(told(webhook, "A", "A"))
    [row] = claim(webhook).rows
    sent = answered(row)
    with monkeypatch.context() as cut:
        cut.setattr(ordering, "advance", _no_database)
        outcomes.record([sent])
    assert due_now(webhook) == []
    assert outcomes.record([sent], again=True).still_due == [webhook.pk]
    assert due_now(webhook) == [second]


def _no_database(_lines: object) -> set[int]:
    raise OperationalError("the server closed the connection unexpectedly")
