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
    assert slow.count([(1, 0.1), (2, 0.1), (2, SLOW + 1)]) == 1, "the first look meets the long one second"
    assert slow.count([(1, 0.1), (2, 0.1), (2, SLOW + 1)]) == 2, "all that a slow webhook has open counts"
    assert slow.divide([1, 2]) == ([1], [2])


def test_what_is_remembered_is_bounded_and_the_latest_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_webhooks, "KNOWN_MAX", 3)
    slow = SlowWebhooks()
    for webhook_id in (1, 2, 3, 1, 4):
        slow.note(webhook_id, 9.0)
    assert slow.divide([1, 2, 3, 4]) == ([2], [1, 3, 4])


@pytest.mark.parametrize("seed", range(50))
def test_webhooks_are_divided_by_their_last_request_whatever_came_before(seed: int) -> None:
    chance = random.Random(seed)
    slow, last = SlowWebhooks(), dict.fromkeys(range(20), 0.0)
    for _ in range(200):
        webhook_id, seconds = chance.randrange(20), chance.choice((0.0, 0.5, SLOW, SLOW + 0.01, 30.0))
        slow.note(webhook_id, seconds)
        last[webhook_id] = seconds
    asked = chance.sample(range(20), 12)
    quick, found = slow.divide(asked)
    assert quick == [pk for pk in asked if last[pk] <= SLOW]
    assert found == [pk for pk in asked if last[pk] > SLOW]
    opened = [(chance.randrange(20), 0.0) for _ in range(30)]
    assert slow.count(opened) == sum(last[pk] > SLOW for pk, _seconds in opened)
