"""A webhook as the engine sees it: everything that sending to it takes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from deliveries import dialects
from deliveries.database import as_datetime
from deliveries.dialects import BodyStyle
from subscriptions import encryption
from subscriptions.models import Webhook

UNKNOWN_TIMEOUT = 10.0
"""Seconds; what a claim assumes of a dialect it doesn't know."""


@dataclass(slots=True)
class Target:
    """A webhook as it stood at the claim: URL, policy, secrets and state are read anew each time.

    `expire_after`: seconds after which nothing is sent, None for never. `sealed`: its active secrets, encrypted, oldest
    first. `blocked_until`: its rate limit allows nothing before. `rotated_at`: when its newest secret was made, if it
    isn't its first.
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
    rate_limit: float | None
    fields: list[str]
    sealed: list[str]
    window: int = 1
    blocked_until: datetime | None = None
    rotated_at: datetime | None = None
    expire_after: int | None = None

    @property
    def secrets(self) -> list[str]:
        """The active secrets, oldest first. Raises UndecryptableSecret, for this webhook's deliveries alone."""
        return [encryption.decrypt(value) for value in self.sealed]


def target_of_row(row: Sequence[Any]) -> Target:
    """Return the Target of a row of claim_sql.LANES_…: its settings, then its lane's state, then its secrets."""
    (pk, merchant_id, merchant, domain, webhook, url, dialect, body_style, api_version, headers, policy, timeout, cap,
     rate_limit, expire_after, fields, window, blocked_until, rotated_at, sealed) = row  # fmt: skip
    return Target(
        webhook_id=pk,
        merchant_id=merchant_id,
        merchant=merchant,
        domain=domain,
        webhook=webhook,
        url=url,
        dialect=dialect,
        body_style=body_style,
        api_version=api_version,
        headers=_parsed(headers) or {},
        retry_policy=_parsed(policy),
        timeout=timeout or _default_timeout(dialect),
        cap=cap or settings.WEBHOOKS_MAX_IN_FLIGHT,
        rate_limit=rate_limit,
        expire_after=expire_after or settings.WEBHOOKS_EXPIRE_AFTER or None,
        fields=_parsed(fields) or [],
        sealed=_parsed(sealed),
        window=window,
        blocked_until=blocked_until and as_datetime(blocked_until),
        rotated_at=rotated_at and as_datetime(rotated_at),
    )


def target_of_webhook(webhook: Webhook, secrets: Iterable[str]) -> Target:
    """Return the Target of a webhook outside a claim, saved or not, with these secrets: for tests and previews."""
    return Target(
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
        rate_limit=webhook.rate_limit,
        expire_after=webhook.expire_after or settings.WEBHOOKS_EXPIRE_AFTER or None,
        fields=webhook.fields,
        sealed=[encryption.encrypt(secret) for secret in secrets],
    )


def _default_timeout(dialect: str) -> float:
    """Return the dialect's timeout in seconds. One that this release doesn't know fails at rendering, visibly."""
    return dialects.get(dialect).timeout if dialect in dialects.NAMES else UNKNOWN_TIMEOUT


def _parsed(value: Any) -> Any:
    """Return a JSON column that a raw cursor gave as text."""
    return json.loads(value) if isinstance(value, str) else value
