"""Rate limits as Alva documents them: so many requests an hour, and of these so many a minute.

Counted in Redis by one script, so that any number of processes never let one request too many pass. A window starts
with its first request. Requests that are refused don't count. Redis away: requests pass, which is logged and counted.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import redis
from django.conf import settings
from prometheus_client import Counter

from subscriptions.models import ApiRates, Merchant

logger = logging.getLogger(__name__)

UNCOUNTED: Final = Counter(
    "webhooks_api_uncounted_requests_total", "API requests that passed uncounted because Redis was away."
)
AWAY_FOR: Final = 5.0
"""Seconds for which Redis isn't asked again after it failed, so that an outage doesn't slow every request."""

_TAKE: Final = """
-- KEYS: one window each, the hour first. ARGV: limit and length (ms) of each.
local windows, blocked = {}, 0
for i = 1, #KEYS do
  local count = tonumber(redis.call('GET', KEYS[i]) or '0')
  local left = redis.call('PTTL', KEYS[i])
  if left < 0 then count, left = 0, tonumber(ARGV[2 * i]) end
  windows[i] = {count, left}
  if count >= tonumber(ARGV[2 * i - 1]) and left > blocked then blocked = left end
end
if blocked == 0 then
  for i = 1, #KEYS do
    if windows[i][1] == 0 then
      redis.call('SET', KEYS[i], 1, 'PX', windows[i][2])
    else
      redis.call('INCR', KEYS[i])
    end
  end
  windows[1][1] = windows[1][1] + 1
end
local now = redis.call('TIME')
return {blocked, windows[1][1], now[1] * 1000 + math.floor(now[2] / 1000) + windows[1][2]}
"""

_HOUR_MS: Final = 3_600_000
_MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests that may pass in an hour, and in a minute."""

    hour: int
    minute: int


@dataclass(frozen=True, slots=True)
class Quota:
    """Where a credential stands. `reset` is unix seconds; `blocked_for` is seconds until the next request may pass."""

    limit: int
    remaining: int
    reset: int
    blocked_for: int = 0

    def headers(self) -> dict[str, str]:
        """Return the headers of Alva's document: limit and remaining report the hour."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset),
        }


class Limiter:
    """Counts requests on one Redis."""

    def __init__(self, url: str) -> None:
        client = redis.Redis.from_url(
            url, socket_timeout=0.3, socket_connect_timeout=0.3, health_check_interval=0, retry=None
        )
        self._take = client.register_script(_TAKE)
        self._away_until = 0.0

    def take(self, kind: str, identity: str, rates: Rates) -> Quota:
        """Count one request of `identity` against its limits of `kind`. Passes it when Redis can't be asked."""
        answer = self._ask(kind, identity, rates)
        if answer is None:
            return Quota(rates.hour, rates.hour, int(time.time()) + 3600)
        blocked_ms, count, reset_ms = answer
        return Quota(rates.hour, max(0, rates.hour - count), -(-reset_ms // 1000), -(-blocked_ms // 1000))

    def _ask(self, kind: str, identity: str, rates: Rates) -> tuple[int, int, int] | None:
        if time.monotonic() < self._away_until:
            UNCOUNTED.inc()
            return None
        keys = [f"{settings.REDIS_PREFIX}:rate:{kind}:{identity}:{window}" for window in ("hour", "minute")]
        arguments: list[Any] = [rates.hour, _HOUR_MS, rates.minute, _MINUTE_MS]
        try:
            blocked, count, reset = self._take(keys=keys, args=arguments)
        except redis.RedisError as error:
            self._away_until = time.monotonic() + AWAY_FOR
            UNCOUNTED.inc()
            logger.warning("Redis is away, so API requests pass uncounted for %g s: %s", AWAY_FOR, error)
            return None
        return int(blocked), int(count), int(reset)


@cache
def limiter(url: str) -> Limiter:
    """Return this process' limiter on the Redis at `url`."""
    return Limiter(url)


def take(kind: str, identity: str, rates: Rates) -> Quota:
    """Count one request; see Limiter.take."""
    return limiter(settings.REDIS_URL).take(kind, identity, rates)


# --- whose limits -----------------------------------------------------------------------------------------------

REMEMBERED_FOR: Final = 5.0
"""Seconds for which a process keeps a merchant's rates, so that they cost no query a request."""
_remembered: dict[int, tuple[float, ApiRates | None]] = {}


def rates_of(merchant: Merchant, kind: str) -> Rates | None:
    """Return the limits of `kind` (`api` or `publish`) in force for a merchant; None for no limit at all."""
    own = _own_rates(merchant.pk)
    prefix = "publish_" if kind == "publish" else ""
    values = []
    for window in ("hour", "minute"):
        value = getattr(own, f"{prefix}per_{window}", None)
        values.append(getattr(settings, f"WEBHOOKS_{kind.upper()}_RATE_{window.upper()}") if value is None else value)
    hour, minute = (value or UNLIMITED for value in values)
    return None if hour == minute == UNLIMITED else Rates(hour, minute)


def _own_rates(merchant_id: int) -> ApiRates | None:
    now = time.monotonic()
    until, rates = _remembered.get(merchant_id, (0.0, None))
    if now >= until:
        if len(_remembered) > 10_000:
            _remembered.clear()
        rates = ApiRates.objects.filter(pk=merchant_id).first()
        _remembered[merchant_id] = now + REMEMBERED_FOR, rates
    return rates


def forget_rates() -> None:
    """Make this process read the rates anew."""
    _remembered.clear()


UNLIMITED: Final = 10**9
