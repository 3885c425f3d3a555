"""Invitations' links on their way: mailed by whoever runs the housekeeping, never by a request that somebody waits for.

With Django's console backend, which is the default, the mail is printed for the operator. No merchant ever sees a link
to an account of somebody else's.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import Final

from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from subscriptions.conf import settings
from subscriptions.models import Invitation

logger = logging.getLogger(__name__)

LEASE: Final = timedelta(minutes=5)
"""How long whoever took an invitation has to mail it; after a failure it is mailed again then."""
BATCH: Final = 50
SLICE: Final = 10.0
"""Seconds after which a run leaves the rest to the next: a mail server that hangs keeps no other mails waiting."""


def send_due() -> int:
    """Mail the links that wait; return how many went out. Never raises for the mail server: what failed waits."""
    now = timezone.now()
    due = Invitation.objects.filter(mail_at__lte=now, expires_at__gt=now, merchant__is_active=True).defer("token")
    sent = 0
    until = time.monotonic() + SLICE
    for invitation in due.select_related("merchant", "invited_by").order_by("mail_at")[:BATCH]:
        if time.monotonic() > until:
            break
        # The condition lets one of two runs have it. Nothing is locked while the mail server is spoken to.
        rows = Invitation.objects.filter(pk=invitation.pk, digest=invitation.digest, mail_at=invitation.mail_at)
        lease = now + LEASE
        if rows.update(mail_at=lease) and _send(invitation):
            Invitation.objects.filter(pk=invitation.pk, digest=invitation.digest).update(mail_at=None, token="")
            sent += 1
    return sent


def forget_expired() -> int:
    """Delete the invitations whose links work no more; return how many."""
    return Invitation.objects.filter(expires_at__lte=timezone.now()).delete()[0]


def link(token: str) -> str:
    """Return the address at which an invitation is accepted."""
    return settings.WEBHOOKS_BASE_URL.rstrip("/") + reverse("invitation", args=[token])


def _send(invitation: Invitation) -> bool:
    try:
        _message(invitation, link(invitation.token)).send()
    except Exception:  # whatever a backend raises
        logger.exception("The invitation %s was not mailed; it is tried again.", invitation.pk)
        return False
    return True


def _message(invitation: Invitation, address: str) -> EmailMessage:
    by = invitation.invited_by.get_username() if invitation.invited_by else "The platform"
    merchant = " ".join(invitation.merchant.name.split())
    context = {"invitation": invitation, "merchant": merchant, "by": by, "link": address}
    text = render_to_string("subscriptions/invitation.txt", context)
    subject = f"An invitation to {merchant}"[:150]
    return EmailMessage(subject, text, to=[invitation.email], headers={"Auto-Submitted": "auto-generated"})
