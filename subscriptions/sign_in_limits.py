"""Guessing passwords, slowed: wrong ones are counted by address, and by account and address together.

Each attempt is counted before a password is looked at, and taken back when it was right. An account that is guessed at
from elsewhere stays open to its owner; an account alone is counted only to narrow what each address may guess.

All doors (the admin's form, the API's tokens, a changed password, an invitation's page, a second factor) count in the
same place, so that who is refused at one gains nothing at another. The counting is that of `subscriptions.limits`: one
script in Redis, whatever the number of processes; Redis away: sign-ins pass, which is logged and counted there.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from subscriptions import limits, tallies
from subscriptions.conf import settings
from subscriptions.limits import Quota, Rates

logger = logging.getLogger(__name__)

PER_ADDRESS: Final = 6
"""An address may try this many times as often as an account: an office, or a mobile network, is one address."""
PER_ACCOUNT: Final = 6
"""So many times the attempts of one address at an account are made before guessing from many addresses is assumed."""
NARROWED: Final = Rates(hour=5, minute=1)
"""What an address may then try at that account: whoever comes from a new one, its owner too, has a try a minute."""
_V6_NETWORK: Final = 64  # bits; a household has all the addresses below it


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of counting one attempt: the quota that decides, and whose it is (`account` or `address`)."""

    quota: Quota
    counted_by: str

    @property
    def is_refused(self) -> bool:
        """Tell whether the password must not be looked at."""
        return self.quota.blocked_for > 0

    @property
    def sentence(self) -> str:
        """What the person is told."""
        return f"Too many attempts to sign in. Try again in {_in_words(self.quota.blocked_for)}."


def count(meta: Mapping[str, Any], name: str, *, door: str) -> Verdict:
    """Count one attempt to sign in as `name`, whether or not there is such an account.

    Args:
        meta: The request's META.
        name: As typed. It may be a password in the wrong field, so neither Redis nor the log gets it.
        door: `admin`, `api`, `password`, `invitation` or `second_factor`, for log and metrics.
    """
    account, address = _rates()
    place = client_address(meta)
    verdict = Verdict(limits.take("sign_in_address", _mark(place), address), "address") if place else None
    # An address that is refused doesn't use up the account's attempts.
    if verdict is None or not verdict.is_refused:
        verdict = Verdict(_of_account(_mark(name.lower()), _mark(f"{place} {name.lower()}"), account), "account")
    if verdict.is_refused:
        tallies.keep(f"{tallies.SIGN_INS_REFUSED}:{door}:{verdict.counted_by}")
        logger.warning(
            "Sign-in refused by the %s for %d s: too many attempts by this %s. It came from %s.",
            door,
            verdict.quota.blocked_for,
            verdict.counted_by,
            place or "no known address",
        )
    return verdict


def succeeded(meta: Mapping[str, Any], name: str) -> None:
    """Take back an attempt that `count` counted: its password was right."""
    place = client_address(meta)
    if place:
        limits.give_back("sign_in_address", _mark(place))
    for kind in ("sign_in", "sign_in_narrowed"):
        limits.give_back(kind, _mark(f"{place} {name.lower()}"))
    limits.give_back("sign_in_account", _mark(name.lower()))


def _of_account(account: str, pair: str, rates: Rates) -> Quota:
    quota = limits.take("sign_in", pair, rates)
    if quota.blocked_for:
        return quota
    pressed = limits.take("sign_in_account", account, rates.times(PER_ACCOUNT))
    return limits.take("sign_in_narrowed", pair, NARROWED) if pressed.blocked_for else quota


def client_address(meta: Mapping[str, Any]) -> str:
    """Return the address a request came from, IPv6 as its /64 network; "" where it isn't known (a Unix socket).

    Anybody can send X-Forwarded-For, so it counts only as far as it was written by proxies of ours: with
    WEBHOOKS_TRUSTED_PROXIES=n it is the entry n from the right. Where there are fewer, the request came around the
    proxies and their header says nothing.
    """
    proxies = settings.WEBHOOKS_TRUSTED_PROXIES
    entries = str(meta.get("HTTP_X_FORWARDED_FOR", "")).split(",") if proxies else []
    forwarded = _network(entries[-proxies]) if len(entries) >= proxies > 0 else ""
    return forwarded or _network(str(meta.get("REMOTE_ADDR", "")))


def _network(text: str) -> str:
    text = text.strip()
    if text.startswith("["):  # [2001:db8::1]:443
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:  # 192.0.2.1:443
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address), _V6_NETWORK), strict=False))
    return str(address)


def _rates() -> tuple[Rates, Rates]:
    hour = settings.WEBHOOKS_SIGN_IN_RATE_HOUR or limits.UNLIMITED
    minute = settings.WEBHOOKS_SIGN_IN_RATE_MINUTE or limits.UNLIMITED
    return Rates(hour, minute), Rates(hour * PER_ADDRESS, minute * PER_ADDRESS)


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def _in_words(seconds: int) -> str:
    number, unit = (seconds, "second") if seconds < 90 else (math.ceil(seconds / 60), "minute")
    return f"{number} {unit}{'' if number == 1 else 's'}"
