from __future__ import annotations

import random

import pytest

from deliveries.sending import slow_webhooks
from deliveries.sending.slow_webhooks import SLOW, SlowWebhooks


def test_a_webhook_is_slow_from_a_long_request_to_the_next_quick_one() -> None:
    slow = SlowWebhooks()
    slow.note(1, SLOW + 0.1)
    slow.note(2, SLOW)
    assert slow.divide([2, 1, 3]) == ([2, 3], [1])
    slow.note(1, 0.01)
    assert slow.divide([2, 1, 3]) == ([2, 1, 3], [])


def test_a_request_that_is_open_for_long_makes_its_webhook_slow_before_it_ends() -> None:
    slow = SlowWebhooks()
    slow.opened(10, 2, now=100.0)
    slow.opened(11, 1, now=100.0 + SLOW)
    slow.opened(12, 2, now=100.0 + SLOW)
    assert (slow.divide([1, 2]), slow.open) == (([1, 2], []), 0)
    slow.look(100.1 + SLOW)
    assert slow.divide([1, 2]) == ([1], [2])
    assert slow.open == 2, "all that a slow webhook has open counts"
    slow.note(2, SLOW + 0.1)
    slow.closed(10)
    assert slow.open == 1
    slow.note(2, 0.1)
    assert slow.open == 0


def test_a_quick_answer_does_not_hide_the_requests_that_hang_beside_it() -> None:
    slow = SlowWebhooks()
    for request_id in range(10):
        slow.opened(request_id, 1, now=100.0)
    slow.look(100.1 + SLOW)
    slow.note(1, 0.1)
    slow.closed(0)
    assert (slow.divide([1]), slow.open) == (([], [1]), 9)
    for request_id in range(1, 10):
        slow.note(1, 0.1)
        slow.closed(request_id)
    assert (slow.divide([1]), slow.open) == (([1], []), 0)


def test_a_delivery_that_is_opened_twice_is_one_request() -> None:
    slow = SlowWebhooks()
    slow.note(1, SLOW + 1)
    slow.opened(10, 1, now=100.0)
    slow.opened(10, 1, now=130.0)
    slow.look(140.0)
    assert slow.open == 1
    slow.closed(10)
    slow.closed(10)
    assert slow.open == 0


def test_a_delivery_that_is_sent_again_at_once_is_as_old_as_its_second_request() -> None:
    slow = SlowWebhooks()
    slow.opened(10, 1, now=100.0)
    slow.closed(10)
    slow.opened(10, 1, now=100.9)
    slow.look(100.5 + SLOW)
    assert slow.divide([1]) == ([1], [])
    slow.look(101.0 + SLOW)
    assert slow.divide([1]) == ([], [1])


def test_what_is_remembered_is_bounded_and_the_latest_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_webhooks, "KNOWN_MAX", 3)
    slow = SlowWebhooks()
    for webhook_id in (1, 2, 3, 1, 4):
        slow.note(webhook_id, 9.0)
    assert slow.divide([1, 2, 3, 4]) == ([2], [1, 3, 4])


@pytest.mark.parametrize("seed", range(50))
def test_webhooks_are_divided_and_counted_by_their_last_request_whatever_came_before(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests open, end and hang at random; what is told is told again by a walk over all of them."""
    monkeypatch.setattr(slow_webhooks, "KNOWN_MAX", 5 if seed % 2 else 1000)
    chance = random.Random(seed)
    slow, now = SlowWebhooks(), 0.0
    known: list[int] = []  # the slow ones, the latest last
    opened: dict[int, tuple[int, float]] = {}

    def slow_ones() -> set[int]:
        return {*known, *(webhook_id for webhook_id, since in opened.values() if since < now - SLOW)}

    def note(webhook_id: int, seconds: float) -> None:
        if webhook_id in known:
            known.remove(webhook_id)
        if seconds > SLOW:
            known.append(webhook_id)
            del known[: -slow_webhooks.KNOWN_MAX]

    for step in range(400):
        now += chance.choice((0.01, 0.2, SLOW / 2))
        if opened and chance.random() < 0.5:
            request_id = chance.choice(list(opened))
            webhook_id, since = opened[request_id]
            note(webhook_id, now - since)
            slow.note(webhook_id, now - since)
            del opened[request_id]
            slow.closed(request_id)
        else:
            opened[step] = chance.randrange(25), now
            slow.opened(step, *opened[step])
        slow.look(now)
        asked, expected = chance.sample(range(25), 12), slow_ones()
        quick = [pk for pk in asked if pk not in expected]
        assert slow.divide(asked) == (quick, [pk for pk in asked if pk in expected])
        assert slow.open == sum(webhook_id in expected for webhook_id, _since in opened.values())
