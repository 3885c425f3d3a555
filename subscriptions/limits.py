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

from subscriptions import redis_clients, tallies
from subscriptions.conf import settings
from subscriptions.models import ApiRates, Merchant
from subscriptions.redis_script import Script

logger = logging.getLogger(__name__)

AWAY_FOR: Final = 5.0
"""Seconds for which Redis isn't asked again after it failed, so that an outage doesn't slow every request."""

PER_MERCHANT: Final = 2
"""All credentials of a merchant together may make this many times the requests of one: more keys are no more quota."""

_TAKE: Final = """
-- KEYS: hour and minute of each who is counted, the caller first. ARGV: limit and length (ms) of each.
-- Returns how long to wait (ms), what remains of the hours, and when the caller's hour ends.
local windows, blocked, remaining = {}, 0, nil
for i = 1, #KEYS do
  local count, limit = tonumber(redis.call('GET', KEYS[i]) or '0'), tonumber(ARGV[2 * i - 1])
  local left = redis.call('PTTL', KEYS[i])
  if left < 0 then count, left = 0, tonumber(ARGV[2 * i]) end
  windows[i] = {count, left}
  if count >= limit and left > blocked then blocked = left end
  if i % 2 == 1 then remaining = math.min(remaining or limit, limit - count) end
end
if blocked == 0 then
  for i = 1, #KEYS do
    if windows[i][1] == 0 then
      redis.call('SET', KEYS[i], 1, 'PX', windows[i][2])
    else
      redis.call('INCR', KEYS[i])
    end
  end
  remaining = remaining - 1
end
local now = redis.call('TIME')
return {blocked, math.max(0, remaining), now[1] * 1000 + math.floor(now[2] / 1000) + windows[1][2]}
"""

_TAKE_MANY: Final = """
-- The same for many requests at once. KEYS: the credentials' version, then the windows of each caller.
-- ARGV, for each caller: how many requests, how many windows, the limit of each. Returns the version, the time in ms,
-- and for each caller: how many may pass, what remained of the hours before them, milliseconds left of the caller's
-- hour, and for the rest to wait.
local now = redis.call('TIME')
local answer = {tonumber(redis.call('GET', KEYS[1]) or '0'), now[1] * 1000 + math.floor(now[2] / 1000)}
local lengths = {[0] = 60000, [1] = 3600000}
local place, key_place = 1, 1
while place <= #ARGV do
  local pass, several = tonumber(ARGV[place]), tonumber(ARGV[place + 1])
  local asked, windows, blocked, remaining = pass, {}, 0, nil
  for i = 1, several do
    local key, limit = KEYS[key_place + i], tonumber(ARGV[place + 1 + i])
    local count, left = tonumber(redis.call('GET', key) or '0'), redis.call('PTTL', key)
    if left < 0 then count, left = 0, lengths[i % 2] end
    windows[i] = {key, count, left, limit}
    pass = math.max(0, math.min(pass, limit - count))
    if i % 2 == 1 then remaining = math.min(remaining or limit, limit - count) end
  end
  for i = 1, several do
    local key, count, left, limit = unpack(windows[i])
    if pass < asked and count + pass >= limit and left > blocked then blocked = left end
    if pass > 0 and count == 0 then
      redis.call('SET', key, pass, 'PX', left)
    elseif pass > 0 then
      redis.call('INCRBY', key, pass)
    end
  end
  for _, value in ipairs({pass, remaining, windows[1][3], blocked}) do answer[#answer + 1] = value end
  place, key_place = place + 2 + several, key_place + several
end
return answer
"""

_GIVE_BACK: Final = """
-- KEYS: windows. Takes one off each that still runs.
for i = 1, #KEYS do
  if tonumber(redis.call('GET', KEYS[i]) or '0') > 0 then redis.call('DECR', KEYS[i]) end
end
return {0}
"""

_HOUR_MS: Final = 3_600_000
_MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests that may pass in an hour, and in a minute."""

    hour: int
    minute: int

    def times(self, factor: int) -> Rates:
        """Return the rates of whoever may make `factor` times as many requests."""
        return Rates(self.hour * factor, self.minute * factor)


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
    """A credential that makes several requests at once; `merchant`: see Limiter.take."""

    identity: str
    rates: Rates
    requests: int
    merchant: int | None = None


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
        self._give_back = Script(self.client, _GIVE_BACK)
        self._take_many = Script(self.client, _TAKE_MANY)
        self._away_until = 0.0

    def take(self, kind: str, identity: str, rates: Rates, merchant: int | None = None) -> Quota:
        """Count one request of `identity` against its limits of `kind`. Passes it when Redis can't be asked.

        With `merchant`, a primary key, it counts for the merchant as well, who has PER_MERCHANT times these limits: a
        request that is over either limit is refused and counts for neither.
        """
        keys, limits = _counted(kind, identity, rates, merchant)
        lengths = (_HOUR_MS, _MINUTE_MS) * (len(limits) // 2)
        arguments = [value for pair in zip(limits, lengths, strict=True) for value in pair]
        answer = self._call(self._take, keys, arguments, 1)
        if answer is None:
            return Quota(rates.hour, rates.hour, int(time.time()) + 3600)
        blocked_ms, remaining, reset_ms = answer
        return Quota(rates.hour, remaining, -(-reset_ms // 1000), -(-blocked_ms // 1000))

    def give_back(self, kind: str, identity: str) -> None:
        """Take back one request that `take` counted, while its windows run."""
        self._call(self._give_back, _windows(kind, identity), [], 0)

    def take_many(self, kind: str, callers: Sequence[Caller]) -> tuple[list[list[Quota]], int | None]:
        """Count the requests of many callers in one call, as `take` would one after the other.

        Returns the quotas of each caller's requests, and the version of the credentials
        (`subscriptions.known_keys`), which is None when Redis can't be asked.
        """
        keys = [f"{settings.REDIS_PREFIX}:{CREDENTIALS}"]
        arguments: list[Any] = []
        for caller in callers:
            own_keys, own_limits = _counted(kind, caller.identity, caller.rates, caller.merchant)
            keys += own_keys
            arguments += [caller.requests, len(own_keys), *own_limits]
        answer = self._call(self._take_many, keys, arguments, sum(caller.requests for caller in callers))
        if answer is None:
            reset = int(time.time()) + 3600
            return [[Quota(each.rates.hour, each.rates.hour, reset)] * each.requests for each in callers], None
        version, now, *rest = answer
        quotas = []
        for place, caller in enumerate(callers):
            passed, remaining, left, blocked = rest[4 * place : 4 * place + 4]
            hour, reset = caller.rates.hour, -(-(now + left) // 1000)
            each = [Quota(hour, max(0, remaining - nth), reset) for nth in range(1, passed + 1)]
            refused = Quota(hour, max(0, remaining - passed), reset, -(-blocked // 1000))
            quotas.append(each + [refused] * (caller.requests - passed))
        return quotas, version

    def _call(self, script: Any, keys: list[str], arguments: list[Any], requests: int) -> list[int] | None:
        if time.monotonic() < self._away_until:
            tallies.keep(tallies.UNCOUNTED, requests)
            return None
        try:
            return [int(value) for value in script(keys=keys, args=arguments)]
        except redis.RedisError as error:
            self._away_until = time.monotonic() + AWAY_FOR
            tallies.keep(tallies.UNCOUNTED, requests)
            logger.warning(
                "Redis is away, so API requests pass uncounted for %g s: %s", AWAY_FOR, redis_clients.said(error)
            )
            return None


def _counted(kind: str, identity: str, rates: Rates, merchant: int | None) -> tuple[list[str], list[int]]:
    """Return the windows that a request counts in, and the limit of each."""
    keys, limits = _windows(kind, identity), [rates.hour, rates.minute]
    if merchant is None:
        return keys, limits
    together = rates.times(PER_MERCHANT)
    return keys + _windows(f"{kind}_merchant", str(merchant)), [*limits, together.hour, together.minute]


def _windows(kind: str, identity: str) -> list[str]:
    return [f"{settings.REDIS_PREFIX}:rate:{kind}:{identity}:{window}" for window in ("hour", "minute")]


@cache
def limiter(url: str) -> Limiter:
    """Return this process' limiter on the Redis at `url`."""
    return Limiter(url)


def take(kind: str, identity: str, rates: Rates, merchant: int | None = None) -> Quota:
    """Count one request; see Limiter.take."""
    return limiter(settings.REDIS_URL).take(kind, identity, rates, merchant)


def give_back(kind: str, identity: str) -> None:
    """Take back one request that was counted; see Limiter.give_back."""
    limiter(settings.REDIS_URL).give_back(kind, identity)


# --- whose limits -----------------------------------------------------------------------------------------------

REMEMBERED_FOR: Final = 5.0
"""Seconds for which a process keeps a merchant's rates, so that they cost no query a request."""
_remembered: dict[int, tuple[float, ApiRates | None]] = {}


def rates_of(merchant: Merchant, kind: str) -> Rates | None:
    """Return the limits of `kind` (`api`, `publish`, `feed`) in force for a merchant; None for no limit at all."""
    own = _own_rates(merchant.pk)
    prefix = "" if kind == "api" else f"{kind}_"
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
