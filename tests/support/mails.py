"""What tests of mails need: notices due at once, who was mailed, and a mail server that refuses some addresses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.utils import timezone

from deliveries.models import Notice
from deliveries.notifications import notices
from deliveries.notifications.notices import Occurrence
from subscriptions.models import Webhook

REASON = "Your endpoint answered 500. That was the last of 4 attempts; it waits for review."


def happen(webhook: Webhook, kind: Notice.Kind = Notice.Kind.DEAD, count: int = 1, reason: str = REASON) -> None:
    now = timezone.now()
    notices.write([Occurrence(webhook.merchant_id, webhook.pk, kind, now, now, reason, count)])


def addresses() -> list[str]:
    return [address for message in mail.outbox for address in message.to]


class Refusing(EmailBackend):
    """Refuses mail to the addresses in `refused`, as a mail server would."""

    refused: Sequence[str] = ()

    def send_messages(self, messages: Any) -> int:
        if set(messages[0].to) & set(self.refused):
            raise OSError("450 mailbox busy")
        return super().send_messages(messages)
