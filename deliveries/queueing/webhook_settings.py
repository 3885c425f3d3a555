"""A webhook as the engine sees it: everything that sending to it takes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from deliveries import dialects
from deliveries.db.arrays import literal
from deliveries.db.engine_session import fetch
from deliveries.db.sessions import clock
from deliveries.db.statements import load
from deliveries.dialects import BodyStyle
from subscriptions import encryption
from subscriptions.conf import settings
from subscriptions.models import Webhook
from subscriptions.webhook_rules import HTTPS

UNKNOWN_TIMEOUT = 10.0
"""Seconds; what a claim assumes of a dialect it doesn't know."""
KNOWN_MAX = 50_000
"""Webhooks whose settings a process keeps."""
KNOWN_CHARACTERS = 32 * 1024 * 1024
"""Characters of settings that it keeps: some 600 of each at most, or fewer webhooks."""
MERCHANTS_KNOWN_MAX = 100_000
"""Webhooks of which a process remembers the merchant."""

_SQL = load(__file__, "webhook_settings.sql")


@dataclass(slots=True)
class WebhookSettings:
    """What sending to a webhook takes: URL, policy, secrets. Never changes; another version is another object.

    `sealed`: its secrets, encrypted, oldest first, each with the time until which it signs (None: for ever).
    `rotated_at`: when its newest secret was made, if it isn't its first.
    `sign_in`: how its endpoint is asked who we are, without what is secret of it; empty for most.
    `sealed_credentials`: what opens its destination or signs in at its endpoint, encrypted; empty for most.
    """

    webhook_id: int
    merchant_id: int
    merchant: str
    domain: str
    webhook: str
    url: str
    dialect: str
    body_style: BodyStyle
    api_version: str
    headers: dict[str, str]
    retry_policy: dict[str, Any] | None
    timeout: float
    cap: int
    fields: list[str]
    sealed: list[tuple[str, datetime | None]]
    rotated_at: datetime | None = None
    kind: str = HTTPS
    destination: dict[str, str] = field(default_factory=dict)
    sign_in: dict[str, str] = field(default_factory=dict)
    sealed_credentials: str = field(default="", repr=False)
    ordering: str = ""
    transform: str = ""
    _credentials: dict[str, str] = field(default_factory=dict, repr=False)
    _opened: list[tuple[str, datetime | None]] = field(default_factory=list)
    _lasting: list[str] | None = None

    @property
    def secrets(self) -> list[str]:
        """The active secrets, oldest first. Raises UndecryptableSecret, for this webhook's deliveries alone."""
        if self._lasting is not None:
            return self._lasting
        if len(self._opened) < len(self.sealed):
            self._opened = [(encryption.decrypt(value), until) for value, until in self.sealed]
        if all(until is None for _value, until in self._opened):
            self._lasting = [value for value, _until in self._opened]
            return self._lasting
        now = clock.at(time.monotonic())
        return [value for value, until in self._opened if until is None or until > now]

    @property
    def credentials(self) -> dict[str, str]:
        """What opens its destination or signs in at its endpoint; often empty. Raises UndecryptableSecret."""
        if self.sealed_credentials and not self._credentials:
            self._credentials = json.loads(encryption.decrypt(self.sealed_credentials))
        return self._credentials

    @property
    def hidden(self) -> list[str]:
        """What nobody may read in a log or on a page: secrets and credentials. Raises UndecryptableSecret."""
        return [*self.secrets, *self.credentials.values()] if self.sealed_credentials else self.secrets


_known: dict[int, tuple[str, WebhookSettings]] = {}
"""Webhook key → version and settings, as this process read them last."""
_held = 0
"""Characters of what was kept since `_known` was empty."""

_merchants: dict[int, int] = {}
"""Webhook key → merchant key. Webhooks never go to another merchant."""


def current(versions: Mapping[int, str]) -> dict[int, WebhookSettings]:
    """Return the settings of webhooks (key → version, as a claim returns it); one query for those not known yet.

    A webhook whose row is gone by now (its merchant was purged) is left out.
    """
    known = {pk: _known.get(pk, (None, None)) for pk in versions}  # each looked up once: a thread may clear them all
    found = {pk: webhook for pk, (version, webhook) in known.items() if webhook and version == versions[pk]}
    if wanted := [pk for pk in versions if pk not in found]:
        for row in fetch(_SQL["settings"], {"ids": literal(wanted)}):
            found[row.id] = _kept(row)
    return found


def meet(webhook_ids: Iterable[int]) -> None:
    """Learn whose these webhooks are, for `merchant_of`; one query for those not known yet. Raises DatabaseError."""
    if wanted := [pk for pk in webhook_ids if pk not in _merchants]:
        if len(_merchants) + len(wanted) > MERCHANTS_KNOWN_MAX:
            _merchants.clear()
        _merchants.update((row.id, row.merchant_id) for row in fetch(_SQL["merchants"], {"ids": literal(wanted)}))


def merchant_of(webhook_id: int) -> int | None:
    """Return the key of a webhook's merchant, None where the process hasn't met the webhook. Nothing is asked."""
    return _merchants.get(webhook_id)


def read(webhook_id: int) -> WebhookSettings:
    """Return a webhook's settings as they are now. Raises LookupError where its row is gone."""
    rows = fetch(_SQL["settings"], {"ids": literal([webhook_id])})
    if not rows:
        raise LookupError(webhook_id)
    version, known = _known.get(webhook_id, ("", None))
    if known is None or version != rows[0].version:
        known = _kept(rows[0])
    return known


def _kept(row: Any) -> WebhookSettings:
    global _held  # noqa: PLW0603 - what another thread adds meanwhile may be missed: the bound is no exact one
    size = _characters(row)
    if len(_known) >= KNOWN_MAX or _held + size > KNOWN_CHARACTERS:
        _known.clear()
        _held = 0
    _held += size
    webhook = _settings(row)
    _known[row.id] = (row.version, webhook)
    return webhook


def _characters(row: Any) -> int:
    return sum(
        len(value if isinstance(value, str) else json.dumps(value, default=str))
        for value in row
        if isinstance(value, (str, dict, list))
    )


def _settings(row: Any) -> WebhookSettings:
    return WebhookSettings(
        webhook_id=row.id,
        merchant_id=row.merchant_id,
        merchant=row.merchant,
        domain=row.domain,
        webhook=row.webhook,
        url=row.url,
        dialect=row.dialect,
        body_style=row.body_style,
        api_version=row.api_version,
        headers=_parsed(row.headers) or {},
        retry_policy=_parsed(row.retry_policy),
        timeout=row.timeout or _default_timeout(row.dialect),
        cap=row.max_in_flight or settings.WEBHOOKS_MAX_IN_FLIGHT,
        fields=_parsed(row.fields) or [],
        sealed=list(zip(row.sealed, row.expires_at, strict=True)),
        rotated_at=row.rotated_at,
        kind=row.kind,
        destination=_parsed(row.destination),
        sign_in=_parsed(row.sign_in),
        sealed_credentials=row.credentials,
        ordering=row.ordering,
        transform=row.transform,
    )


def settings_of(webhook: Webhook, secrets: Iterable[str]) -> WebhookSettings:
    """Return the settings of a webhook outside a claim, saved or not, with these secrets: for tests and previews."""
    return WebhookSettings(
        webhook_id=webhook.pk,
        merchant_id=webhook.merchant_id,
        merchant=webhook.merchant.public_id,
        domain=webhook.merchant.domain,
        webhook=webhook.public_id,
        url=webhook.url,
        dialect=webhook.dialect,
        body_style="python" if webhook.body_style == Webhook.BodyStyle.PYTHON else "compact",
        api_version=webhook.api_version,
        headers=webhook.headers,
        retry_policy=webhook.retry_policy,
        timeout=webhook.timeout or _default_timeout(webhook.dialect),
        cap=webhook.in_flight_cap,
        fields=webhook.fields,
        sealed=[(encryption.encrypt(secret), None) for secret in secrets],
        kind=webhook.kind,
        destination=webhook.destination,
        sign_in=webhook.sign_in,
        sealed_credentials=webhook.credentials,
        ordering=webhook.ordering,
        transform=webhook.transform,
    )


def _default_timeout(dialect: str) -> float:
    """Return the dialect's timeout in seconds. One that this release doesn't know fails at rendering, visibly."""
    return dialects.get(dialect).timeout if dialect in dialects.NAMES else UNKNOWN_TIMEOUT


def _parsed(value: Any) -> Any:
    """Return a JSON column that a raw cursor gave as text."""
    return json.loads(value) if isinstance(value, str) else value
