"""Mails about what really happened: every sentence of their templates is said in the situation it describes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import mail as outbox
from django.utils import timezone

from deliveries.models import Notice, WebhookState
from deliveries.notifications import mail, mail_text, notices, watcher
from deliveries.notifications.notices import Occurrence
from subscriptions.models import Webhook
from tests.support import sentences
from tests.support.factories import make_webhook
from tests.support.notices import AT_ONCE, answer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("notices_at_once")]

TEMPLATES = sorted(Path("deliveries/templates/deliveries/notices").glob("*.txt"))


def given_up_once() -> Webhook:
    return _after(make_webhook(retry_policy=AT_ONCE), (500, 1))


def given_up_twice() -> Webhook:
    return _after(make_webhook(retry_policy=AT_ONCE, name="Books"), (500, 2))


def fails() -> Webhook:
    return _after(make_webhook(), (500, 1))


def fails_anew_before_it_was_told() -> Webhook:
    webhook = _after(make_webhook(), (500, watcher.WORTH_TELLING))
    return _after(webhook, (200, 1), (500, 1))


def recovers() -> Webhook:
    webhook = _after(make_webhook(), (500, watcher.WORTH_TELLING))
    return _after(webhook, (200, 1))


def fails_often() -> Webhook:
    return _after(make_webhook(), (200, 8), (500, 12))


def says_gone() -> Webhook:
    return _after(make_webhook(), (410, 1))


def fails_for_long() -> Webhook:
    webhook = make_webhook()
    answer(webhook, 503, 3)
    WebhookState.objects.update(failing_since=timezone.now() - timedelta(hours=1))
    watcher.look()
    return webhook


def more_than_a_mail_shows() -> Webhook:
    webhook, now = given_up_once(), timezone.now()
    others = [make_webhook(webhook.merchant) for _ in range(mail_text.SHOWN)]
    notices.write([Occurrence(one.merchant_id, one.pk, Notice.Kind.DEAD, now, now, "It failed.", 1) for one in others])
    return webhook


def _after(webhook: Webhook, *answers: tuple[int, int]) -> Webhook:
    """Let the endpoint answer (status, so many times), and look after each."""
    for status, count in answers:
        answer(webhook, status, count)
        watcher.look()
    return webhook


def certificate_ends() -> Webhook:
    webhook = make_webhook()
    Webhook.objects.filter(pk=webhook.pk).update(certificate_ends_at=timezone.now() + timedelta(days=3))
    watcher.look()
    return webhook


SITUATIONS: list[tuple[Callable[[], Webhook], list[str]]] = [
    (given_up_once, ["1 delivery was given up at ", "Why: Your endpoint answered 500. That was the only attempt",
                     "It waits in the review queue until you replay or discard it;"]),
    (given_up_twice, ["2 deliveries were given up at Books (", "The last one because: Your endpoint answered 500",
                      "They wait in the review queue until you replay or discard them;"]),
    (fails, [" began to fail on ", "Why: Your endpoint answered 500; next try in ",
             "what failed is tried again as far as"]),
    (fails_anew_before_it_was_told, [", 2 times until "]),
    (recovers, [" works now, since ", "It failed 5 times in a row and was then answered with success."]),
    (fails_often, ["Many attempts fail at ", "12 of 20 attempts since ", "The log tells the answer to each attempt."]),
    (says_gone, [" was disabled on ", "Why: The endpoint answered 410 Gone. That means it wants no more deliveries."]),
    (fails_for_long, [" was paused on ", "It was paused after 3 failed attempts in a row.",
                      "From time to time one is tried"]),
    (certificate_ends, [" needs a new client certificate.", "Why: Its client certificate ends on ",
                        "Give the webhook a new certificate with its private key before."]),
    (more_than_a_mail_shows, ["There are 2 more; all notices:", "news about 51 webhooks"]),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _everything_is_wanted(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WEBHOOKS_AUTO_PAUSE_FAILURES, settings.WEBHOOKS_AUTO_PAUSE_AFTER = 3, 3000.0
    settings.WEBHOOKS_BASE_URL = "https://hooks.example.com"
    monkeypatch.setattr("deliveries.models.NoticePreference.wants", lambda _self, _kind: True)


def mailed(situation: Callable[[], Webhook]) -> str:
    situation()
    mail.send_due()
    return "\n".join(f"{message.subject}\n{message.body}" for message in outbox.outbox)


@pytest.mark.parametrize(("situation", "pieces"), SITUATIONS)
def test_a_mail_says_what_happened(situation: Callable[[], Webhook], pieces: list[str]) -> None:
    text = mailed(situation)

    for piece in pieces:
        assert piece in text, text
    assert "You get at most one message in 1 h about the same thing at the same webhook." in text


def test_every_sentence_of_the_templates_is_said_by_some_situation() -> None:
    said = [mailed(situation) for situation, _pieces in SITUATIONS]
    patterns = [pattern for path in TEMPLATES for pattern in sentences.of_template(path)]

    assert len(patterns) > 12
    assert sentences.unsaid(patterns, said) == []


INTERVALS = [(60.0, "1 min"), (3600.0, "1 h"), (5400.0, "1 h 30 min"), (86400.0, "24 h")]


@pytest.mark.parametrize(("seconds", "words"), INTERVALS)
def test_a_mail_says_how_often_the_installation_tells(seconds: float, words: str, settings: Any) -> None:
    settings.WEBHOOKS_NOTICE_INTERVAL = seconds
    assert f"at most one message in {words} about the same" in mailed(given_up_once)
