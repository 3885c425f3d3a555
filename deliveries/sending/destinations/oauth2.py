"""OAuth 2 client credentials (RFC 6749, 4.4): the request for a token, and what its answer means. Pure."""

from __future__ import annotations

import base64
import math
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote_plus, urlencode, urlsplit

from deliveries.queueing.webhook_settings import WebhookSettings
from deliveries.sending.destinations import base
from deliveries.transport import ErrorClass, Outcome, Request

TOKEN_SECONDS: Final = 4.0
"""For a whole request for a token: less than the grace of a claim, so that what waits for it may still be sent."""
TOKEN_MAX: Final = 8 * 1024
"""Characters of a token."""
ANSWER_BYTES: Final = 32 * 1024
ASSUMED_LIFE: Final = 300.0
"""Seconds; where the token server doesn't say how long a token lasts."""
LIFE_MAX: Final = 86_400.0
"""Seconds for which a token is kept at most, whatever its server says."""
EARLY: Final = 30.0
"""Seconds before its end from which on a token is used no more; a tenth of its life where that is less."""
_TOKEN: Final = re.compile(r"[!-~]+").fullmatch
_PASSING: Final = frozenset((408, 425, 429))


@dataclass(frozen=True, slots=True)
class Token:
    """A token, and for how many seconds from now it is to be used."""

    text: str = field(repr=False)
    lasts: float


def token_request(webhook: WebhookSettings) -> Request:
    """Return the request for a token, over a connection of its own."""
    settings, secret = webhook.sign_in, webhook.credentials["client_secret"]
    form = {"grant_type": "client_credentials"}
    form |= {name: settings[name] for name in ("scope", "audience") if settings.get(name)}
    headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")]
    if settings.get("client_authentication") == "body":
        form |= {"client_id": settings["client_id"], "client_secret": secret}
    else:  # RFC 6749, 2.3.1: both are form-encoded first
        pair = f"{quote_plus(settings['client_id'])}:{quote_plus(secret)}"
        headers.append(("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"))
    return Request(
        url=settings["token_url"],
        headers=headers,
        body=urlencode(form).encode(),
        connect_timeout=base.CONNECT_TIMEOUT,
        total_timeout=TOKEN_SECONDS,
        lookup_owner=webhook.merchant_id,
        read_bytes=ANSWER_BYTES,
        keep_bytes=ANSWER_BYTES,
    )


def read(outcome: Outcome, webhook: WebhookSettings) -> Token | Outcome:
    """Return the token in a token server's answer, or the failed attempt that follows from there being none.

    Nothing that the server wrote is repeated, but for an error's code (RFC 6749, 5.2).
    """
    server = f"The token server {urlsplit(webhook.sign_in['token_url']).hostname}"
    status = outcome.status_code
    if outcome.delivered:
        return _token(base.document(outcome)) or _failed(
            ErrorClass.TOKEN_UNAVAILABLE, f"{server} answered {status}, but not with a bearer token."
        )
    if status is not None and 400 <= status < 500 and status not in _PASSING:
        code = base.code(base.document(outcome).get("error"))
        said = f": {code}" if code else ""
        return _failed(
            ErrorClass.TOKEN_REFUSED, f"{server} refused a token{said} ({status}). Check client id, secret and scope."
        )
    why = outcome.detail.replace("Your endpoint", "It", 1)
    why = why.replace("your endpoint's", "its").replace("your endpoint", "it")
    return _failed(ErrorClass.TOKEN_UNAVAILABLE, f"{server} gave no token. {why}")


def _token(found: dict[str, object]) -> Token | None:
    text, kind, lasts = found.get("access_token"), found.get("token_type", "bearer"), found.get("expires_in")
    if not isinstance(text, str) or len(text) > TOKEN_MAX or not _TOKEN(text):
        return None
    if not isinstance(kind, str) or kind.lower() != "bearer":
        return None
    try:
        life = ASSUMED_LIFE if lasts is None else float(lasts)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):  # some write it as text; what is no number is no promise
        life = ASSUMED_LIFE
    life = max(0.0, min(life, LIFE_MAX)) if math.isfinite(life) else ASSUMED_LIFE
    return Token(text, life - min(EARLY, life / 10))


def _failed(error: ErrorClass, detail: str) -> Outcome:
    return Outcome(error=error, detail=detail, total_ms=0.0)
