"""What must hold of the rows at every moment: they are as the model says, and they make sense by themselves."""

from __future__ import annotations

from collections import Counter

from deliveries.models import Attempt, Delivery
from deliveries.models.events import EXPUNGED
from tests.promises.model import Model
from tests.promises.rows import CANCELLED, CLOSED, DEAD, DELIVERED, HELD, OPEN, PENDING, SENDING, SKIPPED, Row
from tests.promises.world import Stored


def check(model: Model, stored: Stored) -> None:
    """Raise AssertionError for whatever the database holds that was not promised, or lacks that was."""
    assert {pk: event.public_id for pk, event in stored.events.items()} == model.events, "accepted means kept"
    assert {pk for pk, event in stored.events.items() if event.data == EXPUNGED} == model.expunged & set(model.events)
    assert set(stored.deliveries) == set(model.rows), "every accepted event has its deliveries"
    for key, row in model.rows.items():
        delivery, attempts = stored.deliveries[key], stored.attempts[key]
        dead_letters = [dead_letter.resolution for dead_letter in stored.dead_letters[key]]
        as_promised(row, delivery, attempts, dead_letters)
        assert bool(row.why) == (row.status in {SKIPPED, CANCELLED}), "what isn't sent says why"
        assert (key in stored.due) == (row.due is not None and row.due <= model.now), "due when promised"
        state_is_legal(delivery)
        log_is_complete(delivery, attempts)
        dead_letters_fit(delivery, dead_letters)
        tries_are_counted(row, delivery)
    counters_equal_rows(model, stored)
    lines_keep_their_order(model, stored)
    for hook in model.hooks.values():
        open_requests = [
            delivery
            for delivery in stored.deliveries.values()
            if delivery.webhook_id == hook.key and delivery.status == SENDING and delivery.pk not in stored.due
        ]
        assert len(open_requests) <= hook.cap, "more requests in flight than the webhook allows"


def counters_equal_rows(model: Model, stored: Stored) -> None:
    """Each attempt that ever stood in the log was counted once, also where it was purged since."""
    model.logged |= {each.pk: each.result for attempts in stored.attempts.values() for each in attempts}
    logged, counted = Counter(model.logged.values()), stored.counted
    assert counted.get("interrupted", 0) == logged["interrupted"], "interrupted attempts are counted"
    assert counted.get("delivered", 0) == logged["delivered"], "delivered attempts are counted"
    assert counted.get("failed", 0) + counted.get("dead", 0) == logged["failed"], "failed attempts are counted"


def lines_keep_their_order(model: Model, stored: Stored) -> None:
    """Of a line one delivery is on its way at a time, and what was published before it is over; or was, once."""
    on_its_way: Counter[tuple[int, str]] = Counter()
    for key, row in model.rows.items():
        delivery = stored.deliveries[key]
        if row.line is None or not delivery.is_open or delivery.is_held:
            continue
        on_its_way[row.hook.key, row.line] += 1
        ahead = [
            each for each in model.rows.values() if (each.hook, each.line) == (row.hook, row.line) and each.key < key
        ]
        early = [each.key for each in ahead if not each.replays and stored.deliveries[each.key].status in OPEN | {DEAD}]
        assert not early, f"delivery {key} is on its way before {early}"
    assert not on_its_way or max(on_its_way.values()) == 1, "two of a line are on their way"


def as_promised(row: Row, delivery: Delivery, attempts: list[Attempt], dead_letters: list[str]) -> None:
    promised = {
        "status": row.status,
        "claim_token": row.token,
        "is_held": row.due == HELD,
        "tries": row.tries,
        "attempt_count": row.attempts,
        "replays": row.replays,
        "orphaned_attempts": row.orphaned_attempts,
        "log": sorted(row.log),
        "dead_letters": row.dead_letters,
    }
    if row.why:
        promised["reason_code"] = row.why
    found = {name: getattr(delivery, name) for name in promised if name not in {"log", "dead_letters"}}
    found |= {"log": sorted((each.number, each.result) for each in attempts), "dead_letters": dead_letters}
    wrong = {name: (found[name], promised[name]) for name in promised if found[name] != promised[name]}
    assert not wrong, f"delivery {row.key} differs from what was promised, (found, promised): {wrong}"


def state_is_legal(delivery: Delivery) -> None:
    is_open = delivery.status in OPEN
    assert is_open or delivery.status in CLOSED
    assert (delivery.due_at is not None) == is_open, "open exactly while it is due some time"
    assert (delivery.closed_at is None) == is_open
    assert (delivery.claim_token is not None) == (delivery.status == SENDING), "under a claim exactly while it is sent"
    assert bool(delivery.reason_code) == (delivery.status in CLOSED - {DELIVERED}), "what is not delivered says why"
    assert delivery.status != PENDING or not (delivery.tries or delivery.replays)


def log_is_complete(delivery: Delivery, attempts: list[Attempt]) -> None:
    """Each attempt has its number and one line."""
    numbers = sorted(each.number for each in attempts)
    assert numbers == list(range(1, delivery.attempt_count + 1)), f"the lines are not one an attempt: {numbers}"
    if delivery.status == DELIVERED:
        assert any(each.result == Attempt.Result.DELIVERED for each in attempts), "delivered, says the row alone"


def dead_letters_fit(delivery: Delivery, dead_letters: list[str]) -> None:
    assert dead_letters.count("") == (delivery.status == DEAD), "in review exactly while a dead letter waits"
    assert len(dead_letters) <= delivery.replays + 1


def tries_are_counted(row: Row, delivery: Delivery) -> None:
    most = len(row.hook.delays) + 1
    assert delivery.tries <= most, "more attempts than the policy allows"
    assert delivery.tries < most or delivery.status in CLOSED, "the last attempt was made, and yet it goes on"
