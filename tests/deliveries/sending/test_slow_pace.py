"""Requests of slow webhooks start spread over the time that they take."""

from __future__ import annotations

import heapq

import pytest

from deliveries.sending.slow_pace import HEADROOM, SAVED_SECONDS, TOGETHER, SlowPace

TURN = 0.01


def _starts(places: int, takes: float, seconds: int) -> list[int]:
    """Return how many requests started in each second, with as many ready as may start; they first begin together."""
    pace, ends = SlowPace(1.0), [takes] * places
    starts = [0] * seconds
    for turn in range(int(seconds / TURN)):
        now = turn * TURN
        while ends and ends[0] <= now:
            heapq.heappop(ends)
            pace.note(takes)
        for _ in range(min(places - len(ends), pace.free(places, now))):
            pace.start()
            heapq.heappush(ends, now + takes)
            starts[int(now)] += 1
    return starts


@pytest.mark.parametrize("places", [8, 100, 2048])
@pytest.mark.parametrize("takes", [1.2, 3.0, 10.0, 30.0])
def test_all_places_are_used_and_what_began_together_is_spread(places: int, takes: float) -> None:
    seconds = round(takes * 12)
    later = _starts(places, takes, seconds)[seconds // 2 :]
    rate = places / takes
    assert sum(later) >= 0.9 * rate * len(later), "nobody gets less than there are places for"
    assert max(later) <= max(1.3 * rate, rate + TOGETHER), "in no second many more than in another"


def test_before_anything_has_ended_many_may_start() -> None:
    """Nobody knows how long they take."""
    assert sum(_starts(2048, 1.0, 2)) > 1000
    assert SlowPace(1.0).free(2048, now=5.0) >= 200


def test_what_was_not_started_is_made_up_for_a_moment_only() -> None:
    pace = SlowPace(10.0)
    pace.free(2048, now=0.0)
    assert TOGETHER <= pace.free(2048, now=100.0) <= HEADROOM * 204.8 * SAVED_SECONDS


def test_starts_share_a_claim_where_there_are_many_places() -> None:
    pace = SlowPace(10.0)
    for _ in range(pace.free(2048, now=0.0)):
        pace.start()
    assert [pace.free(2048, now=nth / 200) for nth in range(1, 9)] == [0] * 6 + [TOGETHER, TOGETHER + 1]
    one = SlowPace(1.0)
    for _ in range(one.free(8, now=0.0)):
        one.start()
    assert [one.free(8, now=nth / 10) for nth in range(1, 4)] == [0, 1, 1], "and one by one where there are few"
