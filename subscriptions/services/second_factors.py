"""Second factors: a code of an authenticator app (TOTP, RFC 6238) beside the password, or a recovery code, once.

The arithmetic is `cryptography`'s. Keys are encrypted as secrets are; recovery codes are kept as hashes.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import secrets
import time
from typing import Any, Final

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor import InvalidToken
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.core.exceptions import ValidationError
from django.db import transaction

from subscriptions import encryption
from subscriptions.conf import settings
from subscriptions.models import SecondFactor

logger = logging.getLogger(__name__)

STEP: Final = 30
"""Seconds that a code is shown for."""
DRIFT: Final = 1
"""Steps by which the clock of a phone may be off, either way."""
DIGITS: Final = 6
KEY_BYTES: Final = 20
RECOVERY_CODES: Final = 10
RECOVERY_BYTES: Final = 10
CODE_MAX: Final = 40
"""Characters of a code that are looked at."""
ISSUER: Final = "Merchant Webhooks"
WRONG: Final = "This code is not right, or was used already. Wait for the next one."


def is_needed(user: Any) -> bool:
    """Tell whether a person's password alone is not enough. One query."""
    return SecondFactor.objects.filter(user_id=user.pk).exists()


def is_required(user: Any) -> bool:
    """Tell whether the operator lets this person sign in with a second factor only."""
    rule = settings.WEBHOOKS_REQUIRE_TWO_FACTOR
    return rule == "everyone" or (rule == "staff" and bool(getattr(user, "is_superuser", False)))


def new_key() -> str:
    """Return a random key, as people type it into an app."""
    return base64.b32encode(secrets.token_bytes(KEY_BYTES)).decode()


def address(key: str, name: str) -> str:
    """Return what an app reads from a QR code: the key and whose account it is."""
    return _totp(key).get_provisioning_uri(name, ISSUER)


@transaction.atomic
def turn_on(*, user: Any, key: str, code: str) -> list[str]:
    """Let a person sign in with an app from now on; return the recovery codes, which are shown this once.

    Raises ValidationError for a code that the app can't have made with this key, and where a factor is there already.
    """
    step = _step_of(key, _plain(code), after=0)
    if step is None:
        raise ValidationError({"code": ["This code is not right. Check the time on your phone, and try the next one."]})
    codes = _new_codes()
    _row, is_new = SecondFactor.objects.get_or_create(
        user=user, defaults={"key": key, "last_step": step, "recovery_digests": [_digest(each) for each in codes]}
    )
    if not is_new:
        raise ValidationError({"code": ["Two-factor sign-in is on already. Turn it off to use another app."]})
    return codes


@transaction.atomic
def check(*, user: Any, code: str) -> bool:
    """Tell whether a code is right, and use it up: neither an app's code nor a recovery code is taken twice.

    Where no key of WEBHOOKS_ENCRYPTION_KEYS decrypts the app's, only recovery codes are right; the log says so.
    """
    factor = SecondFactor.objects.select_for_update().filter(user_id=user.pk).defer("key").first()
    if factor is None:
        return False
    given = _plain(code)
    if (step := _step_of(_key_of(factor), given, after=factor.last_step)) is not None:
        factor.last_step = step
        factor.save(update_fields=["last_step"])
        return True
    digest = _digest(given)
    left = [each for each in factor.recovery_digests if not secrets.compare_digest(each, digest)]
    if len(left) == len(factor.recovery_digests):
        return False
    factor.recovery_digests = left
    factor.save(update_fields=["recovery_digests"])
    return True


def _key_of(factor: SecondFactor) -> str:
    """Return the app's key; a new one, which no app has, where the stored one can't be decrypted any more."""
    try:
        return factor.key
    except encryption.UndecryptableSecret as error:
        logger.error("codes of %s are refused, but for recovery codes: %s", factor, error)
        return new_key()


@transaction.atomic
def renew_codes(*, user: Any) -> list[str]:
    """Replace a person's recovery codes; return the new ones, which are shown this once."""
    codes = _new_codes()
    SecondFactor.objects.filter(user=user).update(recovery_digests=[_digest(each) for each in codes])
    return codes


def turn_off(*, user: Any) -> bool:
    """Let the password be enough again; tell whether there was a second factor."""
    return bool(SecondFactor.objects.filter(user=user).delete()[0])


def _totp(key: str) -> TOTP:
    # SHA-1 is what every app speaks; HMAC with it isn't weakened by its collisions.
    return TOTP(base64.b32decode(key), DIGITS, SHA1(), STEP)  # noqa: S303


def _step_of(key: str, code: str, *, after: int) -> int | None:
    """Return the step of which this is the code, one later than `after`; None where it is of none near now."""
    if not (code.isascii() and code.isdigit()):
        return None
    now = int(time.time()) // STEP
    for step in range(max(now - DRIFT, after + 1), now + DRIFT + 1):
        try:
            _totp(key).verify(code.encode(), step * STEP)
        except InvalidToken:
            continue
        return step
    return None


def _plain(code: str) -> str:
    """Return a code without what people put into it to read it."""
    return code[:CODE_MAX].replace(" ", "").replace("-", "").lower()


def _new_codes() -> list[str]:
    codes = [base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower() for _ in range(RECOVERY_CODES)]
    return ["-".join(code[start : start + 4] for start in range(0, len(code), 4)) for code in codes]


def _digest(code: str) -> str:
    return hashlib.sha256(_plain(code).encode(errors="surrogatepass")).hexdigest()
