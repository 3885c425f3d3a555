"""Client certificates that end soon: told once each, a month before, by notice and event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deliveries.models import Event, Notice, NoticePreference, Watch
from deliveries.notifications import watcher
from deliveries.notifications.certificates import EVENT
from deliveries.sending import webhook_advice
from subscriptions import services
from subscriptions.models import Webhook
from tests.support.authority import Authority
from tests.support.factories import make_webhook
from tests.support.notices import AT_ONCE, answer, notices

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("notices_at_once")]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder: Path = tmp_path_factory.mktemp("authority")
    return Authority(folder)


def certificate(authority: Authority, days: float) -> dict[str, Any]:
    chain, key = authority.client(days=days)
    return {"sign_in": {"method": "certificate", "certificate": chain}, "credentials": {"private_key": key}}


def test_a_certificate_is_told_of_once_when_a_month_is_left(authority: Authority) -> None:
    make_webhook(**certificate(authority, 31))
    webhook = make_webhook(**certificate(authority, 29))
    assert watcher.look() == 1
    assert watcher.look() == 0
    [notice] = Notice.objects.all()
    assert (notice.kind, notice.webhook_id, notice.count) == ("certificate", webhook.pk, 1)
    ends = webhook.certificate_ends_at
    assert ends is not None
    assert notice.reason == f"Its client certificate ends on {ends:%-d %B %Y at %H:%M} UTC."
    assert NoticePreference().wants("certificate")


def test_its_successor_is_told_of_when_its_own_time_comes(authority: Authority) -> None:
    webhook = make_webhook(**certificate(authority, 5))
    watcher.look()
    services.update_webhook(webhook=webhook, **certificate(authority, 60))
    assert watcher.look() == 0
    services.update_webhook(webhook=webhook, **certificate(authority, 20))
    assert watcher.look() == 1
    services.update_webhook(webhook=webhook, sign_in=None)
    assert watcher.look() == 0
    assert notices() == [("certificate", 2)]


def test_a_failing_webhook_whose_certificate_ends_is_told_of_both(authority: Authority) -> None:
    webhook = make_webhook(retry_policy=AT_ONCE, **certificate(authority, 5))
    answer(webhook, 500)
    assert watcher.look() == 3
    watch = Watch.objects.get(webhook=webhook)
    assert watch.certificate_ends_at == Webhook.objects.get(pk=webhook.pk).certificate_ends_at
    assert watch.failing_since is not None
    assert watcher.look() == 0


def test_deleted_webhooks_are_not_told_of(authority: Authority) -> None:
    services.delete_webhook(webhook=make_webhook(**certificate(authority, 5)))
    assert watcher.look() == 0


def test_who_subscribed_to_it_gets_an_event(authority: Authority) -> None:
    webhook = make_webhook(**certificate(authority, 5))
    make_webhook(webhook.merchant, events=["webhook.*"])
    watcher.look()
    [event] = Event.objects.filter(type=EVENT)
    assert webhook.public_id in event.data
    assert "Its client certificate ends on" in event.data


def test_the_webhooks_page_and_the_api_warn_until_it_is_renewed(authority: Authority) -> None:
    webhook = make_webhook(**certificate(authority, 29))
    webhook.refresh_from_db()
    [warning] = webhook_advice.warnings(webhook)
    assert warning.startswith("Its client certificate ends on ")
    webhook.certificate_ends_at = datetime.now(UTC) - timedelta(hours=1)
    [warning] = webhook_advice.warnings(webhook)
    assert warning.startswith("Its client certificate ended on ")
    services.update_webhook(webhook=webhook, **certificate(authority, 90))
    assert webhook_advice.warnings(webhook) == []
