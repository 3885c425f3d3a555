"""Two decide about the same rows at the same moment: one wins, and the other is told."""

from __future__ import annotations

import copy
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import QuerySet

from deliveries.maintenance import expunging
from deliveries.models import DeadLetter, Delivery, Event
from deliveries.models.events import EXPUNGED
from deliveries.recording import outcomes
from deliveries.review import bulk_jobs, manual_actions
from deliveries.worker import scheduler
from subscriptions import services
from subscriptions.models import Webhook
from tests.support.api import Client
from tests.support.at_once import Beside, uncommitted
from tests.support.engine import answered, claim, due, reread, widen
from tests.support.factories import make_api_key, make_webhook

pytestmark = pytest.mark.django_db(transaction=True)

S = Delivery.Status
Decision = Callable[[list[Delivery]], int]
"""Decides about deliveries that it was given as they were seen; returns how many it changed."""


def dead_ones(count: int = 1, webhook: Webhook | None = None) -> list[Delivery]:
    webhook = webhook or make_webhook(retry_policy={"delays": []})
    found = due(webhook, count)
    widen(webhook)
    outcomes.record([answered(row, 500) for row in claim(webhook).rows])
    return [reread(delivery) for delivery in found]


def dead_letters_of(deliveries: list[Delivery]) -> QuerySet[DeadLetter]:
    return DeadLetter.objects.filter(delivery__in=deliveries)


def one_by_one(what: str) -> Decision:
    def decide(deliveries: list[Delivery]) -> int:
        done = 0
        for delivery in map(copy.copy, deliveries):  # what was seen; a decision brings it up to date
            try:
                getattr(manual_actions, what)(delivery=delivery, by=what)
                done += 1
            except manual_actions.StateConflict:
                pass
        return done

    return decide


def bulk(what: str, *, dead_letters: bool) -> Decision:
    def decide(deliveries: list[Delivery]) -> int:
        dead = Delivery.objects.filter(pk__in=[each.pk for each in deliveries], status=S.DEAD)
        chosen = dead_letters_of(deliveries) if dead_letters else dead
        return getattr(manual_actions, f"{what}_all")(chosen, by=what)

    return decide


def job(what: str, source: str) -> Decision:
    def decide(deliveries: list[Delivery]) -> int:
        chosen = {"ids": [each.public_id for each in deliveries]}
        if source == "deliveries":
            chosen["status"] = ["dead"]  # type: ignore[assignment]
        return bulk_jobs.start(deliveries[0].merchant, kind=what, source=source, chosen=chosen, by=what, note="").done

    return decide


DISCARDS: dict[str, Decision] = {
    "discard": one_by_one("discard"),
    "discard of selected": bulk("discard", dead_letters=True),
    "discard of selected deliveries": bulk("discard", dead_letters=False),
    "discard job": job("discard", "dead-letters"),
    "discard job of the log": job("discard", "deliveries"),
}
REPLAYS: dict[str, Decision] = {
    "replay": one_by_one("replay"),
    "retry": one_by_one("retry"),
    "replay of selected": bulk("replay", dead_letters=True),
    "replay of selected deliveries": bulk("replay", dead_letters=False),
    "replay job": job("replay", "dead-letters"),
    "replay job of the log": job("replay", "deliveries"),
}
ALL = DISCARDS | REPLAYS


@pytest.mark.parametrize("second", ALL)
@pytest.mark.parametrize("first", ["discard", "discard job", "replay", "replay job"])
def test_what_another_decided_before_the_lock_was_there_is_left_alone(first: str, second: str) -> None:
    dead = dead_ones(3)
    with uncommitted(lambda: ALL[first](dead)):
        beside = Beside(lambda: ALL[second](dead))
        assert beside.waits
    assert beside.join() == 0, "the second is told that it changed nothing"
    wanted = S.DISCARDED if first in DISCARDS else S.RETRYING
    assert {(each.status, each.replays) for each in map(reread, dead)} == {(wanted, int(wanted == S.RETRYING))}
    resolution = "discarded" if first in DISCARDS else "replayed"
    assert set(dead_letters_of(dead).values_list("resolution", "resolved_by")) == {
        (resolution, first.partition(" ")[0])
    }


@pytest.mark.parametrize("second", REPLAYS)
def test_a_replay_that_meets_an_expunge_sends_nothing(second: str) -> None:
    dead = dead_ones(3)
    if "job" not in second:
        [each.event for each in dead]  # read before, as a request does
    with uncommitted(lambda: [expunging.expunge(Event.objects.get(pk=each.event_id), by="Ann") for each in dead]):
        beside = Beside(lambda: ALL[second](dead))
        assert beside.waits
    assert beside.join() == 0
    assert set(Event.objects.values_list("data", flat=True)) == {EXPUNGED}
    assert {each.status for each in map(reread, dead)} == {S.DISCARDED}
    assert claim(dead[0].webhook).rows == []


@pytest.mark.parametrize("second", REPLAYS)
def test_a_replay_that_meets_the_deletion_of_its_webhook_is_told(second: str) -> None:
    dead = dead_ones(3)
    [each.webhook for each in dead]
    with uncommitted(lambda: services.delete_webhook(webhook=Webhook.objects.get(pk=dead[0].webhook_id))):
        beside = Beside(lambda: ALL[second](dead))
        assert beside.waits
    assert beside.join() == 0
    assert {each.status for each in map(reread, dead)} == {S.DISCARDED}


def test_a_delivery_that_died_anew_is_not_the_one_that_was_seen() -> None:
    """Somebody replayed it and it failed again: whoever saw it before has not seen why."""
    [seen] = dead_ones()
    manual_actions.replay(delivery=reread(seen), by="Ann")
    outcomes.record([answered(row, 500) for row in claim(seen.webhook).rows])
    assert reread(seen).status == S.DEAD
    for decide in (manual_actions.replay, manual_actions.discard, manual_actions.retry):
        with pytest.raises(manual_actions.StateConflict):
            decide(delivery=copy.copy(seen), by="Bob")
    assert reread(seen).replays == 1


def test_the_api_answers_409_to_the_second() -> None:
    [dead] = dead_ones()
    api = Client(make_api_key(dead.merchant).text)
    path = f"/api/v1/dead-letters/{dead.public_id}"
    assert api.get(path).status_code == 200  # the first request loads much, and both must soon be at the lock
    with uncommitted(lambda: manual_actions.discard(delivery=dead, by="Ann")):
        besides = [
            Beside(lambda: api.post(f"{path}/replay").status_code),
            Beside(lambda: api.post(f"/api/v1/deliveries/{dead.public_id}/retry").status_code),
        ]
        assert all(beside.waits for beside in besides)
    assert [beside.join() for beside in besides] == [409, 409]
    assert reread(dead).status == S.DISCARDED


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 20])
def test_of_two_hundred_random_pairs_each_row_has_one_winner(size: int) -> None:
    webhook = make_webhook(retry_policy={"delays": []})
    draw = random.Random(size)
    both = []
    for round_number in range(200):
        dead = dead_ones(size, webhook)
        names = [draw.choice([*ALL]), draw.choice([*ALL])]
        start, pauses = threading.Barrier(2), [draw.choice([0, 0, 0.001, 0.003]) for _ in names]

        def run(name: str, pause: float, rows: list[Delivery] = dead, start: Any = start) -> int:
            mine = [reread(row) for row in rows]
            start.wait(60)
            threading.Event().wait(pause)
            return ALL[name](mine)

        besides = [
            Beside(lambda name=name, pause=pause: run(name, pause)) for name, pause in zip(names, pauses, strict=True)
        ]
        done = sum(beside.join() for beside in besides)
        both.append((round_number, names, done))
        assert done == size, f"{names}: {done} of {size} answered as changed"
        assert dead_letters_of(dead).filter(resolved_at=None).count() == 0
        assert sum(each.replays for each in map(reread, dead)) <= size
        Delivery.objects.filter(webhook=webhook).update(status="discarded", due_at=None, claim_token=None)


@pytest.mark.slow
def test_of_two_hundred_random_replays_that_meet_an_expunge_or_a_deletion_none_sends_what_is_gone() -> None:
    """Whichever is first: what was expunged is never sent, and who is told of a replay finds it on its way."""
    merchant, draw = make_webhook(retry_policy={"delays": []}).merchant, random.Random(3)
    for _ in range(200):
        webhook = make_webhook(merchant, retry_policy={"delays": []})
        dead, name, what = dead_ones(3, webhook), draw.choice([*REPLAYS]), draw.choice(["expunge", "delete", "disable"])
        start, pauses = threading.Barrier(2), [draw.choice([0, 0, 0.001, 0.003]) for _ in range(2)]

        def replay(name: str = name, dead: Any = dead, start: Any = start, pause: float = pauses[0]) -> int:
            mine = [reread(row) for row in dead]
            start.wait(60)
            threading.Event().wait(pause)
            return ALL[name](mine)

        def end(what: str = what, dead: Any = dead, start: Any = start, pause: float = pauses[1]) -> None:
            mine = Webhook.objects.get(pk=dead[0].webhook_id)
            start.wait(60)
            threading.Event().wait(pause)
            if what == "expunge":
                for each in dead:
                    expunging.expunge(Event.objects.get(pk=each.event_id), by="Ann")
            else:
                getattr(services, f"{what}_webhook" if what == "delete" else what)(webhook=mine)

        besides = [Beside(replay), Beside(end)]
        done = besides[0].join()
        besides[1].join()
        assert claim(webhook).rows == [], (name, what)
        scheduler.sweep()  # closes what a replay made due while the webhook was being switched off
        now = [reread(each) for each in dead]
        assert sum(each.replays for each in now) == done, (name, what)
        assert not any(each.due_at for each in now), (name, what, [each.status for each in now])
        assert dead_letters_of(dead).filter(resolved_at=None).count() == sum(each.status == S.DEAD for each in now)
        if what == "expunge":
            assert {each.event.data for each in now} == {EXPUNGED}
