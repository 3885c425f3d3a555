"""Client certificates that end soon are told of once each, a month before: renewing one takes people their time."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from django.db.models import F, Q
from django.utils import timezone

from deliveries.models import Notice, Watch
from deliveries.notifications import operational_events
from deliveries.notifications.notices import Occurrence
from deliveries.sending.webhook_advice import CERTIFICATE_WARNED_BEFORE
from subscriptions.models import Webhook

if TYPE_CHECKING:
    from deliveries.notifications.watcher import Seen

EVENT: Final = "webhook.certificate_expiring"


def look(seen: Seen) -> None:
    """Tell of certificates that end soon and were not told of; one query where there are none."""
    now = timezone.now()
    untold = Q(watch__certificate_ends_at=None) | ~Q(watch__certificate_ends_at=F("certificate_ends_at"))
    ending = Webhook.objects.alive().filter(untold, certificate_ends_at__lte=now + CERTIFICATE_WARNED_BEFORE)
    for webhook in ending.order_by("pk"):
        ends = webhook.certificate_ends_at
        assert ends is not None  # by the filter
        reason = words(ends, now)
        seen.occurrences.append(Occurrence(webhook.merchant_id, webhook.pk, Notice.Kind.CERTIFICATE, now, now, reason))
        seen.news.append(operational_events.about(webhook, EVENT, reason, now))
        Watch.objects.update_or_create(webhook=webhook, defaults={"certificate_ends_at": ends})


def words(ends: datetime, now: datetime) -> str:
    """Return a sentence on when a certificate ends, or ended."""
    verb = "ended" if ends <= now else "ends"
    return f"Its client certificate {verb} on {ends:%-d %B %Y at %H:%M} UTC."
