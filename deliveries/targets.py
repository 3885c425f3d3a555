"""A webhook as a claim reads it: everything that sending to it takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from deliveries import dialects
from deliveries.dialects import BodyStyle
from subscriptions import encryption

UNKNOWN_TIMEOUT = 10.0
"""Seconds; what a claim assumes of a dialect it doesn't know."""


@dataclass(slots=True)
class Target:
    """A webhook as it stood at the claim: URL, policy, secrets and state are read anew each time."""

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
    window: int
    sealed: list[str]

    @property
    def secrets(self) -> list[str]:
        """The active secrets, oldest first. Raises UndecryptableSecret, for this webhook's deliveries alone."""
        return [encryption.decrypt(value) for value in self.sealed]


def target_of(row: Sequence[Any]) -> Target:
    """Return the Target of a row of claim_sql.LANES_…, its lock aside."""
    *columns, window, values = row
    (pk, merchant_id, merchant, domain, webhook, url, dialect, body_style, api_version, headers, policy, timeout, cap,
     rate_limit, fields) = columns  # fmt: skip
    if isinstance(values, str):  # SQLite's JSON text
        values = json.loads(values)
    return Target(
        pk, merchant_id, merchant, domain, webhook, url, dialect, body_style, api_version,
        _parsed(headers) or {}, _parsed(policy), timeout or _default_timeout(dialect),
        cap or settings.WEBHOOKS_MAX_IN_FLIGHT, rate_limit, _parsed(fields) or [], window,
        values,
    )  # fmt: skip


def _default_timeout(dialect: str) -> float:
    """Return the dialect's timeout in seconds. One that this release doesn't know fails at rendering, visibly."""
    return dialects.get(dialect).timeout if dialect in dialects.NAMES else UNKNOWN_TIMEOUT


def _parsed(value: Any) -> Any:
    """Return a JSON column that a raw cursor gave as text."""
    return json.loads(value) if isinstance(value, str) else value
