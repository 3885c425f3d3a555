"""Mails: who gets which, how often, what they say, and what happens when the mail server fails."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail as outbox

from deliveries.models import Notice, NoticePreference
from deliveries.notifications import mail
from subscriptions.models import Membership, Webhook
from tests.support.factories import make_member, make_merchant, make_webhook
from tests.support.mails import REASON, addresses, happen

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("notices_at_once")]


@pytest.fixture(autouse=True)
def _links_lead_to(settings: Any) -> None:
    settings.WEBHOOKS_BASE_URL = "https://hooks.example.com"


def let_pass(**time: float) -> None:
    """Move every notice into the past: as if so much time had passed."""
    for notice in Notice.objects.all():
        for name in ("due_at", "closed_at", "lease_until", "sent_at"):
            if moment := getattr(notice, name):
                setattr(notice, name, moment - timedelta(**time))
        notice.save()


def test_the_merchants_address_is_mailed():
    webhook = make_webhook(make_merchant(email="desk@shop.example"))
    happen(webhook)
    assert mail.send_due() == 1
    assert addresses() == ["desk@shop.example"]


def test_members_are_mailed_only_when_they_want_to_be():
    webhook = make_webhook(make_merchant(email="desk@shop.example"))
    ada, bob = make_member(webhook.merchant), make_member(webhook.merchant)
    NoticePreference.objects.create(merchant=webhook.merchant, user=ada)
    happen(webhook)
    mail.send_due()
    assert sorted(addresses()) == sorted(["desk@shop.example", ada.email])
    assert bob.email not in addresses()


def test_each_address_gets_only_the_kinds_it_wants():
    merchant = make_merchant(email="desk@shop.example")
    NoticePreference.objects.create(merchant=merchant, dead=False, failing=True)
    webhook = make_webhook(merchant)
    happen(webhook, Notice.Kind.DEAD)
    mail.send_due()
    assert addresses() == []
    happen(webhook, Notice.Kind.FAILING)
    mail.send_due()
    assert addresses() == ["desk@shop.example"]


def test_first_failures_are_not_mailed_unless_somebody_asks():
    happen(make_webhook(), Notice.Kind.FAILING)
    assert mail.send_due() == 0
    assert Notice.objects.get().sent_at is not None, "it stays in the admin, and is no longer due"


def test_members_who_left_and_people_who_are_gone_are_told_no_more():
    merchant = make_merchant(email="desk@shop.example")
    left, gone = make_member(merchant), make_member(merchant)
    for user in (left, gone):
        NoticePreference.objects.create(merchant=merchant, user=user)
    Membership.objects.filter(user=left).delete()
    gone.is_active = False
    gone.save()
    happen(make_webhook(merchant))
    mail.send_due()
    assert addresses() == ["desk@shop.example"]


def test_a_merchant_that_is_closed_is_not_mailed():
    merchant = make_merchant()
    happen(make_webhook(merchant))
    merchant.is_active = False
    merchant.save()
    assert mail.send_due() == 0


# --- how often ------------------------------------------------------------------------------------------------------


def test_what_happens_within_an_hour_of_a_mail_waits_and_comes_in_one(settings):
    webhook = make_webhook()
    happen(webhook)
    assert mail.send_due() == 1
    happen(webhook, count=2)
    happen(webhook, count=3)
    let_pass(minutes=59)
    assert mail.send_due() == 0
    let_pass(minutes=2)
    assert mail.send_due() == 1
    assert "5 deliveries were given up" in outbox.outbox[1].body


def test_another_kind_and_another_webhook_need_not_wait():
    webhook = make_webhook()
    happen(webhook)
    mail.send_due()
    happen(webhook, Notice.Kind.PAUSED)
    assert mail.send_due() == 1
    happen(make_webhook(webhook.merchant))
    assert mail.send_due() == 1


def test_what_is_due_for_a_merchant_at_one_time_comes_in_one_mail():
    merchant = make_merchant(name="Aster")
    for number in range(3):
        happen(make_webhook(merchant, name=f"Hook {number}"))
    happen(make_webhook())
    assert mail.send_due() == 2
    together = next(message for message in outbox.outbox if message.to == [merchant.email])
    assert together.subject == "Aster: news about 3 webhooks"
    assert all(f"Hook {number}" in together.body for number in range(3))


def test_a_first_mail_waits_until_more_may_have_gathered(settings):
    settings.WEBHOOKS_NOTICE_WAIT = 30.0
    happen(make_webhook())
    assert mail.send_due() == 0
    let_pass(seconds=31)
    assert mail.send_due() == 1


# --- what it says -----------------------------------------------------------------------------------------------------


def test_a_mail_says_what_since_when_why_what_next_and_where():
    webhook = make_webhook(name="Tom & Jerry's stock", url="https://shop.example.com/hooks/T0K3N?key=s3cret")
    happen(webhook, count=3)
    mail.send_due()
    message = outbox.outbox[0]
    assert message.subject == "Deliveries given up: Tom & Jerry's stock (shop.example.com)"
    assert "3 deliveries were given up at Tom & Jerry's stock (shop.example.com), from " in message.body
    assert REASON in message.body
    assert "They wait in the review queue until you replay or discard them; nothing is lost." in message.body
    assert (
        f"https://hooks.example.com/admin/webhooks_deliveries/deadletter/?webhook__id__exact={webhook.pk}"
        in message.body
    )
    assert message.extra_headers["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize("kind", list(Notice.Kind))
def test_every_kind_says_what_happens_next_without_the_urls_secrets(kind):
    webhook = make_webhook(url="https://shop.example.com/hooks/T0K3N?key=s3cret")
    NoticePreference.objects.create(merchant=webhook.merchant, failing=True)
    happen(webhook, kind, reason="Because.")
    mail.send_due()
    text = outbox.outbox[0].subject + outbox.outbox[0].body
    assert "What happens next: " in text
    assert "Because." in text
    assert "T0K3N" not in text
    assert "s3cret" not in text
    assert "{{" not in text
    assert "&#" not in text


def test_a_single_final_failure_is_told_in_the_singular():
    happen(make_webhook())
    mail.send_due()
    assert "1 delivery was given up at shop.example.com, on " in outbox.outbox[0].body
    assert "It waits in the review queue until you replay or discard it" in outbox.outbox[0].body


def test_a_webhooks_name_adds_no_header():
    webhook = make_webhook()
    Webhook.objects.update(name="x\nBcc: everybody@example.com")
    happen(webhook)
    mail.send_due()
    assert "Bcc" not in outbox.outbox[0].message()
    assert "\n" not in outbox.outbox[0].subject


# --- when mailing fails ---------------------------------------------------------------------------------------------


def test_a_mail_that_failed_is_tried_again_later(refusing):
    webhook = make_webhook(make_merchant(email="desk@shop.example"))
    refusing.refused = ["desk@shop.example"]
    happen(webhook)
    assert mail.send_due() == 0
    notice = Notice.objects.get()
    assert (notice.sent_at, notice.tries, notice.error) == (None, 1, "OSError: 450 mailbox busy")
    refusing.refused = []
    assert mail.send_due() == 0, "not at once"
    let_pass(minutes=2)
    closed_at = Notice.objects.get().closed_at
    assert mail.send_due() == 1
    notice.refresh_from_db()
    assert notice.sent_at is not None
    assert notice.closed_at == closed_at, "the next mail's hour counts from the first try"
    assert notice.error == ""


def test_one_address_that_fails_costs_the_others_neither_their_mail_nor_a_second_one(refusing):
    webhook = make_webhook(make_merchant(email="desk@shop.example"))
    ada = make_member(webhook.merchant)
    NoticePreference.objects.create(merchant=webhook.merchant, user=ada)
    refusing.refused = ["desk@shop.example"]
    happen(webhook)
    assert mail.send_due() == 1
    refusing.refused = []
    let_pass(minutes=2)
    assert mail.send_due() == 1
    assert addresses() == [ada.email, "desk@shop.example"]


def test_a_mail_that_fails_for_two_days_is_given_up_and_says_so(refusing):
    webhook = make_webhook(make_merchant(email="desk@shop.example"))
    refusing.refused = ["desk@shop.example"]
    happen(webhook)
    for _ in range(mail.TRIES_MAX):
        mail.send_due()
        let_pass(minutes=61)
    notice = Notice.objects.get()
    assert notice.sent_at is not None
    assert notice.error != ""
    assert notice.told == ""


def test_a_crash_between_sending_and_marking_repeats_the_mail_and_loses_none(monkeypatch):
    happen(make_webhook())

    def crash(_notices: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(mail, "_mark", crash)
        patched.setattr(Notice, "save", lambda *_args, **_kwargs: None)
        with pytest.raises(KeyboardInterrupt):
            mail.send_due()
    assert len(outbox.outbox) == 1
    assert mail.send_due() == 0, "whoever took it may still be at it"
    let_pass(minutes=6)
    assert mail.send_due() == 1
    assert Notice.objects.get().sent_at is not None


def test_what_happens_while_a_notice_is_being_mailed_is_told_in_the_next():
    webhook = make_webhook()
    happen(webhook)
    [taken] = mail._take()
    happen(webhook, count=4)
    assert list(Notice.objects.order_by("pk").values_list("pk", "count")) == [(taken.pk, 1), (taken.pk + 1, 4)]


def test_two_processes_never_take_the_same_notice():
    happen(make_webhook())
    assert len(mail._take()) == 1
    assert mail._take() == []
