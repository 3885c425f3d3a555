"""Notices due → e-mails. A mail gathers all that is due for a merchant; a webhook and kind is in one an interval.

A notice is closed and leased before it is mailed and marked after: a crash between the two mails it again, none is
lost. Nothing is locked while the mail server is spoken to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from deliveries.models import Notice, NoticePreference
from deliveries.notifications import mail_text
from subscriptions.logs import get_logger
from subscriptions.models import Merchant
from subscriptions.services import people

log = get_logger(__name__)

BATCH = 500
"""Notices taken at once."""
LEASE = timedelta(minutes=5)
"""How long whoever took notices has to mail them."""
TRIES_MAX = 48
"""Failures after which a notice is kept in the admin only: about two days."""
PAUSE_MAX = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Recipient:
    """An address, and what it wants to be told."""

    address: str
    preference: NoticePreference


def send_due() -> int:
    """Mail what is due; return how many mails went out. Never raises for the mail server: what failed waits."""
    taken = _take()
    if not taken:
        return 0
    sent = 0
    connection = get_connection()
    recipients = _recipients({notice.merchant_id for notice in taken})
    try:
        for merchant_id, group in groupby(taken, key=lambda notice: notice.merchant_id):
            sent += _send(list(group), recipients.get(merchant_id, []), connection)
    finally:
        connection.close()
    return sent


def _take() -> list[Notice]:
    """Close and lease what is due, by merchant; what happens from now on opens a new notice."""
    now = timezone.now()
    free = Q(lease_until=None) | Q(lease_until__lte=now)
    with transaction.atomic():
        due = Notice.objects.select_for_update(skip_locked=True, of=("self",)).filter(
            free, sent_at=None, due_at__lte=now
        )
        keys = list(due.order_by("due_at").values_list("pk", flat=True)[:BATCH])
        rows = Notice.objects.filter(pk__in=keys)
        rows.update(closed_at=Coalesce("closed_at", now), lease_until=now + LEASE)
        return list(rows.select_related("merchant", "webhook").order_by("merchant_id", "webhook_id", "pk"))


def _recipients(merchant_ids: set[int]) -> dict[int, list[Recipient]]:
    """Return who wants what: the merchant's own address, and the members who said so."""
    found: dict[int, list[Recipient]] = defaultdict(list)
    preferences = NoticePreference.objects.filter(merchant_id__in=merchant_ids).select_related("user").order_by("pk")
    own = {preference.merchant_id: preference for preference in preferences if preference.user_id is None}
    for merchant in Merchant.objects.filter(pk__in=merchant_ids, is_active=True):
        found[merchant.pk].append(
            Recipient(merchant.email, own.get(merchant.pk) or NoticePreference(merchant=merchant))
        )
    for preference in preferences.filter(user__isnull=False, merchant__is_active=True):
        # a member who left is told no more, whatever was wanted for
        if (
            preference.user is not None
            and preference.user.is_active
            and preference.user.memberships.filter(merchant_id=preference.merchant_id).exists()
        ):
            found[preference.merchant_id].append(Recipient(people.address(preference.user), preference))
    return found


def _send(notices: Sequence[Notice], recipients: Sequence[Recipient], connection: BaseEmailBackend) -> int:
    """Mail one merchant's notices to each recipient, and mark them. Returns how many mails went out."""
    sent = 0
    failed: set[int] = set()
    error = ""
    for recipient in {each.address.lower(): each for each in recipients if each.address}.values():
        wanted = [
            notice
            for notice in notices
            if recipient.preference.wants(notice.kind) and recipient.address not in notice.told.splitlines()
        ]
        if not wanted:
            continue
        try:
            _message(wanted, recipient.address, connection).send()
        except Exception as caught:  # whatever a backend raises; the notice stays due
            error = f"{type(caught).__name__}: {caught}"[:500]
            log.exception("notice_not_mailed", merchant=notices[0].merchant.public_id)
            failed |= {notice.pk for notice in wanted}
            connection.close()
            continue
        sent += 1
        for notice in wanted:
            notice.told += f"{recipient.address}\n"
            notice.save(update_fields=["told"])
    _mark([notice for notice in notices if notice.pk not in failed])
    for notice in notices:
        if notice.pk in failed:
            _put_off(notice, error)
    return sent


def _message(notices: Sequence[Notice], address: str, connection: BaseEmailBackend) -> EmailMessage:
    subject, text = mail_text.mail(notices)
    # Automatic mail says so (RFC 3834): no holiday notes come back.
    return EmailMessage(
        subject, text, to=[address], connection=connection, headers={"Auto-Submitted": "auto-generated"}
    )


def _mark(notices: Sequence[Notice]) -> None:
    rows = Notice.objects.filter(pk__in=[notice.pk for notice in notices])
    rows.update(sent_at=timezone.now(), lease_until=None, error="")


def _put_off(notice: Notice, error: str) -> None:
    now: datetime = timezone.now()
    notice.tries, notice.error = notice.tries + 1, error
    notice.lease_until = now + min(timedelta(minutes=2 ** min(notice.tries - 1, 10)), PAUSE_MAX)
    if notice.tries >= TRIES_MAX:
        notice.sent_at, notice.lease_until = now, None
        log.error("notice_given_up", notice=notice.pk, tries=notice.tries, error=error)
    notice.save(update_fields=["tries", "error", "lease_until", "sent_at"])
