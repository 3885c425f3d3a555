"""The parts of a webhook's page beside its form: how it fares now, its last deliveries, its secrets, its history."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Prefetch, QuerySet

from deliveries.admin import labels
from deliveries.admin.webhook_health import Health
from deliveries.models import Delivery, Event
from subscriptions import selectors
from subscriptions.admin import text_settings
from subscriptions.admin.scoping import only
from subscriptions.conf import settings
from subscriptions.models import Webhook
from subscriptions.services.secrets import OVERLAP_MAX, SIGN_WITH_ALL

RECENT_SHOWN: Final = 10
"""Deliveries that the overview lists."""
CHANGES_SHOWN: Final = 50
"""Changes that the history lists."""
SECRETS_SHOWN: Final = 10
"""Secrets that the page about signing lists, the newest."""

PARTS: Final = (
    ("overview", "Overview"),
    ("settings", "Settings"),
    ("events", "Events"),
    ("signing", "Signing"),
    ("limits", "Retries and limits"),
    ("history", "History"),
)
"""Key and title of each part of the page; `desk/parts.js` shows one at a time."""

WORDS: Final = {
    "created": "Created",
    "updated": "Settings changed",
    "paused": "Paused",
    "resumed": "Resumed",
    "enabled": "Switched on",
    "disabled": "Switched off",
    "deleted": "Deleted",
    "secret_rotated": "Secret changed",
}
TONES: Final = {"active": "success", "failing": "danger", "paused": "warning", "off": "default"}
_OVERLAPS: Final = (timedelta(0), timedelta(hours=1), timedelta(days=1), timedelta(days=7), OVERLAP_MAX)


@dataclass(frozen=True, slots=True)
class Secret:
    """When a secret signed, and whether the endpoint accepted it alone; never what it is."""

    state: str
    tone: str
    made: datetime
    ends: datetime | None
    accepted: datetime | None


def context(webhook: Webhook, health: Health) -> dict[str, Any]:
    """Return what the template `desk/webhook.html` shows of a saved webhook beside its form."""
    state = state_of(webhook, is_failing=health.failures > 0)
    secrets = _secrets(webhook)
    return {
        "parts": PARTS,
        "state": state,
        "state_tone": TONES[state],
        "recent": recent(webhook),
        "secrets": secrets,
        "overlaps_now": sum(secret.tone == "success" for secret in secrets) > 1,
        "signs_with_all": webhook.dialect in SIGN_WITH_ALL,
        "overlaps": _overlaps(),
        "changes": [(WORDS.get(row.action, row.action), row) for row in webhook.changes.all()[:CHANGES_SHOWN]],
    }


def state_of(webhook: Webhook, *, is_failing: bool) -> str:
    """Return a webhook's state in a word: off, paused, failing or active."""
    if not webhook.is_enabled:
        return "off"
    if webhook.paused_at is not None:
        return "paused"
    return "failing" if is_failing else "active"


def recent(webhook: Webhook) -> list[tuple[str, Delivery]]:
    """Return the webhook's last deliveries, the newest first, each with its tone."""
    rows: QuerySet[Delivery] = only(Delivery.objects.all(), "webhook_id", webhook.pk)
    events = Prefetch("event", Event.objects.only("public_id", "resource_id"))
    found = rows.order_by("webhook_id", "-id").prefetch_related(events)[:RECENT_SHOWN]
    return [(labels.TONES.get(row.status, "default"), row) for row in found]


def _secrets(webhook: Webhook) -> list[Secret]:
    active = [secret.pk for secret in selectors.active_secrets().filter(webhook=webhook).defer("value")]
    rows = webhook.secrets.defer("value").order_by("-id")[:SECRETS_SHOWN]
    return [
        Secret(*_standing(row.pk, active, webhook), row.created_at, row.expires_at, row.accepted_at) for row in rows
    ]


def _standing(key: int, active: list[int], webhook: Webhook) -> tuple[str, str]:
    """Return whether a secret signs, and the tone of that."""
    if key not in active:
        return "Ended", "default"
    if webhook.dialect in SIGN_WITH_ALL or key == active[0]:
        return "Signs", "success"
    return "Signs when the old one ends", "success"


def _overlaps() -> Iterable[tuple[int, str, bool]]:
    usual = timedelta(seconds=settings.WEBHOOKS_SECRET_OVERLAP)
    for overlap in sorted({*_OVERLAPS, usual}):
        words = text_settings.wait_words(overlap) if overlap else "No overlap: the old one ends at once"
        yield int(overlap.total_seconds()), words, overlap == usual
