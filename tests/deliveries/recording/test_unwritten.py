"""Outcomes that wait to be written: merchants in turn, and nobody for much longer than by age."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from deliveries.recording.unwritten import UnwrittenOutcomes
from tests.support.noted_outcomes import Answered


def _outcome(merchant: int, number: int = 0) -> Any:
    return Answered.of(merchant, number)


def _waiting(*merchants: int) -> UnwrittenOutcomes:
    made, numbers = UnwrittenOutcomes(), Counter[int]()
    for merchant in merchants:
        made.add(_outcome(merchant, numbers[merchant]))
        numbers[merchant] += 1
    return made


def _taken(waiting: UnwrittenOutcomes, limit: int) -> list[tuple[int, int]]:
    return [(sent.row.webhook.merchant_id, int(sent)) for sent in waiting.take(limit)]  # type: ignore[attr-defined]


def test_one_outcome_does_not_wait_for_another_merchants_thousand() -> None:
    waiting = _waiting(*[1] * 1000, 2)
    assert (2, 0) in _taken(waiting, 10)
    assert len(waiting) == 991


def test_each_of_many_merchants_has_its_turn() -> None:
    waiting = _waiting(*[1] * 500, *range(2, 42))
    found = [pair for _ in range(2) for pair in _taken(waiting, 40)]
    assert {merchant for merchant, _number in found} >= set(range(2, 41)), "half of each chunk goes in turn"


def test_the_other_half_goes_by_age() -> None:
    """Else a merchant with much would wait behind whatever comes from a hundred others, and its claims run out."""
    waiting = _waiting(*[1] * 100)
    for number in range(20):
        for merchant in range(2, 102):
            waiting.add(_outcome(merchant, number))
        own = [number for merchant, number in _taken(waiting, 20) if merchant == 1]
        assert len(own) >= min(10, 100 - 11 * number)
    assert not any(merchant == 1 for merchant, _number in _taken(waiting, len(waiting)))


def test_what_fits_into_a_chunk_goes_in_the_order_of_arrival() -> None:
    waiting = _waiting(1, 2, 1, 3)
    assert _taken(waiting, 4) == [(1, 0), (2, 0), (1, 1), (3, 0)]
    assert (len(waiting), waiting.oldest(), waiting.take(5)) == (0, None, [])


def test_it_tells_the_oldest() -> None:
    waiting = _waiting(3, 1, 1)
    assert waiting.oldest() == _outcome(3)
    waiting.take(2)
    assert waiting.oldest() == _outcome(1, 1)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_each_is_taken_once_and_a_merchants_in_their_order(seed: int) -> None:
    chance = random.Random(seed)
    waiting, numbers, next_of = UnwrittenOutcomes(), Counter[int](), Counter[int]()
    for _ in range(200):
        for merchant in chance.choices(range(6), weights=[60, 10, 5, 2, 1, 1], k=chance.randrange(12)):
            waiting.add(_outcome(merchant, numbers[merchant]))
            numbers[merchant] += 1
        left, limit = len(waiting), chance.randrange(1, 10)
        hungry = {merchant for merchant in numbers if numbers[merchant] > next_of[merchant]}
        taken = _taken(waiting, limit)
        assert len(taken) == min(limit, left)
        for merchant, number in taken:
            assert number == next_of[merchant]
            next_of[merchant] += 1
        assert len({merchant for merchant, _number in taken}) >= min(limit // 2, len(hungry))
    assert len(waiting) == sum((numbers - next_of).values())
