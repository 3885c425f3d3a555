"""The words of a mail: what happened, since when, why, what happens next, and where to look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.template.loader import render_to_string
from django.urls import NoReverseMatch

from deliveries.models import Notice
from deliveries.notifications.operational_events import host_of
from deliveries.retries.policy import duration
from subscriptions import desk
from subscriptions.conf import settings

SUBJECT_MAX = 150
SHOWN = 50
"""Notices spelt out in one mail; the admin has them all."""


@dataclass(frozen=True, slots=True)
class Item:
    """A notice as the template needs it."""

    notice: Notice
    webhook: str
    link: str
    template: str


def mail(notices: Sequence[Notice]) -> tuple[str, str]:
    """Return subject and plain text of a mail about one merchant's notices, at least one.

    No payloads, no secrets, and of URLs only the host: the rest may hold a token.
    """
    items = [_item(notice) for notice in notices[:SHOWN]]
    context = {
        "merchant": _line(notices[0].merchant.name),
        "items": items,
        "more": len(notices) - len(items),
        "webhooks": len({notice.webhook_id for notice in notices}),
        "interval": duration(settings.WEBHOOKS_NOTICE_INTERVAL),
        "notices_url": _url("webhooks_deliveries_notice_changelist"),
    }
    subject = render_to_string("deliveries/notices/subject.txt", context)
    return _line(subject)[:SUBJECT_MAX], render_to_string("deliveries/notices/mail.txt", context)


def _item(notice: Notice) -> Item:
    webhook = notice.webhook
    name = f"{_line(webhook.name)} ({host_of(webhook)})" if webhook.name else host_of(webhook)
    if notice.kind == Notice.Kind.DEAD:
        link = f"{_url('webhooks_deliveries_deadletter_changelist')}?webhook__id__exact={webhook.pk}"
    elif notice.kind in {Notice.Kind.DISABLED, Notice.Kind.PAUSED, Notice.Kind.CERTIFICATE}:
        link = _url("webhooks_subscriptions_webhook_change", webhook.pk)
    else:
        link = f"{_url('webhooks_deliveries_delivery_changelist')}?webhook__id__exact={webhook.pk}"
    return Item(notice, name, link, f"deliveries/notices/{notice.kind}.txt")


def _url(name: str, *arguments: object) -> str:
    """Return a page's address; the front page's where the apps are embedded without the desk."""
    try:
        return settings.WEBHOOKS_BASE_URL.rstrip("/") + desk.reverse(name, *arguments)
    except NoReverseMatch:
        return settings.WEBHOOKS_BASE_URL.rstrip("/") + "/"


def _line(text: str) -> str:
    """Return text on one line: a webhook's name can't add headers to a mail, nor lines that we didn't write."""
    return " ".join(text.split())
