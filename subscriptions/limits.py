"""Rate limits as Alva documents them: so many requests an hour, and of these so many a minute.

Counted in Redis by one script, so that any number of processes never let one request too many pass. A window starts
with its first request. Requests that are refused don't count. Redis away: requests pass, which is logged and counted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import redis
from django.conf import settings

from subscriptions import redis_clients, tallies
from subscriptions.models import ApiRates, Merchant
from subscriptions.redis_script import Script

logger = logging.getLogger(__name__)

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

_TAKE_MANY: Final = """
-- The same for many requests at once. KEYS: the credentials' version, then hour and minute of each caller.
-- ARGV, for each caller: how many requests, limit of hour and minute. Returns the version, the time in ms, and for each
-- caller: how many may pass, the hour's count before them, milliseconds left of the hour, and for the rest to wait.
local now = redis.call('TIME')
local answer = {tonumber(redis.call('GET', KEYS[1]) or '0'), now[1] * 1000 + math.floor(now[2] / 1000)}
local lengths = {3600000, 60000}
for caller = 0, #ARGV / 3 - 1 do
  local pass, windows, blocked = tonumber(ARGV[3 * caller + 1]), {}, 0
  local asked = pass
  for i = 1, 2 do
    local key = KEYS[2 * caller + 1 + i]
    local count, left = tonumber(redis.call('GET', key) or '0'), redis.call('PTTL', key)
    if left < 0 then count, left = 0, lengths[i] end
    windows[i] = {key, count, left, tonumber(ARGV[3 * caller + 1 + i])}
    pass = math.max(0, math.min(pass, windows[i][4] - count))
  end
  for i = 1, 2 do
    local key, count, left, limit = unpack(windows[i])
    if pass < asked and count + pass >= limit and left > blocked then blocked = left end
    if pass > 0 and count == 0 then
      redis.call('SET', key, pass, 'PX', left)
    elseif pass > 0 then
      redis.call('INCRBY', key, pass)
    end
  end
  for _, value in ipairs({pass, windows[1][2], windows[1][3], blocked}) do answer[#answer + 1] = value end
end
return answer
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


@dataclass(frozen=True, slots=True)
class Caller:
    """A credential that makes several requests at once."""

    identity: str
    rates: Rates
    requests: int


COUNTED: Final = "webhooks.quota"
"""The name in a request's META of the Quota of a request that was counted before it came to its view.

No header can set it: theirs begin with `HTTP_`.
"""
CREDENTIALS: Final = "credentials"
"""The key, after the prefix, of the number that goes up whenever a credential may have ended."""


class Limiter:
    """Counts requests on one Redis."""

    def __init__(self, url: str) -> None:
        self.client = redis_clients.client(url=url)
        self._take = Script(self.client, _TAKE)
        self._take_many = Script(self.client, _TAKE_MANY)
        self._away_until = 0.0

    def take(self, kind: str, identity: str, rates: Rates) -> Quota:
        """Count one request of `identity` against its limits of `kind`. Passes it when Redis can't be asked."""
        answer = self._ask(kind, identity, rates)
        if answer is None:
            return Quota(rates.hour, rates.hour, int(time.time()) + 3600)
        blocked_ms, count, reset_ms = answer
        return Quota(rates.hour, max(0, rates.hour - count), -(-reset_ms // 1000), -(-blocked_ms // 1000))

    def take_many(self, kind: str, callers: Sequence[Caller]) -> tuple[list[list[Quota]], int | None]:
        """Count the requests of many callers in one call, as `take` would one after the other.

        Returns the quotas of each caller's requests, and the version of the credentials
        (`subscriptions.known_keys`), which is None when Redis can't be asked.
        """
        keys = [f"{settings.REDIS_PREFIX}:{CREDENTIALS}"]
        arguments: list[Any] = []
        for caller in callers:
            keys += _windows(kind, caller.identity)
            arguments += [caller.requests, caller.rates.hour, caller.rates.minute]
        answer = self._call(self._take_many, keys, arguments, sum(caller.requests for caller in callers))
        if answer is None:
            reset = int(time.time()) + 3600
            return [[Quota(each.rates.hour, each.rates.hour, reset)] * each.requests for each in callers], None
        version, now, *rest = answer
        quotas = []
        for place, caller in enumerate(callers):
            passed, count, left, blocked = rest[4 * place : 4 * place + 4]
            hour, reset = caller.rates.hour, -(-(now + left) // 1000)
            each = [Quota(hour, max(0, hour - count - nth), reset) for nth in range(1, passed + 1)]
            refused = Quota(hour, max(0, hour - count - passed), reset, -(-blocked // 1000))
            quotas.append(each + [refused] * (caller.requests - passed))
        return quotas, version

    def _ask(self, kind: str, identity: str, rates: Rates) -> tuple[int, int, int] | None:
        arguments: list[Any] = [rates.hour, _HOUR_MS, rates.minute, _MINUTE_MS]
        answer = self._call(self._take, _windows(kind, identity), arguments, 1)
        return None if answer is None else (answer[0], answer[1], answer[2])

    def _call(self, script: Any, keys: list[str], arguments: list[Any], requests: int) -> list[int] | None:
        if time.monotonic() < self._away_until:
            tallies.keep(tallies.UNCOUNTED, requests)
            return None
        try:
            answer = [int(value) for value in script(keys=keys, args=arguments)]
        except redis.RedisError as error:
            self._away_until = time.monotonic() + AWAY_FOR
            tallies.keep(tallies.UNCOUNTED, requests)
            logger.warning(
                "Redis is away, so API requests pass uncounted for %g s: %s", AWAY_FOR, redis_clients.said(error)
            )
            return None
        tallies.bring(self.client)
        return answer


def _windows(kind: str, identity: str) -> list[str]:
    return [f"{settings.REDIS_PREFIX}:rate:{kind}:{identity}:{window}" for window in ("hour", "minute")]


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
