"""A webhook's rate limit: a token bucket that holds one second's worth, kept as a single time. Pure.

The generic cell rate algorithm (ITU-T I.371): `blocked_until` is the moment the next request is allowed; each request
moves it on by its share of a second. Decided at the claim under the webhook's lock, so it holds over all workers, and
no worker waits for it.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta


def allowed(rate: float, blocked_until: datetime | None, now: datetime) -> int:
    """Return how many requests `rate` (a second) allows now."""
    start = _start(rate, blocked_until, now)
    return max(0, math.floor((now - start).total_seconds() * rate + 1e-9) + 1) if start <= now else 0


def after(rate: float, blocked_until: datetime | None, now: datetime, taken: int) -> datetime:
    """Return the new `blocked_until` after `taken` requests at `now`."""
    return _start(rate, blocked_until, now) + timedelta(seconds=taken / rate)


def _start(rate: float, blocked_until: datetime | None, now: datetime) -> datetime:
    """Return from when tokens count: an idle bucket fills for a second and no longer."""
    fullest = now - timedelta(seconds=max(1.0, rate) / rate - 1 / rate)
    return fullest if blocked_until is None else max(blocked_until, fullest)
