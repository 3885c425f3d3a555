"""What is read of merchants, keys, secrets and the catalogue. Nothing here changes more than a key's `last_used_at`."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from django.db import InternalError, connection
from django.db.models import DateTimeField, Func, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from subscriptions import encryption, patterns
from subscriptions.models import ApiKey, EventType, Membership, Merchant, SigningSecret, Webhook

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractUser, AnonymousUser

logger = logging.getLogger(__name__)

# --- people -----------------------------------------------------------------------------------------------------


class Action(StrEnum):
    """What a person may be allowed to do at a merchant."""

    VIEW = "view"
    PUBLISH = "publish"
    REPLAY = "replay"
    MANAGE_WEBHOOKS = "manage_webhooks"
    MANAGE_KEYS = "manage_keys"
    MANAGE_MEMBERS = "manage_members"


_ALLOWED: Final[dict[str, frozenset[Action]]] = {
    Membership.Role.VIEWER: frozenset({Action.VIEW}),
    Membership.Role.DEVELOPER: frozenset({Action.VIEW, Action.PUBLISH, Action.REPLAY, Action.MANAGE_WEBHOOKS}),
    Membership.Role.OWNER: frozenset(Action),
}


def merchants_of(user: AbstractUser | AnonymousUser) -> QuerySet[Merchant]:
    """Return the merchants whose rows `user` may see: those they belong to; all of them for active superusers."""
    if not user.is_active:
        return Merchant.objects.none()
    if user.is_superuser:
        return Merchant.objects.all()
    return Merchant.objects.filter(memberships__user_id=user.pk)


def role_of(user: AbstractUser | AnonymousUser, merchant: Merchant) -> str | None:
    """Return one of Membership.Role, or None for strangers. Superusers count as owners of every merchant."""
    if not user.is_active:
        return None
    if user.is_superuser:
        return Membership.Role.OWNER.value
    return Membership.objects.filter(user_id=user.pk, merchant=merchant).values_list("role", flat=True).first()


def can(user: AbstractUser | AnonymousUser, merchant: Merchant, action: Action | str) -> bool:
    """Tell whether `user` may do `action` at `merchant`.

    At a merchant that isn't active, everybody but superusers may only look. Raises ValueError for a word that is no
    Action, since a misspelt check must not pass for a refusal.
    """
    wanted = Action(action)
    role = role_of(user, merchant)
    if role is None:
        return False
    if not merchant.is_active and not user.is_superuser:
        return wanted is Action.VIEW
    return wanted in _ALLOWED[role]


# --- API keys ---------------------------------------------------------------------------------------------------

KEY_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
"""Letters and digits without 0, O, I and l, which people mistake for each other."""
KEY_RANDOM_LENGTH: Final = 43
"""Random characters of a key: 251 bits."""
KEY_PREFIX_LENGTH: Final = 16
"""Characters of a key that are stored as they are: `ak_live_` and the first eight random ones."""
KEY_USE_RECORDED_EVERY: Final = timedelta(minutes=1)
"""How often `last_used_at` is written at most: a write for each request would cost more than the check."""

_KEY: Final = re.compile(rf"ak_(?:live|test)_[{KEY_ALPHABET}]{{{KEY_RANDOM_LENGTH}}}")
_NO_DIGEST: Final = "0" * 64


def digest_of(text: str) -> str:
    """Return what is stored of a key: the SHA-256 of its ASCII text in hex. A key is random, so no salt is needed."""
    return hashlib.sha256(text.encode()).hexdigest()


# Plain SQL, the same on both databases: every request of the API asks this, and composing it in the ORM costs several
# times what running it does. Times are compared here, so that none has to be converted back.
_KEY_AND_MERCHANT: Final = """
    SELECT k.id, k.prefix, k.digest, k.scopes, m.id, m.public_id, m.name, m.domain, m.is_active, m.validate_events,
        m.is_active AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > %s),
        k.last_used_at IS NULL OR k.last_used_at <= %s
    FROM webhooks_subscriptions_apikey k JOIN webhooks_subscriptions_merchant m ON m.id = k.merchant_id
    WHERE k.prefix = %s
"""
_OF_KEY: Final = ("id", "prefix", "digest", "scopes")
_OF_MERCHANT: Final = ("id", "public_id", "name", "domain", "is_active", "validate_events")


def authenticate_key(text: str) -> ApiKey | None:
    """Return the usable API key that `text` is, with its merchant; None if revoked, expired or of an inactive merchant.

    Fields that no request needs are deferred. Text that can't be a key is refused before the database is asked. Every
    other answer costs one query, one hash and one comparison in constant time, so that the time taken doesn't tell a
    known prefix from an unknown one.
    """
    if not isinstance(text, str) or not _KEY.fullmatch(text):
        return None
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(_KEY_AND_MERCHANT, [now, now - KEY_USE_RECORDED_EVERY, text[:KEY_PREFIX_LENGTH]])
        row = cursor.fetchone()
    pk, prefix, digest, scopes, *merchant, usable, unrecorded = row or (0, "", _NO_DIGEST, "[]", False, False)
    if not hmac.compare_digest(digest_of(text), digest) or not usable:
        return None
    key = ApiKey.from_db(connection.alias, _OF_KEY, (pk, prefix, digest, json.loads(scopes)))
    key.merchant = Merchant.from_db(connection.alias, _OF_MERCHANT, merchant)
    if unrecorded:
        _record_use(key, now)
    return key


def _record_use(key: ApiKey, now: datetime) -> None:
    # Many requests of one key find it due at the same moment; the condition lets the first of them write.
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - KEY_USE_RECORDED_EVERY)
    try:
        ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)
    except InternalError:  # a database that reads only for a while; what only reads is answered all the same
        if connection.in_atomic_block:
            raise


# --- secrets ----------------------------------------------------------------------------------------------------


class _DatabaseClock(Func):
    """The database's clock as a statement runs, where `now()` is its transaction's start."""

    function = "clock_timestamp"
    output_field = DateTimeField()


def database_now() -> datetime:
    """Return the database's time. Hosts' clocks differ; what one ends and another judges goes by this one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: datetime = cursor.fetchone()[0]
    return found


def active_secrets(now: datetime | None = None) -> QuerySet[SigningSecret]:
    """Return the secrets that sign at `now` (by default, of the database's clock), oldest first.

    Defer `value` where it needn't be decrypted.
    """
    return SigningSecret.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now or _DatabaseClock())).order_by("id")


def signing_secrets(webhook_ids: Iterable[int], now: datetime | None = None) -> dict[int, list[str]]:
    """Return the active secrets of each webhook, oldest first, in one query; a key for every id asked for.

    A secret that no key of WEBHOOKS_ENCRYPTION_KEYS decrypts is logged and left out, so that one webhook's lost key
    doesn't stop the others of the same claim. Its list may then be empty: that webhook can't be signed for.
    """
    found: dict[int, list[str]] = {webhook_id: [] for webhook_id in webhook_ids}
    # Cast keeps the field from decrypting row by row inside the cursor, where one failure would lose all rows.
    rows = active_secrets(now).filter(webhook_id__in=list(found)).annotate(token=Cast("value", TextField()))
    for secret_id, webhook_id, token in rows.values_list("id", "webhook_id", "token"):
        try:
            found[webhook_id].append(encryption.decrypt(token))
        except encryption.UndecryptableSecret as error:
            logger.error("secret %s of webhook %s is left out: %s", secret_id, webhook_id, error)
    return found


def key_pairs(now: datetime | None = None) -> QuerySet[SigningSecret]:
    """Return the secrets that are private keys and sign at `now`, oldest first, without the keys themselves."""
    return active_secrets(now).exclude(public_key="").defer("value")


def public_keys_of(webhook: Webhook) -> list[str]:
    """Return what verifies a webhook's signatures by key pairs, oldest first; often nothing.

    Read along with the webhook where the query prefetched `key_pairs`.
    """
    found = webhook.key_pairs if hasattr(webhook, "key_pairs") else key_pairs().filter(webhook=webhook)
    return [secret.public_key for secret in found]


# --- webhooks and the catalogue ---------------------------------------------------------------------------------


def patterns_of(webhook: Webhook) -> list[str]:
    """Return the patterns that the webhook subscribes to now, in the order they were added."""
    return [subscription.pattern for subscription in webhook.subscriptions.all() if subscription.ended_at is None]


def event_type_named(name: str) -> EventType | None:
    """Return the active catalogue entry of this name or alias."""
    return event_types_named([name]).get(name)


def event_types_named(names: Collection[str]) -> dict[str, EventType]:
    """Return the active catalogue entry for each of `names` that is a name or an alias of one; at most two queries."""
    # PostgreSQL refuses a NUL even as a parameter; such a name is none.
    wanted = {name for name in names if name.isprintable()}
    found = {entry.name: entry for entry in EventType.objects.filter(is_active=True, name__in=wanted)}
    missing = wanted - found.keys()
    if missing:
        # Few entries have aliases: these are read and looked through here.
        for entry in EventType.objects.filter(is_active=True).exclude(aliases=[]):
            found.update((alias, entry) for alias in entry.aliases if alias in missing)
    return found


def stored_event_name(name: str) -> str | None:
    """Return the name under which events called `name` are stored, also of entries that aren't active any more.

    None for what is neither a name nor an alias of an entry.
    """
    if not name.isprintable():
        return None
    if EventType.objects.filter(name=name).exists():
        return name
    entries = EventType.objects.exclude(aliases=[]).values_list("name", "aliases")
    return next((own for own, aliases in entries if name in aliases), None)


def event_names() -> list[str]:
    """Return every name and alias that events of the active catalogue go by."""
    rows = EventType.objects.filter(is_active=True).values_list("name", "aliases")
    return [spelling for name, aliases in rows for spelling in (name, *aliases)]


def patterns_without_events(wanted: Collection[str]) -> list[str]:
    """Return those patterns that match nothing in the catalogue as it is: accepted, but worth a warning in a form."""
    names = event_names()
    return [pattern for pattern in wanted if not any(patterns.matches(pattern, name) for name in names)]
