from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from deliveries.worker.ready_webhooks import ReadyWebhooks


def _merchant(webhook_id: int) -> int | None:
    """Webhooks 100 to 199 are merchant 1's, 200 to 299 merchant 2's, and so on; those below 100 aren't known yet."""
    return webhook_id // 100 or None


def _ready(*webhook_ids: int) -> ReadyWebhooks:
    made = ReadyWebhooks(_merchant)
    made.add(webhook_ids)
    return made


def _anybody(_merchant_id: int) -> bool:
    return True


def _but(*merchants: int) -> Callable[[int], bool]:
    return lambda merchant: merchant not in merchants


def test_merchants_have_turns_however_many_webhooks_one_has() -> None:
    ready = _ready(*range(100, 150), 200, 201, 300)
    assert ready.take(6, _anybody) == [100, 200, 300, 101, 201, 102]
    assert len(ready) == 47


def test_who_was_not_served_is_first_next_time() -> None:
    ready = _ready(*range(100, 105), *range(200, 205), *range(300, 305))
    assert ready.take(2, _anybody) == [100, 200]
    assert ready.take(2, _anybody) == [300, 101]
    assert ready.take(2, _anybody) == [201, 301]


def test_a_merchant_that_has_its_share_waits_and_keeps_its_place() -> None:
    ready = _ready(100, 101, 200, 300)
    assert ready.take(2, _but(1)) == [200, 300]
    assert ready.take(2, _but(1)) == []
    assert len(ready) == 2
    ready.add([201, 202])
    assert ready.take(2, _anybody) == [100, 201]


def test_webhooks_that_nobody_knows_yet_wait_for_no_share() -> None:
    """A new one must be claimed once for its merchant to be known."""
    ready = _ready(7, 8, 100)
    assert ready.take(5, lambda _merchant_id: False) == [7, 8]
    assert len(ready) == 1


def test_a_webhook_that_waits_already_keeps_its_place() -> None:
    ready = _ready(100, 101)
    ready.add([101, 100, 102])
    assert (len(ready), ready.take(9, _anybody)) == (3, [100, 101, 102])
    ready.add([100])
    assert ready.take(9, _anybody) == [100]


def test_it_tells_whose_webhooks_are() -> None:
    assert _ready().names([100, 101, 7, 300]) == {1, -7, 3}


def test_it_tells_who_waits() -> None:
    ready = _ready(100, 7, 200)
    ready.take(1, _anybody)
    assert (sorted(ready), 200 in ready, 100 in ready) == ([7, 200], True, False)


def test_what_is_spared_costs_no_merchant_its_turn() -> None:
    ready = _ready(*range(100, 110), 200, 201, 300)
    assert ready.spare(2, 50) == list(range(102, 110))
    assert ready.take(9, _anybody) == [100, 200, 300, 101, 201]
    ready.add([*range(100, 110), 200])
    assert len(ready.spare(2, 3)) == 3
    assert len(ready) == 8


def test_where_too_many_wait_long_lines_are_cut_and_short_ones_are_not() -> None:
    ready = _ready(*range(100, 160), 200, 300, 301)
    assert ready.trim(63) == []
    cut = ready.trim(62)
    assert set(cut) <= set(range(101, 160))
    assert len(ready) == 63 - len(cut) == 10 + 3
    assert set(ready.take(3, _anybody)) == {100, 200, 300}


def test_of_each_merchant_one_waits_however_many_they_are() -> None:
    ready = _ready(*range(100, 1100, 100))
    assert ready.trim(5) == []
    assert len(ready) == 10


def test_empty_gives_everything_back_once() -> None:
    ready = _ready(100, 7, 200)
    assert sorted(ready.empty()) == [7, 100, 200]
    assert (len(ready), ready.empty(), ready.take(5, _anybody)) == (0, [], [])


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_each_is_taken_once_and_turns_differ_by_one(seed: int) -> None:
    chance = random.Random(seed)
    ready, waiting = ReadyWebhooks(_merchant), set[int]()
    for _ in range(200):
        new = chance.sample(range(1, 600), chance.randrange(12))
        ready.add(new)
        waiting |= set(new)
        blocked = set(chance.sample(range(1, 6), chance.randrange(4)))
        limit = chance.randrange(1, 10)
        had = {merchant: sum(pk // 100 == merchant for pk in waiting) for merchant in range(1, 6)}
        taken = ready.take(limit, lambda merchant, blocked=blocked: merchant not in blocked)  # type: ignore[misc]
        assert len(set(taken)) == len(taken)
        assert set(taken) <= waiting
        assert not {pk // 100 for pk in taken} & blocked
        may_be_taken = [pk for pk in waiting if pk // 100 not in blocked]
        assert len(taken) == min(limit, len(may_be_taken)), "no place is left empty"
        got = {merchant: sum(pk // 100 == merchant for pk in taken) for merchant in had}
        hungry = [got[each] for each in had if had[each] > got[each] and each not in blocked]
        assert not hungry or min(hungry) >= max(got.values()) - 1, "nobody has two more than one that waits"
        waiting -= set(taken)
        assert len(ready) == len(waiting)
