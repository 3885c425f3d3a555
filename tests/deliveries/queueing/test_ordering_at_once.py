"""Lines changed by several at the same time, with real threads and connections; docs/adr/0012."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from deliveries.models import Delivery
from deliveries.queueing import ordering
from deliveries.queueing.ordering import OrderingGroup
from deliveries.recording import outcomes
from deliveries.recording.decided_outcomes import decide_outcome
from deliveries.review import manual_actions
from tests.support.at_once import Beside, uncommitted
from tests.support.engine import answered, claim, reread
from tests.support.ordering_groups import due_now, keys, ordered, send, told

pytestmark = [
    pytest.mark.django_db(transaction=True),
]

S = Delivery.Status


def test_a_publisher_that_commits_after_the_head_was_recorded_strands_nothing() -> None:
    """Neither sees the other's rows: the recorder finds an empty line, the publisher a head on its way."""
    webhook = ordered()
    [first] = told(webhook, "A")
    with uncommitted(lambda: told(webhook, "A")):
        assert send(webhook) == [first.pk]
        assert due_now(webhook) == []
    [second] = due_now(webhook)
    assert send(webhook) == [second]


def test_a_head_that_is_recorded_after_a_publisher_committed_strands_nothing() -> None:
    webhook = ordered()
    [first] = told(webhook, "A")
    [row] = claim(webhook).rows
    lines: set[OrderingGroup] = set()
    with uncommitted(lambda: lines.update(outcomes.write([decide_outcome(answered(row))]))):
        [second] = told(webhook, "A")
        assert second.is_held
    assert reread(first).status == S.DELIVERED
    ordering.move_on(lines)
    assert due_now(webhook) == [second.pk]


def test_a_replay_that_commits_while_the_one_on_its_way_is_recorded_strands_nothing() -> None:
    webhook = ordered()
    first, second, third = told(webhook, "A", "A", "A")
    send(webhook)
    [row] = claim(webhook).rows
    with uncommitted(lambda: manual_actions.replay(delivery=reread(first), by="Ann")):
        outcomes.record([answered(row)])
        assert due_now(webhook) == [third.pk]  # the replay isn't there yet
    assert due_now(webhook) == [third.pk]  # never beside one on its way
    assert reread(second).status == S.DELIVERED
    assert [send(webhook), send(webhook)] == [[third.pk], [first.pk]]


def test_those_who_let_go_the_next_of_a_line_take_turns() -> None:
    webhook = ordered()
    told(webhook, "A")
    line = OrderingGroup(webhook.pk, "A")
    with uncommitted(lambda: ordering.advance([line])):
        beside = Beside(lambda: ordering.advance([line]))
        assert beside.waits
    beside.join()


def test_a_discard_that_another_is_about_to_commit_is_not_overtaken() -> None:
    webhook = ordered(retry_policy={"delays": []})
    dead, second = told(webhook, "A", "A")
    send(webhook, 500)
    with uncommitted(lambda: manual_actions.discard(delivery=reread(dead), by="Ann")):
        assert ordering.advance([OrderingGroup(webhook.pk, "A")]) == set()
    assert due_now(webhook) == [second.pk]


def test_the_head_is_let_go_by_nobody_when_it_is_cancelled_at_the_same_moment(monkeypatch: Any) -> None:
    webhook = ordered()
    with monkeypatch.context() as crash:
        crash.setattr(ordering, "advance", lambda lines: set())
        first, second = told(webhook, "A", "A")
    with uncommitted(lambda: manual_actions.cancel(delivery=reread(first), by="Ann")):
        beside = Beside(lambda: ordering.advance([OrderingGroup(webhook.pk, "A")]))
        assert beside.waits  # for the row
    beside.join()
    assert reread(first).status == S.CANCELLED
    assert due_now(webhook) == [second.pk]


def test_many_publishers_claims_and_replays_at_once_keep_each_line_to_one_and_strand_none() -> None:
    webhook = ordered(retry_policy={"delays": [0] * 19})
    start, stop = threading.Barrier(6), threading.Event()
    resources = ["A", "B", "C"]
    order: list[tuple[str, int]] = []
    beside_another: list[set[str]] = []

    def publish() -> None:
        start.wait(30)
        for _ in range(12):
            told(webhook, *resources)

    def replay() -> None:
        start.wait(30)
        for _ in range(12):
            done = Delivery.objects.filter(webhook=webhook, status=S.DELIVERED, replays=0).order_by("?").first()
            if done is not None:
                manual_actions.replay(delivery=done, by="Ann")

    def work() -> None:
        start.wait(30)
        answers = 0
        while not stop.is_set() or Delivery.objects.filter(webhook=webhook, due_at__isnull=False).exists():
            rows = claim(webhook, limit=2).rows
            lines = [row.resource_id for row in rows]
            if len(set(lines)) != len(lines):
                beside_another.append(set(lines))
            answers += 1
            order.extend((row.resource_id, row.delivery_id) for row in rows if row.attempt == 1)
            if rows:
                outcomes.record([answered(row, 500 if answers % 5 == 0 and row.tries < 15 else 200) for row in rows])

    people = [Beside(publish), Beside(publish), Beside(replay), Beside(work), Beside(work)]
    start.wait(30)
    for one in people[:3]:
        one.join()
    stop.set()
    for one in people[3:]:
        one.join()
    assert beside_another == []
    assert set(Delivery.objects.filter(webhook=webhook).values_list("status", flat=True)) == {S.DELIVERED}
    assert Delivery.objects.filter(webhook=webhook).count() == 2 * 12 * len(resources)
    assert len(order) == 2 * 12 * len(resources)


def test_what_is_published_one_after_the_other_arrives_so_while_others_work() -> None:
    webhook = ordered()
    stop = threading.Event()
    order: list[int] = []

    def work() -> None:
        while not stop.is_set() or Delivery.objects.filter(webhook=webhook, due_at__isnull=False).exists():
            rows = claim(webhook).rows
            order.extend(row.delivery_id for row in rows)
            if rows:
                outcomes.record([answered(row) for row in rows])

    people = [Beside(work), Beside(work)]
    published = [pk for _ in range(40) for pk in keys(told(webhook, "A"))]
    stop.set()
    for one in people:
        one.join()
    assert order == published
