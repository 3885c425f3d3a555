"""Counting many requests in one call lets pass what counting them one by one would."""

from __future__ import annotations

import random
import time

import pytest

from subscriptions.conf import settings
from subscriptions.limits import Caller, Limiter, Quota, Rates


def taken_singly(limiter: Limiter, callers: list[Caller]) -> list[list[Quota]]:
    return [
        [limiter.take("single", each.identity, each.rates, each.merchant) for _ in range(each.requests)]
        for each in callers
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("merchant", [None, 7], ids=["by themselves", "of one merchant"])
def test_many_at_once_are_counted_as_one_after_the_other(seed: int, merchant: int | None):
    chance = random.Random(seed)
    limiter = Limiter(settings.REDIS_URL)
    rates = {f"key:{n}": Rates(chance.randint(1, 30), chance.randint(1, 12)) for n in range(4)}
    for _ in range(8):
        names = chance.sample(sorted(rates), chance.randint(1, 4))
        callers = [Caller(name, rates[name], chance.randint(1, 7), merchant) for name in names]
        singly = taken_singly(limiter, callers)
        together, version = limiter.take_many("many", callers)
        assert version == 0
        for ours, theirs in zip(together, singly, strict=True):
            assert [(each.limit, each.remaining, each.blocked_for > 0) for each in ours] == [
                (each.limit, each.remaining, each.blocked_for > 0) for each in theirs
            ]
            for one, other in zip(ours, theirs, strict=True):
                assert abs(one.reset - other.reset) <= 1
                assert abs(one.blocked_for - other.blocked_for) <= 1


def test_without_callers_the_version_is_told_all_the_same():
    limiter = Limiter(settings.REDIS_URL)
    limiter.client.incr(f"{settings.REDIS_PREFIX}:credentials")
    assert limiter.take_many("many", []) == ([], 1)


def test_with_redis_away_everybody_passes_and_the_version_is_not_known():
    quotas, version = Limiter("redis://127.0.0.1:9/0").take_many("many", [Caller("key:1", Rates(5, 5), 3)])
    assert version is None
    assert [(each.remaining, each.blocked_for) for each in quotas[0]] == [(5, 0)] * 3
    assert all(abs(each.reset - time.time() - 3600) < 3 for each in quotas[0])
