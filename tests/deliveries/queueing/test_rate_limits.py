"""The rate limit of a webhook: a bucket of one second's worth, kept as a time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliveries.queueing import rate_limits

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_an_idle_webhook_may_send_one_seconds_worth_at_once():
    assert rate_limits.allowed(5, None, NOON) == 5


def test_a_limit_below_one_a_second_allows_a_single_request():
    assert rate_limits.allowed(0.5, None, NOON) == 1


def test_what_was_taken_comes_back_at_the_rate():
    blocked = rate_limits.after(5, None, NOON, 5)

    assert rate_limits.allowed(5, blocked, NOON) == 0
    assert blocked == NOON + timedelta(seconds=0.2)
    assert rate_limits.allowed(5, blocked, NOON + timedelta(seconds=0.2)) == 1
    assert rate_limits.allowed(5, blocked, NOON + timedelta(seconds=0.6)) == 3


def test_an_hour_of_silence_saves_up_one_second_and_no_more():
    blocked = rate_limits.after(5, None, NOON, 5)

    assert rate_limits.allowed(5, blocked, NOON + timedelta(hours=1)) == 5


@given(
    rate=st.floats(0.01, 500),
    steps=st.lists(st.tuples(st.floats(0, 3), st.floats(0, 1)), max_size=60),
)
def test_no_stretch_of_time_sees_more_than_its_share_and_one_bucket(rate: float, steps: list[tuple[float, float]]):
    now, blocked, sent = NOON, None, []
    for pause, share in steps:
        now += timedelta(seconds=pause)
        free = rate_limits.allowed(rate, blocked, now)
        taken = round(free * share)
        if taken:
            blocked = rate_limits.after(rate, blocked, now, taken)
            sent.append((now, taken))

    for index, (first, _count) in enumerate(sent):
        total = 0
        for moment, count in sent[index:]:
            total += count
            assert total <= max(1.0, rate) + (moment - first).total_seconds() * rate + 1.01


@pytest.mark.parametrize("taken", [1, 3, 5])
def test_the_wait_is_over_exactly_when_the_next_request_is_allowed(taken: int):
    blocked = rate_limits.after(5, NOON, NOON, taken)

    assert rate_limits.allowed(5, blocked, blocked) >= 1
    assert rate_limits.allowed(5, blocked, blocked - timedelta(milliseconds=1)) == 0
