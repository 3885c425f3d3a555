"""What can be set: each option with its default, its bounds, and how it is written in the environment.

A project that installs the apps sets them in one dictionary, `MERCHANT_WEBHOOKS`; the service fills the same dictionary
from environment variables. `subscriptions.conf` reads them, `subscriptions.checks` checks them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.fernet import Fernet

from subscriptions import server_urls

PREFIX: Final = "WEBHOOKS_"
"""Stands before a key of the dictionary in the names of environment variables, unless the key names what it is of."""


CATALOGUES: Final = ("alva", "litestore", "cryptlex", "shopery")
"""The documents whose event types are shipped."""


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that can be set.

    Attributes:
        default: What counts where nothing is set.
        expects: What a value must be, for messages.
        check: Return a value as it is used. Raises ValueError or TypeError for one that makes no sense.
        parse: Return what a text in the environment says. Raises ValueError.
        required: Whether a project must set it.
        secret: Whether messages must not show what is set.
    """

    default: Any
    expects: str
    check: Callable[[Any], Any]
    parse: Callable[[str], Any]
    required: bool = False
    secret: bool = False


def whole(default: int, *, minimum: int = 0, maximum: int | None = None) -> Option:
    """Return the option of a whole number within bounds."""
    bounds = f"a whole number of at least {minimum}" + (f" and at most {maximum}" if maximum is not None else "")

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError("not a whole number")
        if value < minimum or (maximum is not None and value > maximum):
            raise ValueError("out of bounds")
        return value

    return Option(default, bounds, check, lambda text: check(int(text)))


def seconds(default: float, *, minimum: float = 0.0, maximum: float = float("inf")) -> Option:
    """Return the option of a duration in seconds."""
    bounds = f"of at least {minimum:g}" if maximum == float("inf") else f"from {minimum:g} to {maximum:g}"

    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError("not a number")
        if not minimum <= value <= maximum or value == float("inf"):
            raise ValueError("out of bounds")
        return float(value)

    return Option(default, f"a number of seconds {bounds}", check, lambda text: check(float(text)))


def flag(default: bool) -> Option:
    """Return the option of a yes or no."""

    def check(value: Any) -> bool:
        if not isinstance(value, bool):
            raise TypeError("not a boolean")
        return value

    def parse(text: str) -> bool:
        word = text.lower()
        if word in {"1", "true", "yes", "on"}:
            return True
        if word in {"0", "false", "no", "off"}:
            return False
        raise ValueError("not a boolean")

    return Option(default, "true or false", check, parse)


def text(default: str = "", *, expects: str = "text", required: bool = False, secret: bool = False) -> Option:
    """Return the option of a text."""

    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise TypeError("not a text")
        return value

    return Option(default, expects, check, check, required, secret)


def url(
    default: str, check: Callable[[Any], str], expects: str, *, required: bool = False, secret: bool = True
) -> Option:
    """Return the option of a URL, which messages don't show: it may hold a password."""
    return Option(default, expects, check, check, required, secret)


def choice(default: str, allowed: tuple[str, ...]) -> Option:
    """Return the option of one of a few words."""

    def check(value: Any) -> str:
        if value not in allowed:
            raise ValueError("not one of the choices")
        return str(value)

    return Option(default, "one of " + ", ".join(allowed), check, check)


def split(text: str) -> list[str]:
    """Split text at commas and line ends, blanks dropped."""
    return [part.strip() for part in re.split(r"[,\n]", text) if part.strip()]


def words(
    *, expects: str = "a list", one: Callable[[Any], Any] = str, default: Sequence[str] = (), secret: bool = False
) -> Option:
    """Return the option of a list, in the environment separated by commas; `one` checks each and returns it."""

    def check(value: Any) -> list[Any]:
        return [one(each) for each in _listed(value)]

    return Option(list(default), expects, check, lambda text: check(split(text)), secret=secret)


def _listed(value: Any) -> Any:
    if isinstance(value, str) or not isinstance(value, list | tuple | set | frozenset):
        raise TypeError("not a list")
    return value


def network(value: Any) -> str:
    """Return a network in CIDR form. Raises ValueError."""
    return str(ipaddress.ip_network(value))


def port(value: Any) -> int:
    """Return a TCP port. Raises ValueError."""
    number = int(value)
    if not 1 <= number <= 65535:
        raise ValueError("a port goes from 1 to 65535")
    return number


def _keys(value: Any) -> list[str]:
    for each in _listed(value):
        Fernet(each)
    return list(value)


def _file(value: Any) -> str:
    if not Path(value).is_file():
        raise ValueError(f"there is no file {value}")
    return str(value)


def _catalogue(value: Any) -> str:
    if value not in CATALOGUES:
        raise ValueError(f"there is no catalogue {value!r}")
    return str(value)


DAYS: Final = {  # 0 keeps for ever. What is open or in review is never touched
    "KEEP_BODIES": whole(30),
    "KEEP_PAYLOADS": whole(0),
    "KEEP_ATTEMPTS": whole(90),
    "KEEP_DELIVERIES": whole(90),
    "KEEP_EVENTS": whole(90),
    "KEEP_COUNTERS": whole(400),  # by the hour
    "KEEP_FINE_COUNTERS": whole(14, minimum=1),  # charts of six hours need them
    "KEEP_NOTICES": whole(90),
    "KEEP_JOBS": whole(90),
    "KEEP_IDEMPOTENCY_KEYS": whole(2, minimum=2),  # they count for 24 h
    "KEEP_DEBOUNCE": whole(90),  # what webhooks that chose fields were last sent
    "KEEP_EXPUNCTIONS": whole(0),  # who expunged what and when; no payloads
    "KEEP_ADMIN_LOG": whole(400),  # who changed what in the admin
}

OPTIONS: Final[Mapping[str, Option]] = {
    "ENCRYPTION_KEYS": Option([], "a list of Fernet keys, the newest first", _keys, split, required=True, secret=True),
    "REDIS_URL": url("", server_urls.redis_url, server_urls.REDIS_EXPECTS, required=True),
    "REDIS_PREFIX": text("mw"),
    "DELIVERIES_QUEUE": text("deliveries"),  # of Celery, which workers of our own consume, and
    "HOUSEKEEPING_QUEUE": text("housekeeping"),  # which any worker may
    # --- the engine; seconds, bytes and counts
    "OPEN_REQUESTS_MAX": whole(4096, minimum=1),
    "MAX_IN_FLIGHT": whole(20, minimum=1),
    "CLAIM_BYTES": whole(4 * 1024**2, minimum=1),
    "LOADED_BYTES": whole(64 * 1024**2, minimum=1),
    "CLAIM_GRACE": seconds(5.0, minimum=1.0),
    "ORPHANED_ATTEMPTS_MAX": whole(3, minimum=1),
    "RECORD_CHUNK": whole(100, minimum=1),
    "RECORD_WAIT": seconds(0.2),
    "COUNTDOWN_HORIZON": seconds(150.0, maximum=300.0),  # half of Redis' visibility timeout
    "EXPIRE_AFTER": whole(0),  # for webhooks without an own; 0 is never
    # --- what operators see
    "LOG_ATTEMPTS": flag(default=False),  # a log line an attempt
    "TRACING": flag(default=False),  # spans by OpenTelemetry, and `traceparent` to endpoints
    # --- what may be published, and where it may go
    "BODY_MAX": whole(1024**2, minimum=1024),
    "PER_MERCHANT_MAX": whole(1000, minimum=1),
    "EXPORT_ROWS_MAX": whole(1_000_000, minimum=1),
    "BATCH_MAX": whole(1000, minimum=1),
    "REQUEST_BODY_MAX": whole(8 * 1024**2, minimum=1024),
    "REQUIRE_HTTPS": flag(default=True),
    "ALLOWED_NETWORKS": words(expects="networks like 127.0.0.0/8,::1/128", one=network),
    "ALLOWED_PORTS": words(expects="ports like 443,8443", one=port),
    "SOURCE_IPS": words(),
    "CA_FILE": Option(  # authorities trusted besides the public ones
        "", "the path of a PEM file with certificates", server_urls.authorities, server_urls.authorities
    ),
    "CODE_KEY": text(secret=True),  # of public ids of deliveries; the database holds one otherwise
    "SECRET_OVERLAP": seconds(24 * 3600.0),
    # --- the API and who signs in; 0 means no limit
    "API_RATE_HOUR": whole(1000),
    "API_RATE_MINUTE": whole(100),
    "PUBLISH_RATE_HOUR": whole(3_000_000),
    "PUBLISH_RATE_MINUTE": whole(100_000),
    "FEED_RATE_HOUR": whole(36_000),
    "FEED_RATE_MINUTE": whole(1200),
    # Sign-ins of an account, at the admin or the API; an address may try guessing.PER_ADDRESS times as often.
    "SIGN_IN_RATE_HOUR": whole(100),
    "SIGN_IN_RATE_MINUTE": whole(10),
    "REQUIRE_TWO_FACTOR": choice("nobody", ("nobody", "staff", "everyone")),  # of the service: who must have it
    "TRUSTED_PROXIES": whole(0, maximum=10),  # 0: X-Forwarded-For is not believed
    # --- notices, and the automatic pause, which 0 failures turn off
    "BASE_URL": url(
        "http://localhost:8000", server_urls.web_address, "an address like https://hooks.example.com", secret=False
    ),
    "NOTICE_WAIT": seconds(30.0),
    "NOTICE_INTERVAL": seconds(3600.0),
    "FAILURE_RATE": whole(50, minimum=1, maximum=100),
    "FAILURE_RATE_ATTEMPTS": whole(20, minimum=1),
    "FAILURE_RATE_WINDOW": seconds(900.0, minimum=300.0),
    "AUTO_PAUSE_FAILURES": whole(50),
    "AUTO_PAUSE_AFTER": seconds(3600.0),
    "PROBE_WAIT": seconds(300.0, minimum=1.0),
    "PROBE_WAIT_MAX": seconds(3600.0, minimum=1.0),
    **DAYS,
}
"""Everything that the service's environment can set, by its key in `MERCHANT_WEBHOOKS`."""

PROJECTS: Final[Mapping[str, Option]] = {
    "IS_SERVICE": flag(default=False),  # true in the service: accounts, sessions and the admin's index are ours
    "EVENT_TYPES": words(expects="a list of paths of JSON files, each with its event types", one=_file),
    "CATALOGUES": words(expects="a list of alva, litestore, cryptlex, shopery", one=_catalogue, default=CATALOGUES),
    "REPLICA": text(expects="the alias in DATABASES of a replica that lists and exports are read from, or nothing"),
    "ADMIN_SITE": text(expects="the dotted path of an AdminSite of the theme unfold, or nothing for a site of our own"),
}
"""What only a project says."""

UNPREFIXED: Final = frozenset({"REDIS_URL", "REDIS_PREFIX"})


def variable(key: str) -> str:
    """Return the name of an option's environment variable, which is also its name in the code."""
    return key if key in UNPREFIXED else PREFIX + key


EVERY: Final[Mapping[str, Option]] = {**OPTIONS, **PROJECTS}

KEYS: Final[Mapping[str, str]] = {variable(key): key for key in EVERY}
"""The keys by the names that they have in the code, which are those of the environment variables."""
