"""Notices due → e-mails. A mail gathers all that is due for a merchant; a webhook and kind is in one an interval.

A notice is closed and leased before it is mailed and marked after: a crash between the two mails it again, none is
lost. Nothing is locked while the mail server is spoken to. Merchants take turns, a mail each, and a run ends after
SLICE seconds: however many recipients one has, or however slow the mail server, the others' mails go out between.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.db.models import F, Q, Window
from django.db.models.functions import Coalesce, RowNumber
from django.utils import timezone

from deliveries.models import Notice, NoticePreference
from deliveries.notifications import mail_text
from subscriptions.logs import get_logger
from subscriptions.models import Merchant
from subscriptions.services import people

log = get_logger(__name__)

BATCH = 500
"""Notices taken at once, in turn by merchant."""
SLICE = 10.0
"""Seconds after which a run gives back what it hasn't mailed; the next goes on."""
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
    connection = get_connection()
    recipients = _recipients({notice.merchant_id for notice in taken})
    rounds = [
        _Round(list(group), recipients.get(merchant_id, []), connection)
        for merchant_id, group in groupby(taken, key=lambda notice: notice.merchant_id)
    ]
    # Where the last run was in the midst of somebody's recipients, the others come first.
    waiting = deque(sorted(rounds, key=lambda each: each.told))
    until = time.monotonic() + SLICE
    try:
        while waiting and time.monotonic() < until:
            if waiting[0].step():
                waiting.rotate(-1)
            else:
                waiting.popleft().close()
    finally:
        connection.close()
    for unfinished in waiting:
        unfinished.close()
    return sum(each.sent for each in rounds)


def _take() -> list[Notice]:
    """Close and lease what is due, by merchant; what happens from now on opens a new notice."""
    now = timezone.now()
    free = Q(lease_until=None) | Q(lease_until__lte=now)
    with transaction.atomic():
        due = Notice.objects.filter(free, sent_at=None, due_at__lte=now)
        in_turn = Window(RowNumber(), partition_by=F("merchant_id"), order_by=["due_at", "pk"])
        first = due.annotate(in_turn=in_turn).order_by("in_turn", "due_at").values_list("pk", flat=True)[:BATCH]
        # The condition is asked again under the lock: another run may have had them meanwhile.
        mine = due.select_for_update(skip_locked=True, of=("self",)).filter(pk__in=list(first))
        keys = list(mine.values_list("pk", flat=True))
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
    # a member who left is told no more, whatever was wanted for
    members = preferences.filter(user__is_active=True, user__memberships__merchant=F("merchant"))
    for preference in members.filter(merchant__is_active=True):
        found[preference.merchant_id].append(Recipient(people.address(preference.user), preference))
    return found


class _Round:
    """One merchant's notices on their way to its recipients, a mail a step."""

    def __init__(
        self, notices: Sequence[Notice], recipients: Sequence[Recipient], connection: BaseEmailBackend
    ) -> None:
        self.sent = 0
        self.told = max(len(notice.told) for notice in notices)
        self._notices = notices
        self._connection = connection
        self._failed: dict[int, str] = {}
        self._done = False
        self._steps = self._mail(list({each.address.lower(): each for each in recipients if each.address}.values()))

    def step(self) -> bool:
        """Mail the next recipient; return whether there may be more."""
        self._done = next(self._steps, None) is None
        return not self._done

    def close(self) -> None:
        """Mark what was mailed, put off what failed, and give back what was not come to."""
        rest = [notice for notice in self._notices if notice.pk not in self._failed]
        if self._done:
            _mark(rest)
        else:
            Notice.objects.filter(pk__in=[notice.pk for notice in rest]).update(lease_until=None)
        for notice in self._notices:
            if notice.pk in self._failed:
                _put_off(notice, self._failed[notice.pk])

    def _mail(self, recipients: Sequence[Recipient]) -> Iterator[bool]:
        """Mail each recipient what it wants and wasn't told; yield after each whether it was taken.

        Each try begins with another recipient: one that a mail server refuses after long thought is not all a run does.
        """
        told = {notice.pk: set(notice.told.splitlines()) for notice in self._notices}
        jobs = []
        for each in recipients:
            untold = [notice for notice in self._notices if each.address not in told[notice.pk]]
            if wanted := [notice for notice in untold if each.preference.wants(notice.kind)]:
                jobs.append((each.address, wanted))
        first = max(notice.tries for notice in self._notices) % max(len(jobs), 1)
        for address, wanted in jobs[first:] + jobs[:first]:
            yield self._send(wanted, address)

    def _send(self, wanted: Sequence[Notice], address: str) -> bool:
        try:
            _message(wanted, address, self._connection).send()
        except Exception as caught:  # whatever a backend raises; the notice stays due
            error = f"{type(caught).__name__}: {caught}"[:500]
            log.exception("notice_not_mailed", merchant=wanted[0].merchant.public_id)
            self._failed |= {notice.pk: error for notice in wanted}
            self._connection.close()
            return False
        self.sent += 1
        for notice in wanted:
            notice.told += f"{address}\n"
            notice.save(update_fields=["told"])
        return True


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
