"""Links to choose another password, on their way: mailed by whoever runs the housekeeping, as invitations are."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import Any, Final

from django.contrib.auth.tokens import default_token_generator
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from subscriptions.conf import settings
from subscriptions.models import PasswordReset
from subscriptions.services import password_resets, people

logger = logging.getLogger(__name__)

LEASE: Final = timedelta(minutes=5)
"""How long whoever took a request has to mail it; after a failure it is mailed again then."""
OLD: Final = timedelta(hours=1)
"""A mail that can't be sent so long after it was asked for isn't tried again: whoever waited has asked again."""
BATCH: Final = 50
SLICE: Final = 10.0
"""Seconds after which a run leaves the rest to the next: a mail server that hangs keeps no other mails waiting."""


def send_due() -> int:
    """Mail the links that were asked for; return how many went out. What the mail server refuses waits."""
    now = timezone.now()
    sent = 0
    until = time.monotonic() + SLICE
    for asked in PasswordReset.objects.filter(mail_at__lte=now).order_by("mail_at")[:BATCH]:
        if time.monotonic() > until:
            break
        mine = PasswordReset.objects.filter(pk=asked.pk, mail_at=asked.mail_at)
        # The condition lets one of two runs have it. Nothing is locked while the mail server is spoken to.
        if not mine.update(mail_at=now + LEASE):
            continue
        found = password_resets.accounts_of(asked.email)
        is_old = (asked.asked_at or asked.mail_at) < now - OLD
        went = [_send(user) for user in found]  # all are tried: one that is refused keeps no other back
        if all(went) or is_old:
            PasswordReset.objects.filter(pk=asked.pk, mail_at=now + LEASE).delete()
            sent += len(found)
    return sent


def link(user: Any) -> str:
    """Return the address at which a person chooses another password."""
    number = urlsafe_base64_encode(force_bytes(user.pk))
    path = reverse("password_reset_confirm", args=[number, default_token_generator.make_token(user)])
    return settings.WEBHOOKS_BASE_URL.rstrip("/") + path


def _send(user: Any) -> bool:
    text = render_to_string("subscriptions/password_reset.txt", {"user": user, "link": link(user)})
    mail = EmailMessage(
        "Choose another password", text, to=[people.address(user)], headers={"Auto-Submitted": "auto-generated"}
    )
    try:
        mail.send()
    except Exception:  # whatever a backend raises
        logger.exception("A link to choose another password was not mailed; it is tried again.")
        return False
    return True
